!> The continuous ranked probability score of an ensemble, at many points side by side.
module da_verification_crps_kernels
   use da_base_kinds, only: wp
   implicit none
   private
   public :: crps_of_points, sort_columns

   !> Points that are sorted together: a few vector registers' width.
   integer, parameter :: block_length = 16

contains

   !> Of the ensemble's distribution function, the score of Hersbach (2000, eq. 20-27),
   !>
   !>    1/N Σ |x_i - t| - 1/(2 N²) ΣΣ |x_i - x_j|,
   !>
   !> and of the distribution that its members were drawn from, the fair score of Ferro (2014),
   !> with N (N - 1) in place of N². From sorted members, ΣΣ |x_i - x_j| = 2 Σ (2i - N - 1) x_(i).
   !>
   !> Of several values a point, the first is scored.
   pure subroutine crps_of_points(n, components, members, x, truth, crps, fair)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: members
      real(wp), intent(in) :: x(n, components, members)
      real(wp), intent(in) :: truth(n)
      real(wp), intent(out) :: crps(n)
      real(wp), intent(out) :: fair(n)
      real(wp) :: sorted(block_length, members)
      real(wp) :: distance(block_length)
      real(wp) :: difference(block_length)
      integer :: first
      integer :: points
      integer :: m

      sorted = 0
      do first = 1, n, block_length
         points = min(block_length, n - first + 1)
         do m = 1, members
            sorted(:points, m) = x(first:first + points - 1, 1, m) &
                                 - truth(first:first + points - 1)
         end do
         call sort_columns(block_length, members, sorted)
         distance = 0
         difference = 0
         do m = 1, members
            distance = distance + abs(sorted(:, m))
            difference = difference + (2*m - members - 1)*sorted(:, m)
         end do
         distance = distance/members
         difference = difference/members
         crps(first:first + points - 1) = distance(:points) - difference(:points)/members
         fair(first:first + points - 1) = distance(:points) &
                                          - difference(:points)/max(members - 1, 1)
      end do
   end subroutine crps_of_points

   !> Each row of x(n, columns) in ascending order, all rows by the same comparisons, so that they
   !> need no branch (Batcher's merge exchange; Knuth, The art of computer programming 3, 5.2.2,
   !> algorithm M).
   pure subroutine sort_columns(n, columns, x)
      integer, intent(in) :: n
      integer, intent(in) :: columns
      real(wp), intent(inout) :: x(n, columns)
      integer :: top
      integer :: p
      integer :: q
      integer :: r
      integer :: distance
      integer :: i

      top = 1
      do while (2*top < columns)
         top = 2*top
      end do
      p = top
      do while (p > 0)
         q = top
         r = 0
         distance = p
         do
            do i = 0, columns - distance - 1
               if (iand(i, p) == r) call exchange(n, x(:, i + 1), x(:, i + distance + 1))
            end do
            if (q == p) exit
            distance = q - p
            q = q/2
            r = p
         end do
         p = p/2
      end do
   end subroutine sort_columns

   pure subroutine exchange(n, a, b)
      integer, intent(in) :: n
      real(wp), intent(inout) :: a(n)
      real(wp), intent(inout) :: b(n)
      real(wp) :: smaller
      real(wp) :: larger
      integer :: i

      do i = 1, n
         smaller = merge(a(i), b(i), a(i) < b(i))
         larger = merge(b(i), a(i), a(i) < b(i))
         a(i) = smaller
         b(i) = larger
      end do
   end subroutine exchange
end module da_verification_crps_kernels
