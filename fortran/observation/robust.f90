!> Weights that keep gross errors from an analysis, without the all-or-nothing of a rejection.
!>
!> With the innovation d normalised by its expected standard deviation, sqrt(background_sd² +
!> error_sd²), the observation's error variance is divided by
!>
!> Huber (1964): min(1, c / |d|): Gaussian up to c, exponential beyond, so that the influence of an
!> observation is bounded (Roh et al. 2013; Tavolato & Isaksen 2015);
!>
!> variational quality control (Ingleby & Lorenc 1993; Andersson & Järvinen 1999): 1 - P(gross
!> error | d), where gross errors are spread evenly over 2D standard deviations and have the prior
!> probability A: exp(-d²/2) / (γ + exp(-d²/2)), γ = A sqrt(2π) / ((1 - A) 2D).
module da_observation_robust
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: robust_config, read_robust, weigh_observations, huber_weight, varqc_weight

   integer, parameter :: name_length = 5
   character(len=name_length), parameter :: known_weightings(3) = [character(len=name_length) :: &
      'none', 'huber', 'varqc']

   !> `&quality_control`
   type :: robust_config
      character(len=name_length) :: weighting = 'none'
      real(wp) :: huber_limit = 2
      real(wp) :: gross_probability = 0.01_wp
      real(wp) :: gross_width = 10
   contains
      procedure :: weighs
   end type robust_config

contains

   subroutine read_robust(namelists, correlated_errors, config, error)
      type(namelists_type), intent(inout) :: namelists
      logical, intent(in) :: correlated_errors
      type(robust_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(robust_config) :: defaults
      character(len=:), allocatable :: weighting
      real(wp), parameter :: most_probable = 0.999_wp

      weighting = trim(config%weighting)
      call namelists%open_group('quality_control', 'Less weight for doubtful observations; '// &
                                'gross_error_limit in &observations rejects them')
      call namelists%get('weighting', weighting, 'which weights', known_weightings)
      call namelists%get('huber_limit', config%huber_limit, &
                         'huber: innovations beyond so many expected standard deviations lose '// &
                         'weight', above=0.0_wp)
      call namelists%get('gross_probability', config%gross_probability, &
                         'varqc: prior probability of a gross error', above=0.0_wp, &
                         maximum=most_probable)
      call namelists%get('gross_width', config%gross_width, &
                         'varqc: gross errors reach so many expected standard deviations '// &
                         'either way', above=0.0_wp)
      config%weighting = weighting
      if (weighting /= 'huber') then
         if (abs(config%huber_limit - defaults%huber_limit) > 0) call refuse('huber_limit')
      end if
      if (weighting /= 'varqc') then
         if (abs(config%gross_probability - defaults%gross_probability) > 0) then
            call refuse('gross_probability')
         end if
         if (abs(config%gross_width - defaults%gross_width) > 0) call refuse('gross_width')
      end if
      if (config%weighs() .and. correlated_errors) then
         call namelists%reject('weighting', "= '"//weighting//"' is for independent errors: "// &
                               'error_correlation_length in &observations must be 0')
      end if
      call namelists%close_group(error)

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, "is not used with weighting = '"//weighting//"'")
      end subroutine refuse
   end subroutine read_robust

   pure function weighs(self) result(yes)
      class(robust_config), intent(in) :: self
      logical :: yes

      yes = self%weighting /= 'none'
   end function weighs

   !> Set the weight of each observation: zero for those that are not used.
   subroutine weigh_observations(config, observations)
      type(robust_config), intent(in) :: config
      type(observations_type), intent(inout) :: observations
      !> Even a sure gross error keeps so much, so that its error remains a finite number.
      real(wp), parameter :: least = 1.0e-30_wp
      real(wp) :: expected
      real(wp) :: d
      integer :: j

      if (.not. config%weighs()) return
      allocate (observations%weight(observations%n), source=0.0_wp)
      do j = 1, observations%n
         if (.not. observations%is_used(j)) cycle
         expected = sqrt(observations%background_sd(j)**2 + observations%error_sd(j)**2)
         d = abs(observations%value(j) - observations%background(j))/expected
         if (config%weighting == 'huber') then
            observations%weight(j) = huber_weight(config%huber_limit, d)
         else
            observations%weight(j) = varqc_weight(config%gross_probability, config%gross_width, d)
         end if
         observations%weight(j) = max(observations%weight(j), least)
      end do
   end subroutine weigh_observations

   pure function huber_weight(limit, d) result(weight)
      real(wp), intent(in) :: limit
      real(wp), intent(in) :: d
      real(wp) :: weight

      weight = 1
      if (abs(d) > limit) weight = limit/abs(d)
   end function huber_weight

   pure function varqc_weight(probability, width, d) result(weight)
      real(wp), intent(in) :: probability
      real(wp), intent(in) :: width
      real(wp), intent(in) :: d
      real(wp) :: weight
      real(wp), parameter :: root_two_pi = 2.5066282746310002_wp
      real(wp) :: gamma
      real(wp) :: gaussian

      gamma = probability*root_two_pi/((1 - probability)*2*width)
      gaussian = exp(-0.5_wp*d**2)
      weight = gaussian/(gamma + gaussian)
   end function varqc_weight
end module da_observation_robust
