!> Where innovations are larger than a state's covariance allows, it has lost the truth; there its
!> variances grow to what the innovations say (covariance matching, Mehra 1970), so that the
!> observations find it again.
!>
!> Of the m observations around a point, d² should be s = h P h^T + R on average, and Σ (d²/s - 1)
!> zero with variance 2 m. Where it exceeds `doubt` standard deviations, Σ (d² - s) / Σ |h|² is
!> added to P's diagonal.
module da_analysis_kalman_consistency
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_kalman_observations, only: rows_type, seen_type, cell_of
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: widen

   !> What is summed over the observations of a cell, before the |h|² of each component.
   integer, parameter :: place_excess = 1
   integer, parameter :: place_count = 2
   integer, parameter :: place_lacking = 3
   integer, parameter :: places = 3
   !> Points on either side that are looked at.
   integer, parameter :: around = 10

contains

   !> `rows` and `observations` are this rank's, with the background's spread; a `doubt` of zero
   !> changes nothing.
   subroutine widen(doubt, domain, observations, rows, covariance)
      real(wp), intent(in) :: doubt
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      type(rows_type), intent(in) :: rows
      real(wp), intent(inout) :: covariance(:, :, :)
      real(wp) :: cells(domain%n, places + size(covariance, 2))
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
      real(wp) :: sums(size(cells, 2))
      integer :: width
      integer :: c
      integer :: i
      integer :: j

      if (.not. doubt > 0) return
      call sum_cells(domain, observations, rows, cells)
      width = min(around, (domain%total - 1)/2)
      allocate (left(width, size(cells, 2)), right(width, size(cells, 2)))
      call domain%fetch_halo(size(cells, 2), cells, left, right)
      do i = 1, domain%n
         sums = 0
         do j = i - width, i + width
            if (j < 1) then
               sums = sums + left(j + width, :)
            else if (j > domain%n) then
               sums = sums + right(j - domain%n, :)
            else
               sums = sums + cells(j, :)
            end if
         end do
         if (.not. sums(place_excess) > doubt*sqrt(2*sums(place_count))) cycle
         do c = 1, size(covariance, 2)
            if (.not. sums(places + c) > 0) cycle
            covariance(i, c, c) = covariance(i, c, c) + sums(place_lacking)/sum(sums(places + 1:))
         end do
      end do
   end subroutine widen

   subroutine sum_cells(domain, observations, rows, cells)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      type(rows_type), intent(in) :: rows
      real(wp), intent(out) :: cells(:, :)
      type(seen_type) :: seen
      real(wp) :: expected
      real(wp) :: square
      integer :: cell
      integer :: j
      integer :: k

      cells = 0
      do j = 1, observations%n
         if (.not. observations%is_used(j)) cycle
         cell = cell_of(domain, observations%position(j))
         expected = observations%background_sd(j)**2 + observations%error_sd(j)**2
         square = (observations%value(j) - observations%background(j))**2
         cells(cell, place_excess) = cells(cell, place_excess) + square/expected - 1
         cells(cell, place_count) = cells(cell, place_count) + 1
         cells(cell, place_lacking) = cells(cell, place_lacking) + square - expected
         call rows%see(size(cells, 2) - places, j, seen)
         do k = 1, seen%count
            associate (c => places + seen%component(k))
               cells(cell, c) = cells(cell, c) + seen%weight(k)**2
            end associate
         end do
      end do
   end subroutine sum_cells
end module da_analysis_kalman_consistency
