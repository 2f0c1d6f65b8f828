!> The observation operator of a set of observations.
module da_observation_factory
   use da_base_domain, only: domain_type
   use da_observation_kinds, only: kind_value
   use da_observation_mixture, only: new_mixture
   use da_observation_type, only: observations_type
   use da_operator_composition, only: new_composition
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: new_observation_operator

contains

   !> One operator for all kinds present, or the values of the field that stands for them.
   subroutine new_observation_operator(observations, domain, operator)
      type(observations_type), intent(in) :: observations
      type(domain_type), intent(in) :: domain
      class(operator_type), allocatable, intent(out) :: operator
      type(observations_type) :: values

      if (.not. allocated(observations%field)) then
         operator = new_mixture(observations, domain)
         return
      end if
      values = observations
      values%kind = kind_value
      operator = new_composition(observations%field, new_mixture(values, domain))
   end subroutine new_observation_operator
end module da_observation_factory
