!> A network as tangent linear and adjoint of the run's model, whose forecasts stay its own.
module da_roles_as_linear_model
   use da_base_error, only: error_type
   use da_model_emulator, only: new_emulator
   use da_model_linearised, only: new_linearised
   use da_model_state_part, only: add_to_state
   use da_model_type, only: model_type
   use da_network_file, only: network_file_type
   use da_operator_type, only: operator_type
   use da_roles_type, only: network_role_type, parts_type
   implicit none
   private
   public :: as_linear_model_type, new_as_linear_model

   type, extends(network_role_type) :: as_linear_model_type
   contains
      procedure :: take
   end type as_linear_model_type

contains

   function new_as_linear_model() result(self)
      type(as_linear_model_type) :: self

      self%key = 'linear_model'
      self%meaning = 'emulator whose tangent linear and adjoint stand for the model''s'
      self%file_role%name = 'model'
      self%adds_to_state = .true.
   end function new_as_linear_model

   subroutine take(self, network, parts, error)
      class(as_linear_model_type), intent(in) :: self
      type(network_file_type), intent(in) :: network
      type(parts_type), intent(inout) :: parts
      type(error_type), allocatable, intent(out) :: error
      class(operator_type), allocatable :: added
      class(model_type), allocatable :: taken
      integer :: inside

      associate (interval => network%metadata%trained%interval)
         call parts%count_steps(self%key, interval, inside, error)
         if (allocated(error)) return
         call add_to_state(network%operator, parts%model, added)
         taken = new_linearised(parts%model, new_emulator(parts%model, added, interval), inside)
      end associate
      call parts%replace_model(taken, error)
   end subroutine take
end module da_roles_as_linear_model
