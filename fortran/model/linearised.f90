!> A model whose tangent linear and adjoint are those of another, as where a network stands for the
!> linear model alone (Hatfield et al. 2021).
module da_model_linearised
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   use da_model_wrapped, only: wrapped_model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: linearised_type, new_linearised

   type, extends(wrapped_model_type) :: linearised_type
      !> Its step takes as long as `steps` of the nonlinear model, the original.
      class(model_type), allocatable :: linear
      integer :: steps = 1
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
      procedure :: advance
      procedure :: get_tendency
   end type linearised_type

contains

   function new_linearised(nonlinear, linear, steps) result(self)
      class(model_type), intent(in) :: nonlinear
      class(model_type), intent(in) :: linear
      integer, intent(in) :: steps
      type(linearised_type) :: self

      call self%wrap(nonlinear)
      self%dt = steps*nonlinear%dt
      self%rounding = max(nonlinear%rounding, linear%rounding)
      self%linear = linear
      self%steps = steps
   end function new_linearised

   subroutine forward(self, domain, x, y)
      class(linearised_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      y = x
      call self%original%advance(domain, self%steps, y)
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(linearised_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call self%linear%tl(domain, x, dx, dy)
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(linearised_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)

      call self%linear%ad(domain, x, dy, dx)
   end subroutine ad

   subroutine advance(self, domain, times, x)
      class(linearised_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: times
      real(wp), contiguous, intent(inout) :: x(:, :, :)

      call self%original%advance(domain, times*self%steps, x)
   end subroutine advance

   !> The original's, as its forecasts are.
   subroutine get_tendency(self, tendency)
      class(linearised_type), intent(in) :: self
      class(operator_type), allocatable, intent(out) :: tendency

      call self%original%get_tendency(tendency)
   end subroutine get_tendency
end module da_model_linearised
