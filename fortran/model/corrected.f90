!> A model and a network that corrects it: x_{k+1} = M(x_k) + network(x_k), the resolvent form of
!> Farchi et al. (2021). The network may correct every step of the model or several together.
module da_model_corrected
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   use da_model_wrapped, only: wrapped_model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: corrected_type, new_corrected

   type, extends(wrapped_model_type) :: corrected_type
      class(operator_type), allocatable :: correction
      !> Steps of the physics between two corrections.
      integer :: steps = 1
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
      procedure :: advance
   end type corrected_type

contains

   function new_corrected(physics, correction, steps) result(self)
      class(model_type), intent(in) :: physics
      class(operator_type), intent(in) :: correction
      integer, intent(in) :: steps
      type(corrected_type) :: self

      call self%wrap(physics)
      self%dt = steps*physics%dt
      self%rounding = max(physics%rounding, correction%rounding)
      self%correction = correction
      self%steps = steps
   end function new_corrected

   subroutine forward(self, domain, x, y)
      class(corrected_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      y = x
      call self%advance(domain, 1, y)
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(corrected_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: at, next, change
      integer :: step

      at = x
      dy = dx
      allocate (next, change, mold=x)
      do step = 1, self%steps
         call self%original%tl(domain, at, dy, change)
         dy = change
         if (step == self%steps) exit
         call self%original%forward(domain, at, next)
         at = next
      end do
      call self%correction%tl(domain, x, dx, change)
      dy = dy + change
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(corrected_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable :: states(:, :, :, :)
      real(wp), allocatable :: change(:, :, :)
      integer :: step

      allocate (states(size(x, 1), size(x, 2), size(x, 3), self%steps))
      states(:, :, :, 1) = x
      do step = 2, self%steps
         call self%original%forward(domain, states(:, :, :, step - 1), states(:, :, :, step))
      end do
      allocate (change, mold=x)
      dx = dy
      do step = self%steps, 1, -1
         call self%original%ad(domain, states(:, :, :, step), dx, change)
         dx = change
      end do
      call self%correction%ad(domain, x, dy, change)
      dx = dx + change
   end subroutine ad

   subroutine advance(self, domain, times, x)
      class(corrected_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: times
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), allocatable :: corrections(:, :, :)
      integer :: step

      allocate (corrections, mold=x)
      do step = 1, times
         call self%correction%forward(domain, x, corrections)
         call self%original%advance(domain, self%steps, x)
         x = x + corrections
      end do
   end subroutine advance
end module da_model_corrected
