!> Lorenz-96 on a halo-padded slab: one step of fourth-order Runge-Kutta, its tangent linear and
!> adjoint.
!>
!> dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F   (Lorenz & Emanuel 1998, eq. 1)
!>
!> A step reaches `reach_left` points to the left and `reach_right` to the right. Every stage is
!> computed on the points that later stages need, so a point's value is the same arithmetic on any
!> layout of slabs. The adjoint is in gather form for the same reason: it needs the sensitivity with
!> the transposed halo.
module da_model_lorenz96_kernels
   use da_base_kinds, only: wp
   implicit none
   private
   public :: lorenz96_step, lorenz96_step_tl, lorenz96_step_ad, lorenz96_second_order
   public :: reach_left, reach_right

   !> Four stages, each reaching two points to the left and one to the right.
   integer, parameter :: reach_left = 8
   integer, parameter :: reach_right = 4
   integer, parameter :: reach = reach_left + reach_right
   !> Points a pass: all stages of a tile stay in the first-level cache.
   integer, parameter :: tile = 512

contains

   !> y = M(x) on n points; xh holds x with its halo, xh(reach_left + i) = x_i.
   pure subroutine lorenz96_step(n, forcing, dt, xh, y)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: xh(n + 12)
      real(wp), intent(out) :: y(n)
      integer :: start

      do start = 1, n, tile
         call step_tile(min(tile, n - start + 1), forcing, dt, xh(start:), y(start:))
      end do
   end subroutine lorenz96_step

   !> dy = M'(x) dx on n points; xh and dxh padded as in `lorenz96_step`.
   pure subroutine lorenz96_step_tl(n, forcing, dt, xh, dxh, dy)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: xh(n + 12)
      real(wp), intent(in) :: dxh(n + 12)
      real(wp), intent(out) :: dy(n)
      integer :: start

      do start = 1, n, tile
         call step_tl_tile(min(tile, n - start + 1), forcing, dt, xh(start:), dxh(start:), &
                           dy(start:))
      end do
   end subroutine lorenz96_step_tl

   !> dx = M'(x)^T dy on n points; xh(12 + i) = x_i (halo 12 on both sides), dyh(reach_right + i) =
   !> dy_i (halo reach_right to the left and reach_left to the right).
   pure subroutine lorenz96_step_ad(n, forcing, dt, xh, dyh, dx)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: xh(n + 24)
      real(wp), intent(in) :: dyh(n + 12)
      real(wp), intent(out) :: dx(n)
      integer :: start

      do start = 1, n, tile
         call step_ad_tile(min(tile, n - start + 1), forcing, dt, xh(start:), dyh(start:), &
                           dx(start:))
      end do
   end subroutine lorenz96_step_ad

   !> What errors of covariance P add to the tendency of their mean, exactly, since it is quadratic:
   !> P_{i+1,i-1} - P_{i-2,i-1}. next(2 + i) = P_{i,i+1}, second(2 + i) = P_{i,i+2}.
   pure subroutine lorenz96_second_order(n, next, second, tendency)
      integer, intent(in) :: n
      real(wp), intent(in) :: next(n + 2)
      real(wp), intent(in) :: second(n + 2)
      real(wp), intent(out) :: tendency(n)
      integer :: i

      do i = 1, n
         tendency(i) = second(i + 1) - next(i)
      end do
   end subroutine lorenz96_second_order

   pure subroutine step_tile(n, forcing, dt, x, y)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: x(1 - reach_left:n + reach_right)
      real(wp), intent(out) :: y(n)
      real(wp), dimension(1 - reach:tile + reach) :: k1, k2, k3, stage
      real(wp) :: k4
      integer :: i

      do i = -5, n + 3
         k1(i) = (x(i + 1) - x(i - 2))*x(i - 1) - x(i) + forcing
         stage(i) = x(i) + 0.5_wp*dt*k1(i)
      end do
      do i = -3, n + 2
         k2(i) = (stage(i + 1) - stage(i - 2))*stage(i - 1) - stage(i) + forcing
      end do
      do i = -3, n + 2
         stage(i) = x(i) + 0.5_wp*dt*k2(i)
      end do
      do i = -1, n + 1
         k3(i) = (stage(i + 1) - stage(i - 2))*stage(i - 1) - stage(i) + forcing
      end do
      do i = -1, n + 1
         stage(i) = x(i) + dt*k3(i)
      end do
      do i = 1, n
         k4 = (stage(i + 1) - stage(i - 2))*stage(i - 1) - stage(i) + forcing
         y(i) = x(i) + dt/6*(k1(i) + 2*(k2(i) + k3(i)) + k4)
      end do
   end subroutine step_tile

   pure subroutine step_tl_tile(n, forcing, dt, x, dx, dy)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: x(1 - reach_left:n + reach_right)
      real(wp), intent(in) :: dx(1 - reach_left:n + reach_right)
      real(wp), intent(out) :: dy(n)
      real(wp), dimension(1 - reach:tile + reach) :: x2, x3, x4, dk1, dk2, dk3, dstage
      real(wp) :: dk4
      integer :: i

      call stages(1, n, forcing, dt, x, x2, x3, x4)
      do i = -5, n + 3
         dk1(i) = (dx(i + 1) - dx(i - 2))*x(i - 1) + (x(i + 1) - x(i - 2))*dx(i - 1) - dx(i)
         dstage(i) = dx(i) + 0.5_wp*dt*dk1(i)
      end do
      do i = -3, n + 2
         dk2(i) = (dstage(i + 1) - dstage(i - 2))*x2(i - 1) &
                  + (x2(i + 1) - x2(i - 2))*dstage(i - 1) &
                  - dstage(i)
      end do
      do i = -3, n + 2
         dstage(i) = dx(i) + 0.5_wp*dt*dk2(i)
      end do
      do i = -1, n + 1
         dk3(i) = (dstage(i + 1) - dstage(i - 2))*x3(i - 1) &
                  + (x3(i + 1) - x3(i - 2))*dstage(i - 1) &
                  - dstage(i)
      end do
      do i = -1, n + 1
         dstage(i) = dx(i) + dt*dk3(i)
      end do
      do i = 1, n
         dk4 = (dstage(i + 1) - dstage(i - 2))*x4(i - 1) + (x4(i + 1) - x4(i - 2))*dstage(i - 1) &
               - dstage(i)
         dy(i) = dx(i) + dt/6*(dk1(i) + 2*(dk2(i) + dk3(i)) + dk4)
      end do
   end subroutine step_tl_tile

   pure subroutine step_ad_tile(n, forcing, dt, x, dy, dx)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: x(1 - reach:n + reach)
      real(wp), intent(in) :: dy(1 - reach_right:n + reach_left)
      real(wp), intent(out) :: dx(n)
      real(wp), dimension(1 - reach:tile + reach) :: x2, x3, x4, a1, a2, a3, a4, dk
      integer :: i

      call stages(-3, n + 8, forcing, dt, x(-11:), x2, x3, x4)
      do i = -3, n + 8
         dk(i) = dt/6*dy(i)
      end do
      call tendency_ad(-2, n + 6, x4, dk, a4)
      do i = -2, n + 6
         dk(i) = dt/3*dy(i) + dt*a4(i)
      end do
      call tendency_ad(-1, n + 4, x3, dk, a3)
      do i = -1, n + 4
         dk(i) = dt/3*dy(i) + 0.5_wp*dt*a3(i)
      end do
      call tendency_ad(0, n + 2, x2, dk, a2)
      do i = 0, n + 2
         dk(i) = dt/6*dy(i) + 0.5_wp*dt*a2(i)
      end do
      call tendency_ad(1, n, x, dk, a1)
      do i = 1, n
         dx(i) = dy(i) + (a4(i) + a3(i)) + (a2(i) + a1(i))
      end do
   end subroutine step_ad_tile

   !> The points at which the tendencies of a step on first:last are taken.
   pure subroutine stages(first, last, forcing, dt, x, x2, x3, x4)
      integer, intent(in) :: first
      integer, intent(in) :: last
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: dt
      real(wp), intent(in) :: x(first - reach_left:last + reach_right)
      real(wp), intent(inout), dimension(1 - reach:tile + reach) :: x2, x3, x4
      integer :: i

      do i = first - 6, last + 3
         x2(i) = x(i) + 0.5_wp*dt*((x(i + 1) - x(i - 2))*x(i - 1) - x(i) + forcing)
      end do
      do i = first - 4, last + 2
         x3(i) = x(i) + 0.5_wp*dt*((x2(i + 1) - x2(i - 2))*x2(i - 1) - x2(i) + forcing)
      end do
      do i = first - 2, last + 1
         x4(i) = x(i) + dt*((x3(i + 1) - x3(i - 2))*x3(i - 1) - x3(i) + forcing)
      end do
   end subroutine stages

   !> dx = f'(x)^T df on first:last, gathered from the four tendencies that x_i enters.
   pure subroutine tendency_ad(first, last, x, df, dx)
      integer, intent(in) :: first
      integer, intent(in) :: last
      real(wp), intent(in), dimension(1 - reach:*) :: x, df
      real(wp), intent(inout) :: dx(1 - reach:*)
      integer :: i

      do i = first, last
         dx(i) = x(i - 2)*df(i - 1) - x(i + 1)*df(i + 2) + (x(i + 2) - x(i - 1))*df(i + 1) - df(i)
      end do
   end subroutine tendency_ad
end module da_model_lorenz96_kernels
