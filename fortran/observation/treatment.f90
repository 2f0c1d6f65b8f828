!> What is done to observations between the background check and the filter.
module da_observation_treatment
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_observation_robust, only: robust_config, read_robust, weigh_observations
   use da_observation_thinning, only: thinning_config, read_thinning, thin_observations
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: treatment_config, read_treatment, treat_observations

   type :: treatment_config
      type(thinning_config) :: thinning
      type(robust_config) :: robust
   end type treatment_config

contains

   subroutine read_treatment(namelists, correlated_errors, config, error)
      type(namelists_type), intent(inout) :: namelists
      logical, intent(in) :: correlated_errors
      type(treatment_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call read_thinning(namelists, config%thinning, error)
      if (allocated(error)) return
      call read_robust(namelists, correlated_errors, config%robust, error)
   end subroutine read_treatment

   !> Collective: `treated` are the observations as the filter shall see them, their errors those of
   !> weighted ones.
   subroutine treat_observations(domain, config, observations, treated)
      type(domain_type), intent(inout) :: domain
      type(treatment_config), intent(in) :: config
      type(observations_type), intent(inout) :: observations
      type(observations_type), intent(out) :: treated

      call thin_observations(domain, config%thinning, observations)
      call weigh_observations(config%robust, observations)
      treated = observations
      if (config%robust%weighs()) then
         where (observations%used()) treated%error_sd = observations%error_sd &
            /sqrt(observations%weight)
      end if
   end subroutine treat_observations
end module da_observation_treatment
