!> Observations as a Kalman filter takes them: each a row of H, linearised about the background,
!> with its innovation and the variance of its error, those around the slab included.
module da_analysis_kalman_observations
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_network_tiles, only: tiles_type
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: rows_type, seen_type, span_of, linearise_rows, gather_rows, cell_of

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

   !> How far from its cell an observation sees, before and behind it; one that is a network as far
   !> as `widest`.
   pure function span_of(domain, observations, widest) result(span)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      integer, intent(in) :: widest(2)
      integer :: span(2)

      span = 1
      if (observations%averages > 0) span = ceiling(observations%parameters%half_width) + 1
      if (allocated(observations%field)) span = widest
      span = min(span, [(domain%total - 1)/2, domain%total/2])
   end function span_of

   !> This rank's observations by an operator about x(n, components, 1): what they see within `span`
   !> of their cells, not yet their innovations. A field has ones so far apart that no observation
   !> sees two.
   subroutine linearise_rows(domain, operator, observations, span, x, rows)
      type(domain_type), intent(inout) :: domain
      class(operator_type), intent(in) :: operator
      type(observations_type), intent(in) :: observations
      integer, intent(in) :: span(2)
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(rows_type), intent(out) :: rows
      integer, parameter :: values = 8192
      real(wp), allocatable, dimension(:, :, :) :: states, marks, dy
      integer, allocatable :: place(:)
      integer :: components
      integer :: fields
      integer :: batch
      integer :: first
      integer :: f
      integer :: c

      components = size(x, 2)
      rows%span = span
      allocate (rows%values(described + components*(sum(span) + 1), observations%n), source=0.0_wp)
      call number_points(domain, span, place, fields)
      fields = fields*components
      batch = min(fields, max(1, values/(components*((domain%total - 1)/domain%communicator%ranks &
                                                     + 1))))
      states = spread(x(:, :, 1), 3, batch)
      allocate (marks, mold=states)
      allocate (dy(observations%n, 1, batch))
      do first = 0, fields - 1, batch
         marks = 0
         do f = 1, min(batch, fields - first)
            c = mod(first + f - 1, components) + 1
            where (place(1 + span(1):domain%n + span(1)) == (first + f - 1)/components)
               marks(:, c, f) = 1
            end where
         end do
         call operator%tl(domain, states, marks, dy)
         call keep(first, min(batch, fields - first))
      end do

   contains

      subroutine keep(first, count)
         integer, intent(in) :: first
         integer, intent(in) :: count
         integer :: cell
         integer :: column
         integer :: field
         integer :: j

         do j = 1, observations%n
            cell = cell_of(domain, observations%position(j))
            do column = 0, sum(span)
               do c = 1, components
                  field = place(cell + column)*components + c - first
                  if (field < 1 .or. field > count) cycle
                  rows%values(described + column*components + c, j) = dy(j, 1, field)
               end do
            end do
         end do
      end subroutine keep
   end subroutine linearise_rows

   !> The number of the field that has the one of a point, place(span(1) + i) for the slab's point
   !> i, from `span` before the slab to `span` behind it; there are so many fields.
   subroutine number_points(domain, span, place, fields)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: span(2)
      integer, allocatable, intent(out) :: place(:)
      integer, intent(out) :: fields
      type(tiles_type) :: teeth
      integer :: point
      integer :: i

      teeth = tiles_type(domain%total, max(1, domain%total/(sum(span) + 1)))
      fields = (domain%total + teeth%count - 1)/teeth%count
      allocate (place(domain%n + sum(span)))
      do i = 1, size(place)
         point = domain%first - 1 + i - span(1)
         place(i) = point - teeth%first(teeth%containing(point))
      end do
   end subroutine number_points

   !> Innovations, errors and the rows of `halo` cells around the slab.
   subroutine gather_rows(domain, observations, innovations, halo, rows)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: innovations(:)
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
         rows%values(1, j) = innovations(j)
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
