!> An operator applied again and again: y = M(M(… x)), with the tangent linear and adjoint that
!> follow from its own.
module da_operator_repetition
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: repetition_type, new_repetition

   !> `once` maps fields onto fields of the same shape.
   type, extends(operator_type) :: repetition_type
      class(operator_type), allocatable :: once
      integer :: times = 1
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type repetition_type

contains

   function new_repetition(once, times) result(self)
      class(operator_type), intent(in) :: once
      integer, intent(in) :: times
      type(repetition_type) :: self

      self%once = once
      self%times = times
      self%components_in = once%components_in
      self%components_out = once%components_out
      self%rounding = once%rounding
   end function new_repetition

   subroutine forward(self, domain, x, y)
      class(repetition_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable :: before(:, :, :)
      integer :: time

      y = x
      do time = 1, self%times
         before = y
         call self%once%forward(domain, before, y)
      end do
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(repetition_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: state, next, before
      integer :: time

      state = x
      allocate (next, mold=x)
      dy = dx
      do time = 1, self%times
         before = dy
         call self%once%tl(domain, state, before, dy)
         call self%once%forward(domain, state, next)
         state = next
      end do
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(repetition_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable :: states(:, :, :, :)
      real(wp), allocatable :: after(:, :, :)
      integer :: time

      allocate (states(size(x, 1), size(x, 2), size(x, 3), self%times))
      states(:, :, :, 1) = x
      do time = 2, self%times
         call self%once%forward(domain, states(:, :, :, time - 1), states(:, :, :, time))
      end do
      dx = dy
      do time = self%times, 1, -1
         after = dx
         call self%once%ad(domain, states(:, :, :, time), after, dx)
      end do
   end subroutine ad
end module da_operator_repetition
