!> Linear combinations of an ensemble's members, the same everywhere.
module da_analysis_filter_transform
   use da_base_kinds, only: wp
   implicit none
   private
   public :: transform_members

   !> Points a tile: the members of a tile stay in the first-level cache.
   integer, parameter :: tile = 64

contains

   !> x_j ← mean + Σ_k (x_k - mean) coefficients(k, j), in place.
   pure subroutine transform_members(n, members, coefficients, x)
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(in) :: coefficients(members, members)
      real(wp), intent(inout) :: x(n, members)
      real(wp) :: average(tile)
      real(wp) :: anomalies(tile, members)
      real(wp) :: total(tile)
      integer :: start
      integer :: points
      integer :: j
      integer :: k

      do start = 1, n, tile
         points = min(tile, n - start + 1)
         average(:points) = x(start:start + points - 1, 1)
         do k = 2, members
            average(:points) = average(:points) + x(start:start + points - 1, k)
         end do
         average(:points) = average(:points)/members
         do k = 1, members
            anomalies(:points, k) = x(start:start + points - 1, k) - average(:points)
         end do
         do j = 1, members
            total(:points) = average(:points)
            do k = 1, members
               total(:points) = total(:points) + anomalies(:points, k)*coefficients(k, j)
            end do
            x(start:start + points - 1, j) = total(:points)
         end do
      end do
   end subroutine transform_members
end module da_analysis_filter_transform
