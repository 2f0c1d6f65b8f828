!> The text of a namelist file, cut into words, strings and signs, each with its line.
module da_base_namelist_tokens
   use da_base_error, only: error_type, input_error
   use da_base_text, only: lower, to_text
   implicit none
   private
   public :: token_type, word, string, tokenise, at, brief

   type :: token_type
      character(len=:), allocatable :: text
      character(len=1) :: kind = ' '
      integer :: line = 0
   end type token_type

   character(len=1), parameter :: word = 'w'
   character(len=1), parameter :: string = 's'
   character(len=1), parameter :: newline = achar(10)
   character(len=*), parameter :: blanks = ' '//achar(9)//achar(10)//achar(13)
   !> Characters of what was written that a message repeats.
   integer, parameter :: most_shown = 60
   integer, parameter :: fewest_tokens = 1024
   !> With it some editors begin a file in UTF-8.
   character(len=*), parameter :: byte_order_mark = char(239)//char(187)//char(191)
   character(len=*), parameter :: delimiters = blanks//',=/!&''"'

contains

   !> All tokens of a text, comments left out; `file` is named in messages.
   subroutine tokenise(text, file, tokens, error)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: file
      type(token_type), allocatable, intent(out) :: tokens(:)
      type(error_type), allocatable, intent(out) :: error
      type(token_type) :: token
      integer :: line
      integer :: found
      integer :: i
      integer :: length

      call check_characters(text, file, error)
      if (allocated(error)) return
      allocate (tokens(fewest_tokens))
      found = 0
      line = 1
      i = 1
      if (index(text, byte_order_mark) == 1) i = 1 + len(byte_order_mark)
      do while (i <= len(text))
         length = 1
         token%line = line
         select case (text(i:i))
         case (newline)
            line = line + 1
         case (' ', achar(9), achar(13))
            continue
         case ('!')
            length = span(text(i:), newline)
         case ("'", '"')
            call read_string(text(i:), token%text, length)
            if (length == 0) then
               call input_error(error, at(file, line)//'a string is not closed by '//text(i:i))
               return
            else if (scan(token%text, achar(9)//achar(13)) > 0) then
               call input_error(error, at(file, line)//'a tabulator or a carriage return '// &
                                'stands in a string: blanks are needed')
               return
            end if
            token%kind = string
            call append(tokens, found, token)
         case ('&')
            length = 1 + span(text(i + 1:), delimiters)
            token%kind = '&'
            token%text = lower(text(i + 1:i + length - 1))
            call append(tokens, found, token)
         case (',', '=', '/')
            token%kind = text(i:i)
            token%text = text(i:i)
            call append(tokens, found, token)
         case default
            length = span(text(i:), delimiters)
            token%kind = word
            token%text = text(i:i + length - 1)
            call append(tokens, found, token)
         end select
         i = i + length
      end do
      call resize(tokens, found, found)
   end subroutine tokenise

   !> Room doubles where it is used up: the cost of a token does not grow with their number.
   pure subroutine append(tokens, found, token)
      type(token_type), allocatable, intent(inout) :: tokens(:)
      integer, intent(inout) :: found
      type(token_type), intent(in) :: token

      if (found == size(tokens)) call resize(tokens, found, 2*found)
      found = found + 1
      tokens(found) = token
   end subroutine append

   !> The same tokens, their texts moved and not copied, in an array of another size.
   pure subroutine resize(tokens, found, length)
      type(token_type), allocatable, intent(inout) :: tokens(:)
      integer, intent(in) :: found
      integer, intent(in) :: length
      type(token_type), allocatable :: resized(:)
      integer :: i

      allocate (resized(length))
      do i = 1, found
         call move_alloc(tokens(i)%text, resized(i)%text)
         resized(i)%kind = tokens(i)%kind
         resized(i)%line = tokens(i)%line
      end do
      call move_alloc(resized, tokens)
   end subroutine resize

   !> Number of characters before the first of a set (all, where there is none).
   pure function span(text, set) result(length)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: set
      integer :: length

      length = scan(text, set) - 1
      if (length < 0) length = len(text)
   end function span

   !> The string constant at the head of a text, doubled quotes undone; length 0 if its line ends
   !> first.
   pure subroutine read_string(text, value, length)
      character(len=*), intent(in) :: text
      character(len=:), allocatable, intent(out) :: value
      integer, intent(out) :: length
      integer :: quotes
      integer :: i

      length = 0
      quotes = 0
      i = 2
      do
         if (i > len(text)) return
         if (text(i:i) == newline) return
         if (text(i:i) == text(1:1)) then
            if (i == len(text)) exit
            if (text(i + 1:i + 1) /= text(1:1)) exit
            quotes = quotes + 1
            i = i + 1
         end if
         i = i + 1
      end do
      length = i
      allocate (character(len=length - 2 - quotes) :: value)
      call undouble(text(2:length - 1), text(1:1), value)
   end subroutine read_string

   pure subroutine undouble(text, quote, value)
      character(len=*), intent(in) :: text
      character(len=1), intent(in) :: quote
      character(len=*), intent(inout) :: value
      integer :: i
      integer :: v

      i = 1
      do v = 1, len(value)
         value(v:v) = text(i:i)
         i = i + merge(2, 1, text(i:i) == quote)
      end do
   end subroutine undouble

   !> A namelist is plain text: of the control characters only those that end lines and tabulate.
   subroutine check_characters(text, file, error)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
      integer :: line
      integer :: i

      line = 1
      do i = 1, len(text)
         select case (iachar(text(i:i)))
         case (10)
            line = line + 1
         case (0:8, 11:12, 14:31, 127)
            call input_error(error, at(file, line)//'control character '// &
                             to_text(iachar(text(i:i)))// &
                             ': this is not a text file (a namelist is needed)')
            return
         case default
            continue
         end select
      end do
   end subroutine check_characters

   pure function at(file, line) result(place)
      character(len=*), intent(in) :: file
      integer, intent(in) :: line
      character(len=:), allocatable :: place

      place = file//', line '//to_text(line)//': '
   end function at

   !> The head of a text that may be long.
   pure function brief(text) result(head)
      character(len=*), intent(in) :: text
      character(len=:), allocatable :: head
      integer :: length

      if (len(text) <= most_shown) then
         head = text
         return
      end if
      length = most_shown
      do while (length > 1 .and. is_continuation(text(length + 1:length + 1)))
         length = length - 1
      end do
      head = text(:length)//'…'

   contains

      !> A byte of a character in UTF-8 that is not its first.
      pure function is_continuation(byte) result(yes)
         character(len=1), intent(in) :: byte
         logical :: yes

         yes = iand(ichar(byte), 192) == 128
      end function is_continuation
   end function brief
end module da_base_namelist_tokens
