!> Filters against the Kalman filter's formulas, and against each other.
module test_filters
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_positive_inf
   use da_analysis_filter_denkf, only: new_denkf
   use da_analysis_filter_enkf_n, only: finite_size_inflation
   use da_analysis_serial_eakf, only: new_eakf
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_serial_ensrf, only: ensrf_config, new_ensrf
   use da_analysis_filter_etkf, only: etkf_config, new_etkf
   use da_analysis_local_letkf, only: letkf_config, new_letkf
   use da_analysis_filter_stochastic_enkf, only: new_stochastic_enkf
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_ensemble_inflation, only: inflation_config, no_inflation, add_noise, &
      background_memory_type, remember_background, relax
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type, qc_missing
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_filters_suite

   integer, parameter :: points = 23
   integer, parameter :: members = 6

contains

   subroutine test_filters_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(localisation_config) :: localisation

      call new_domain(points, tests%communicator, domain, error)
      localisation%taper = 'boxcar'
      localisation%radius = 2*points
      call check_kalman(tests, domain, new_etkf(etkf_config(rotation=.false.)), 'etkf', .true.)
      call check_kalman(tests, domain, new_etkf(etkf_config(rotation=.true.)), &
                        'etkf with rotation', .true.)
      call check_kalman(tests, domain, new_letkf(letkf_config(rotation=.false.), localisation), &
                        'letkf without localisation', .true.)
      call check_kalman(tests, domain, new_eakf(localisation), 'eakf without localisation', .true.)
      localisation%taper = 'none'
      call check_kalman(tests, domain, new_ensrf(ensrf_config(rotation=.false.), localisation), &
                        'global ensrf', .true.)
      call check_kalman(tests, domain, new_ensrf(ensrf_config(rotation=.true.), localisation), &
                        'global ensrf with rotation', .true.)
      call check_kalman(tests, domain, new_denkf(), 'denkf', .false.)
      call check_finite_size(tests)
      call check_relaxation(tests, domain)
      call check_kalman(tests, domain, new_stochastic_enkf(), 'stochastic_enkf', .false.)
   end subroutine test_filters_suite

   !> The analysis mean and covariance are those of the Kalman filter for the ensemble's covariance.
   subroutine check_kalman(tests, domain, filter, name, deterministic)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      class(ensemble_filter_type), intent(in) :: filter
      character(len=*), intent(in) :: name
      logical, intent(in) :: deterministic
      class(ensemble_filter_type), allocatable :: uninflated
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      type(ensemble_type) :: ensemble
      type(observations_type) :: observations
      real(wp) :: before(points, 1, members)
      real(wp) :: x(points, members)
      real(wp) :: covariance(points, points)
      real(wp) :: expected_covariance(points, points)
      real(wp) :: mean(points)
      real(wp) :: expected_mean(points)
      integer :: i

      uninflated = filter
      uninflated%inflation = no_inflation
      ensemble%members = members
      allocate (ensemble%x(domain%n, 1, members))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), ensemble%x)
      call new_domain(points, alone(), whole, error)
      call random_field(random_key_type(seed=5), 0_i8, before)
      call make_observations(domain, observations)
      call uninflated%update(domain, 1, observations, ensemble, error)
      call tests%check(.not. allocated(error), name//' runs')
      call kalman(whole, before(:, 1, :), expected_mean, expected_covariance)
      x = 0
      x(domain%first:domain%last, :) = ensemble%x(:, 1, :)
      do i = 1, members
         call domain%communicator%exact_sums(x(:, i))
      end do
      mean = sum(x, dim=2)/members
      call tests%check_small(maxval(abs(mean - expected_mean)), 1.0e-10_wp, name// &
                             ': mean of the Kalman filter')
      do i = 1, members
         x(:, i) = x(:, i) - mean
      end do
      covariance = matmul(x, transpose(x))/(members - 1)
      if (deterministic) then
         call tests%check_small(maxval(abs(covariance - expected_covariance)), 1.0e-10_wp, &
                                name//': covariance of the Kalman filter')
      end if
      call tests%check(observations%n == 0 .or. all(observations%background_sd >= 0), name// &
                       ': feedback is set')
   end subroutine check_kalman

   !> Full relaxation gives the background's anomalies back; in between the spread follows the
   !> formulas.
   subroutine check_relaxation(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(background_memory_type) :: memory
      type(ensemble_type) :: background
      type(ensemble_type) :: analysis
      type(ensemble_type) :: relaxed
      type(inflation_config) :: config
      real(wp), dimension(domain%n, 1) :: average, mean, sd, analysis_sd, relaxed_sd
      integer :: m

      background%members = members
      allocate (background%x(domain%n, 1, members))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), background%x)
      analysis = background
      call analysis%mean(average)
      do m = 1, members
         analysis%x(:, :, m) = 3 + 0.25_wp*(analysis%x(:, :, m) - average)
      end do
      call background%mean(average)
      call background%spread(average, sd)
      call analysis%mean(mean)
      call analysis%spread(mean, analysis_sd)

      config = inflation_config(posterior=1.0_wp, rtpp=1.0_wp)
      relaxed = analysis
      call remember_background(config, background, average, memory)
      call relax(config, memory, relaxed, average)
      call background%mean(average)
      call tests%check_small(maxval(abs((relaxed%x - spread(mean, 3, members)) &
                                        - (background%x - spread(average, 3, members)))), &
                                        1.0e-14_wp, 'rtpp = 1 gives the background anomalies back')
      config = inflation_config(posterior=1.0_wp, rtps=0.3_wp)
      relaxed = analysis
      call remember_background(config, background, average, memory)
      call relax(config, memory, relaxed, average)
      call relaxed%mean(average)
      call relaxed%spread(average, relaxed_sd)
      call tests%check_small(maxval(abs(relaxed_sd - (0.7_wp*analysis_sd + 0.3_wp*sd))), &
                             1.0e-14_wp, 'rtps relaxes the spread')
      call tests%check_small(maxval(abs(average - mean)), 1.0e-14_wp, 'relaxation keeps the mean')

      relaxed = background
      call add_noise(domain, random_key_type(seed=9), 2.0_wp, relaxed)
      call background%mean(mean)
      call relaxed%mean(average)
      call tests%check_small(maxval(abs(average - mean)), 1.0e-14_wp, &
                             'additive inflation keeps the mean')
      call tests%check(any(abs(relaxed%x - background%x) > 1), 'additive inflation adds')
   end subroutine check_relaxation

   !> The inflation is where the dual cost function is least, found here by trying.
   subroutine check_finite_size(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: trials = 40000
      real(wp), parameter :: eigenvalues(4) = [0.0_wp, 0.3_wp, 2.0_wp, 40.0_wp]
      real(wp), parameter :: along(4) = [0.0_wp, 0.5_wp, 3.0_wp, -9.0_wp]
      real(wp) :: mode
      real(wp) :: cost
      real(wp) :: least
      real(wp) :: best
      real(wp) :: q
      integer :: k

      mode = (5.0_wp/4)/(4.0_wp/3)
      mode = sqrt(mode**(sum(1/(1 + eigenvalues))/4))
      least = huge(least)
      do k = 1, trials
         q = 20.0_wp*k/trials
         cost = sum(along(2:)**2/eigenvalues(2:)/(1 + q*eigenvalues(2:)))/3 + 5.0_wp/4/mode/q &
                + 4.0_wp/3*mode*log(q)
         if (cost < least) then
            least = cost
            best = q
         end if
      end do
      call tests%check_small(abs(finite_size_inflation(eigenvalues, along, 1.0_wp) - best), &
                             1.0e-3_wp, 'enkf_n: the inflation is where the dual cost is least')
   end subroutine check_finite_size

   !> Values and errors that are the same on any layout; one value is missing.
   subroutine make_observations(domain, observations)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(out) :: observations
      integer :: j

      observations = observations_on(domain)
      observations%value = sin(observations%position)
      observations%error_sd = 1 + 0.1_wp*modulo(observations%position, 3.0_wp)
      do j = 1, observations%n
         observations%row(j) = nint(10*observations%position(j), i8)
         if (observations%row(j) == 20) then
            observations%qc(j) = qc_missing
            observations%value(j) = ieee_value(1.0_wp, ieee_positive_inf)
         end if
      end do
   end subroutine make_observations

   !> x_a = x_b + K (y - H x_b), P_a = (I - K H) P, K = P Hᵀ (H P Hᵀ + R)⁻¹, one observation after
   !> another.
   subroutine kalman(whole, x, mean, covariance)
      type(domain_type), intent(in) :: whole
      real(wp), intent(in) :: x(points, members)
      real(wp), intent(out) :: mean(points)
      real(wp), intent(out) :: covariance(points, points)
      type(observations_type) :: observations
      real(wp) :: anomalies(points, members)
      real(wp) :: h(points)
      real(wp) :: gain(points)
      integer :: cell
      integer :: i
      integer :: j

      call make_observations(whole, observations)
      mean = sum(x, dim=2)/members
      do i = 1, members
         anomalies(:, i) = x(:, i) - mean
      end do
      covariance = matmul(anomalies, transpose(anomalies))/(members - 1)
      do j = 1, observations%n
         if (observations%qc(j) == qc_missing) cycle
         cell = int(observations%position(j)) + 1
         h = 0
         h(cell) = 1 - (observations%position(j) - (cell - 1))
         h(modulo(cell, points) + 1) = observations%position(j) - (cell - 1)
         gain = matmul(covariance, h)
         gain = gain/(dot_product(h, gain) + observations%error_sd(j)**2)
         mean = mean + gain*(observations%value(j) - dot_product(h, mean))
         covariance = covariance - spread(gain, 2, points)*spread(matmul(h, covariance), 1, points)
      end do
   end subroutine kalman
end module test_filters
