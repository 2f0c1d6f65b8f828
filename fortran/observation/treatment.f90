!> What is done to observations between the background check and the filter: they are thinned,
!> weighed, merged, in this order.
module da_observation_treatment
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_observation_robust, only: robust_config, read_robust, weigh_observations
   use da_observation_superobbing, only: superobbing_config, read_superobbing, merge_observations
   use da_observation_thinning, only: thinning_config, read_thinning, thin_observations
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: treatment_config, read_treatment, screen_observations, replace_observations

   type :: treatment_config
      type(thinning_config) :: thinning
      type(robust_config) :: robust
      type(superobbing_config) :: superobbing
   contains
      procedure :: replaces
   end type treatment_config

contains

   subroutine read_treatment(namelists, correlated_errors, config, error)
      type(namelists_type), intent(inout) :: namelists
      logical, intent(in) :: correlated_errors
      type(treatment_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call read_robust(namelists, correlated_errors, config%robust, error)
      if (allocated(error)) return
      call read_thinning(namelists, config%thinning, error)
      if (allocated(error)) return
      call read_superobbing(namelists, config%thinning%thins(), correlated_errors, &
                            config%superobbing, error)
   end subroutine read_treatment

   !> Whether the filter shall see other observations than those of the source.
   pure function replaces(self) result(yes)
      class(treatment_config), intent(in) :: self
      logical :: yes

      yes = self%robust%weighs() .or. self%superobbing%merges()
   end function replaces

   !> Collective: thin and weigh observations, in place.
   subroutine screen_observations(domain, config, observations)
      type(domain_type), intent(inout) :: domain
      type(treatment_config), intent(in) :: config
      type(observations_type), intent(inout) :: observations

      call thin_observations(domain, config%thinning, observations)
      call weigh_observations(config%robust, observations)
   end subroutine screen_observations

   !> Collective: what the filter sees in place of screened observations: superobservations, their
   !> errors those of weighted observations, and hx(seen%n, members) theirs.
   subroutine replace_observations(domain, config, observations, hx, seen)
      type(domain_type), intent(inout) :: domain
      type(treatment_config), intent(in) :: config
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable, intent(inout) :: hx(:, :)
      type(observations_type), intent(out) :: seen
      real(wp), allocatable :: merged_hx(:, :)
      real(wp) :: error_sd(observations%n)

      error_sd = observations%error_sd
      if (config%robust%weighs()) then
         where (observations%used()) error_sd = error_sd/sqrt(observations%weight)
      end if
      if (config%superobbing%merges()) then
         call merge_observations(domain, config%superobbing, error_sd, size(hx, 2), hx, &
                                 observations, seen, merged_hx)
         call move_alloc(merged_hx, hx)
      else
         seen = observations
         seen%error_sd = error_sd
      end if
   end subroutine replace_observations
end module da_observation_treatment
