!> The text of a namelist file as groups, keys and values.
!>
!> Fortran's own namelist input reports most mistakes as "End of file" and none with its key; here
!> each mistake keeps its line. Accepted: `&group`, `key = value, value 3*value`, strings in either
!> quote, comments from `!`, `/` or `&end`.
module da_base_namelist_text
   use da_base_error, only: error_type, input_error
   use da_base_namelist_tokens, only: token_type, word, string, tokenise, at, brief
   use da_base_text, only: lower, quoted, to_text
   implicit none
   private
   public :: value_type, entry_type, group_type, parse_namelists, shown

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

   !> Values of a key, `n*value` counted n times: more are a slip of the pen.
   integer, parameter :: most_values = 1000000
   !> Of a group, likewise.
   integer, parameter :: most_keys = 1000
   integer, parameter :: most_groups = 1000

contains

   !> All groups of a text; `file` is named in messages.
   subroutine parse_namelists(text, file, groups, error)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: file
      type(group_type), allocatable, intent(out) :: groups(:)
      type(error_type), allocatable, intent(out) :: error
      type(token_type), allocatable :: tokens(:)
      integer :: i
      integer :: g
      integer :: other

      call tokenise(text, file, tokens, error)
      if (allocated(error)) return
      allocate (groups(count_groups(tokens)))
      i = 1
      g = 0
      do while (i <= size(tokens))
         if (tokens(i)%kind /= '&') then
            call input_error(error, at(file, tokens(i)%line)//"'"//brief(tokens(i)%text)// &
                             "' stands outside "// &
                             'a group (a group begins with &name and ends with /)')
            return
         end if
         if (g == most_groups) then
            call input_error(error, at(file, tokens(i)%line)//'the file has more than '// &
                             to_text(most_groups)//' groups; there are not so many')
            return
         end if
         g = g + 1
         call parse_group(tokens, file, i, groups(g), error)
         if (allocated(error)) return
         do other = 1, g - 1
            if (groups(other)%name == groups(g)%name) then
               call input_error(error, at(file, groups(g)%line)//'&'//brief(groups(g)%name)// &
                                ' is given a second '// &
                                'time (first in line '//to_text(groups(other)%line)//')')
               return
            end if
         end do
      end do
   end subroutine parse_namelists

   !> How many groups a file has, if it has no mistake.
   pure function count_groups(tokens) result(number)
      type(token_type), intent(in) :: tokens(:)
      integer :: number
      logical :: inside
      integer :: i

      number = 0
      inside = .false.
      do i = 1, size(tokens)
         if (inside .and. (tokens(i)%kind == '/' .or. tokens(i)%kind == '&')) then
            inside = .false.
         else if (tokens(i)%kind == '&') then
            inside = .true.
            number = number + 1
         end if
      end do
   end function count_groups

   !> The group whose `&` is token i; i moves on behind its end.
   subroutine parse_group(tokens, file, i, group, error)
      type(token_type), intent(in) :: tokens(:)
      character(len=*), intent(in) :: file
      integer, intent(inout) :: i
      type(group_type), intent(inout) :: group
      type(error_type), allocatable, intent(out) :: error
      integer :: e
      integer :: other

      group%line = tokens(i)%line
      group%name = tokens(i)%text
      allocate (group%entries(count_entries(tokens(i + 1:))))
      e = 0
      if (len(group%name) == 0) then
         call input_error(error, at(file, group%line)//'& without the name of a group')
         return
      end if
      i = i + 1
      do while (i <= size(tokens))
         if (tokens(i)%kind == '/') exit
         if (tokens(i)%kind == '&') then
            if (tokens(i)%text == 'end') exit
            call input_error(error, at(file, tokens(i)%line)//'&'//brief(tokens(i)%text)// &
                             " begins before the '/' that ends &"//brief(group%name)//' (line '// &
                             to_text(group%line)//')')
            return
         end if
         if (e == most_keys) then
            call input_error(error, at(file, tokens(i)%line)//'&'//brief(group%name)// &
                             ' has more than '//to_text(most_keys)//' keys; no group has so many')
            return
         end if
         e = min(e + 1, size(group%entries))
         call parse_entry(tokens, file, group%name, i, group%entries(e), error)
         if (allocated(error)) return
         do other = 1, e - 1
            if (group%entries(other)%key == group%entries(e)%key) then
               call input_error(error, at(file, group%entries(e)%line)//'&'//brief(group%name)// &
                                ' '//brief(group%entries(e)%key)// &
                                ' is given a second time (first in line '// &
                                to_text(group%entries(other)%line)//')')
               return
            end if
         end do
      end do
      if (i > size(tokens)) then
         call input_error(error, at(file, group%line)//'&'//brief(group%name)// &
                          " is not ended by '/'")
         return
      end if
      i = i + 1
   end subroutine parse_group

   !> How many keys the group at the head of the tokens has, if it has no mistake; at least one for
   !> the entry that has one.
   pure function count_entries(tokens) result(number)
      type(token_type), intent(in) :: tokens(:)
      integer :: number
      integer :: i

      number = 0
      do i = 1, size(tokens)
         if (tokens(i)%kind == '/' .or. tokens(i)%kind == '&') exit
         if (tokens(i)%kind == '=') number = number + 1
      end do
      if (i > 1) number = max(number, 1)
   end function count_entries

   !> The `key = values` that begins at token i; i moves on behind its last value.
   subroutine parse_entry(tokens, file, group, i, entry, error)
      type(token_type), intent(in) :: tokens(:)
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: group
      integer, intent(inout) :: i
      type(entry_type), intent(inout) :: entry
      type(error_type), allocatable, intent(out) :: error
      integer :: values
      integer :: first
      logical :: comma

      entry%line = tokens(i)%line
      entry%key = lower(tokens(i)%text)
      values = 0
      if (tokens(i)%kind /= word .or. .not. is_equals(i + 1)) then
         call input_error(error, at(file, entry%line)//'&'//brief(group)//" has '"// &
                          brief(tokens(i)%text)// &
                          "' where 'key = value' should stand")
         return
      end if
      if (index(entry%key, '(') > 0 .or. index(entry%key, '%') > 0) then
         call input_error(error, at(file, entry%line)//'&'//brief(group)//' '// &
                          brief(entry%key)//': elements cannot be set one by one; give all '// &
                          'values in one list')
         return
      end if
      i = i + 2
      first = i
      comma = .false.
      do while (i <= size(tokens))
         select case (tokens(i)%kind)
         case (',')
            if (comma .or. values == 0) exit
            comma = .true.
         case (word, string)
            if (is_equals(i + 1)) exit
            values = values + min(repeats_of(tokens(i)), most_values + 1)
            comma = .false.
         case default
            exit
         end select
         if (values > most_values) exit
         i = i + 1
      end do
      if (values > most_values) then
         call input_error(error, at(file, entry%line)//'&'//brief(group)//' '// &
                          brief(entry%key)//' has more than '//to_text(most_values)//' values')
         return
      end if
      if (i <= size(tokens)) then
         if (tokens(i)%kind == ',' .or. tokens(i)%kind == '=') values = 0
      end if
      if (values == 0) then
         call input_error(error, at(file, entry%line)//'&'//brief(group)//' '// &
                          brief(entry%key)//' has an empty value')
         return
      end if
      allocate (entry%values(values))
      call take_values(tokens(first:i - 1), entry%values)

   contains

      pure function is_equals(place) result(yes)
         integer, intent(in) :: place
         logical :: yes

         yes = .false.
         if (place <= size(tokens)) yes = tokens(place)%kind == '='
      end function is_equals
   end subroutine parse_entry

   !> The values of a key, commas left out; `n*value` gives n.
   pure subroutine take_values(tokens, values)
      type(token_type), intent(in) :: tokens(:)
      type(value_type), intent(inout) :: values(:)
      integer :: repeats
      integer :: last
      integer :: v
      integer :: i

      last = 0
      do i = 1, size(tokens)
         if (tokens(i)%kind == ',') cycle
         repeats = repeats_of(tokens(i))
         do v = last + 1, last + repeats
            values(v)%is_string = tokens(i)%kind == string
            values(v)%text = tokens(i)%text
            if (is_repeated(tokens(i))) values(v)%text = after_star(tokens(i)%text)
         end do
         last = last + repeats
      end do
   end subroutine take_values

   !> Whether a token is `n*value` with a whole n of at least one.
   pure function is_repeated(token) result(yes)
      type(token_type), intent(in) :: token
      logical :: yes
      integer :: star

      yes = .false.
      if (token%kind /= word) return
      star = index(token%text, '*')
      if (star < 2) return
      yes = verify(token%text(:star - 1), '0123456789') == 0 &
            .and. verify(token%text(:star - 1), '0') > 0
   end function is_repeated

   !> How many values a token stands for; a number too large to read is more than any list has.
   pure function repeats_of(token) result(repeats)
      type(token_type), intent(in) :: token
      integer :: repeats
      integer :: status

      repeats = 1
      if (.not. is_repeated(token)) return
      read (token%text(:index(token%text, '*') - 1), *, iostat=status) repeats
      if (status /= 0) repeats = most_values + 1
   end function repeats_of

   pure function after_star(text) result(value)
      character(len=*), intent(in) :: text
      character(len=:), allocatable :: value

      value = text(index(text, '*') + 1:)
   end function after_star

   !> A value as a message repeats it.
   pure function shown(value) result(text)
      type(value_type), intent(in) :: value
      character(len=:), allocatable :: text

      text = brief(value%text)
      if (value%is_string) text = quoted(text)
   end function shown

end module da_base_namelist_text
