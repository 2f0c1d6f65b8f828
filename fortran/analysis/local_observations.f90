!> The observations around each point of a slab, those of neighbouring ranks included.
module da_analysis_local_observations
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_ensemble_localisation, only: localisation_config, cutoff, tapers
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: local_observations_type, gather_local_observations, padding

   !> Elements that kernels may read beyond the last one of a row, and beyond the last row.
   integer, parameter :: padding = 4

   !> Observations of the slab and of a halo of the cutoff's width, from left to right.
   type :: local_observations_type
      !> rows(:, j): scaled anomalies of the members, then the scaled innovation, then some that
      !> mean nothing, so that kernels may read on; likewise a few rows behind the last.
      real(wp), allocatable :: rows(:, :)
      !> Position as the slab's point (on a circle unrolled) and the fraction beyond it: kept apart,
      !> since only then is a distance the same number whichever slab it is taken from.
      integer, allocatable, private :: cell(:)
      real(wp), allocatable, private :: fraction(:)
      real(wp), private :: reach = 0
      !> The reach is half the circle: its two ends are the same place, and only one counts.
      logical, private :: round = .false.
      type(localisation_config), private :: localisation
      integer, private :: halo = 0
      integer, allocatable, private :: start(:)
   contains
      procedure :: range_of
      procedure :: offset
      procedure :: weights_of
   end type local_observations_type

contains

   !> Collect what the slab's analyses need; `anomalies` are given up on the way.
   subroutine gather_local_observations(domain, localisation, observations, anomalies, &
                                        innovations, local)
      type(domain_type), intent(inout) :: domain
      type(localisation_config), intent(in) :: localisation
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(local_observations_type), intent(out) :: local
      integer, allocatable :: counts(:)
      integer :: members
      integer :: total
      integer :: own
      integer :: i
      integer :: j

      members = size(anomalies, 2)
      local%localisation = localisation
      local%round = cutoff(localisation) >= 0.5_wp*domain%total
      local%reach = min(cutoff(localisation), 0.5_wp*domain%total)
      local%halo = ceiling(local%reach)
      call count_by_cell(domain, local%halo, observations, counts)
      allocate (local%start(size(counts) + 1))
      local%start(1) = 1
      do i = 1, size(counts)
         local%start(i + 1) = local%start(i) + counts(i)
      end do
      total = sum(counts)
      allocate (local%rows(members + 1 + padding, total + padding), source=0.0_wp)
      allocate (local%cell(total + padding), source=0)
      allocate (local%fraction(total + padding), source=0.0_wp)
      own = local%start(local%halo + 1) - 1
      do j = 1, observations%n
         local%rows(:members, own + j) = anomalies(j, :)
         local%rows(members + 1, own + j) = innovations(j)
         local%rows(members + 2, own + j) = observations%position(j) - int(observations%position(j))
      end do
      deallocate (anomalies)
      call domain%fetch_rows([local%halo, local%halo], counts, local%rows)
      do i = 1, size(counts)
         do j = local%start(i), local%start(i + 1) - 1
            local%cell(j) = i - local%halo
            local%fraction(j) = local%rows(members + 2, j)
         end do
      end do
   end subroutine gather_local_observations

   !> How far observation j lies to the right of the slab's point i.
   elemental function offset(self, j, i) result(distance)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: j
      integer, intent(in) :: i
      real(wp) :: distance

      distance = (self%cell(j) - i) + self%fraction(j)
   end function offset

   !> The weights of observations first … first + n - 1 in the analyses of points i … i +
   !> size(weights, 1) - 1.
   pure subroutine weights_of(self, i, first, weights)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: i
      integer, intent(in) :: first
      real(wp), intent(out) :: weights(:, :)
      real(wp) :: offsets(size(weights, 1))
      integer :: j
      integer :: l

      do j = 1, size(weights, 2)
         do l = 1, size(weights, 1)
            offsets(l) = (self%cell(first + j - 1) - (i + l - 1)) + self%fraction(first + j - 1)
         end do
         call tapers(self%localisation, size(offsets), offsets, weights(:, j))
         do l = 1, size(weights, 1)
            if (offsets(l) < -self%reach .or. offsets(l) > self%reach) weights(l, j) = 0
            if (self%round .and. offsets(l) >= self%reach) weights(l, j) = 0
         end do
      end do
   end subroutine weights_of

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
         cell = int(observations%position(j)) + 2 - domain%first
         own(cell, 1) = own(cell, 1) + 1
      end do
      call domain%fetch_halo(1, own, left, right)
      counts = nint([left(:, 1), own(:, 1), right(:, 1)])
   end subroutine count_by_cell

   !> The observations first … last that lie within the cutoff of the slab's point i, each one once.
   pure subroutine range_of(self, i, first, last)
      class(local_observations_type), intent(in) :: self
      integer, intent(in) :: i
      integer, intent(out) :: first
      integer, intent(out) :: last

      first = self%start(i)
      do while (first < self%start(i + 2*self%halo + 1))
         if (self%offset(first, i) >= -self%reach) exit
         first = first + 1
      end do
      last = self%start(i + 2*self%halo + 1) - 1
      do while (last >= first)
         if (self%offset(last, i) < self%reach) exit
         if (self%offset(last, i) <= self%reach .and. .not. self%round) exit
         last = last - 1
      end do
   end subroutine range_of
end module da_analysis_local_observations
