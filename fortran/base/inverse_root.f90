!> The inverse square root as a sum of shifted inverses.
!>
!> x^{-1/2} ≈ Σ_k weight_k / (x + shift_k) on [1, κ], all shifts and weights positive: the
!> trapezoidal rule after a conformal map (Hale, Higham & Trefethen 2008, Computing A^α, log(A), and
!> related matrix functions by contour integrals, SIAM J. Numer. Anal. 46, 2505-2523, method 3). The
!> error falls as exp(-2 π² K / (log κ + 3)) with the number of nodes K.
module da_base_inverse_root
   use da_base_kinds, only: wp
   use da_base_tridiagonal_kernels, only: lanes, tridiagonalise, reflect_forwards, &
      reflect_backwards, solve_shifted
   implicit none
   private
   public :: inverse_root_nodes, apply_inverse_root

   real(wp), parameter :: pi = 3.141592653589793_wp

contains

   !> Nodes for the interval [1, kappa], kappa above 1, as many as a relative error of `tolerance`
   !> needs.
   pure subroutine inverse_root_nodes(kappa, tolerance, shifts, weights)
      real(wp), intent(in) :: kappa
      real(wp), intent(in) :: tolerance
      real(wp), allocatable, intent(out) :: shifts(:)
      real(wp), allocatable, intent(out) :: weights(:)
      real(wp) :: quarter_period
      real(wp) :: sn
      real(wp) :: cn
      real(wp) :: dn
      integer :: nodes
      integer :: k

      nodes = ceiling(-log(tolerance)*(log(kappa) + 3)/(2*pi**2)) + 1
      allocate (shifts(nodes), weights(nodes))
      quarter_period = pi/2/mean_of_agm(1.0_wp, sqrt(1/kappa))
      do k = 1, nodes
         call jacobi_elliptic((k - 0.5_wp)*quarter_period/nodes, 1/kappa, sn, cn, dn)
         shifts(k) = (sn/cn)**2
         weights(k) = 2*quarter_period/(pi*nodes)*dn/cn**2
      end do
   end subroutine inverse_root_nodes

   !> b ← S^{-1/2} b and x ← S^{-1} x for S = I + a, a positive semi-definite of order n (its lower
   !> triangle is read); to a relative 1e-13 of what an eigen-decomposition gives, in a fraction of
   !> its time.
   subroutine apply_inverse_root(n, a, columns, b, x)
      integer, intent(in) :: n
      real(wp), intent(in) :: a(n, n)
      integer, intent(in) :: columns
      real(wp), intent(inout) :: b(n, columns)
      real(wp), intent(inout) :: x(n)
      real(wp), parameter :: tolerance = 1.0e-13_wp
      real(wp) :: s(lanes, n, n)
      real(wp), dimension(lanes, n) :: diagonal, beside, factor, vectors, solution
      real(wp), allocatable :: shifts(:)
      real(wp), allocatable :: weights(:)
      real(wp), allocatable :: work(:, :, :, :)
      real(wp) :: trace
      integer :: start
      integer :: used
      integer :: i
      integer :: l

      trace = 1
      do i = 1, n
         trace = trace + a(i, i)
         do l = i, n
            s(:, l, i) = a(l, i)
         end do
         s(:, i, i) = s(:, i, i) + 1
      end do
      call inverse_root_nodes(2.0_wp**exponent(trace), tolerance, shifts, weights)
      allocate (work(lanes, 2, size(shifts), n))
      call tridiagonalise(n, s, diagonal, beside, factor)
      vectors = spread(x, 1, lanes)
      call reflect_forwards(n, s, factor, vectors)
      call solve_shifted(n, 1, diagonal, beside, [0.0_wp], [1.0_wp], vectors, solution, work)
      call reflect_backwards(n, s, factor, solution)
      x = solution(1, :)
      do start = 1, columns, lanes
         used = min(lanes, columns - start + 1)
         vectors = 0
         vectors(:used, :) = transpose(b(:, start:start + used - 1))
         call reflect_forwards(n, s, factor, vectors)
         call solve_shifted(n, size(shifts), diagonal, beside, shifts, weights, vectors, &
                            solution, work)
         call reflect_backwards(n, s, factor, solution)
         b(:, start:start + used - 1) = transpose(solution(:used, :))
      end do
   end subroutine apply_inverse_root

   !> Limit of the arithmetic-geometric mean; π/2 over it is the complete elliptic integral K.
   pure function mean_of_agm(first, second) result(mean)
      real(wp), intent(in) :: first
      real(wp), intent(in) :: second
      real(wp) :: mean
      real(wp) :: other
      real(wp) :: next

      mean = first
      other = second
      do while (abs(mean - other) > 4*epsilon(mean)*mean)
         next = (mean + other)/2
         other = sqrt(mean*other)
         mean = next
      end do
   end function mean_of_agm

   !> Jacobi's elliptic functions sn, cn, dn of u for the complementary parameter m1 = 1 - m, by
   !> descending Landen transformation (Abramowitz & Stegun 1964, 16.4 and 17.6).
   pure subroutine jacobi_elliptic(u, m1, sn, cn, dn)
      real(wp), intent(in) :: u
      real(wp), intent(in) :: m1
      real(wp), intent(out) :: sn
      real(wp), intent(out) :: cn
      real(wp), intent(out) :: dn
      integer, parameter :: most_steps = 30
      real(wp) :: a(0:most_steps)
      real(wp) :: c(0:most_steps)
      real(wp) :: b
      real(wp) :: angle
      real(wp) :: previous
      integer :: steps
      integer :: n

      a(0) = 1
      b = sqrt(m1)
      c(0) = sqrt(1 - m1)
      steps = 0
      do while (abs(c(steps)) > epsilon(b)*a(steps) .and. steps < most_steps)
         a(steps + 1) = (a(steps) + b)/2
         c(steps + 1) = (a(steps) - b)/2
         b = sqrt(a(steps)*b)
         steps = steps + 1
      end do
      angle = 2.0_wp**steps*a(steps)*u
      previous = angle
      do n = steps, 1, -1
         previous = angle
         angle = (angle + asin(c(n)*sin(angle)/a(n)))/2
      end do
      sn = sin(angle)
      cn = cos(angle)
      dn = sqrt(cn**2 + m1*sn**2)
   end subroutine jacobi_elliptic
end module da_base_inverse_root
