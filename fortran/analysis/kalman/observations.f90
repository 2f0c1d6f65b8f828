!> Observations as a Kalman filter takes them: each a row of H, linearised about the background,
!> with its innovation and the variance of its error, those around the slab included.
module da_analysis_kalman_observations
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_network_tiles, only: tiles_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: rows_type, seen_type, linearise_rows, gather_rows

   !> Of the observations in the cells 1 - halo … n + halo, in order, those of cell i are
   !> first(i) … first(i + 1) - 1.
   type :: rows_type
      !> The points that an observation may see lie from cell - span(1) to cell + span(2).
      integer :: span(2) = 0
      integer, allocatable :: first(:)
      !> The innovation; the error's variance, negative where an observation is not used; what is
      !> seen of the components of the first point, the second …
      real(wp), allocatable :: values(:, :)
   contains
      procedure :: see
   end type rows_type

   !> What an observation sees: components of points, counted from its cell, with their weights.
   type :: seen_type
      integer :: count = 0
      integer, allocatable :: point(:)
      integer, allocatable :: component(:)
      real(wp), allocatable :: weight(:)
   end type seen_type

   integer, parameter :: described = 2

contains

   !> This rank's observations about x(n, components, 1): what they see, not yet their innovations.
   !> One that is a network may see as far as `widest`, before its cell and behind it.
   subroutine linearise_rows(domain, observations, widest, x, rows)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      integer, intent(in) :: widest(2)
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(rows_type), intent(out) :: rows
      class(operator_type), allocatable :: operator
      type(tiles_type) :: teeth
      real(wp), allocatable, dimension(:, :, :) :: states, marks, dy
      integer, allocatable :: place(:)
      integer :: components
      integer :: cell
      integer :: column
      integer :: number
      integer :: c
      integer :: i
      integer :: j

      components = size(x, 2)
      rows%span = 1
      if (observations%averages > 0) rows%span = ceiling(observations%parameters%half_width) + 1
      if (allocated(observations%field)) rows%span = widest
      rows%span = min(rows%span, [(domain%total - 1)/2, domain%total/2])
      teeth = tiles_type(domain%total, max(1, domain%total/(sum(rows%span) + 1)))
      allocate (rows%values(described + components*(sum(rows%span) + 1), observations%n), &
                source=0.0_wp)
      call new_observation_operator(observations, domain, operator)
      states = spread(x(:, :, 1), 3, components)
      allocate (marks, mold=states)
      allocate (dy(observations%n, 1, components))
      allocate (place(1 - rows%span(1):domain%n + rows%span(2)))
      do i = 1 - rows%span(1), domain%n + rows%span(2)
         column = domain%first - 1 + i
         place(i) = column - teeth%first(teeth%containing(column))
      end do
      do number = 0, (domain%total + teeth%count - 1)/teeth%count - 1
         marks = 0
         do c = 1, components
            where (place(1:domain%n) == number) marks(:, c, c) = 1
         end do
         call operator%tl(domain, states, marks, dy)
         do j = 1, observations%n
            cell = cell_of(domain, observations%position(j))
            do column = -rows%span(1), rows%span(2)
               if (place(cell + column) /= number) cycle
               associate (before => described + (column + rows%span(1))*components)
                  rows%values(before + 1:before + components, j) = dy(j, 1, :)
               end associate
            end do
         end do
      end do
   end subroutine linearise_rows

   !> Innovations, errors and the rows of `halo` cells around the slab.
   subroutine gather_rows(domain, observations, halo, rows)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      integer, intent(in) :: halo
      type(rows_type), intent(inout) :: rows
      real(wp) :: counts(domain%n, 1)
      real(wp), dimension(halo, 1) :: left, right
      real(wp), allocatable :: gathered(:, :)
      integer, allocatable :: by_cell(:)
      integer :: before
      integer :: cell
      integer :: i
      integer :: j

      counts = 0
      do j = 1, observations%n
         cell = cell_of(domain, observations%position(j))
         counts(cell, 1) = counts(cell, 1) + 1
         rows%values(1, j) = observations%value(j) - observations%background(j)
         rows%values(2, j) = observations%error_sd(j)**2
         if (.not. observations%is_used(j)) rows%values(:2, j) = [0.0_wp, -1.0_wp]
      end do
      call domain%fetch_halo(1, counts, left, right)
      by_cell = nint([left(:, 1), counts(:, 1), right(:, 1)])
      allocate (rows%first(1 - halo:domain%n + halo + 1))
      rows%first(1 - halo) = 1
      do i = 1 - halo, domain%n + halo
         rows%first(i + 1) = rows%first(i) + by_cell(i + halo)
      end do
      allocate (gathered(size(rows%values, 1), sum(by_cell)))
      before = rows%first(1) - 1
      gathered(:, before + 1:before + observations%n) = rows%values
      call domain%fetch_rows([halo, halo], by_cell, gathered)
      call move_alloc(gathered, rows%values)
   end subroutine gather_rows

   !> What observation j sees, where its weights are not zero.
   pure subroutine see(self, components, j, seen)
      class(rows_type), intent(in) :: self
      integer, intent(in) :: components
      integer, intent(in) :: j
      type(seen_type), intent(inout) :: seen
      integer :: place
      integer :: point
      integer :: c

      if (.not. allocated(seen%weight)) then
         allocate (seen%weight(size(self%values, 1) - described))
         allocate (seen%point(size(seen%weight)), seen%component(size(seen%weight)))
      end if
      seen%count = 0
      place = described
      do point = -self%span(1), self%span(2)
         do c = 1, components
            place = place + 1
            if (.not. abs(self%values(place, j)) > 0) cycle
            seen%count = seen%count + 1
            seen%point(seen%count) = point
            seen%component(seen%count) = c
            seen%weight(seen%count) = self%values(place, j)
         end do
      end do
   end subroutine see

   !> The slab's point at or left of a position.
   pure function cell_of(domain, position) result(cell)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: position
      integer :: cell

      cell = int(position) + 2 - domain%first
   end function cell_of
end module da_analysis_kalman_observations
