!> How the influence of an observation fades with distance.
module da_ensemble_localisation
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_exponential, only: exponential
   use da_base_namelists, only: namelists_type
   implicit none
   private
   public :: localisation_config, read_localisation, gaspari_cohn, cutoff, tapers

   !> The radius counts in standard deviations of the Gaussian that the taper resembles: the
   !> Gaspari-Cohn function vanishes at 2 × 1.82 × radius (the convention of DAPPER and of Sakov &
   !> Oke 2008).
   real(wp), parameter :: half_width_per_radius = 1.82_wp
   !> Where tapers that never vanish are cut.
   real(wp), parameter :: least_weight = 1.0e-3_wp
   character(len=16), parameter :: known_tapers(6) = [character(len=16) :: &
      'gaspari_cohn', 'boxcar', 'triangle', 'exponential', 'gaussian', 'none']

   !> `&localisation`
   type :: localisation_config
      real(wp) :: radius = 6
      character(len=:), allocatable :: taper
   end type localisation_config

contains

   subroutine read_localisation(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(localisation_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(localisation_config) :: defaults

      if (.not. allocated(config%taper)) config%taper = 'gaspari_cohn'
      call namelists%open_group('localisation', 'Localisation, used by analysis = ''letkf'', '// &
                                '''ensrf'', ''eakf'', ''local_particle_filter'' and hybrids')
      call namelists%get('radius', config%radius, &
                         'radius r in grid points; the Gaspari-Cohn function has half-width '// &
                         '1.82 r, the boxcar ends at r, the triangle at 2 r; '// &
                         'exponential exp(-d/r) and gaussian exp(-(d/r)^2/2) are cut below 0.001', &
                         above=0.0_wp)
      call namelists%get('taper', config%taper, 'weight of an observation against distance', &
                         known_tapers)
      if (config%taper == 'none' .and. abs(config%radius - defaults%radius) > 0) then
         call namelists%reject('radius', "is not used with taper = 'none'")
      end if
      call namelists%close_group(error)
   end subroutine read_localisation

   !> The distance in grid points from which on observations have no weight (the boxcar's end has
   !> some).
   pure function cutoff(config) result(distance)
      type(localisation_config), intent(in) :: config
      real(wp) :: distance

      select case (config%taper)
      case ('boxcar')
         distance = config%radius
      case ('triangle')
         distance = 2*config%radius
      case ('exponential')
         distance = -log(least_weight)*config%radius
      case ('gaussian')
         distance = sqrt(-2*log(least_weight))*config%radius
      case ('none')
         distance = huge(distance)
      case default
         distance = 2*half_width_per_radius*config%radius
      end select
   end function cutoff

   !> The weights, 1 … 0, at distances in grid points (their signs do not matter).
   pure subroutine tapers(config, n, distances, weights)
      type(localisation_config), intent(in) :: config
      integer, intent(in) :: n
      real(wp), intent(in) :: distances(n)
      real(wp), intent(out) :: weights(n)
      real(wp) :: scale
      integer :: i

      scale = 1/config%radius
      select case (config%taper)
      case ('boxcar')
         do i = 1, n
            weights(i) = merge(1.0_wp, 0.0_wp, abs(distances(i)) <= config%radius)
         end do
      case ('triangle')
         do i = 1, n
            weights(i) = max(1 - 0.5_wp*scale*abs(distances(i)), 0.0_wp)
         end do
      case ('exponential')
         do i = 1, n
            weights(i) = cut_exponential(scale*abs(distances(i)))
         end do
      case ('gaussian')
         do i = 1, n
            weights(i) = cut_exponential(0.5_wp*(scale*distances(i))**2)
         end do
      case ('none')
         weights = 1
      case default
         scale = 1/(half_width_per_radius*config%radius)
         do i = 1, n
            weights(i) = gaspari_cohn(scale*abs(distances(i)))
         end do
      end select
   end subroutine tapers

   !> exp(-depth) down to the least weight.
   pure function cut_exponential(depth) result(weight)
      real(wp), intent(in) :: depth
      real(wp) :: weight

      weight = exponential(-depth)
      if (weight < least_weight) weight = 0
   end function cut_exponential

   !> Gaspari & Cohn (1999), eq. 4.10; r is the distance in half-widths, zero from r = 2 on.
   elemental function gaspari_cohn(r) result(weight)
      real(wp), intent(in) :: r
      real(wp) :: weight
      real(wp) :: near
      real(wp) :: far
      real(wp) :: beyond

      beyond = max(r, 1.0_wp)
      near = (((-0.25_wp*r + 0.5_wp)*r + 0.625_wp)*r - 5.0_wp/3)*r**2 + 1
      far = ((((beyond/12 - 0.5_wp)*beyond + 0.625_wp)*beyond + 5.0_wp/3)*beyond - 5)*beyond + 4 &
            - 2/(3*beyond)
      weight = merge(near, max(far, 0.0_wp), r <= 1)
      weight = merge(weight, 0.0_wp, r < 2)
   end function gaspari_cohn
end module da_ensemble_localisation
