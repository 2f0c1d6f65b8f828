!> `da_base_tridiagonal_kernels` for several vectors a matrix: what does not depend on the vectors
!> is done once, and some of them are reflected together, so that sums do not wait for each other.
module da_base_factorised_kernels
   use da_base_kinds, only: wp
   use da_base_tridiagonal_kernels, only: lanes
   implicit none
   private
   public :: together, reflect_together, factorise_shifted, solve_factorised

   !> Vectors that are reflected together.
   integer, parameter :: together = 4

contains

   !> x ← Q^T x, or Q x where `backwards`.
   pure subroutine reflect_together(members, s, factor, backwards, x)
      integer, intent(in) :: members
      real(wp), intent(in) :: s(lanes, members, members)
      real(wp), intent(in) :: factor(lanes, members)
      logical, intent(in) :: backwards
      real(wp), intent(inout) :: x(lanes, together, members)
      real(wp) :: along(lanes, together)
      integer :: i
      integer :: k
      integer :: turn
      integer :: v

      do turn = 1, members - 2
         k = merge(members - 1 - turn, turn, backwards)
         along = 0
         do i = k + 1, members
            do v = 1, together
               along(:, v) = along(:, v) + s(:, i, k)*x(:, v, i)
            end do
         end do
         do v = 1, together
            along(:, v) = factor(:, k)*along(:, v)
         end do
         do i = k + 1, members
            do v = 1, together
               x(:, v, i) = x(:, v, i) - along(:, v)*s(:, i, k)
            end do
         end do
      end do
   end subroutine reflect_together

   !> The reciprocal pivots of each T + shift, and these times the element beside the diagonal.
   pure subroutine factorise_shifted(members, nodes, diagonal, beside, shifts, pivots, ratios)
      integer, intent(in) :: members
      integer, intent(in) :: nodes
      real(wp), intent(in) :: diagonal(lanes, members)
      real(wp), intent(in) :: beside(lanes, members)
      real(wp), intent(in) :: shifts(nodes)
      real(wp), intent(out) :: pivots(lanes, nodes, members)
      real(wp), intent(out) :: ratios(lanes, nodes, members)
      integer :: i
      integer :: k

      do k = 1, nodes
         pivots(:, k, 1) = 1/(diagonal(:, 1) + shifts(k))
         ratios(:, k, 1) = beside(:, 1)*pivots(:, k, 1)
      end do
      do i = 2, members
         do k = 1, nodes
            pivots(:, k, i) = 1/((diagonal(:, i) + shifts(k)) &
                                 - beside(:, i - 1)*ratios(:, k, i - 1))
            ratios(:, k, i) = beside(:, i)*pivots(:, k, i)
         end do
      end do
   end subroutine factorise_shifted

   !> x ← Σ_k weights_k (T + shifts_k)^{-1} x for vector v, the same bits as `solve_shifted` gives;
   !> `work` holds lanes × nodes × members.
   pure subroutine solve_factorised(members, nodes, beside, pivots, ratios, weights, v, x, work)
      integer, intent(in) :: members
      integer, intent(in) :: nodes
      real(wp), intent(in) :: beside(lanes, members)
      real(wp), intent(in) :: pivots(lanes, nodes, members)
      real(wp), intent(in) :: ratios(lanes, nodes, members)
      real(wp), intent(in) :: weights(nodes)
      integer, intent(in) :: v
      real(wp), intent(inout) :: x(lanes, together, members)
      real(wp), intent(inout) :: work(lanes, nodes, members)
      real(wp), dimension(lanes) :: solution, total, xi, b
      integer :: i
      integer :: k

      xi = x(:, v, 1)
      do k = 1, nodes
         work(:, k, 1) = xi*pivots(:, k, 1)
      end do
      do i = 2, members
         xi = x(:, v, i)
         b = beside(:, i - 1)
         do k = 1, nodes
            work(:, k, i) = (xi - b*work(:, k, i - 1))*pivots(:, k, i)
         end do
      end do
      total = 0
      do k = 1, nodes
         total = total + weights(k)*work(:, k, members)
      end do
      x(:, v, members) = total
      do i = members - 1, 1, -1
         total = 0
         do k = 1, nodes
            solution = work(:, k, i) - ratios(:, k, i)*work(:, k, i + 1)
            work(:, k, i) = solution
            total = total + weights(k)*solution
         end do
         x(:, v, i) = total
      end do
   end subroutine solve_factorised
end module da_base_factorised_kernels
