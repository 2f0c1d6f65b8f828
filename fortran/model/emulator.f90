!> A network as the forecast model: x_{k+1} = x_k + network(x_k), one call a step.
module da_model_emulator
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   use da_model_wrapped, only: wrapped_model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: emulator_type, new_emulator

   type, extends(wrapped_model_type) :: emulator_type
      class(operator_type), allocatable :: increment
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
      procedure :: advance
   end type emulator_type

contains

   !> In the place of `model`, whose grid it shares; a step takes `dt`.
   function new_emulator(model, increment, dt) result(self)
      class(model_type), intent(in) :: model
      class(operator_type), intent(in) :: increment
      real(wp), intent(in) :: dt
      type(emulator_type) :: self

      call self%wrap(model)
      self%dt = dt
      self%rounding = increment%rounding
      self%increment = increment
   end function new_emulator

   subroutine forward(self, domain, x, y)
      class(emulator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      call self%increment%forward(domain, x, y)
      y = x + y
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(emulator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call self%increment%tl(domain, x, dx, dy)
      dy = dx + dy
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(emulator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)

      call self%increment%ad(domain, x, dy, dx)
      dx = dy + dx
   end subroutine ad

   subroutine advance(self, domain, times, x)
      class(emulator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: times
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), allocatable :: increments(:, :, :)
      integer :: step

      allocate (increments, mold=x)
      do step = 1, times
         call self%increment%forward(domain, x, increments)
         x = x + increments
      end do
   end subroutine advance
end module da_model_emulator
