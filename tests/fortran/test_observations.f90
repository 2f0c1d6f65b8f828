!> Observations: interpolation, quality control, localisation's neighbourhoods.
module test_observations
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_positive_inf
   use da_analysis_local_observations, only: local_observations_type, &
      gather_local_observations, adaptivity_type
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp
   use da_ensemble_localisation, only: localisation_config, gaspari_cohn, tapers, cutoff
   use da_observation_interpolation, only: interpolation_type, new_interpolation
   use da_observation_kinds, only: kind_parameters_type, curve, slope, known_kinds, kind_value, &
      kind_abs, kind_square, kind_power, kind_log, kind_average
   use da_observation_mixture, only: mixture_type, new_mixture
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type, new_observations, qc_assimilated, qc_missing, &
      qc_operator_failed, qc_outlier
   use test_operators, only: observations_on, mixture_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_observations_suite

contains

   subroutine test_observations_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(3) = [13, 40, 101]
      real(wp), parameter :: radii(3) = [0.45_wp, 2.0_wp, 50.0_wp]
      integer :: s
      integer :: r

      call check_interpolation(tests)
      call check_average(tests)
      call check_curves(tests)
      call check_quality_control(tests)
      call check_taper(tests)
      do s = 1, size(sizes)
         do r = 1, size(radii)
            call check_neighbourhoods(tests, sizes(s), radii(r))
         end do
      end do
   end subroutine test_observations_suite

   !> A field that is linear but for the jump at the circle's seam is interpolated exactly.
   subroutine check_interpolation(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: points = 40
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(interpolation_type) :: operator
      type(observations_type) :: observations
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: y(:, :, :)
      real(wp), allocatable :: expected(:)
      integer :: i

      call new_domain(points, tests%communicator, domain, error)
      observations = observations_on(domain)
      allocate (x(domain%n, 1, 1), y(observations%n, 1, 1))
      x(:, 1, 1) = [(2.0_wp*i, i=domain%first - 1, domain%last - 1)]
      operator = new_interpolation(observations, domain)
      call operator%forward(domain, x, y)
      expected = 2*observations%position
      where (observations%position > points - 1)
         expected = 2.0_wp*(points - 1)*(points - observations%position)
      end where
      call tests%check_small(maxval([0.0_wp, abs(y(:, 1, 1) - expected)]), 1.0e-12_wp, &
                             'linear fields are interpolated exactly, the seam included')
   end subroutine check_interpolation

   !> An average is the mean of the interpolated field, here by the midpoint rule, at any width: a
   !> fraction of a cell, some points, round the circle.
   subroutine check_average(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: points = 13
      integer, parameter :: parts = 20000
      real(wp), parameter :: half_widths(4) = [0.2_wp, 2.0_wp, 2.7_wp, 6.5_wp]
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(observations_type) :: observations
      type(mixture_type) :: operator
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: y(:, :, :)
      real(wp) :: field(0:points)
      real(wp) :: place
      real(wp) :: total
      real(wp) :: worst
      integer :: w
      integer :: i
      integer :: j

      call new_domain(points, tests%communicator, domain, error)
      field = [(sin(1.7_wp*i) + mod(i, 3), i=0, points)]
      field(points) = field(0)
      allocate (x(domain%n, 1, 1))
      x(:, 1, 1) = field(domain%first - 1:domain%last - 1)
      worst = 0
      do w = 1, size(half_widths)
         observations = mixture_on(domain, half_widths(w))
         allocate (y(observations%n, 1, 1))
         operator = new_mixture(observations, domain)
         call operator%forward(domain, x, y)
         do j = 1, observations%n
            if (observations%kind(j) /= kind_average) cycle
            total = 0
            do i = 1, parts
               place = observations%position(j) + half_widths(w)*((2*i - 1.0_wp)/parts - 1)
               place = modulo(place, real(points, wp))
               total = total + field(int(place)) + (place - int(place)) &
                       *(field(int(place) + 1) - field(int(place)))
            end do
            worst = max(worst, abs(y(j, 1, 1) - total/parts))
         end do
         deallocate (y)
      end do
      call tests%check_small(worst, 1.0e-6_wp, 'an average is the mean of the interpolated field')
   end subroutine check_average

   !> Each curve at values worked out by hand, and its slope, which is that of a chord.
   subroutine check_curves(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: z(4) = [-3.0_wp, -0.25_wp, 0.5_wp, 4.0_wp]
      real(wp), parameter :: step = 1.0e-5_wp
      type(kind_parameters_type) :: parameters
      integer :: k

      parameters%exponent = 1.5_wp
      parameters%cap = 5
      parameters%offset = 0.5_wp
      call holds(kind_value, z, 'value')
      call holds(kind_average, z, 'average')
      call holds(kind_abs, [3.0_wp, 0.25_wp, 0.5_wp, 4.0_wp], 'abs')
      call holds(kind_square, [9.0_wp, 0.0625_wp, 0.25_wp, 16.0_wp], 'square')
      call holds(kind_power, [-5.0_wp, -0.125_wp, sqrt(0.125_wp), 5.0_wp], 'power')
      call holds(kind_log, log([3.5_wp, 0.75_wp, 1.0_wp, 4.5_wp]), 'log')
      parameters%average_curve = kind_power
      call holds(kind_average, [-5.0_wp, -0.125_wp, sqrt(0.125_wp), 5.0_wp], 'average, a power')
      do k = 1, size(known_kinds)
         call tests%check_small(maxval(abs((curve(parameters, known_kinds(k), z + step) &
                                            - curve(parameters, known_kinds(k), z - step)) &
                                           /(2*step) - slope(parameters, known_kinds(k), z))), &
                                1.0e-8_wp, 'the slope of a kind is that of its curve')
      end do
      call tests%check(all(abs(curve(parameters, known_kinds, 0.0_wp)) < huge(1.0_wp)) .and. &
                       all(abs(slope(parameters, known_kinds, 0.0_wp)) < huge(1.0_wp)), &
                       'curves and slopes are finite at zero')

   contains

      subroutine holds(kind, expected, name)
         integer, intent(in) :: kind
         real(wp), intent(in) :: expected(:)
         character(len=*), intent(in) :: name

         call tests%check_small(maxval(abs(curve(parameters, kind, z) - expected)), 1.0e-15_wp, &
                                'kind '//name)
      end subroutine holds
   end subroutine check_curves

   subroutine check_quality_control(tests)
      type(testing_type), intent(inout) :: tests
      type(observations_type) :: observations

      observations = new_observations(5, 0.0_wp)
      observations%value = [0.0_wp, 5.0_wp, 4.9_wp, 99.0_wp, 0.0_wp]
      observations%background = [0.0_wp, 0.0_wp, 0.0_wp, 0.0_wp, ieee_value(1.0_wp, &
                                                                            ieee_positive_inf)]
      observations%background_sd = 0.75_wp
      observations%error_sd = 1
      observations%qc(4) = qc_missing
      call check_gross_errors(0.0_wp, observations)
      call tests%check(all(observations%qc == [qc_assimilated, qc_assimilated, qc_assimilated, &
                           qc_missing, qc_operator_failed]), 'a limit of zero rejects no outlier')
      observations%qc(5) = qc_assimilated
      call check_gross_errors(3.95_wp, observations)
      call tests%check(all(observations%qc == [qc_assimilated, qc_outlier, qc_assimilated, &
                           qc_missing, qc_operator_failed]), &
                       'outliers are rejected, others and missing values stay as they are')
   end subroutine check_quality_control

   subroutine check_taper(tests)
      type(testing_type), intent(inout) :: tests
      type(localisation_config) :: config
      real(wp) :: weights(2)
      real(wp), parameter :: step = 1.0e-6_wp

      call tests%check_small(abs(gaspari_cohn(0.0_wp) - 1), 0.0_wp, 'Gaspari-Cohn is 1 at 0')
      call tests%check_small(abs(gaspari_cohn(1.0_wp) - 5.0_wp/24), 1.0e-15_wp, &
                             'Gaspari-Cohn is 5/24 at 1')
      call tests%check_small(abs(gaspari_cohn(1 + step) - gaspari_cohn(1 - step)), 3*step, &
                             'Gaspari-Cohn is continuous at 1')
      call tests%check_small(gaspari_cohn(2 - step), step, 'Gaspari-Cohn goes to 0 at 2')
      config%taper = 'gaspari_cohn'
      config%radius = 3
      call tapers(config, 2, [-cutoff(config), cutoff(config)], weights)
      call tests%check_small(sum(weights), 1.0e-15_wp, 'no weight at the cutoff')
      config%taper = 'boxcar'
      call tapers(config, 2, [-3.0_wp, 3.01_wp], weights)
      call tests%check_small(maxval(abs(weights - [1.0_wp, 0.0_wp])), 0.0_wp, 'a boxcar ends')
      config%taper = 'triangle'
      call tapers(config, 2, [-1.5_wp, 3.0_wp], weights)
      call tests%check_small(maxval(abs(weights - [0.75_wp, 0.5_wp])), 1.0e-15_wp, &
                             'a triangle is straight')
      config%taper = 'exponential'
      call tapers(config, 2, [-3.0_wp, 6.0_wp], weights)
      call tests%check_small(maxval(abs(weights - exp([-1.0_wp, -2.0_wp]))), 1.0e-15_wp, &
                             'the exponential falls by e a radius')
      config%taper = 'gaussian'
      call tapers(config, 2, [-3.0_wp, 6.0_wp], weights)
      call tests%check_small(maxval(abs(weights - exp([-0.5_wp, -2.0_wp]))), 1.0e-15_wp, &
                             'the radius is the standard deviation of the Gaussian')
      config%taper = 'none'
      call tapers(config, 2, [0.0_wp, 1.0e9_wp], weights)
      call tests%check_small(maxval(abs(weights - 1)), 0.0_wp, 'no taper at all')
      call check_cutoff(tests)
   end subroutine check_taper

   !> Tapers fall with distance, and vanish beyond the cutoff but not before.
   subroutine check_cutoff(tests)
      type(testing_type), intent(inout) :: tests
      character(len=12), parameter :: names(5) = [character(len=12) :: &
         'gaspari_cohn', 'boxcar', 'triangle', 'exponential', 'gaussian']
      integer, parameter :: samples = 1000
      type(localisation_config) :: config
      real(wp) :: distances(samples)
      real(wp) :: weights(samples)
      integer :: t
      integer :: i

      config%radius = 3
      do t = 1, size(names)
         config%taper = trim(names(t))
         distances = [(1.1_wp*cutoff(config)*(i - 1)/samples, i=1, samples)]
         call tapers(config, samples, distances, weights)
         call tests%check(all((weights > 0) .eqv. (distances < cutoff(config))), &
                          config%taper//' ends at its cutoff')
         call tests%check_small(abs(weights(1) - 1), 0.0_wp, config%taper//' begins at 1')
         call tests%check(all(weights(2:) <= weights(:samples - 1)), config%taper//' falls')
      end do
   end subroutine check_cutoff

   !> Each point's neighbourhood holds exactly the observations within the cutoff, each once.
   subroutine check_neighbourhoods(tests, points, radius)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: points
      real(wp), intent(in) :: radius
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(observations_type) :: observations
      type(local_observations_type) :: local
      type(localisation_config) :: config
      real(wp), allocatable :: anomalies(:, :)
      real(wp) :: distance
      real(wp) :: position
      logical :: right
      integer :: found
      integer :: expected
      integer :: first
      integer :: last
      integer :: cell
      integer :: i
      integer :: j

      call new_domain(points, tests%communicator, domain, error)
      observations = observations_on(domain)
      config%taper = 'boxcar'
      config%radius = radius
      allocate (anomalies(observations%n, 2))
      anomalies(:, 1) = observations%position
      anomalies(:, 2) = 7
      call gather_local_observations(domain, config, adaptivity_type(), 0, observations, &
                                     anomalies, observations%position, local)
      call local%load(observations, anomalies, observations%position, 1, domain%n)
      right = .true.
      do i = 1, domain%n
         call local%range_of(i, first, last)
         expected = 0
         do cell = 1, points
            do j = 1, mod(cell, 4)
               position = cell - 1 + 0.3_wp*(j - 1)
               distance = modulo(position - (domain%first + i - 2), real(points, wp))
               distance = min(distance, points - distance)
               if (distance <= radius) expected = expected + 1
            end do
         end do
         found = 0
         do j = first, last
            position = local%rows(1, j - local%before)
            distance = modulo(position - (domain%first + i - 2), real(points, wp))
            distance = min(distance, points - distance)
            right = right .and. abs(abs(local%offset(j, i)) - distance) < 1.0e-12_wp
            if (distance <= radius) found = found + 1
         end do
         right = right .and. found == expected .and. last - first + 1 == expected
      end do
      call tests%check(right, 'neighbourhoods hold every observation within reach once')
   end subroutine check_neighbourhoods
end module test_observations
