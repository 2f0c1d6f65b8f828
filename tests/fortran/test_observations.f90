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
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type, new_observations, qc_assimilated, qc_missing, &
      qc_operator_failed, qc_outlier
   use test_operators, only: observations_on
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
   end subroutine check_taper

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
