!> A network that gives the field which the analysis takes observations for.
module da_roles_as_observation
   use da_base_error, only: error_type
   use da_network_file, only: network_file_type
   use da_roles_type, only: network_role_type, parts_type
   implicit none
   private
   public :: as_observation_type, new_as_observation

   type, extends(network_role_type) :: as_observation_type
   contains
      procedure :: take
   end type as_observation_type

contains

   function new_as_observation() result(self)
      type(as_observation_type) :: self

      self%key = 'observation'
      self%meaning = 'the field that the analysis takes the observations for, whatever their kind'
      self%file_role%name = 'observation'
      self%file_role%gives_observed = .true.
   end function new_as_observation

   subroutine take(self, network, parts, error)
      class(as_observation_type), intent(in) :: self
      type(network_file_type), intent(in) :: network
      type(parts_type), intent(inout) :: parts
      type(error_type), allocatable, intent(out) :: error

      parts%observed_field = network%operator
   end subroutine take
end module da_roles_as_observation
