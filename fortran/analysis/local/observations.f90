!> The observations around each point of a slab, those of neighbouring ranks included.
module da_analysis_local_observations
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_ensemble_localisation, only: localisation_config, cutoff, tapers
   use da_observation_type, only: observations_type, qc_assimilated
   implicit none
   private
   public :: local_observations_type, gather_local_observations, adaptivity_type

   !> Rows that kernels may read beyond the last one.
   integer, parameter :: padding = 5

   !> The radius at each point, no less than that of the localisation, is such that the tapers of
   !> the observations used sum to a number wanted (0: the radius is the same everywhere).
   !> Kirchgessner, Nerger & Bunse-Gerstner (2014, MWR 142, 2165-2175) find the ensemble's size
   !> best.
   type :: adaptivity_type
      real(wp) :: effective_observations = 0
      real(wp) :: radius_maximum = 0
   end type adaptivity_type

   !> Observations of the slab and of a halo of the cutoff's width, counted from left to right; at
   !> hand are those around the points last placed or loaded, as elements j - before.
   type :: local_observations_type
      !> Scaled anomalies of the members, the scaled innovation, one element that means nothing;
      !> likewise a few rows behind the last.
      real(wp), allocatable :: rows(:, :)
      integer :: before = 0
      !> Position as the slab's point (on a circle unrolled) and the fraction beyond it: kept apart,
      !> since only then is a distance the same number whichever slab it is taken from.
      integer, allocatable, private :: cell(:)
      real(wp), allocatable, private :: fraction(:)
      !> One for those used, zero for the rest.
      real(wp), allocatable, private :: counts(:)
      type(localisation_config), private :: localisation
      !> How far from a point observations may count anywhere; half the circle, whose two ends are
      !> the same place: there only one counts.
      real(wp), private :: reach = 0
      real(wp), private :: half = 0
      !> Radii of the points 1 - margin … n + margin over that of the localisation, if they differ.
      real(wp), allocatable, private :: stretch(:)
      !> Cells around a point that hold its observations; cells beyond the slab that are known.
      integer, private :: width = 0
      integer, private :: halo = 0
      integer, allocatable, private :: start(:)
      !> The slab's own observations are own(1) + 1 … own(2).
      integer, private :: own(2) = 0
      !> Rows of the halo's, left and right, with the slab's own that lie near its ends between.
      real(wp), allocatable, private :: edges(:, :)
   contains
      procedure :: place
      procedure :: load
      procedure :: range_of
      procedure :: offset
      procedure :: weights_of
      procedure, private :: reach_of
   end type local_observations_type

contains

   !> Collect what analyses of the slab's points need, and of `margin` points on either side of it.
   subroutine gather_local_observations(domain, localisation, adaptivity, margin, observations, &
                                        anomalies, innovations, local)
      type(domain_type), intent(inout) :: domain
      type(localisation_config), intent(in) :: localisation
      type(adaptivity_type), intent(in) :: adaptivity
      integer, intent(in) :: margin
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(local_observations_type), intent(out) :: local
      integer, allocatable :: counts(:)
      real(wp) :: widest
      integer :: i

      local%localisation = localisation
      local%half = 0.5_wp*domain%total
      local%reach = min(cutoff(localisation), local%half)
      if (adaptivity%effective_observations > 0) then
         widest = adaptivity%radius_maximum/localisation%radius
         local%reach = min(widest*cutoff(localisation), local%half)
      end if
      local%width = ceiling(local%reach)
      local%halo = local%width + margin
      call count_by_cell(domain, local%halo, observations, counts)
      allocate (local%start(size(counts) + 1))
      local%start(1) = 1
      do i = 1, size(counts)
         local%start(i + 1) = local%start(i) + counts(i)
      end do
      local%own = local%start([local%halo + 1, local%halo + domain%n + 1]) - 1
      allocate (local%rows(size(anomalies, 2) + 2, 0), local%cell(0), local%fraction(0))
      allocate (local%counts(0))
      call fetch_edges(domain, observations, anomalies, innovations, counts, local)
      if (adaptivity%effective_observations > 0) then
         allocate (local%stretch(1 - margin:domain%n + margin), source=widest)
         do i = 1 - margin, domain%n + margin
            call local%place(observations, i, i)
            call choose_stretch(local, adaptivity%effective_observations, i, widest)
         end do
      end if
   end subroutine gather_local_observations

   !> The radius at point i, by a root finding that starts from the same two ends everywhere: regula
   !> falsi, the end that stays taken half (Dowell & Jarratt 1971, The "Illinois" algorithm).
   subroutine choose_stretch(local, wanted, i, widest)
      type(local_observations_type), intent(inout) :: local
      real(wp), intent(in) :: wanted
      integer, intent(in) :: i
      real(wp), intent(in) :: widest
      real(wp), parameter :: tolerance = 1.0e-9_wp
      integer, parameter :: most_steps = 60
      real(wp), dimension(size(local%cell)) :: offsets, weights
      real(wp) :: ends(2)
      real(wp) :: excess(2)
      real(wp) :: middle
      integer :: first
      integer :: last
      integer :: kept
      integer :: side
      integer :: step
      integer :: n

      call local%range_of(i, first, last)
      n = max(last - first + 1, 0)
      offsets(:n) = (local%cell(first - local%before:last - local%before) - i) &
                    + local%fraction(first - local%before:last - local%before)
      ends = [1.0_wp, widest]
      excess = [beyond(ends(1)), beyond(ends(2))]
      local%stretch(i) = ends(1)
      if (excess(1) >= 0) return
      local%stretch(i) = ends(2)
      if (excess(2) <= 0) return
      kept = 0
      do step = 1, most_steps
         middle = (ends(1)*excess(2) - ends(2)*excess(1))/(excess(2) - excess(1))
         local%stretch(i) = middle
         associate (value => beyond(middle))
            if (abs(value) <= tolerance*wanted) return
            side = merge(1, 2, value < 0)
            if (kept == 3 - side) excess(3 - side) = 0.5_wp*excess(3 - side)
            kept = 3 - side
            ends(side) = middle
            excess(side) = value
         end associate
      end do

   contains

      !> What the tapers sum to, over what is wanted of them.
      function beyond(stretch) result(value)
         real(wp), intent(in) :: stretch
         real(wp) :: value
         integer :: j

         call tapers(local%localisation, n, offsets(:n)/stretch, weights(:n))
         value = 0
         do j = 1, n
            value = value + local%counts(first - local%before + j - 1)*weights(j)
         end do
         value = value - wanted
      end function beyond
   end subroutine choose_stretch

   !> Swap rows with the neighbours. Of the slab's own only those near its ends take part: counts of
   !> cells further inside are set to zero.
   subroutine fetch_edges(domain, observations, anomalies, innovations, counts, local)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      integer, intent(inout) :: counts(:)
      type(local_observations_type), intent(inout) :: local
      integer :: members
      integer :: row
      integer :: j

      members = size(anomalies, 2)
      counts(2*local%halo + 1:domain%n) = 0
      allocate (local%edges(members + 3, sum(counts)))
      row = local%own(1)
      do j = 1, observations%n
         if (counts(local%halo + cell_of(domain, observations%position(j))) == 0) cycle
         row = row + 1
         local%edges(:members, row) = anomalies(j, :)
         local%edges(members + 1, row) = innovations(j)
         local%edges(members + 2, row) = observations%position(j) - int(observations%position(j))
         local%edges(members + 3, row) = merge(1.0_wp, 0.0_wp, observations%qc(j) == qc_assimilated)
      end do
      call domain%fetch_rows([local%halo, local%halo], counts, local%edges)
   end subroutine fetch_edges

   !> The slab's point at or left of a position.
   pure function cell_of(domain, position) result(cell)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: position
      integer :: cell

      cell = int(position) + 2 - domain%first
   end function cell_of

   !> Take in where all observations within reach of the points i … last lie.
   subroutine place(self, observations, i, last)
      class(local_observations_type), intent(inout) :: self
      type(observations_type), intent(in) :: observations
      integer, intent(in) :: i
      integer, intent(in) :: last
      integer :: beyond
      integer :: past
      integer :: cell
      integer :: j

      self%before = self%start(i + self%halo - self%width) - 1
      past = self%start(last + self%halo + self%width + 1)
      if (size(self%cell) < past - self%before) then
         deallocate (self%cell, self%fraction, self%counts)
         allocate (self%cell(past - self%before), self%fraction(past - self%before))
         allocate (self%counts(past - self%before))
      end if
      do cell = i - self%width, last + self%width
         do j = self%start(cell + self%halo), self%start(cell + self%halo + 1) - 1
            self%cell(j - self%before) = cell
         end do
      end do
      beyond = size(self%edges, 2) - self%start(size(self%start)) + 1
      associate (width => size(self%edges, 1))
         do j = self%before + 1, past - 1
            if (j <= self%own(1)) then
               self%fraction(j - self%before) = self%edges(width - 1, j)
               self%counts(j - self%before) = self%edges(width, j)
            else if (j > self%own(2)) then
               self%fraction(j - self%before) = self%edges(width - 1, beyond + j)
               self%counts(j - self%before) = self%edges(width, beyond + j)
            else
               associate (position => observations%position(j - self%own(1)), &
                          qc => observations%qc(j - self%own(1)))
                  self%fraction(j - self%before) = position - int(position)
                  self%counts(j - self%before) = merge(1.0_wp, 0.0_wp, qc == qc_assimilated)
               end associate
            end if
         end do
      end associate
   end subroutine place

   !> Take in the rows of these observations, too.
   subroutine load(self, observations, anomalies, innovations, i, last)
      class(local_observations_type), intent(inout) :: self
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      integer, intent(in) :: i
      integer, intent(in) :: last
      integer, dimension(2) :: bounds, inside
      integer :: members
      integer :: beyond
      integer :: j
      integer :: m

      call self%place(observations, i, last)
      members = size(anomalies, 2)
      bounds = self%start([i + self%halo - self%width, last + self%halo + self%width + 1]) - 1
      if (size(self%rows, 2) < bounds(2) - bounds(1) + padding) then
         deallocate (self%rows)
         allocate (self%rows(members + 2, bounds(2) - bounds(1) + padding), source=0.0_wp)
      end if
      beyond = size(self%edges, 2) - self%start(size(self%start)) + 1
      do j = bounds(1) + 1, min(bounds(2), self%own(1))
         self%rows(:, j - self%before) = self%edges(:members + 2, j)
      end do
      inside = min(max(bounds, self%own(1)), self%own(2))
      do m = 1, members
         do j = inside(1) + 1, inside(2)
            self%rows(m, j - self%before) = anomalies(j - self%own(1), m)
         end do
      end do
      do j = inside(1) + 1, inside(2)
         self%rows(members + 1, j - self%before) = innovations(j - self%own(1))
      end do
      do j = max(bounds(1), self%own(2)) + 1, bounds(2)
         self%rows(:, j - self%before) = self%edges(:members + 2, beyond + j)
      end do
   end subroutine load

   !> How far observation j lies to the right of the slab's point i.
   elemental function offset(self, j, i) result(distance)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: j
      integer, intent(in) :: i
      real(wp) :: distance

      distance = (self%cell(j - self%before) - i) + self%fraction(j - self%before)
   end function offset

   !> The weights of observations first … first + size(weights, 2) - 1 in the analyses of some
   !> points.
   pure subroutine weights_of(self, points, first, weights)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: points(:)
      integer, intent(in) :: first
      real(wp), contiguous, intent(out) :: weights(:, :)
      real(wp) :: offsets(size(weights, 1), size(weights, 2))
      real(wp), dimension(size(points)) :: reach, stretch
      integer :: j
      integer :: k
      integer :: l

      stretch = 1
      do l = 1, size(points)
         reach(l) = self%reach_of(points(l))
         if (allocated(self%stretch)) stretch(l) = self%stretch(points(l))
      end do
      do j = 1, size(weights, 2)
         k = first + j - 1 - self%before
         do l = 1, size(points)
            offsets(l, j) = (self%cell(k) - points(l)) + self%fraction(k)
         end do
      end do
      if (allocated(self%stretch)) then
         call tapers(self%localisation, size(offsets), &
                     offsets/spread(stretch, 2, size(weights, 2)), weights)
      else
         call tapers(self%localisation, size(offsets), offsets, weights)
      end if
      do j = 1, size(weights, 2)
         do l = 1, size(points)
            if (offsets(l, j) < -reach(l) .or. offsets(l, j) > reach(l)) weights(l, j) = 0
            if (offsets(l, j) >= self%half) weights(l, j) = 0
         end do
      end do
   end subroutine weights_of

   !> How far observations may lie from point i.
   elemental function reach_of(self, i) result(reach)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: i
      real(wp) :: reach

      reach = self%reach
      if (allocated(self%stretch)) then
         reach = min(self%stretch(i)*cutoff(self%localisation), self%half)
      end if
   end function reach_of

   !> Observations by cell, from `halo` cells left of the slab to `halo` cells right of it.
   subroutine count_by_cell(domain, halo, observations, counts)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: halo
      type(observations_type), intent(in) :: observations
      integer, allocatable, intent(out) :: counts(:)
      real(wp) :: own(domain%n, 1)
      real(wp), dimension(halo, 1) :: left, right
      integer :: cell
      integer :: j

      own = 0
      do j = 1, observations%n
         cell = cell_of(domain, observations%position(j))
         own(cell, 1) = own(cell, 1) + 1
      end do
      call domain%fetch_halo(1, own, left, right)
      allocate (counts(halo + domain%n + halo))
      counts(:halo) = nint(left(:, 1))
      counts(halo + 1:halo + domain%n) = nint(own(:, 1))
      counts(halo + domain%n + 1:) = nint(right(:, 1))
   end subroutine count_by_cell

   !> The observations first … last that lie within the cutoff of the slab's point i, each one once.
   pure subroutine range_of(self, i, first, last)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: i
      integer, intent(out) :: first
      integer, intent(out) :: last
      real(wp) :: reach

      reach = self%reach_of(i)
      first = self%start(i + self%halo - self%width)
      do while (first < self%start(i + self%halo + self%width + 1))
         if (self%offset(first, i) >= -reach) exit
         first = first + 1
      end do
      last = self%start(i + self%halo + self%width + 1) - 1
      do while (last >= first)
         if (self%offset(last, i) <= reach .and. self%offset(last, i) < self%half) exit
         last = last - 1
      end do
   end subroutine range_of
end module da_analysis_local_observations
