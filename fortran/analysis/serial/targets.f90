!> What a serial filter's observations change: the state's variables and the ensemble's values of
!> the observations still to come, in one row from left to right.
!>
!> A target holds a number a member (and what else a filter keeps), `lanes` targets side by side, so
!> that an observation's whole neighbourhood is updated by vector instructions. All targets are done
!> alike, whatever they are, so nothing depends on how they fall into lanes.
module da_analysis_serial_targets
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_tridiagonal_kernels, only: lanes
   use da_analysis_serial_blocks, only: blocks_type
   use da_ensemble_localisation, only: localisation_config, cutoff, tapers
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: targets_type, gather_targets, chunk_of

   !> Beside its columns a target's row tells its fraction and number.
   integer, parameter :: extras = 2
   !> Points that are put into lanes together: their chunks stay in the first-level cache.
   integer, parameter :: tile = 64

   !> Targets of the slab and of a halo. Cells are counted from the slab's first point, 1; a cell's
   !> first targets are the components of its point, the others the observations in it.
   type :: targets_type
      !> z(lanes, columns, chunks); the first columns are the members'.
      real(wp), allocatable :: z(:, :, :)
      integer :: columns = 0
      integer :: components = 0
      integer, allocatable :: cell(:, :)
      !> Where beyond its cell's point a target lies: kept apart, since only then is a distance the
      !> same number whichever slab it is taken from.
      real(wp), allocatable :: fraction(:, :)
      !> Number of the observation in its source.
      real(wp), allocatable :: number(:)
      !> First target of each cell of halo(1) + n + halo(2).
      integer, allocatable, private :: start(:)
      integer, allocatable, private :: counts(:)
      integer, private :: halo(2) = 0
      integer, private :: n = 0
      type(localisation_config), private :: localisation
      !> One block all round: distances are the shorter way.
      logical, private :: round = .false.
      integer, private :: total = 0
      !> Tapers at whole distances, where no target lies between points.
      logical, private :: regular = .false.
      real(wp), allocatable, private :: table(:)
      !> Targets as rows, which ranks exchange: columns, fraction, number.
      real(wp), allocatable, private :: rows(:, :)
   contains
      procedure :: exchange
      procedure :: run_of
      procedure :: spread_values
      procedure :: weights_around
      procedure :: store_state
      procedure, private :: tabulate
   end type targets_type

contains

   !> The slab's targets, their halo still empty: x(n, components, members) and, for each
   !> observation that is used, (H x_m - y) / error_sd, so that the observed value is 0 and its
   !> error 1.
   subroutine gather_targets(domain, localisation, blocks, columns, observations, anomalies, &
                             innovations, x, targets)
      type(domain_type), intent(inout) :: domain
      type(localisation_config), intent(in) :: localisation
      type(blocks_type), intent(in) :: blocks
      integer, intent(in) :: columns
      type(observations_type), intent(in) :: observations
      real(wp), contiguous, intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(targets_type), intent(out) :: targets

      targets%localisation = localisation
      targets%columns = columns
      targets%components = size(x, 2)
      targets%halo = blocks%halo
      targets%n = domain%n
      targets%total = domain%total
      targets%round = blocks%number == 1
      call lay_out(domain, observations, targets)
      call load_state(domain%n, size(x, 2), size(x, 3), x, targets)
      call load_observations(domain, observations, anomalies, innovations, targets)
   end subroutine gather_targets

   !> How many targets the cells of slab and halo have.
   subroutine lay_out(domain, observations, targets)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      type(targets_type), intent(inout) :: targets
      logical :: used(observations%n)
      real(wp) :: own(domain%n, 1)
      real(wp) :: left(targets%halo(1), 1)
      real(wp) :: right(targets%halo(2), 1)
      integer :: chunks
      integer :: cell
      integer :: i
      integer :: j

      own = targets%components
      used = observations%used()
      do j = 1, observations%n
         cell = int(observations%position(j)) + 2 - domain%first
         if (used(j)) own(cell, 1) = own(cell, 1) + 1
      end do
      call domain%fetch_halo(1, own, left, right)
      targets%counts = nint([left(:, 1), own(:, 1), right(:, 1)])
      associate (counts => targets%counts)
         allocate (targets%start(size(counts) + 1))
         targets%start(1) = 1
         do i = 1, size(counts)
            targets%start(i + 1) = targets%start(i) + counts(i)
         end do
         chunks = chunk_of(sum(counts))
         allocate (targets%z(lanes, targets%columns, chunks))
         allocate (targets%cell(lanes, chunks))
         allocate (targets%fraction(lanes, chunks))
         allocate (targets%number(lanes*chunks))
         allocate (targets%rows(targets%columns + extras, sum(counts)))
         targets%number = 0
         targets%cell(:, chunks) = 0
         targets%fraction(:, chunks) = 0
         targets%z(:, :, chunks) = 0
         targets%z(:, :, chunk_of(targets%start(targets%halo(1) + 1))) = 0
         targets%z(:, :, chunk_of(targets%start(targets%halo(1) + targets%n + 1) - 1)) = 0
         do i = 1, size(counts)
            do j = targets%start(i), targets%start(i + 1) - 1
               targets%cell(lane_of(j), chunk_of(j)) = i - targets%halo(1)
            end do
         end do
      end associate
   end subroutine lay_out

   pure subroutine load_state(n, components, members, x, targets)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: members
      real(wp), intent(in) :: x(n, components, members)
      type(targets_type), intent(inout) :: targets
      integer, dimension(tile) :: lane, chunk
      integer :: start
      integer :: last
      integer :: c
      integer :: i
      integer :: m
      integer :: t

      do start = 1, n, tile
         last = min(start + tile - 1, n)
         do c = 1, components
            do i = start, last
               t = targets%start(targets%halo(1) + i) + c - 1
               lane(i - start + 1) = lane_of(t)
               chunk(i - start + 1) = chunk_of(t)
               targets%fraction(lane_of(t), chunk_of(t)) = 0
            end do
            do m = 1, members
               do i = start, last
                  targets%z(lane(i - start + 1), m, chunk(i - start + 1)) = x(i, c, m)
               end do
            end do
         end do
      end do
   end subroutine load_state

   subroutine load_observations(domain, observations, anomalies, innovations, targets)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), contiguous, intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(targets_type), intent(inout) :: targets
      logical :: used(observations%n)
      real(wp) :: scale
      integer :: cell
      integer :: before
      integer :: lane
      integer :: chunk
      integer :: j
      integer :: m
      integer :: t

      used = observations%used()
      scale = sqrt(real(size(anomalies, 2) - 1, wp))
      cell = 0
      t = 0
      do j = 1, observations%n
         if (.not. used(j)) cycle
         before = cell
         cell = int(observations%position(j)) + 2 - domain%first
         t = t + 1
         if (cell > before) t = targets%start(targets%halo(1) + cell) + targets%components
         lane = lane_of(t)
         chunk = chunk_of(t)
         targets%fraction(lane, chunk) = observations%position(j) - int(observations%position(j))
         targets%number(t) = real(observations%row(j), wp)
         do m = 1, size(anomalies, 2)
            targets%z(lane, m, chunk) = scale*anomalies(j, m) - innovations(j)
         end do
      end do
   end subroutine load_observations

   !> Fill the halo from the neighbours' slabs, as they are by now.
   subroutine exchange(self, domain)
      class(targets_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer :: own(2)
      integer :: border(2)
      integer :: t

      if (all(self%halo == 0)) then
         call self%tabulate()
         return
      end if
      own = [self%start(self%halo(1) + 1), self%start(self%halo(1) + self%n + 1) - 1]
      border = [self%start(self%halo(1) + min(self%halo(2), self%n) + 1) - 1, &
                self%start(self%halo(1) + max(self%n - self%halo(1), 0) + 1)]
      do t = own(1), own(2)
         if (t > border(1) .and. t < border(2)) cycle
         self%rows(:self%columns, t) = self%z(lane_of(t), :, chunk_of(t))
         self%rows(self%columns + 1, t) = self%fraction(lane_of(t), chunk_of(t))
         self%rows(self%columns + 2, t) = self%number(t)
      end do
      call domain%fetch_rows(self%halo, self%counts, self%rows)
      do t = 1, size(self%rows, 2)
         if (t >= own(1) .and. t <= own(2)) cycle
         self%z(lane_of(t), :, chunk_of(t)) = self%rows(:self%columns, t)
         self%fraction(lane_of(t), chunk_of(t)) = self%rows(self%columns + 1, t)
         self%number(t) = self%rows(self%columns + 2, t)
      end do
      call self%tabulate()
   end subroutine exchange

   !> Where all targets lie on points, a table holds the tapers of their distances.
   subroutine tabulate(self)
      class(targets_type), intent(inout) :: self
      real(wp) :: distances(0:1 + ceiling(min(cutoff(self%localisation), real(self%total, wp))))
      integer :: i

      self%regular = all(abs(self%fraction) <= 0)
      if (allocated(self%table) .or. .not. self%regular) return
      do i = 0, size(distances) - 1
         distances(i) = i
      end do
      allocate (self%table(0:size(distances) - 1))
      call tapers(self%localisation, size(distances), distances, self%table)
   end subroutine tabulate

   !> The weights of the targets in a run of chunks for an observation at target t.
   pure subroutine weights_around(self, t, first, chunks, weights)
      class(targets_type), intent(in) :: self
      integer, intent(in) :: t
      integer, intent(in) :: first
      integer, intent(in) :: chunks
      real(wp), intent(out) :: weights(lanes, chunks)
      real(wp) :: distances(lanes)
      real(wp) :: fraction
      integer :: around
      integer :: cell
      integer :: k

      around = merge(self%total, huge(self%total), self%round)
      cell = self%cell(lane_of(t), chunk_of(t))
      if (self%regular) then
         call look_up(chunks, cell, self%cell(:, first:first + chunks - 1), around, &
                      size(self%table) - 1, self%table, weights)
         return
      end if
      fraction = self%fraction(lane_of(t), chunk_of(t))
      do k = 1, chunks
         distances = abs((self%cell(:, first + k - 1) - cell) &
                         + (self%fraction(:, first + k - 1) - fraction))
         distances = min(distances, abs(around - distances))
         call tapers(self%localisation, lanes, distances, weights(:, k))
      end do
   end subroutine weights_around

   !> The tabulated weights at the distances of `cells` from a cell, the shorter way around.
   pure subroutine look_up(chunks, cell, cells, around, farthest, table, weights)
      integer, intent(in) :: chunks
      integer, intent(in) :: cell
      integer, intent(in) :: cells(lanes, chunks)
      integer, intent(in) :: around
      integer, intent(in) :: farthest
      real(wp), intent(in) :: table(0:farthest)
      real(wp), intent(out) :: weights(lanes, chunks)
      integer :: steps
      integer :: k
      integer :: l

      do k = 1, chunks
         do l = 1, lanes
            steps = abs(cells(l, k) - cell)
            weights(l, k) = table(min(steps, abs(around - steps), farthest))
         end do
      end do
   end subroutine look_up

   !> The first and last target of the cells first … last, as far as there are any.
   pure function run_of(self, first, last) result(ends)
      class(targets_type), intent(in) :: self
      integer, intent(in) :: first
      integer, intent(in) :: last
      integer :: ends(2)

      associate (lowest => 1 - self%halo(1), highest => self%n + self%halo(2))
         ends(1) = self%start(max(first, lowest) + self%halo(1))
         ends(2) = self%start(min(last, highest) + self%halo(1) + 1) - 1
      end associate
   end function run_of

   !> What is kept of a target, in each lane.
   pure subroutine spread_values(self, t, values)
      class(targets_type), intent(in) :: self
      integer, intent(in) :: t
      real(wp), intent(out) :: values(lanes, self%columns)
      integer :: c

      do c = 1, self%columns
         values(:, c) = self%z(lane_of(t), c, chunk_of(t))
      end do
   end subroutine spread_values

   pure subroutine store_state(self, n, components, members, x)
      class(targets_type), intent(in) :: self
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: members
      real(wp), intent(inout) :: x(n, components, members)
      integer, dimension(tile) :: lane, chunk
      integer :: start
      integer :: last
      integer :: c
      integer :: i
      integer :: m
      integer :: t

      do start = 1, n, tile
         last = min(start + tile - 1, n)
         do c = 1, components
            do i = start, last
               t = self%start(self%halo(1) + i) + c - 1
               lane(i - start + 1) = lane_of(t)
               chunk(i - start + 1) = chunk_of(t)
            end do
            do m = 1, members
               do i = start, last
                  x(i, c, m) = self%z(lane(i - start + 1), m, chunk(i - start + 1))
               end do
            end do
         end do
      end do
   end subroutine store_state

   elemental function lane_of(t) result(lane)
      integer, intent(in) :: t
      integer :: lane

      lane = mod(t - 1, lanes) + 1
   end function lane_of

   elemental function chunk_of(t) result(chunk)
      integer, intent(in) :: t
      integer :: chunk

      chunk = (t - 1)/lanes + 1
   end function chunk_of
end module da_analysis_serial_targets
