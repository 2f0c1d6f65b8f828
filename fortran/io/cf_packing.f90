!> What stored numbers mean: missing values, ranges and packing, by the attributes of CF 2.5.1 and
!> 8.1 and of the NetCDF User's Guide.
module da_io_cf_packing
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan, ieee_is_nan, &
      ieee_is_finite
   use, intrinsic :: iso_fortran_env, only: real32
   use netcdf, only: nf90_byte, nf90_short, nf90_int, nf90_float, nf90_double, nf90_ubyte, &
      nf90_ushort, nf90_uint, nf90_int64, nf90_uint64, nf90_char, nf90_string, &
      nf90_fill_float, nf90_fill_double
   use da_base_error, only: error_type, input_error
   use da_base_kinds, only: wp
   use da_base_text, only: lower, to_text
   use da_io_cf_attributes, only: attributes_type
   implicit none
   private
   public :: packing_type, new_packing

   !> value = stored × scale + offset, or NaN where the stored number is one of `missing` or not
   !> between `least` and `greatest`.
   type :: packing_type
      real(wp), allocatable, private :: missing(:)
      real(wp), private :: least = -huge(1.0_wp)
      real(wp), private :: greatest = huge(1.0_wp)
      logical, private :: packed = .false.
      real(wp), private :: scale = 1
      real(wp), private :: offset = 0
      !> Added to stored numbers below 0, or taken from those of half of it and above: `_Unsigned`.
      real(wp), private :: wrap = 0
      logical, private :: wraps_up = .true.
   contains
      procedure :: unpack_values
      procedure, private :: rewrap
   end type packing_type

   !> A type of numbers: its bits, and what the library fills with where nothing is written; a byte
   !> has no such value.
   type :: number_type
      integer :: code
      integer :: bits
      logical :: is_signed
      logical :: is_real
      real(wp) :: fill
   end type number_type
   real(wp), parameter :: no_fill = -huge(1.0_wp)
   type(number_type), parameter :: number_types(10) = [ &
      number_type(nf90_byte, 8, .true., .false., no_fill), &
      number_type(nf90_ubyte, 8, .false., .false., no_fill), &
      number_type(nf90_short, 16, .true., .false., -32767.0_wp), &
      number_type(nf90_ushort, 16, .false., .false., 65535.0_wp), &
      number_type(nf90_int, 32, .true., .false., -2147483647.0_wp), &
      number_type(nf90_uint, 32, .false., .false., 4294967295.0_wp), &
      number_type(nf90_int64, 64, .true., .false., -9223372036854775806.0_wp), &
      number_type(nf90_uint64, 64, .false., .false., 18446744073709551614.0_wp), &
      number_type(nf90_float, 32, .true., .true., real(nf90_fill_float, wp)), &
      number_type(nf90_double, 64, .true., .true., nf90_fill_double)]

contains

   !> Of a variable of an external type, with its attributes.
   subroutine new_packing(attributes, type, packing, error)
      type(attributes_type), intent(in) :: attributes
      integer, intent(in) :: type
      type(packing_type), intent(out) :: packing
      type(error_type), allocatable, intent(out) :: error
      type(number_type) :: number
      real(wp), allocatable :: fill(:)
      real(wp), allocatable :: other(:)
      integer :: t

      t = findloc(number_types%code, type, 1)
      if (t == 0) then
         call input_error(error, attributes%place//' cannot be read: it is '// &
                          name_of_other(type)//', numbers are needed')
         return
      end if
      number = number_types(t)
      call read_scale(attributes, packing, error)
      call read_sign(attributes, number, packing, error)
      call get('_FillValue', 1, 1, fill)
      call get('missing_value', 1, huge(1), other)
      if (allocated(error)) return
      if (size(fill) == 0 .and. number%fill > no_fill) fill = [number%fill]
      packing%missing = pack([fill, other], .not. ieee_is_nan([fill, other]))
      if (type == nf90_float) then
         packing%missing = [packing%missing, single(packing%missing)]
      end if
      call get('valid_min', 1, 1, fill)
      if (size(fill) > 0) packing%least = fill(1)
      call get('valid_max', 1, 1, other)
      if (size(other) > 0) packing%greatest = other(1)
      t = size(fill) + size(other)
      call get('valid_range', 2, 2, fill)
      if (size(fill) > 0 .and. t > 0 .and. .not. allocated(error)) then
         call input_error(error, attributes%place//' has valid_range beside valid_min or '// &
                          'valid_max: CF allows one or the other')
      else if (size(fill) > 0) then
         packing%least = fill(1)
         packing%greatest = fill(2)
      end if
      if (.not. packing%least <= packing%greatest .and. .not. allocated(error)) then
         call input_error(error, attributes%place//': valid_min, valid_max or valid_range '// &
                          'leave no valid value')
      end if
      if (type == nf90_float) then
         packing%least = min(packing%least, single(packing%least))
         packing%greatest = max(packing%greatest, single(packing%greatest))
      end if

   contains

      !> Stored numbers that an attribute names, as many as allowed.
      subroutine get(name, fewest, most, values)
         character(len=*), intent(in) :: name
         integer, intent(in) :: fewest
         integer, intent(in) :: most
         real(wp), allocatable, intent(out) :: values(:)
         logical :: is_real

         call attributes%numbers(name, values, is_real, error)
         if (allocated(error) .or. size(values) == 0) return
         if (size(values) < fewest .or. size(values) > most) then
            call input_error(error, attributes%place//': '//name//' has '// &
                             to_text(size(values))//' values: CF has '//to_text(most))
         else if (packing%packed .and. (is_real .neqv. number%is_real)) then
            call input_error(error, attributes%place//': '//name//' = '//to_text(values(1))// &
                             ' is not of the type that the packed values have, as CF wants: '// &
                             'whether it is packed, too, cannot be told')
         end if
         call packing%rewrap(values)
      end subroutine get
   end subroutine new_packing

   !> scale_factor and add_offset.
   subroutine read_scale(attributes, packing, error)
      type(attributes_type), intent(in) :: attributes
      type(packing_type), intent(inout) :: packing
      type(error_type), allocatable, intent(inout) :: error
      character(len=12), parameter :: names(2) = [character(len=12) :: 'scale_factor', 'add_offset']
      real(wp), allocatable :: values(:)
      real(wp) :: found(2)
      logical :: is_real
      integer :: a

      found = [1, 0]
      do a = 1, size(names)
         call attributes%numbers(names(a), values, is_real, error)
         if (allocated(error)) return
         if (size(values) == 0) cycle
         packing%packed = .true.
         found(a) = values(1)
         if (size(values) == 1 .and. ieee_is_finite(values(1)) &
             .and. (a > 1 .or. abs(values(1)) > 0)) cycle
         call input_error(error, attributes%place//': '//trim(names(a))// &
                          ' must be one finite number, and a factor not 0')
      end do
      packing%scale = found(1)
      packing%offset = found(2)
   end subroutine read_scale

   !> `_Unsigned`: how signed integers are to be taken in files that have no unsigned ones.
   subroutine read_sign(attributes, number, packing, error)
      type(attributes_type), intent(in) :: attributes
      type(number_type), intent(in) :: number
      type(packing_type), intent(inout) :: packing
      type(error_type), allocatable, intent(inout) :: error
      character(len=:), allocatable :: text

      call attributes%text('_Unsigned', text, error)
      if (allocated(error)) return
      if (.not. attributes%is_there('_Unsigned')) return
      text = trim(lower(text))
      if (number%is_real .or. (text /= 'true' .and. text /= 'false')) then
         call input_error(error, attributes%place//" has _Unsigned = '"//text// &
                          "': 'true' or 'false' is needed, and values that are integers")
      else if (number%is_signed .eqv. text == 'true') then
         packing%wrap = 2.0_wp**number%bits
         packing%wraps_up = number%is_signed
      end if
   end subroutine read_sign

   !> Numbers as they were read, in place, become what they mean.
   pure subroutine unpack_values(self, values)
      class(packing_type), intent(in) :: self
      real(wp), intent(inout) :: values(:)
      logical :: is_missing
      integer :: i

      call self%rewrap(values)
      do i = 1, size(values)
         is_missing = .not. (values(i) >= self%least .and. values(i) <= self%greatest)
         if (.not. is_missing) is_missing = any(abs(self%missing - values(i)) <= 0)
         if (is_missing) values(i) = ieee_value(1.0_wp, ieee_quiet_nan)
      end do
      if (self%packed) values = values*self%scale + self%offset
   end subroutine unpack_values

   pure subroutine rewrap(self, values)
      class(packing_type), intent(in) :: self
      real(wp), intent(inout) :: values(:)

      if (.not. self%wrap > 0) return
      if (self%wraps_up) then
         where (values < 0) values = values + self%wrap
      else
         where (values >= self%wrap/2) values = values - self%wrap
      end if
   end subroutine rewrap

   !> Rounded as numbers of 32 bits are: attributes of 64 bits are meant for them all the same.
   elemental function single(value) result(rounded)
      real(wp), intent(in) :: value
      real(wp) :: rounded

      rounded = value
      if (abs(value) <= huge(1.0_real32)) rounded = real(real(value, real32), wp)
   end function single

   pure function name_of_other(type) result(name)
      integer, intent(in) :: type
      character(len=:), allocatable :: name

      name = 'of a type of its own'
      if (type == nf90_char .or. type == nf90_string) name = 'text'
   end function name_of_other
end module da_io_cf_packing
