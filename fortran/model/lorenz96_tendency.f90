!> The tendency of Lorenz-96 as an operator: what a network may be added to.
!>
!> dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F   (Lorenz & Emanuel 1998, eq. 1)
module da_model_lorenz96_tendency
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: lorenz96_tendency_type, new_lorenz96_tendency

   type, extends(operator_type) :: lorenz96_tendency_type
      real(wp) :: forcing = 8
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type lorenz96_tendency_type

   !> Points to the left and right on which a tendency depends.
   integer, parameter :: left = 2
   integer, parameter :: right = 1

contains

   function new_lorenz96_tendency(forcing) result(self)
      real(wp), intent(in) :: forcing
      type(lorenz96_tendency_type) :: self

      self%forcing = forcing
   end function new_lorenz96_tendency

   subroutine forward(self, domain, x, y)
      class(lorenz96_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp) :: xh(1 - left:domain%n + right, size(x, 3))
      integer :: i
      integer :: m

      call pad(domain, left, right, x, xh)
      do m = 1, size(x, 3)
         do i = 1, domain%n
            y(i, 1, m) = (xh(i + 1, m) - xh(i - 2, m))*xh(i - 1, m) - xh(i, m) + self%forcing
         end do
      end do
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(lorenz96_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), dimension(1 - left:domain%n + right, size(x, 3)) :: xh, dxh
      integer :: i
      integer :: m

      call pad(domain, left, right, x, xh)
      call pad(domain, left, right, dx, dxh)
      do m = 1, size(x, 3)
         do i = 1, domain%n
            dy(i, 1, m) = (dxh(i + 1, m) - dxh(i - 2, m))*xh(i - 1, m) &
                          + (xh(i + 1, m) - xh(i - 2, m))*dxh(i - 1, m) - dxh(i, m)
         end do
      end do
   end subroutine tl

   !> Point i gathers from the tendencies of i - 1 … i + 2, in which it stands as x_{j+1} … x_{j-2}.
   subroutine ad(self, domain, x, dy, dx)
      class(lorenz96_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp) :: xh(1 - left:domain%n + left, size(x, 3))
      real(wp) :: dyh(1 - right:domain%n + left, size(x, 3))
      integer :: i
      integer :: m

      call pad(domain, left, left, x, xh)
      call pad(domain, right, left, dy, dyh)
      do m = 1, size(x, 3)
         do i = 1, domain%n
            dx(i, 1, m) = xh(i - 2, m)*dyh(i - 1, m) - xh(i + 1, m)*dyh(i + 2, m) &
                          + (xh(i + 2, m) - xh(i - 1, m))*dyh(i + 1, m) - dyh(i, m)
         end do
      end do
   end subroutine ad

   !> The one component of each member, with so many points of the neighbours.
   subroutine pad(domain, before, behind, x, xh)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: before
      integer, intent(in) :: behind
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), intent(out) :: xh(1 - before:domain%n + behind, size(x, 3))
      real(wp), allocatable :: beyond_left(:, :)
      real(wp), allocatable :: beyond_right(:, :)

      allocate (beyond_left(before, size(x, 3)), beyond_right(behind, size(x, 3)))
      call domain%fetch_halo(size(x, 3), x, beyond_left, beyond_right)
      xh(:0, :) = beyond_left
      xh(1:domain%n, :) = x(:, 1, :)
      xh(domain%n + 1:, :) = beyond_right
   end subroutine pad
end module da_model_lorenz96_tendency
