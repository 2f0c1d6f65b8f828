!> Kinds of observations: what each one makes of the state around its position.
!>
!> z is the state at the position, interpolated linearly between grid points.
!>
!> value: z; abs: |z|; square: z²; power: sign(z) min(|z|^exponent, cap); log: log(|z| + offset);
!> average: the mean of the interpolated state over position ± half_width, or a curve of it.
module da_observation_kinds
   use da_base_kinds, only: wp
   use da_base_namelists, only: namelists_type, name_length
   use da_base_text, only: to_text
   implicit none
   private
   public :: kind_parameters_type, read_kind_parameters, curve, slope, kinds_listed
   public :: kind_value, kind_abs, kind_square, kind_power, kind_log, kind_average
   public :: known_kinds, kind_names, codes_of

   !> The codes are those of observation files.
   integer, parameter :: kind_value = 1
   integer, parameter :: kind_abs = 2
   integer, parameter :: kind_square = 3
   integer, parameter :: kind_power = 4
   integer, parameter :: kind_log = 5
   integer, parameter :: kind_average = 6
   integer, parameter :: known_kinds(6) = [kind_value, kind_abs, kind_square, kind_power, &
      kind_log, kind_average]
   character(len=7), parameter :: kind_names(6) = [character(len=7) :: &
      'value', 'abs', 'square', 'power', 'log', 'average']

   type :: kind_parameters_type
      real(wp) :: exponent = 2
      real(wp) :: cap = 50
      real(wp) :: offset = 1
      real(wp) :: half_width = 2
      !> The kind whose curve is taken of an average.
      integer :: average_curve = kind_value
   contains
      procedure :: unused
   end type kind_parameters_type

contains

   !> Keys of the group that is open. An exponent below 1 would have no slope at 0.
   subroutine read_kind_parameters(namelists, parameters)
      type(namelists_type), intent(inout) :: namelists
      type(kind_parameters_type), intent(inout) :: parameters
      character(len=:), allocatable :: curve_name
      character(len=name_length) :: names(1)
      integer :: codes(1)

      call namelists%get('power_exponent', parameters%exponent, &
                         'kind power: sign(z) min(|z|^exponent, cap)', minimum=1.0_wp)
      call namelists%get('power_cap', parameters%cap, 'kind power: largest size of the result', &
                         above=0.0_wp)
      call namelists%get('log_offset', parameters%offset, 'kind log: log(|z| + offset)', &
                         above=0.0_wp)
      call namelists%get('average_half_width', parameters%half_width, &
                         'kind average: the mean over so many points on each side; any fraction', &
                         above=0.0_wp)
      curve_name = trim(kind_names(kind_value))
      call namelists%get('average_curve', curve_name, &
                         'kind average: what is observed of the mean', kind_names(:kind_log))
      names(1) = curve_name
      codes = codes_of(names)
      parameters%average_curve = codes(1)
   end subroutine read_kind_parameters

   !> The key of a parameter that was set, and belongs to a kind that is not there; empty if there
   !> is none.
   pure function unused(self, kinds) result(key)
      class(kind_parameters_type), intent(in) :: self
      integer, intent(in) :: kinds(:)
      character(len=:), allocatable :: key
      type(kind_parameters_type) :: defaults
      integer :: curves(size(kinds))

      key = ''
      curves = curve_of(self, kinds)
      if (.not. any(curves == kind_power)) then
         if (abs(self%exponent - defaults%exponent) > 0) key = 'power_exponent'
         if (abs(self%cap - defaults%cap) > 0) key = 'power_cap'
      end if
      if (.not. any(curves == kind_log)) then
         if (abs(self%offset - defaults%offset) > 0) key = 'log_offset'
      end if
      if (.not. any(kinds == kind_average)) then
         if (abs(self%half_width - defaults%half_width) > 0) key = 'average_half_width'
         if (self%average_curve /= defaults%average_curve) key = 'average_curve'
      end if
   end function unused

   !> The kind whose curve a kind has.
   elemental function curve_of(parameters, kind) result(code)
      type(kind_parameters_type), intent(in) :: parameters
      integer, intent(in) :: kind
      integer :: code

      code = kind
      if (kind == kind_average) code = parameters%average_curve
   end function curve_of

   !> What a kind makes of the interpolated state, or of its average.
   elemental function curve(parameters, kind, z) result(y)
      type(kind_parameters_type), intent(in) :: parameters
      integer, intent(in) :: kind
      real(wp), intent(in) :: z
      real(wp) :: y

      select case (curve_of(parameters, kind))
      case (kind_abs)
         y = abs(z)
      case (kind_square)
         y = z*z
      case (kind_power)
         y = sign(min(abs(z)**parameters%exponent, parameters%cap), z)
      case (kind_log)
         y = log(abs(z) + parameters%offset)
      case default
         y = z
      end select
   end function curve

   !> The derivative of `curve`: from above at 0, zero from where the cap is reached.
   elemental function slope(parameters, kind, z) result(dy)
      type(kind_parameters_type), intent(in) :: parameters
      integer, intent(in) :: kind
      real(wp), intent(in) :: z
      real(wp) :: dy

      select case (curve_of(parameters, kind))
      case (kind_abs)
         dy = sign(1.0_wp, z)
      case (kind_square)
         dy = 2*z
      case (kind_power)
         dy = 0
         if (abs(z)**parameters%exponent < parameters%cap) then
            dy = parameters%exponent*abs(z)**(parameters%exponent - 1)
         end if
      case (kind_log)
         dy = sign(1/(abs(z) + parameters%offset), z)
      case default
         dy = 1
      end select
   end function slope

   !> The codes of kinds that are known by these names.
   pure function codes_of(names) result(codes)
      character(len=*), intent(in) :: names(:)
      integer :: codes(size(names))
      integer :: k

      codes = kind_value
      do k = 1, size(known_kinds)
         where (names == kind_names(k)) codes = known_kinds(k)
      end do
   end function codes_of

   !> '1, value; 2, abs; …'
   pure function kinds_listed() result(text)
      character(len=:), allocatable :: text
      integer :: k

      text = ''
      do k = 1, size(known_kinds)
         if (k > 1) text = text//'; '
         text = text//to_text(known_kinds(k))//', '//trim(kind_names(k))
      end do
   end function kinds_listed
end module da_observation_kinds
