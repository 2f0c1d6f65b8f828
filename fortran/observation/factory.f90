!> The observation operator of a set of observations.
module da_observation_factory
   use da_base_domain, only: domain_type
   use da_observation_mixture, only: new_mixture
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: new_observation_operator

contains

   !> One operator for all kinds present.
   subroutine new_observation_operator(observations, domain, operator)
      type(observations_type), intent(in) :: observations
      type(domain_type), intent(in) :: domain
      class(operator_type), allocatable, intent(out) :: operator

      operator = new_mixture(observations, domain)
   end subroutine new_observation_operator
end module da_observation_factory
