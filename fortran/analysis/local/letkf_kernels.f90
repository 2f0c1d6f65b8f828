!> The matrices S of neighbouring grid points' analyses, side by side in the lanes of vector
!> registers.
module da_analysis_local_letkf_kernels
   use da_base_kinds, only: wp
   use da_base_tridiagonal_kernels, only: lanes
   implicit none
   private
   public :: stride, local_gram

   !> Observations, and elements of a column of S, that one pass takes together.
   integer, parameter :: stride = 4

contains

   !> S = I + Σ_j weights_j y_j y_j^T (lower triangle) and Σ_j weights_j y_j d_j for each lane's
   !> weights; a row of `rows` is y_j, then d_j, then one element more; n is a multiple of `stride`
   !> (rows that fill it up have no weight). Elements behind a row's end, or the last row's, are
   !> read, but do not count.
   pure subroutine local_gram(members, n, width, rows, weights, gram, projected)
      integer, intent(in) :: members
      integer, intent(in) :: n
      integer, intent(in) :: width
      real(wp), intent(in) :: rows(width, n + 1)
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

   !> tile(:, k) ← tile(:, k) + Σ_j weighted(:, j) rows(k, j), some observations a pass, in their
   !> order.
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
            tile(l, 1) = tile(l, 1) + weighted(l, j)*rows(1, j) + weighted(l, j + 1)*rows(1, j &
                                                                                          + 1) &
                         + weighted(l, j + 2)*rows(1, j + 2) + weighted(l, j + 3)*rows(1, j + 3)
            tile(l, 2) = tile(l, 2) + weighted(l, j)*rows(2, j) + weighted(l, j + 1)*rows(2, j &
                                                                                          + 1) &
                         + weighted(l, j + 2)*rows(2, j + 2) + weighted(l, j + 3)*rows(2, j + 3)
            tile(l, 3) = tile(l, 3) + weighted(l, j)*rows(3, j) + weighted(l, j + 1)*rows(3, j &
                                                                                          + 1) &
                         + weighted(l, j + 2)*rows(3, j + 2) + weighted(l, j + 3)*rows(3, j + 3)
            tile(l, 4) = tile(l, 4) + weighted(l, j)*rows(4, j) + weighted(l, j + 1)*rows(4, j &
                                                                                          + 1) &
                         + weighted(l, j + 2)*rows(4, j + 2) + weighted(l, j + 3)*rows(4, j + 3)
         end do
      end do
   end subroutine add_products

end module da_analysis_local_letkf_kernels
