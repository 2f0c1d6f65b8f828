!> The text of a namelist file, cut into groups, keys and values.
!>
!> Fortran's own namelist input reports most mistakes as "End of file" and none with its key; here
!> each mistake keeps its line. Accepted: `&group`, `key = value, value 3*value`, strings in either
!> quote, comments from `!`, `/` or `&end`.
module da_base_namelist_text
   use da_base_error, only: error_type, input_error
   use da_base_text, only: lower, to_text
   implicit none
   private
   public :: value_type, entry_type, group_type, parse_namelists

   !> One value as it was written.
   type :: value_type
      character(len=:), allocatable :: text
      logical :: is_string = .false.
   end type value_type

   !> One `key = values`.
   type :: entry_type
      character(len=:), allocatable :: key
      integer :: line = 0
      type(value_type), allocatable :: values(:)
   end type entry_type

   !> One `&name … /`.
   type :: group_type
      character(len=:), allocatable :: name
      integer :: line = 0
      type(entry_type), allocatable :: entries(:)
      logical :: used = .false.
   end type group_type

   type :: token_type
      character(len=:), allocatable :: text
      character(len=1) :: kind = ' '
      integer :: line = 0
   end type token_type

   character(len=1), parameter :: word = 'w'
   character(len=1), parameter :: string = 's'
   character(len=1), parameter :: newline = achar(10)
   character(len=*), parameter :: blanks = ' '//achar(9)//achar(10)//achar(13)
   !> None of them belongs into a text file.
   character(len=*), parameter :: control_characters = achar(0)//achar(1)//achar(2)//achar(3)// &
      achar(4)//achar(5)//achar(6)//achar(7)//achar(8)//achar(14)//achar(15)//achar(16)//achar(127)
   !> With it some editors begin a file in UTF-8.
   character(len=*), parameter :: byte_order_mark = char(239)//char(187)//char(191)
   character(len=*), parameter :: delimiters = blanks//',=/!&''"'

contains

   !> All groups of a text; `file` is named in messages.
   subroutine parse_namelists(text, file, groups, error)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: file
      type(group_type), allocatable, intent(out) :: groups(:)
      type(error_type), allocatable, intent(out) :: error
      type(token_type), allocatable :: tokens(:)
      type(group_type), allocatable :: group
      integer :: i
      integer :: g

      if (scan(text, control_characters) > 0) then
         call input_error(error, file//': is not a text file (a namelist is needed)')
         return
      end if
      call tokenise(text, file, tokens, error)
      if (allocated(error)) return
      allocate (groups(0))
      i = 1
      do while (i <= size(tokens))
         if (tokens(i)%kind /= '&') then
            call input_error(error, at(file, tokens(i)%line)//"'"//tokens(i)%text// &
                             "' stands outside "// &
                             'a group (a group begins with &name and ends with /)')
            return
         end if
         call parse_group(tokens, file, i, group, error)
         if (allocated(error)) return
         do g = 1, size(groups)
            if (groups(g)%name == group%name) then
               call input_error(error, at(file, group%line)//'&'//group%name// &
                                ' is given a second '// &
                                'time (first in line '//to_text(groups(g)%line)//')')
               return
            end if
         end do
         groups = [groups, group]
      end do
   end subroutine parse_namelists

   !> The group whose `&` is token i; i moves on behind its end.
   subroutine parse_group(tokens, file, i, group, error)
      type(token_type), intent(in) :: tokens(:)
      character(len=*), intent(in) :: file
      integer, intent(inout) :: i
      type(group_type), allocatable, intent(out) :: group
      type(error_type), allocatable, intent(out) :: error
      type(entry_type), allocatable :: entry
      integer :: e

      allocate (group)
      group%line = tokens(i)%line
      group%name = tokens(i)%text
      allocate (group%entries(0))
      if (len(group%name) == 0) then
         call input_error(error, at(file, group%line)//'& without the name of a group')
         return
      end if
      i = i + 1
      do while (i <= size(tokens))
         if (tokens(i)%kind == '/') exit
         if (tokens(i)%kind == '&') then
            if (tokens(i)%text == 'end') exit
            call input_error(error, at(file, tokens(i)%line)//'&'//tokens(i)%text// &
                             ' begins before '// &
                             "the '/' that ends &"//group%name//' (line '//to_text(group%line)//')')
            return
         end if
         call parse_entry(tokens, file, group%name, i, entry, error)
         if (allocated(error)) return
         do e = 1, size(group%entries)
            if (group%entries(e)%key == entry%key) then
               call input_error(error, at(file, entry%line)//'&'//group%name//' '//entry%key// &
                                ' is given a second time (first in line '// &
                                to_text(group%entries(e)%line)//')')
               return
            end if
         end do
         group%entries = [group%entries, entry]
      end do
      if (i > size(tokens)) then
         call input_error(error, at(file, group%line)//'&'//group%name//" is not ended by '/'")
         return
      end if
      i = i + 1
   end subroutine parse_group

   !> The `key = values` that begins at token i; i moves on behind its last value.
   subroutine parse_entry(tokens, file, group, i, entry, error)
      type(token_type), intent(in) :: tokens(:)
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: group
      integer, intent(inout) :: i
      type(entry_type), allocatable, intent(out) :: entry
      type(error_type), allocatable, intent(out) :: error
      logical :: comma

      allocate (entry)
      entry%line = tokens(i)%line
      entry%key = lower(tokens(i)%text)
      allocate (entry%values(0))
      if (tokens(i)%kind /= word .or. .not. is_equals(i + 1)) then
         call input_error(error, at(file, entry%line)//'&'//group//" has '"//tokens(i)%text// &
                          "' where 'key = value' should stand")
         return
      end if
      if (index(entry%key, '(') > 0 .or. index(entry%key, '%') > 0) then
         call input_error(error, at(file, entry%line)//'&'//group//' '//entry%key// &
                          ': elements cannot be set one by one; give all values in one list')
         return
      end if
      i = i + 2
      comma = .false.
      do while (i <= size(tokens))
         select case (tokens(i)%kind)
         case (',')
            if (comma .or. size(entry%values) == 0) exit
            comma = .true.
         case (word, string)
            if (is_equals(i + 1)) exit
            call append(entry%values, tokens(i))
            comma = .false.
         case default
            exit
         end select
         i = i + 1
      end do
      if (i <= size(tokens)) then
         if (tokens(i)%kind == ',') entry%values = entry%values(:0)
         if (tokens(i)%kind == '=') entry%values = entry%values(:0)
      end if
      if (size(entry%values) == 0) then
         call input_error(error, at(file, entry%line)//'&'//group//' '//entry%key// &
                          ' has an empty value')
      end if

   contains

      pure function is_equals(place) result(yes)
         integer, intent(in) :: place
         logical :: yes

         yes = .false.
         if (place <= size(tokens)) yes = tokens(place)%kind == '='
      end function is_equals
   end subroutine parse_entry

   !> A value, or the n values of `n*value`.
   pure subroutine append(values, token)
      type(value_type), allocatable, intent(inout) :: values(:)
      type(token_type), intent(in) :: token
      integer, parameter :: most_repeats = 1000000
      type(value_type) :: value
      integer :: star
      integer :: repeats
      integer :: status

      value%text = token%text
      value%is_string = token%kind == string
      repeats = 1
      star = index(token%text, '*')
      if (token%kind == word .and. star > 1) then
         read (token%text(:star - 1), *, iostat=status) repeats
         if (status == 0 .and. repeats >= 1 .and. repeats <= most_repeats) then
            value%text = token%text(star + 1:)
         else
            repeats = 1
         end if
      end if
      values = [values, spread(value, 1, repeats)]
   end subroutine append

   subroutine tokenise(text, file, tokens, error)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: file
      type(token_type), allocatable, intent(out) :: tokens(:)
      type(error_type), allocatable, intent(out) :: error
      type(token_type) :: token
      integer :: line
      integer :: i
      integer :: length

      allocate (tokens(0))
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
            end if
            token%kind = string
            tokens = [tokens, token]
         case ('&')
            length = 1 + span(text(i + 1:), delimiters)
            token%kind = '&'
            token%text = lower(text(i + 1:i + length - 1))
            tokens = [tokens, token]
         case (',', '=', '/')
            token%kind = text(i:i)
            token%text = text(i:i)
            tokens = [tokens, token]
         case default
            length = span(text(i:), delimiters)
            token%kind = word
            token%text = text(i:i + length - 1)
            tokens = [tokens, token]
         end select
         i = i + length
      end do
   end subroutine tokenise

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
      integer :: i

      value = ''
      i = 2
      do while (i <= len(text))
         if (text(i:i) == newline) exit
         if (text(i:i) == text(1:1)) then
            if (i == len(text)) then
               length = i
               return
            else if (text(i + 1:i + 1) /= text(1:1)) then
               length = i
               return
            end if
            i = i + 1
         end if
         value = value//text(i:i)
         i = i + 1
      end do
      length = 0
   end subroutine read_string

   pure function at(file, line) result(place)
      character(len=*), intent(in) :: file
      integer, intent(in) :: line
      character(len=:), allocatable :: place

      place = file//', line '//to_text(line)//': '
   end function at
end module da_base_namelist_text
