!> A netCDF file to be read, and its variables: what reads input reads it through these, so that no
!> attribute that changes the meaning of numbers can be passed over.
!>
!> Each rank opens a file for its own share, through the serial library.
module da_io_input_file
   use netcdf, only: nf90_open, nf90_close, nf90_inq_varid, nf90_inquire_variable, nf90_inquire, &
      nf90_inquire_dimension, nf90_inq_grps, nf90_get_var, nf90_nowrite, nf90_noerr, &
      nf90_max_name, nf90_global
   use da_base_error, only: error_type, input_error
   use da_base_kinds, only: wp
   use da_base_text, only: to_text
   use da_io_cf_attributes, only: attributes_type, attributes_of, &
      check_global_attributes
   use da_io_cf_packing, only: packing_type, new_packing
   use da_io_classic_header, only: check_complete
   use da_io_model_clock, only: model_clock_type, is_dimensionless
   use da_io_netcdf_status, only: expect_read
   implicit none
   private
   public :: input_file_type, input_variable_type, open_input_file

   type :: input_file_type
      character(len=:), allocatable :: path
      integer, private :: id = -1
   contains
      procedure :: has
      procedure :: attributes => global_attributes
      procedure :: open_variable
      procedure :: close => close_file
   end type input_file_type

   !> A variable of one or two dimensions, the one that varies fastest first.
   type :: input_variable_type
      character(len=:), allocatable :: place
      integer :: rank = 0
      integer :: lengths(2) = 1
      character(len=nf90_max_name) :: dimensions(2) = ''
      integer, private :: file = -1
      integer, private :: id = -1
      !> Stored the other way round than it is read.
      logical, private :: transposed = .false.
      type(packing_type), private :: packing
      !> Model time is (value × seconds + shift)/unit.
      logical, private :: is_dated = .false.
      real(wp), private :: seconds = 1
      real(wp), private :: shift = 0
      real(wp), private :: unit = 1
   contains
      procedure :: transpose => read_transposed
      procedure :: read_column
      procedure :: read_matrix
      procedure :: has_attribute
      procedure :: flags
   end type input_variable_type

contains

   subroutine open_input_file(path, file, error)
      character(len=*), intent(in) :: path
      type(input_file_type), intent(out) :: file
      type(error_type), allocatable, intent(out) :: error

      file%path = path
      call expect_read(nf90_open(path, nf90_nowrite, file%id), path, &
                       'cannot be opened as netCDF: is it there, and whole?', error)
      if (.not. allocated(error)) call check_complete(path, error)
      if (.not. allocated(error)) call check_global_attributes(file%id, path, error)
   end subroutine open_input_file

   function has(self, name) result(yes)
      class(input_file_type), intent(in) :: self
      character(len=*), intent(in) :: name
      logical :: yes
      integer :: id

      yes = nf90_inq_varid(self%id, trim(name), id) == nf90_noerr
   end function has

   function global_attributes(self) result(told)
      class(input_file_type), intent(in) :: self
      type(attributes_type) :: told

      told = attributes_of(self%id, nf90_global, self%path)
   end function global_attributes

   !> A variable of so many dimensions, which is needed as `shape`, for messages; its values are
   !> plain numbers, times by the clock, or of any units.
   subroutine open_variable(self, name, shape, rank, variable, error, clock, &
                            with_units)
      class(input_file_type), intent(in) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: shape
      integer, intent(in) :: rank
      type(input_variable_type), intent(out) :: variable
      type(error_type), allocatable, intent(out) :: error
      type(model_clock_type), intent(in), optional :: clock
      logical, intent(in), optional :: with_units
      type(attributes_type) :: told
      logical :: any_units
      integer :: dimensions(2)
      integer :: type
      integer :: d

      variable%file = self%id
      variable%place = self%path//': '//name
      if (.not. self%has(name)) then
         call input_error(error, self%path//': has no variable '//shape//in_groups(self))
         return
      end if
      call expect_read(nf90_inq_varid(self%id, name, variable%id), self%path, name, error)
      call expect_read(nf90_inquire_variable(self%id, variable%id, xtype=type, &
                                             ndims=variable%rank), self%path, &
                       name//' cannot be inquired', error)
      if (allocated(error)) return
      if (variable%rank /= rank) then
         call input_error(error, variable%place//' has '//to_text(variable%rank)// &
                          ' dimensions: '//to_text(rank)//merge(' is ', ' are', rank == 1)// &
                          ' needed, '//shape)
         return
      end if
      call expect_read(nf90_inquire_variable(self%id, variable%id, dimids=dimensions(:rank)), &
                       self%path, name//' cannot be inquired', error)
      do d = 1, rank
         call expect_read(nf90_inquire_dimension(self%id, dimensions(d), &
                                                 variable%dimensions(d), variable%lengths(d)), &
                          self%path, 'the dimensions of '//name//' cannot be inquired', error)
      end do
      if (allocated(error)) return
      told = attributes_of(self%id, variable%id, variable%place)
      call told%check_known(error)
      if (.not. allocated(error)) call new_packing(told, type, variable%packing, error)
      any_units = .false.
      if (present(with_units)) any_units = with_units
      if (allocated(error) .or. any_units) return
      call read_units(told, variable, error, clock)
   end subroutine open_variable

   !> Where else a variable may be that was not found.
   function in_groups(file) result(text)
      type(input_file_type), intent(in) :: file
      character(len=:), allocatable :: text
      integer :: groups
      integer, parameter :: most_groups = 10000
      integer :: ids(most_groups)

      text = ''
      groups = 0
      if (nf90_inq_grps(file%id, groups, ids) /= nf90_noerr) return
      if (groups > 0) text = ' outside of its groups, where none is looked for'
   end function in_groups

   !> Plain numbers have no units but 1; times are model time, or can be made so.
   subroutine read_units(attributes, variable, error, clock)
      type(attributes_type), intent(in) :: attributes
      type(input_variable_type), intent(inout) :: variable
      type(error_type), allocatable, intent(inout) :: error
      type(model_clock_type), intent(in), optional :: clock
      character(len=:), allocatable :: units
      character(len=:), allocatable :: calendar
      character(len=:), allocatable :: reason

      call attributes%text('units', units, error)
      call attributes%text('calendar', calendar, error)
      if (allocated(error)) return
      if (is_dimensionless(units)) then
         if (len(calendar) > 0) then
            call input_error(error, attributes%place//" has calendar = '"//calendar// &
                             "', but no units of time: model time has neither")
         end if
      else if (present(clock)) then
         variable%is_dated = .true.
         call clock%convert(units, calendar, variable%seconds, variable%shift, variable%unit, &
                            reason)
         if (len(reason) > 0) call input_error(error, attributes%place//' has '//reason)
      else
         call input_error(error, attributes%place//" has units = '"//units// &
                          "': the model's values are non-dimensional, of units '1'")
      end if
   end subroutine read_units

   !> Read a variable of two dimensions as if they were the other way round.
   subroutine read_transposed(self)
      class(input_variable_type), intent(inout) :: self

      self%transposed = .not. self%transposed
      self%lengths = self%lengths([2, 1])
      self%dimensions = self%dimensions([2, 1])
   end subroutine read_transposed

   !> Values from number `first` on; those that are missing are NaN.
   subroutine read_column(self, first, values, error)
      class(input_variable_type), intent(in) :: self
      integer, intent(in) :: first
      real(wp), contiguous, intent(out) :: values(:)
      type(error_type), allocatable, intent(inout) :: error

      if (allocated(error)) return
      call expect_read(nf90_get_var(self%file, self%id, values, start=[first], &
                                    count=[size(values)]), self%place, 'cannot be read', error)
      if (allocated(error)) return
      call self%packing%unpack_values(values)
      if (self%is_dated) values = (values*self%seconds + self%shift)/self%unit
   end subroutine read_column

   !> Values from a place on, the dimension that was asked to vary fastest first; those that are
   !> missing are NaN.
   subroutine read_matrix(self, start, values, error)
      class(input_variable_type), intent(in) :: self
      integer, intent(in) :: start(2)
      real(wp), contiguous, intent(out) :: values(:, :)
      type(error_type), allocatable, intent(inout) :: error
      real(wp), allocatable :: stored(:, :)
      integer :: j

      if (allocated(error)) return
      if (self%transposed) then
         allocate (stored(size(values, 2), size(values, 1)))
         call expect_read(nf90_get_var(self%file, self%id, stored, start=start([2, 1]), &
                                       count=shape(stored)), self%place, 'cannot be read', error)
         if (.not. allocated(error)) values = transpose(stored)
      else
         call expect_read(nf90_get_var(self%file, self%id, values, start=start, &
                                       count=shape(values)), self%place, 'cannot be read', error)
      end if
      if (allocated(error)) return
      do j = 1, size(values, 2)
         call self%packing%unpack_values(values(:, j))
      end do
   end subroutine read_matrix

   function has_attribute(self, name) result(yes)
      class(input_variable_type), intent(in) :: self
      character(len=*), intent(in) :: name
      logical :: yes
      type(attributes_type) :: told

      told = attributes_of(self%file, self%id, self%place)
      yes = told%is_there(name)
   end function has_attribute

   !> Codes and what they mean, blanks between single words.
   subroutine flags(self, codes, meanings, error)
      class(input_variable_type), intent(in) :: self
      integer, allocatable, intent(out) :: codes(:)
      character(len=:), allocatable, intent(out) :: meanings
      type(error_type), allocatable, intent(inout) :: error
      type(attributes_type) :: told
      real(wp), allocatable :: values(:)
      logical :: is_real

      told = attributes_of(self%file, self%id, self%place)
      call told%numbers('flag_values', values, is_real, error)
      call told%text('flag_meanings', meanings, error)
      allocate (codes(size(values)))
      where (abs(values) < huge(codes))
         codes = nint(values)
      elsewhere
         codes = huge(codes)
      end where
      meanings = trim(adjustl(meanings))
   end subroutine flags

   subroutine close_file(self)
      class(input_file_type), intent(inout) :: self
      integer :: status

      status = nf90_close(self%id)
      self%id = -1
   end subroutine close_file
end module da_io_input_file
