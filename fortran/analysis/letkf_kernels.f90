!> The local analyses of neighbouring grid points, side by side in the lanes of vector registers.
!>
!> A point needs S^{-1/2} on its row of anomalies and S^{-1} on one right-hand side, not the matrices: S is
!> brought to tridiagonal form T = Q^T S Q by reflections that carry the vectors along; T^{-1/2} is a sum of
!> shifted inverses (`da_base_inverse_root`), each a tridiagonal solve. No lane looks at another, so a
!> point's result does not depend on which points share its registers.
module da_analysis_letkf_kernels
   use da_base_kinds, only: wp
   implicit none
   private
   public :: lanes, stride, local_gram, tridiagonalise, reflect_forwards, reflect_backwards, solve_shifted

   !> Points side by side: a vector register of 512 bits, or two of 256.
   integer, parameter :: lanes = 8
   !> Observations, and elements of a column of S, that one pass takes together.
   integer, parameter :: stride = 4

contains

   !> S = I + Σ_j weights_j y_j y_j^T (lower triangle) and Σ_j weights_j y_j d_j for each lane's weights;
   !> a row of `rows` is y_j, then d_j, then at least `stride` more; n is a multiple of `stride` (rows that
   !> fill it up have no weight).
   pure subroutine local_gram(members, n, width, rows, weights, gram, projected)
      integer, intent(in) :: members
      integer, intent(in) :: n
      integer, intent(in) :: width
      real(wp), intent(in) :: rows(width, n)
      real(wp), intent(in) :: weights(lanes, n)
      real(wp), intent(out) :: gram(lanes, members, members)
      real(wp), intent(out) :: projected(lanes, members)
      real(wp) :: weighted(lanes, n)
      real(wp) :: tile(lanes, stride)
      integer :: a
      integer :: b
      integer :: j
      integer :: k

      do b = 1, members + 1
         do j = 1, n
            weighted(:, j) = weights(:, j)*rows(b, j)
         end do
         do a = merge(1, b, b > members), members, stride
            tile = 0
            call add_products(n, width, rows(a, 1), weighted, tile)
            do k = 1, min(stride, members - a + 1)
               if (b > members) then
                  projected(:, a + k - 1) = tile(:, k)
               else
                  gram(:, a + k - 1, b) = tile(:, k)
               end if
            end do
         end do
      end do
      do a = 1, members
         gram(:, a, a) = gram(:, a, a) + 1
      end do
   end subroutine local_gram

   !> tile(:, k) ← tile(:, k) + Σ_j weighted(:, j) rows(k, j), some observations a pass, in their order.
   pure subroutine add_products(n, width, rows, weighted, tile)
      integer, intent(in) :: n
      integer, intent(in) :: width
      real(wp), intent(in) :: rows(width, n)
      real(wp), intent(in) :: weighted(lanes, n)
      real(wp), intent(inout) :: tile(lanes, stride)
      integer :: j
      integer :: l

      do j = 1, n, stride
         do l = 1, lanes
            tile(l, 1) = tile(l, 1) + weighted(l, j)*rows(1, j) + weighted(l, j + 1)*rows(1, j + 1) &
                         + weighted(l, j + 2)*rows(1, j + 2) + weighted(l, j + 3)*rows(1, j + 3)
            tile(l, 2) = tile(l, 2) + weighted(l, j)*rows(2, j) + weighted(l, j + 1)*rows(2, j + 1) &
                         + weighted(l, j + 2)*rows(2, j + 2) + weighted(l, j + 3)*rows(2, j + 3)
            tile(l, 3) = tile(l, 3) + weighted(l, j)*rows(3, j) + weighted(l, j + 1)*rows(3, j + 1) &
                         + weighted(l, j + 2)*rows(3, j + 2) + weighted(l, j + 3)*rows(3, j + 3)
            tile(l, 4) = tile(l, 4) + weighted(l, j)*rows(4, j) + weighted(l, j + 1)*rows(4, j + 1) &
                         + weighted(l, j + 2)*rows(4, j + 2) + weighted(l, j + 3)*rows(4, j + 3)
         end do
      end do
   end subroutine add_products

   !> T = Q^T S Q by Householder reflections (Golub & Van Loan 2013, algorithm 8.3.1), S's lower triangle
   !> given and overwritten: below its diagonal the reflections' vectors are kept.
   pure subroutine tridiagonalise(members, s, diagonal, beside, factor)
      integer, intent(in) :: members
      real(wp), intent(inout) :: s(lanes, members, members)
      real(wp), intent(out) :: diagonal(lanes, members)
      real(wp), intent(out) :: beside(lanes, members)
      real(wp), intent(out) :: factor(lanes, members)
      real(wp) :: v(lanes, members)
      real(wp) :: p(lanes, members)
      real(wp), dimension(lanes) :: head, length, vj, pj
      integer :: i
      integer :: j
      integer :: k

      beside(:, members) = 0
      factor = 0
      do k = 1, members - 2
         length = 0
         do i = k + 1, members
            v(:, i) = s(:, i, k)
            length = length + v(:, i)*v(:, i)
         end do
         head = v(:, k + 1)
         length = sqrt(length)
         beside(:, k) = -sign(length, head)
         v(:, k + 1) = head - beside(:, k)
         where (length > 0)
            factor(:, k) = 1/(length*(length + abs(head)))
         elsewhere
            factor(:, k) = 0
         end where
         do i = k + 1, members
            p(:, i) = 0
            s(:, i, k) = v(:, i)
         end do
         do j = k + 1, members
            vj = v(:, j)
            pj = s(:, j, j)*vj
            do i = j + 1, members
               p(:, i) = p(:, i) + s(:, i, j)*vj
               pj = pj + s(:, i, j)*v(:, i)
            end do
            p(:, j) = p(:, j) + pj
         end do
         pj = 0
         do i = k + 1, members
            p(:, i) = factor(:, k)*p(:, i)
            pj = pj + p(:, i)*v(:, i)
         end do
         pj = 0.5_wp*factor(:, k)*pj
         do i = k + 1, members
            p(:, i) = p(:, i) - pj*v(:, i)
         end do
         do j = k + 1, members
            vj = v(:, j)
            pj = p(:, j)
            do i = j, members
               s(:, i, j) = s(:, i, j) - (v(:, i)*pj + p(:, i)*vj)
            end do
         end do
      end do
      do k = 1, members
         diagonal(:, k) = s(:, k, k)
      end do
      if (members > 1) beside(:, members - 1) = s(:, members, members - 1)
   end subroutine tridiagonalise

   !> x ← Q^T x
   pure subroutine reflect_forwards(members, s, factor, x)
      integer, intent(in) :: members
      real(wp), intent(in) :: s(lanes, members, members)
      real(wp), intent(in) :: factor(lanes, members)
      real(wp), intent(inout) :: x(lanes, members)
      integer :: k

      do k = 1, members - 2
         call reflect(members, k, s, factor, x)
      end do
   end subroutine reflect_forwards

   !> x ← Q x
   pure subroutine reflect_backwards(members, s, factor, x)
      integer, intent(in) :: members
      real(wp), intent(in) :: s(lanes, members, members)
      real(wp), intent(in) :: factor(lanes, members)
      real(wp), intent(inout) :: x(lanes, members)
      integer :: k

      do k = members - 2, 1, -1
         call reflect(members, k, s, factor, x)
      end do
   end subroutine reflect_backwards

   pure subroutine reflect(members, k, s, factor, x)
      integer, intent(in) :: members
      integer, intent(in) :: k
      real(wp), intent(in) :: s(lanes, members, members)
      real(wp), intent(in) :: factor(lanes, members)
      real(wp), intent(inout) :: x(lanes, members)
      real(wp) :: along(lanes)
      integer :: i

      along = 0
      do i = k + 1, members
         along = along + s(:, i, k)*x(:, i)
      end do
      along = factor(:, k)*along
      do i = k + 1, members
         x(:, i) = x(:, i) - along*s(:, i, k)
      end do
   end subroutine reflect

   !> y = Σ_k weights_k (T + shifts_k)^{-1} x, all shifts in step; `work` holds lanes × nodes × members × 2.
   pure subroutine solve_shifted(members, nodes, diagonal, beside, shifts, weights, x, y, work)
      integer, intent(in) :: members
      integer, intent(in) :: nodes
      real(wp), intent(in) :: diagonal(lanes, members)
      real(wp), intent(in) :: beside(lanes, members)
      real(wp), intent(in) :: shifts(nodes)
      real(wp), intent(in) :: weights(nodes)
      real(wp), intent(in) :: x(lanes, members)
      real(wp), intent(out) :: y(lanes, members)
      real(wp), intent(inout) :: work(lanes, 2, nodes, members)
      real(wp), dimension(lanes) :: pivot, solution, total
      integer :: i
      integer :: k

      do k = 1, nodes
         pivot = 1/(diagonal(:, 1) + shifts(k))
         work(:, 1, k, 1) = beside(:, 1)*pivot
         work(:, 2, k, 1) = x(:, 1)*pivot
      end do
      do i = 2, members
         do k = 1, nodes
            pivot = 1/((diagonal(:, i) + shifts(k)) - beside(:, i - 1)*work(:, 1, k, i - 1))
            work(:, 1, k, i) = beside(:, i)*pivot
            work(:, 2, k, i) = (x(:, i) - beside(:, i - 1)*work(:, 2, k, i - 1))*pivot
         end do
      end do
      total = 0
      do k = 1, nodes
         total = total + weights(k)*work(:, 2, k, members)
      end do
      y(:, members) = total
      do i = members - 1, 1, -1
         total = 0
         do k = 1, nodes
            solution = work(:, 2, k, i) - work(:, 1, k, i)*work(:, 2, k, i + 1)
            work(:, 2, k, i) = solution
            total = total + weights(k)*solution
         end do
         y(:, i) = total
      end do
   end subroutine solve_shifted
end module da_analysis_letkf_kernels
