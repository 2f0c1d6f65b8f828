!> A model in whose place another stands, with all that it is besides a step: circle, climate,
!> parameters.
module da_model_wrapped
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   implicit none
   private
   public :: wrapped_type

   !> What extends it says what a step is. It gives no tendency: its step is another.
   type, abstract, extends(model_type) :: wrapped_type
      class(model_type), allocatable :: original
   contains
      procedure :: wrap
      procedure :: set_parameters
   end type wrapped_type

contains

   !> Stand for a model.
   subroutine wrap(self, model)
      class(wrapped_type), intent(inout) :: self
      class(model_type), intent(in) :: model

      call self%resemble(model)
      self%original = model
   end subroutine wrap

   subroutine set_parameters(self, domain, x)
      class(wrapped_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(inout) :: x(:, :, :)

      call self%original%set_parameters(domain, x)
   end subroutine set_parameters
end module da_model_wrapped
