!> Serial filters against plain ones: all observations and points of a whole circle in nested loops.
module test_serial
   use da_analysis_serial_eakf, only: new_eakf
   use da_analysis_serial_ensrf, only: ensrf_config, new_ensrf
   use da_analysis_serial_blocks, only: blocks_type, new_blocks
   use da_analysis_serial_filter, only: serial_filter_type
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_localisation, only: localisation_config, tapers, cutoff
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type, new_observations, qc_missing
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_serial_suite
   public :: plain_type, members, components, draw_plain, plain_order, weight
   public :: set_observations, check_filter

   integer, parameter :: members = 7
   integer, parameter :: components = 2

   !> All observations of a circle, those that are not used left out.
   type :: plain_type
      integer :: n = 0
      real(wp), allocatable :: position(:)
      real(wp), allocatable :: value(:)
      real(wp), allocatable :: error_sd(:)
      !> hx(members, n), x(members, components, points)
      real(wp), allocatable :: hx(:, :)
      real(wp), allocatable :: x(:, :, :)
   end type plain_type

contains

   subroutine test_serial_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: points(4) = [13, 43, 97, 400]
      integer :: p

      do p = 1, size(points)
         call check_blocks(tests, points(p))
         call check_against_plain(tests, points(p), 'gaspari_cohn', 1.0_wp)
         call check_against_plain(tests, points(p), 'boxcar', 2.15_wp)
         call check_against_plain(tests, points(p), 'triangle', 1.0_wp)
         call check_against_plain(tests, points(p), 'none', 1.0_wp)
      end do
      call check_against_plain(tests, 43, 'gaspari_cohn', 5.0_wp)
      call check_against_plain(tests, 43, 'gaspari_cohn', 50.0_wp)
      call check_regular(tests)
   end subroutine test_serial_suite

   !> Blocks cover the circle; what blocks of a colour change lies apart.
   subroutine check_blocks(tests, points)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: points
      type(localisation_config) :: localisation
      type(domain_type) :: domain
      type(blocks_type) :: blocks
      type(error_type), allocatable :: error
      integer :: reach
      integer :: b

      localisation%taper = 'boxcar'
      call new_domain(points, tests%communicator, domain, error)
      do reach = 1, points
         localisation%radius = reach - 0.5_wp
         blocks = new_blocks(domain, localisation)
         call tests%check(blocks%first_of(0) == 1 .and. &
                          blocks%first_of(blocks%number) == points + 1, 'blocks cover the circle')
         call tests%check((blocks%number == 1) .eqv. (4*reach > points), &
                          'there are blocks where the circle is wide enough')
         if (blocks%number == 1) cycle
         call tests%check(mod(blocks%number, 2) == 0, 'colours alternate round the circle')
         do b = 0, blocks%number - 1
            call tests%check(blocks%first_of(b + 2) - blocks%reach > &
                             blocks%first_of(b + 1) - 1 + blocks%reach, &
                             'blocks of a colour keep apart')
         end do
      end do
   end subroutine check_blocks

   !> Observations anywhere, some cells with several and some with none.
   subroutine check_against_plain(tests, points, taper, radius)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: points
      character(len=*), intent(in) :: taper
      real(wp), intent(in) :: radius
      type(localisation_config) :: localisation
      type(domain_type) :: domain
      type(observations_type) :: observations
      type(error_type), allocatable :: error

      localisation%taper = taper
      localisation%radius = radius
      call new_domain(points, tests%communicator, domain, error)
      observations = observations_on(domain)
      call compare(tests, domain, localisation, observations, .false.)
   end subroutine check_against_plain

   !> One observation at each point: tapers come from a table.
   subroutine check_regular(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: radii(3) = [1.0_wp, 4.4_wp, 30.0_wp]
      type(localisation_config) :: localisation
      type(domain_type) :: domain
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      integer :: i
      integer :: r

      localisation%taper = 'gaspari_cohn'
      call new_domain(97, tests%communicator, domain, error)
      do r = 1, size(radii)
         localisation%radius = radii(r)
         observations = new_observations(domain%n, 0.0_wp)
         observations%position = [(real(i, wp), i=domain%first - 1, domain%last - 1)]
         call observations%count_ranks(domain)
         call compare(tests, domain, localisation, observations, .true.)
      end do
   end subroutine check_regular

   !> Both filters on the given observations, against the plain ones.
   subroutine compare(tests, domain, localisation, observations, regular)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(localisation_config), intent(in) :: localisation
      type(observations_type), intent(inout) :: observations
      logical, intent(in) :: regular
      type(plain_type) :: before
      type(plain_type) :: after
      integer, allocatable :: order(:)
      integer :: j

      call set_observations(observations)
      call draw_plain(domain%total, regular, before)
      order = plain_order(domain%total, localisation, before%position)
      after = before
      do j = 1, before%n
         call plain_ensrf(domain%total, localisation, order(j), after)
      end do
      call check_filter(tests, domain, new_ensrf(ensrf_config(rotation=.false.), localisation), &
                        observations, before, after, 'ensrf agrees with the plain one')
      after = before
      do j = 1, before%n
         call plain_eakf(domain%total, localisation, order(j), after)
      end do
      call check_filter(tests, domain, new_eakf(localisation), observations, before, after, &
                        'eakf agrees with the plain one')
   end subroutine compare

   !> Values and errors that are the same on any layout; one value is missing.
   subroutine set_observations(observations)
      type(observations_type), intent(inout) :: observations

      observations%value = sin(observations%position)
      observations%error_sd = 1 + 0.1_wp*modulo(observations%position, 3.0_wp)
      observations%row = nint(10*observations%position, i8)
      where (observations%row == 20) observations%qc = qc_missing
   end subroutine set_observations

   subroutine check_filter(tests, domain, filter, observations, before, after, what)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      class(serial_filter_type), intent(in) :: filter
      type(observations_type), intent(in) :: observations
      type(plain_type), intent(in) :: before
      type(plain_type), intent(in) :: after
      character(len=*), intent(in) :: what
      class(serial_filter_type), allocatable :: uninflated
      type(observations_type) :: assimilated
      type(ensemble_type) :: ensemble
      type(error_type), allocatable :: error
      real(wp) :: difference
      integer :: m

      allocate (uninflated, source=filter)
      uninflated%inflation = no_inflation
      assimilated = observations
      ensemble%members = members
      allocate (ensemble%x(domain%n, components, members))
      do m = 1, members
         ensemble%x(:, :, m) = transpose(before%x(m, :, domain%first:domain%last))
      end do
      call uninflated%update(domain, 1, assimilated, ensemble, error)
      call tests%check(.not. allocated(error), what//': it runs')
      difference = 0
      do m = 1, members
         difference = max(difference, maxval(abs(ensemble%x(:, :, m) - transpose( &
                                                 after%x(m, :, domain%first:domain%last)))))
      end do
      call tests%check_small(difference, 1.0e-10_wp, what)
   end subroutine check_filter

   !> The circle's members, its observations (those of `compare`) and their background.
   subroutine draw_plain(points, regular, plain)
      integer, intent(in) :: points
      logical, intent(in) :: regular
      type(plain_type), intent(out) :: plain
      real(wp) :: field(points, components, members)
      real(wp) :: position
      real(wp) :: fraction
      integer :: cell
      integer :: j
      integer :: m

      call random_field(random_key_type(seed=5), 0_i8, field)
      allocate (plain%x(members, components, points))
      do m = 1, members
         plain%x(m, :, :) = transpose(field(:, :, m))
      end do
      allocate (plain%position(3*points), plain%value(3*points), plain%error_sd(3*points))
      allocate (plain%hx(members, 3*points))
      do cell = 1, points
         do j = 1, merge(1, mod(cell, 4), regular)
            fraction = 0.3_wp*(j - 1)
            position = cell - 1 + fraction
            if (nint(10*position) == 20) cycle
            plain%n = plain%n + 1
            plain%position(plain%n) = position
            plain%value(plain%n) = sin(position)
            plain%error_sd(plain%n) = 1 + 0.1_wp*modulo(position, 3.0_wp)
            plain%hx(:, plain%n) = (1 - fraction)*plain%x(:, 1, cell) &
                                   + fraction*plain%x(:, 1, modulo(cell, points) + 1)
         end do
      end do
      plain%position = plain%position(:plain%n)
   end subroutine draw_plain

   !> Observations block by block, those of every second block first.
   function plain_order(points, localisation, position) result(order)
      integer, intent(in) :: points
      type(localisation_config), intent(in) :: localisation
      real(wp), intent(in) :: position(:)
      integer, allocatable :: order(:)
      real(wp) :: reach
      integer :: blocks
      integer :: colour
      integer :: b
      integer :: j

      reach = min(cutoff(localisation), real(points, wp))
      blocks = max(2*(points/(4*ceiling(reach))), 1)
      allocate (order(0))
      do colour = 0, 1
         do b = colour, blocks - 1, 2
            do j = 1, size(position)
               if (int(position(j)) < (b*points)/blocks) cycle
               if (int(position(j)) >= ((b + 1)*points)/blocks) cycle
               order = [order, j]
            end do
         end do
      end do
   end function plain_order

   !> The weight of the observation at a position for what is at another.
   function weight(points, localisation, position, other)
      integer, intent(in) :: points
      type(localisation_config), intent(in) :: localisation
      real(wp), intent(in) :: position
      real(wp), intent(in) :: other
      real(wp) :: weight
      real(wp) :: distance
      real(wp) :: weights(1)

      distance = modulo(position - other, real(points, wp))
      call tapers(localisation, 1, [min(distance, points - distance)], weights)
      weight = weights(1)
   end function weight

   !> Whitaker & Hamill (2002): K = cov(x, y) / (var(y) + R), the anomalies' gain α K.
   subroutine plain_ensrf(points, localisation, j, plain)
      integer, intent(in) :: points
      type(localisation_config), intent(in) :: localisation
      integer, intent(in) :: j
      type(plain_type), intent(inout) :: plain
      real(wp) :: y(members)
      real(wp) :: innovation
      real(wp) :: total
      integer :: c
      integer :: i

      innovation = plain%value(j) - sum(plain%hx(:, j))/members
      y = plain%hx(:, j) - sum(plain%hx(:, j))/members
      total = sum(y**2)/(members - 1) + plain%error_sd(j)**2
      do i = 1, points
         do c = 1, components
            call move(plain%x(:, c, i), weight(points, localisation, plain%position(j), i - 1.0_wp))
         end do
      end do
      do i = 1, plain%n
         call move(plain%hx(:, i), weight(points, localisation, plain%position(j), &
                                          plain%position(i)))
      end do

   contains

      subroutine move(x, taper)
         real(wp), intent(inout) :: x(members)
         real(wp), intent(in) :: taper
         real(wp) :: gain

         gain = taper*sum((x - sum(x)/members)*y)/(members - 1)/total
         x = x + gain*innovation - gain/(1 + plain%error_sd(j)/sqrt(total))*y
      end subroutine move
   end subroutine plain_ensrf

   !> Anderson (2003): the observed prior is shifted and scaled, its increments are regressed.
   subroutine plain_eakf(points, localisation, j, plain)
      integer, intent(in) :: points
      type(localisation_config), intent(in) :: localisation
      integer, intent(in) :: j
      type(plain_type), intent(inout) :: plain
      real(wp), dimension(members) :: y, increments
      real(wp) :: mean
      real(wp) :: variance
      real(wp) :: posterior
      integer :: c
      integer :: i

      y = plain%hx(:, j)
      mean = sum(y)/members
      variance = sum((y - mean)**2)/(members - 1)
      posterior = 1/(1/variance + 1/plain%error_sd(j)**2)
      increments = posterior*(mean/variance + plain%value(j)/plain%error_sd(j)**2) &
                   + sqrt(posterior/variance)*(y - mean) - y
      do i = 1, points
         do c = 1, components
            call move(plain%x(:, c, i), weight(points, localisation, plain%position(j), i - 1.0_wp))
         end do
      end do
      do i = 1, plain%n
         call move(plain%hx(:, i), weight(points, localisation, plain%position(j), &
                                          plain%position(i)))
      end do

   contains

      subroutine move(x, taper)
         real(wp), intent(inout) :: x(members)
         real(wp), intent(in) :: taper

         x = x + taper*sum((x - sum(x)/members)*(y - mean))/(members - 1)/variance*increments
      end subroutine move
   end subroutine plain_eakf
end module test_serial
