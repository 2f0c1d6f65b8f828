!> A model that stands in the place of another and is that one in all but its step: whatever it does
!> not do itself, the other does.
module da_model_wrapped
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_type, only: model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: wrapped_model_type

   !> What extends it says what a step is.
   type, abstract, extends(model_type) :: wrapped_model_type
      class(model_type), allocatable :: original
   contains
      procedure :: wrap
      procedure :: configure
      procedure :: rows
      procedure :: set_parameters
      procedure :: get_tendency
      procedure :: step_reach
      procedure :: second_order
   end type wrapped_model_type

contains

   !> Stand for a model.
   subroutine wrap(self, model)
      class(wrapped_model_type), intent(inout) :: self
      class(model_type), intent(in) :: model

      call self%resemble(model)
      self%original = model
   end subroutine wrap

   subroutine configure(self, namelists, error)
      class(wrapped_model_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call self%original%configure(namelists, error)
   end subroutine configure

   pure function rows(self, domain) result(count)
      class(wrapped_model_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = self%original%rows(domain)
   end function rows

   subroutine set_parameters(self, domain, x)
      class(wrapped_model_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(inout) :: x(:, :, :)

      call self%original%set_parameters(domain, x)
   end subroutine set_parameters

   !> None, as its step is another than the original's.
   subroutine get_tendency(self, tendency)
      class(wrapped_model_type), intent(in) :: self
      class(operator_type), allocatable, intent(out) :: tendency
   end subroutine get_tendency

   !> What matters to a step of the original, and as much again: its step is not known to be as
   !> narrow.
   pure function step_reach(self) result(reach)
      class(wrapped_model_type), intent(in) :: self
      integer :: reach(2)

      reach = 2*self%original%step_reach()
   end function step_reach

   !> Not told, either.
   subroutine second_order(self, domain, covariance, tendency)
      class(wrapped_model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: covariance(:, :, :)
      real(wp), allocatable, intent(out) :: tendency(:, :)
   end subroutine second_order
end module da_model_wrapped
