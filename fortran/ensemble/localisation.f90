!> How the influence of an observation fades with distance.
module da_ensemble_localisation
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   implicit none
   private
   public :: localisation_config, read_localisation, gaspari_cohn, cutoff, taper

   !> The radius counts in standard deviations of the Gaussian that the taper resembles: the Gaspari-Cohn
   !> function vanishes at 2 × 1.82 × radius (the convention of DAPPER and of Sakov & Oke 2008).
   real(wp), parameter :: half_width_per_radius = 1.82_wp
   character(len=16), parameter :: known_tapers(2) = [character(len=16) :: 'gaspari_cohn', 'boxcar']

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

      if (.not. allocated(config%taper)) config%taper = 'gaspari_cohn'
      call namelists%open_group('localisation', 'Localisation, used by analysis = ''letkf''')
      call namelists%get('radius', config%radius, 'radius in grid points; the Gaspari-Cohn function '// &
                         'has half-width 1.82 radius, the boxcar ends at the radius', above=0.0_wp)
      call namelists%get('taper', config%taper, 'weight of an observation against distance', known_tapers)
      call namelists%close_group(error)
   end subroutine read_localisation

   !> The distance in grid points from which on observations have no weight.
   pure function cutoff(config) result(distance)
      type(localisation_config), intent(in) :: config
      real(wp) :: distance

      select case (config%taper)
      case ('boxcar')
         distance = config%radius
      case default
         distance = 2*half_width_per_radius*config%radius
      end select
   end function cutoff

   !> The weight, 1 … 0, at a distance in grid points.
   elemental function taper(config, distance) result(weight)
      type(localisation_config), intent(in) :: config
      real(wp), intent(in) :: distance
      real(wp) :: weight

      select case (config%taper)
      case ('boxcar')
         weight = merge(1.0_wp, 0.0_wp, distance <= config%radius)
      case default
         weight = gaspari_cohn(distance/(half_width_per_radius*config%radius))
      end select
   end function taper

   !> Gaspari & Cohn (1999), eq. 4.10; r is the distance in half-widths, zero from r = 2 on.
   elemental function gaspari_cohn(r) result(weight)
      real(wp), intent(in) :: r
      real(wp) :: weight

      if (r <= 1) then
         weight = (((-0.25_wp*r + 0.5_wp)*r + 0.625_wp)*r - 5.0_wp/3)*r**2 + 1
      else if (r < 2) then
         weight = ((((r/12 - 0.5_wp)*r + 0.625_wp)*r + 5.0_wp/3)*r - 5)*r + 4 - 2/(3*r)
         weight = max(weight, 0.0_wp)
      else
         weight = 0
      end if
   end function gaspari_cohn
end module da_ensemble_localisation
