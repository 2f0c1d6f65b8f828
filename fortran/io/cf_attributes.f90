!> The attributes of a variable in an input file, and which of them could change its meaning.
!>
!> CF's attributes (appendix A) fall into four: those that are applied (`cf_packing`, `input_file`),
!> those that would change what numbers mean in a way that is not known here, others that do not,
!> and near misses of the first, which somebody meant to be applied.
module da_io_cf_attributes
   use, intrinsic :: iso_c_binding, only: c_int, c_char, c_intptr_t, c_size_t, c_null_char
   use netcdf, only: nf90_inquire_variable, nf90_inquire, nf90_inq_attname, &
      nf90_inquire_attribute, nf90_get_att, nf90_noerr, nf90_char, nf90_string, nf90_global, &
      nf90_max_name, nf90_float, nf90_double
   use da_base_error, only: error_type, input_error
   use da_base_kinds, only: wp
   use da_base_text, only: lower
   implicit none
   private
   public :: attributes_type, attributes_of, check_global_attributes

   !> Applied; the last two in the variables of times only.
   character(len=13), parameter :: applied(10) = [character(len=13) :: 'scale_factor', &
      'add_offset', '_FillValue', 'missing_value', 'valid_min', 'valid_max', 'valid_range', &
      '_Unsigned', 'units', 'calendar']
   integer, parameter :: of_numbers = 8
   !> What is left of the names of others that are meant for these.
   character(len=13), parameter :: near_misses(27) = [character(len=13) :: 'scalefactor', 'scale', &
      'scaling', 'scalingfactor', 'slope', 'addoffset', 'offset', 'intercept', 'fillvalue', &
      'fillval', 'fill', 'missingvalue', 'missingvalues', 'missing', 'missingdata', 'nodata', &
      'nodatavalue', 'novalue', 'validmin', 'validmax', 'validrange', 'unsigned', 'units', 'unit', &
      'calendar', 'calender', 'badvalue']
   !> What they mean is not known here.
   character(len=25), parameter :: refused(9) = [character(len=25) :: 'compress', 'flag_masks', &
      'climatology', 'formula_terms', 'standard_error_multiplier', 'month_lengths', 'leap_year', &
      'leap_month', 'coordinate_interpolation']

   type :: attributes_type
      integer :: file = -1
      integer :: variable = -1
      !> For messages: path and name.
      character(len=:), allocatable :: place
   contains
      procedure :: check_known
      procedure :: numbers
      procedure :: text
      procedure :: is_there
   end type attributes_type

   interface
      !> netCDF-Fortran has no function for attributes that are arrays of strings.
      function nc_get_att_string(file, variable, name, address) result(status) bind(c)
         import :: c_int, c_char, c_intptr_t
         integer(c_int), value :: file
         integer(c_int), value :: variable
         character(kind=c_char), intent(in) :: name(*)
         integer(c_intptr_t), intent(out) :: address(*)
         integer(c_int) :: status
      end function nc_get_att_string
      function nc_free_string(count, address) result(status) bind(c)
         import :: c_int, c_intptr_t, c_size_t
         integer(c_size_t), value :: count
         integer(c_intptr_t), intent(in) :: address(*)
         integer(c_int) :: status
      end function nc_free_string
      function length_at(address) result(length) bind(c, name='strlen')
         import :: c_intptr_t, c_size_t
         integer(c_intptr_t), value :: address
         integer(c_size_t) :: length
      end function length_at
      subroutine copy_from(to, address, length) bind(c, name='memcpy')
         import :: c_char, c_intptr_t, c_size_t
         character(kind=c_char), intent(out) :: to(*)
         integer(c_intptr_t), value :: address
         integer(c_size_t), value :: length
      end subroutine copy_from
   end interface

contains

   pure function attributes_of(file, variable, place) result(told)
      integer, intent(in) :: file
      integer, intent(in) :: variable
      character(len=*), intent(in) :: place
      type(attributes_type) :: told

      told%file = file
      told%variable = variable
      told%place = place
   end function attributes_of

   !> Attributes of the whole file apply to no variable.
   subroutine check_global_attributes(file, path, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(out) :: error
      type(attributes_type) :: told
      integer :: a

      told = attributes_of(file, nf90_global, path)
      do a = 1, of_numbers
         if (.not. told%is_there(applied(a))) cycle
         call input_error(error, path//': '//trim(applied(a))//' is an attribute of the whole '// &
                          'file, where it says nothing: give it to the variables it is meant for')
         return
      end do
   end subroutine check_global_attributes

   !> Every attribute of a variable is applied or says nothing of its numbers.
   subroutine check_known(self, error)
      class(attributes_type), intent(in) :: self
      type(error_type), allocatable, intent(out) :: error
      character(len=nf90_max_name) :: name
      character(len=:), allocatable :: methods
      integer :: count
      integer :: a
      integer :: status

      status = nf90_inquire_variable(self%file, self%variable, natts=count)
      do a = 1, count
         status = nf90_inq_attname(self%file, self%variable, a, name)
         if (status /= nf90_noerr) exit
         if (any(name == applied)) cycle
         if (any(bare(name) == near_misses)) then
            call input_error(error, self%place//' has the attribute '//trim(name)// &
                             ', which is not known: CF has scale_factor, add_offset, '// &
                             '_FillValue, missing_value, valid_min, valid_max, valid_range, '// &
                             '_Unsigned, units, calendar')
         else if (any(name == refused)) then
            call input_error(error, self%place//' has the attribute '//trim(name)// &
                             ', which is not applied here: write plain values without it')
         else if (name == 'positive') then
            call self%text('positive', methods, error)
            if (allocated(error)) return
            if (lower(methods) /= 'up') then
               call input_error(error, self%place//" has positive = '"//methods// &
                                "': values must count upwards")
            end if
         else if (name == 'cell_methods') then
            call self%text('cell_methods', methods, error)
            if (allocated(error)) return
            if (.not. only_points(methods)) then
               call input_error(error, self%place//" has cell_methods = '"//methods// &
                                "': values at points and times are needed")
            end if
         end if
         if (allocated(error)) return
      end do
   end subroutine check_known

   !> Lower case, without what words are joined by.
   pure function bare(name) result(letters)
      character(len=*), intent(in) :: name
      character(len=len(name)) :: letters
      integer :: i
      integer :: n

      letters = ''
      n = 0
      do i = 1, len_trim(name)
         if (scan(name(i:i), '_- .') > 0) cycle
         n = n + 1
         letters(n:n) = name(i:i)
      end do
      letters = lower(letters)
   end function bare

   !> Whether all methods of 'time: point x: mean' are `point`.
   pure function only_points(methods) result(yes)
      character(len=*), intent(in) :: methods
      logical :: yes
      character(len=:), allocatable :: rest
      integer :: mark

      yes = .true.
      rest = trim(adjustl(methods))
      do while (len(rest) > 0)
         mark = index(rest//' ', ' ')
         if (rest(mark - 1:mark - 1) /= ':') yes = yes .and. rest(:mark - 1) == 'point'
         rest = trim(adjustl(rest(mark:)))
      end do
   end function only_points

   function is_there(self, name) result(yes)
      class(attributes_type), intent(in) :: self
      character(len=*), intent(in) :: name
      logical :: yes

      yes = nf90_inquire_attribute(self%file, self%variable, trim(name)) == nf90_noerr
   end function is_there

   !> The numbers of an attribute, none where it is not there; `is_real`: not whole ones.
   subroutine numbers(self, name, values, is_real, error)
      class(attributes_type), intent(in) :: self
      character(len=*), intent(in) :: name
      real(wp), allocatable, intent(out) :: values(:)
      logical, intent(out) :: is_real
      type(error_type), allocatable, intent(inout) :: error
      integer :: type
      integer :: length

      is_real = .false.
      allocate (values(0))
      if (allocated(error)) return
      if (nf90_inquire_attribute(self%file, self%variable, trim(name), type, length) &
          /= nf90_noerr) return
      deallocate (values)
      allocate (values(length))
      is_real = type == nf90_float .or. type == nf90_double
      if (nf90_get_att(self%file, self%variable, trim(name), values) /= nf90_noerr) then
         call input_error(error, self%place//': the attribute '//trim(name)//' is no number')
      else if (length == 0) then
         call input_error(error, self%place//': the attribute '//trim(name)//' is empty')
      end if
   end subroutine numbers

   !> The text of an attribute, empty where it is not there.
   subroutine text(self, name, value, error)
      class(attributes_type), intent(in) :: self
      character(len=*), intent(in) :: name
      character(len=:), allocatable, intent(out) :: value
      type(error_type), allocatable, intent(inout) :: error
      integer :: type
      integer :: length
      integer :: status

      value = ''
      if (allocated(error)) return
      if (nf90_inquire_attribute(self%file, self%variable, trim(name), type, length) &
          /= nf90_noerr) return
      if (type == nf90_char) then
         deallocate (value)
         allocate (character(len=length) :: value)
         status = nf90_get_att(self%file, self%variable, trim(name), value)
         if (index(value, c_null_char) > 0) value = value(:index(value, c_null_char) - 1)
      else if (type == nf90_string .and. length == 1) then
         call read_string(self, name, value, status)
      else
         call input_error(error, self%place//': the attribute '//trim(name)//' is no text')
         return
      end if
      if (status /= nf90_noerr) then
         call input_error(error, self%place//': the attribute '//trim(name)//' cannot be read')
      end if
      value = first_line(value)
   end subroutine text

   !> What stands before a line feed: messages are one line.
   pure function first_line(text) result(line)
      character(len=*), intent(in) :: text
      character(len=:), allocatable :: line

      line = text(:scan(text//achar(10), achar(10)//achar(13)) - 1)
   end function first_line

   !> A single string, as HDF5's own libraries write text.
   subroutine read_string(self, name, value, status)
      class(attributes_type), intent(in) :: self
      character(len=*), intent(in) :: name
      character(len=:), allocatable, intent(inout) :: value
      integer, intent(out) :: status
      integer(c_intptr_t) :: address(1)

      address = 0
      status = nc_get_att_string(self%file, self%variable - 1, trim(name)//c_null_char, address)
      if (status /= nf90_noerr .or. address(1) == 0) return
      deallocate (value)
      allocate (character(len=length_at(address(1))) :: value)
      call copy_from(value, address(1), int(len(value), c_size_t))
      status = nc_free_string(1_c_size_t, address)
   end subroutine read_string
end module da_io_cf_attributes
