!> Functions of symmetric matrices on vectors, some matrices side by side in the lanes of vector
!> registers.
!>
!> S is brought to tridiagonal form T = Q^T S Q by reflections that carry the vectors along;
!> S^{-1/2} is a sum of shifted inverses (`da_base_inverse_root`), each a tridiagonal solve. No lane
!> looks at another, so a result does not depend on what shares its registers.
module da_base_tridiagonal_kernels
   use da_base_kinds, only: wp
   implicit none
   private
   public :: lanes, tridiagonalise, reflect_forwards, reflect_backwards, solve_shifted

   !> Matrices or vectors side by side: a vector register of 512 bits, or two of 256.
   integer, parameter :: lanes = 8

contains

   !> T = Q^T S Q by Householder reflections (Golub & Van Loan 2013, algorithm 8.3.1), S's lower
   !> triangle given and overwritten: below its diagonal the reflections' vectors are kept.
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

   !> y = Σ_k weights_k (T + shifts_k)^{-1} x, all shifts in step; `work` holds lanes × nodes ×
   !> members × 2.
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
end module da_base_tridiagonal_kernels
