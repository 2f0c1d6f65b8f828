!> Settings from a namelist file: every implementation states its group's keys, defaults, ranges and
!> meaning once, and that one statement reads them, checks them, documents them and echoes their
!> effective values.
module da_base_namelists
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelist_text, only: group_type, value_type, parse_namelists, shown
   use da_base_text, only: to_text, lower, join, quoted, pad
   implicit none
   private
   public :: namelists_type, new_namelists, new_documentation, name_length

   integer, parameter :: name_length = 40
   !> Sizes of a number in a namelist, unless it is zero: what lies beyond means nothing in a model
   !> of numbers of order one, and its square or its product with another may be infinite, or zero.
   real(wp), parameter :: largest = 1.0e9_wp
   real(wp), parameter :: smallest = 1.0e-30_wp
   !> Of an integer whose key has no bound of its own: two of them can be added, none is a size that
   !> a machine holds.
   integer, parameter :: largest_integer = 10**9
   !> Of a line of documentation.
   integer, parameter :: widest = 100
   character(len=1), parameter :: newline = achar(10)

   !> A file's groups while they are read: `open_group`, `get` for each key, `close_group`.
   type :: namelists_type
      character(len=:), allocatable :: file
      !> The effective value of every key read so far, as a namelist.
      character(len=:), allocatable :: effective
      !> Instead of reading: the commented default namelist.
      character(len=:), allocatable :: documentation
      character(len=name_length), allocatable :: known_groups(:)
      !> 'truth_' while the settings of the truth's model are read: they override the forecast
      !> model's.
      character(len=:), allocatable :: prefix
      !> Documentation only: this group is an alternative to the default and is commented out.
      logical :: alternative = .false.
      type(group_type), allocatable, private :: groups(:)
      integer, private :: current = 0
      logical, private :: documenting = .false.
      !> This group has been documented before.
      logical, private :: documented = .false.
      character(len=:), allocatable, private :: group_name
      character(len=name_length), allocatable, private :: known_keys(:)
      type(error_type), allocatable, private :: error
   contains
      procedure :: open_group
      procedure :: close_group
      procedure :: check_known
      procedure :: check_used
      procedure :: reject
      generic :: get => get_integer, get_real, get_logical, get_string, get_reals, get_strings
      procedure, private :: get_integer
      procedure, private :: get_real
      procedure, private :: get_logical
      procedure, private :: get_string
      procedure, private :: get_reals
      procedure, private :: get_strings
      procedure, private :: values_of
      procedure, private :: single_value
      procedure, private :: place
   end type namelists_type

contains

   !> The groups of a namelist file's text.
   subroutine new_namelists(text, file, namelists, error)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: file
      type(namelists_type), intent(out) :: namelists
      type(error_type), allocatable, intent(out) :: error

      namelists%file = file
      namelists%prefix = ''
      namelists%effective = ''
      allocate (namelists%known_groups(0))
      call parse_namelists(text, file, namelists%groups, error)
   end subroutine new_namelists

   !> Readers given this write documentation in place of reading.
   subroutine new_documentation(namelists)
      type(namelists_type), intent(out) :: namelists

      namelists%file = ''
      namelists%prefix = ''
      namelists%effective = ''
      namelists%documentation = ''
      namelists%documenting = .true.
      allocate (namelists%known_groups(0), namelists%groups(0))
   end subroutine new_documentation

   !> Turn to a group; a group that the file lacks has its defaults.
   subroutine open_group(self, name, summary)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: summary
      character(len=name_length) :: entry
      integer :: g

      self%group_name = self%prefix//name
      self%current = 0
      self%known_keys = [character(len=name_length) ::]
      do g = 1, size(self%groups)
         if (self%groups(g)%name == self%group_name) then
            self%current = g
            self%groups(g)%used = .true.
         end if
      end do
      entry = self%group_name
      self%documented = self%documenting .and. any(self%known_groups == entry)
      if (.not. self%documented) then
         self%known_groups = [character(len=name_length) :: self%known_groups, entry]
      end if
      self%effective = self%effective//'&'//self%group_name//newline
      if (self%documenting .and. .not. self%documented) then
         self%documentation = self%documentation//'! '//summary//newline
         if (len(self%prefix) > 0) then
            self%documentation = self%documentation//'! (for the truth''s model; what is not '// &
               'given here is as in &'//name//')'//newline
         end if
         self%documentation = self%documentation//mark(self)//'&'//self%group_name//newline
      end if
   end subroutine open_group

   !> Leave the group: the first mistake found in it, a key that it does not know included.
   subroutine close_group(self, error)
      class(namelists_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      integer :: e

      self%effective = self%effective//'/'//newline
      if (self%documenting .and. .not. self%documented) then
         self%documentation = self%documentation//mark(self)//'/'//newline//newline
      end if
      if (self%current > 0) then
         associate (entries => self%groups(self%current)%entries)
            do e = 1, size(entries)
               if (any(self%known_keys == entries(e)%key)) cycle
               call input_error(error, self%file//', line '//to_text(entries(e)%line)//': &'// &
                                self%group_name//' '//entries(e)%key// &
                                ' is not a known key (known: '//join(self%known_keys)//')')
               return
            end do
         end associate
      end if
      if (allocated(self%error)) then
         call move_alloc(self%error, error)
      end if
   end subroutine close_group

   !> Before all readers: groups that no setting could use.
   subroutine check_known(self, all_groups, error)
      class(namelists_type), intent(in) :: self
      character(len=*), intent(in) :: all_groups(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: g

      do g = 1, size(self%groups)
         associate (group => self%groups(g))
            if (any(all_groups == group%name)) cycle
            call input_error(error, self%file//', line '//to_text(group%line)//': &'//group%name// &
                             ' is not a known group (known: '//join(all_groups)//')')
            return
         end associate
      end do
   end subroutine check_known

   !> After all readers: groups that this run has no use for; nothing asked for is silently left
   !> out.
   subroutine check_used(self, error)
      class(namelists_type), intent(in) :: self
      type(error_type), allocatable, intent(out) :: error
      integer :: g

      do g = 1, size(self%groups)
         associate (group => self%groups(g))
            if (group%used) cycle
            call input_error(error, self%file//', line '//to_text(group%line)//': &'//group%name// &
                             ' is not used by this run (in use: '//join(self%known_groups)// &
                             '); remove it, or choose what it belongs to')
            return
         end associate
      end do
   end subroutine check_used

   !> A mistake in a key's value that only its reader can see; the first one counts.
   subroutine reject(self, key, reason)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: reason
      type(error_type), allocatable :: error

      if (allocated(self%error)) return
      call input_error(error, self%place(key)//' '//reason)
      call move_alloc(error, self%error)
   end subroutine reject

   subroutine get_integer(self, key, value, meaning, minimum, maximum)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      integer, intent(inout) :: value
      character(len=*), intent(in) :: meaning
      integer, intent(in), optional :: minimum
      integer, intent(in), optional :: maximum
      type(value_type), allocatable :: written
      integer :: status
      integer :: default
      integer :: most

      default = value
      most = largest_integer
      if (present(maximum)) most = maximum
      call self%single_value(key, written)
      if (allocated(written)) then
         status = 1
         if (.not. written%is_string .and. verify(written%text, '+-0123456789') == 0) then
            read (written%text, *, iostat=status) value
         end if
         if (status /= 0) then
            call self%reject(key, '= '//shown(written)//': an integer is needed')
            value = default
         end if
      end if
      if (value > most) then
         call self%reject(key, '= '//to_text(value)//': must be at most '//to_text(most))
         value = default
      end if
      if (present(minimum)) then
         if (value < minimum) then
            call self%reject(key, '= '//to_text(value)//': must be at least '//to_text(minimum))
            value = default
         end if
      end if
      call note(self, key, to_text(value), meaning)
   end subroutine get_integer

   subroutine get_real(self, key, value, meaning, minimum, maximum, above)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      real(wp), intent(inout) :: value
      character(len=*), intent(in) :: meaning
      real(wp), intent(in), optional :: minimum
      real(wp), intent(in), optional :: maximum
      real(wp), intent(in), optional :: above
      type(value_type), allocatable :: written
      real(wp) :: default

      default = value
      call self%single_value(key, written)
      if (allocated(written)) call convert_real(self, key, written, value)
      if (present(minimum)) then
         if (value < minimum) call refuse('must be at least '//to_text(minimum))
      end if
      if (present(maximum)) then
         if (value > maximum) call refuse('must be at most '//to_text(maximum))
      end if
      if (present(above)) then
         if (value <= above) call refuse('must be above '//to_text(above))
      end if
      call note(self, key, to_text(value), meaning)

   contains

      !> What is refused is not used: the default stands, which others may divide by.
      subroutine refuse(why)
         character(len=*), intent(in) :: why

         call self%reject(key, '= '//to_text(value)//': '//why)
         value = default
      end subroutine refuse
   end subroutine get_real

   subroutine get_logical(self, key, value, meaning)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      logical, intent(inout) :: value
      character(len=*), intent(in) :: meaning
      type(value_type), allocatable :: written

      call self%single_value(key, written)
      if (allocated(written)) then
         select case (lower(written%text))
         case ('.true.', 'true', 't', '.t.')
            value = .true.
         case ('.false.', 'false', 'f', '.f.')
            value = .false.
         case default
            call self%reject(key, '= '//shown(written)//': .true. or .false. is needed')
         end select
         if (written%is_string) call self%reject(key, '= '//shown(written)// &
                                                 ': .true. or .false. '// &
                                                 'is needed, without quotes')
      end if
      call note(self, key, to_text(value), meaning)
   end subroutine get_logical

   !> A string; `choices` are the words that are known.
   subroutine get_string(self, key, value, meaning, choices)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      character(len=:), allocatable, intent(inout) :: value
      character(len=*), intent(in) :: meaning
      character(len=*), intent(in), optional :: choices(:)
      type(value_type), allocatable :: written
      character(len=:), allocatable :: explained

      call self%single_value(key, written)
      if (allocated(written)) then
         if (written%is_string) then
            value = trim(written%text)
         else
            call self%reject(key, '= '//shown(written)//": a string in quotes is needed: '"// &
                             shown(written)//"'")
         end if
      end if
      explained = meaning
      if (present(choices)) then
         explained = meaning//' ('//join(choices)//')'
         if (allocated(written) .and. .not. any(choices == value)) then
            call self%reject(key, '= '//shown(written)//' is not known (known: '// &
                             join(choices)//')')
         end if
      end if
      call note(self, key, quoted(value), explained)
   end subroutine get_string

   !> A list of numbers, empty where none is given.
   subroutine get_reals(self, key, values, meaning)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      real(wp), allocatable, intent(inout) :: values(:)
      character(len=*), intent(in) :: meaning
      type(value_type), allocatable :: written(:)
      integer :: i

      call self%values_of(key, written)
      if (allocated(written)) then
         if (allocated(values)) deallocate (values)
         allocate (values(size(written)))
         do i = 1, size(written)
            call convert_real(self, key, written(i), values(i))
         end do
      end if
      call note(self, key, listed(values), meaning)
   end subroutine get_reals

   !> Numbers as a list, in a text of the right length: the cost of a number does not grow with
   !> their number.
   pure function listed(values) result(list)
      real(wp), intent(in) :: values(:)
      character(len=:), allocatable :: list
      character(len=*), parameter :: separator = ', '
      character(len=:), allocatable :: number
      integer :: length
      integer :: last
      integer :: i

      length = len(separator)*max(0, size(values) - 1)
      do i = 1, size(values)
         length = length + len(to_text(values(i)))
      end do
      allocate (character(len=length) :: list)
      last = 0
      do i = 1, size(values)
         number = to_text(values(i))
         if (i < size(values)) number = number//separator
         list(last + 1:last + len(number)) = number
         last = last + len(number)
      end do
   end function listed

   !> A list of words, each of which must be known; what it holds on entry is the default.
   subroutine get_strings(self, key, values, meaning, choices)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      character(len=name_length), allocatable, intent(inout) :: values(:)
      character(len=*), intent(in) :: meaning
      character(len=*), intent(in) :: choices(:)
      type(value_type), allocatable :: written(:)
      character(len=:), allocatable :: list
      integer :: i

      call self%values_of(key, written)
      if (allocated(written)) then
         deallocate (values)
         allocate (values(size(written)))
         do i = 1, size(written)
            values(i) = written(i)%text
            if (.not. written(i)%is_string) then
               call self%reject(key, '= '//shown(written(i))// &
                                ": a string in quotes is needed: '"//shown(written(i))//"'")
            else if (.not. any(choices == written(i)%text)) then
               call self%reject(key, '= '//shown(written(i))//' is not known (known: '// &
                                join(choices)//')')
            end if
         end do
      end if
      list = ''
      do i = 1, size(values)
         if (i > 1) list = list//', '
         list = list//quoted(trim(values(i)))
      end do
      call note(self, key, list, meaning//' ('//join(choices)//')')
   end subroutine get_strings

   subroutine convert_real(self, key, written, value)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      type(value_type), intent(in) :: written
      real(wp), intent(inout) :: value
      integer :: status

      status = 1
      if (.not. written%is_string .and. is_number(lower(written%text))) then
         read (written%text, *, iostat=status) value
      end if
      if (status /= 0) then
         value = 0
         call self%reject(key, '= '//shown(written)//': a number is needed')
      else if (.not. abs(value) <= largest) then
         value = 0
         call self%reject(key, '= '//shown(written)//': must be at most '//to_text(largest)// &
                          ' in size')
      else if (abs(value) < smallest .and. scan(mantissa(written%text), '123456789') > 0) then
         value = 0
         call self%reject(key, '= '//shown(written)//': must be 0, or at least '// &
                          to_text(smallest)//' in size')
      end if
   end subroutine convert_real

   !> Whether a text in lower case is a sign, digits with a point among them, and an exponent of e
   !> or d; Fortran would take more for a number, `1-5` and `1.0, 2.0` among it.
   pure function is_number(text) result(yes)
      character(len=*), intent(in) :: text
      logical :: yes
      character(len=*), parameter :: digits = '0123456789'
      character(len=:), allocatable :: rest
      integer :: point

      yes = .false.
      rest = unsigned(mantissa(text))
      point = index(rest, '.')
      if (verify(rest, digits//'.') > 0 .or. scan(rest, digits) == 0) return
      if (point > 0 .and. index(rest, '.', back=.true.) /= point) return
      if (len(mantissa(text)) == len(text)) then
         yes = .true.
      else
         rest = unsigned(text(len(mantissa(text)) + 2:))
         yes = len(rest) > 0 .and. verify(rest, digits) == 0
      end if
   end function is_number

   !> What stands before the exponent of a number.
   pure function mantissa(text) result(head)
      character(len=*), intent(in) :: text
      character(len=:), allocatable :: head
      integer :: mark

      mark = scan(text, 'eEdD')
      if (mark == 0) mark = len(text) + 1
      head = text(:mark - 1)
   end function mantissa

   pure function unsigned(text) result(rest)
      character(len=*), intent(in) :: text
      character(len=:), allocatable :: rest

      rest = text
      if (scan(text, '+-') == 1) rest = text(2:)
   end function unsigned

   subroutine single_value(self, key, written)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      type(value_type), allocatable, intent(out) :: written
      type(value_type), allocatable :: all_written(:)

      call self%values_of(key, all_written)
      if (.not. allocated(all_written)) return
      if (size(all_written) == 1) then
         written = all_written(1)
      else
         call self%reject(key, 'has '//to_text(size(all_written))//' values: one is needed')
      end if
   end subroutine single_value

   subroutine values_of(self, key, written)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      type(value_type), allocatable, intent(out) :: written(:)
      character(len=name_length) :: entry
      integer :: e

      entry = key
      self%known_keys = [character(len=name_length) :: self%known_keys, entry]
      if (self%current == 0) return
      associate (entries => self%groups(self%current)%entries)
         do e = 1, size(entries)
            if (entries(e)%key == key) written = entries(e)%values
         end do
      end associate
   end subroutine values_of

   !> 'run.nml, line 3: &lorenz96 forcing'.
   pure function place(self, key) result(text)
      class(namelists_type), intent(in) :: self
      character(len=*), intent(in) :: key
      character(len=:), allocatable :: text
      integer :: e

      text = '&'//self%group_name//' '//key
      if (self%current == 0) then
         text = self%file//': '//text
         return
      end if
      associate (entries => self%groups(self%current)%entries)
         do e = 1, size(entries)
            if (entries(e)%key == key) then
               text = self%file//', line '//to_text(entries(e)%line)//': '//text
               return
            end if
         end do
      end associate
      text = self%file//': '//text
   end function place

   subroutine note(self, key, value, meaning)
      class(namelists_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: value
      character(len=*), intent(in) :: meaning
      integer, parameter :: column = 32
      character(len=:), allocatable :: assignment

      assignment = '   '//key//' = '//value
      if (len(value) > 0) self%effective = self%effective//assignment//newline
      if (self%documented .or. .not. self%documenting) return
      if (len(value) == 0) assignment = '   ! '//key//' ='
      if (len(mark(self)) + max(len(assignment), column) + len(meaning) + 3 > widest) then
         self%documentation = self%documentation//wrapped(meaning, mark(self)//'   ! ')// &
            mark(self)//assignment//newline
      else
         self%documentation = self%documentation//mark(self)//pad(assignment, column)//' ! '// &
            meaning//newline
      end if
   end subroutine note

   !> A text in lines of bounded width, each begun by `start`.
   pure function wrapped(text, start) result(lines)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: start
      character(len=:), allocatable :: lines
      integer :: first
      integer :: length

      lines = ''
      first = 1
      do while (first <= len(text))
         length = len(text) - first + 1
         if (len(start) + length > widest) then
            length = index(text(first:first + widest - len(start) - 1), ' ', back=.true.)
         end if
         lines = lines//start//trim(text(first:first + length - 1))//newline
         first = first + length
      end do
   end function wrapped

   pure function mark(self) result(text)
      class(namelists_type), intent(in) :: self
      character(len=:), allocatable :: text

      text = ''
      if (self%alternative) text = '! '
   end function mark
end module da_base_namelists
