!> Cells of a given width, counted from position 0 (the last one ends where the circle does), and
!> the observations in them, those of neighbouring ranks included.
module da_observation_cells
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   implicit none
   private
   public :: cell_of, centre_of, gather_cells, end_of_cell

contains

   elemental function cell_of(position, width) result(cell)
      real(wp), intent(in) :: position
      real(wp), intent(in) :: width
      real(wp) :: cell

      cell = aint(position/width)
   end function cell_of

   !> The middle of a cell on a circle of `points` points.
   elemental function centre_of(cell, width, points) result(position)
      real(wp), intent(in) :: cell
      real(wp), intent(in) :: width
      integer, intent(in) :: points
      real(wp) :: position

      position = 0.5_wp*(cell*width + min((cell + 1)*width, real(points, wp)))
   end function centre_of

   !> Collective: `own` has a column for each of some observations of the slab, in their order, its
   !> first row their position. `columns` are these and those of the neighbours: all that share a
   !> cell with a place on this slab. `before` of them stand before the slab's own.
   subroutine gather_cells(domain, width, own, columns, before)
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: width
      real(wp), contiguous, intent(in) :: own(:, :)
      real(wp), allocatable, intent(out) :: columns(:, :)
      integer, intent(out) :: before
      real(wp), allocatable :: gathered(:, :)
      real(wp), allocatable, dimension(:, :) :: left, right
      real(wp) :: counted(domain%n, 1)
      integer, allocatable :: counts(:)
      integer :: halo
      integer :: low
      integer :: high
      integer :: start
      integer :: point
      integer :: j

      halo = int(min(width, real(domain%total, wp))) + 1
      allocate (left(halo, 1), right(halo, 1))
      counted = 0
      do j = 1, size(own, 2)
         point = int(own(1, j)) + 2 - domain%first
         counted(point, 1) = counted(point, 1) + 1
      end do
      call domain%fetch_halo(1, counted, left, right)
      counts = nint([left(:, 1), counted(:, 1), right(:, 1)])
      start = sum(counts(:halo))
      allocate (gathered(size(own, 1), sum(counts)))
      gathered(:, start + 1:start + size(own, 2)) = own
      call domain%fetch_rows([halo, halo], counts, gathered)
      ! No cell goes on beyond position 0: what the halo holds there lies in other cells.
      low = sum(counts(:max(0, halo + 1 - domain%first)))
      high = sum(counts(:halo + min(domain%n + halo, domain%total - domain%first + 1)))
      before = start - low
      if (high - low == size(gathered, 2)) then
         call move_alloc(gathered, columns)
      else
         columns = gathered(:, low + 1:high)
      end if
   end subroutine gather_cells

   !> The last of the columns that lie in the cell of column `first`.
   pure function end_of_cell(width, columns, first) result(last)
      real(wp), intent(in) :: width
      real(wp), intent(in) :: columns(:, :)
      integer, intent(in) :: first
      integer :: last

      last = first
      do while (last < size(columns, 2))
         if (cell_of(columns(1, last + 1), width) > cell_of(columns(1, first), width)) exit
         last = last + 1
      end do
   end function end_of_cell
end module da_observation_cells
