!> The bias of observations against the Kalman filter of state and bias together.
module test_observation_bias
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_filter_etkf, only: etkf_config, new_etkf
   use da_analysis_local_letkf, only: letkf_config, new_letkf
   use da_analysis_filter_observation_bias, only: observation_bias_config
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_observation_bias_suite

   integer, parameter :: points = 23
   integer, parameter :: members = 6
   integer, parameter :: seed = 3
   real(wp), parameter :: error_sd = 0.7_wp

contains

   subroutine test_observation_bias_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(localisation_config) :: localisation
      type(domain_type) :: domain
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call check_kalman(tests, domain, new_etkf(etkf_config(rotation=.false.)), 'etkf')
      localisation%taper = 'boxcar'
      localisation%radius = 2*points
      call check_kalman(tests, domain, new_letkf(letkf_config(rotation=.false.), localisation), &
                        'letkf without localisation')
      localisation%taper = 'gaspari_cohn'
      localisation%radius = 2
      call check_layout(tests, domain, new_letkf(letkf_config(), localisation))
   end subroutine test_observation_bias_suite

   !> Mean and variance of the bias, and the mean of the state, are those of the Kalman filter for
   !> the covariance of the members z = (x, b), with the observation operator (H, 1).
   subroutine check_kalman(tests, domain, filter, name)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      class(ensemble_filter_type), intent(in) :: filter
      character(len=*), intent(in) :: name
      class(ensemble_filter_type), allocatable :: estimating
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      type(ensemble_type) :: ensemble
      type(ensemble_type) :: before
      type(observations_type) :: observations
      real(wp) :: z(points + 1, members)
      real(wp) :: mean(points + 1)
      real(wp) :: covariance(points + 1, points + 1)
      real(wp) :: gain(points + 1)
      real(wp) :: h(points + 1)
      real(wp) :: bias(members)
      integer :: cell
      integer :: j
      integer :: m

      estimating = filter
      estimating%inflation = no_inflation
      estimating%seed = seed
      estimating%bias = observation_bias_config(estimate=.true., first_guess=0.3_wp, &
                                                first_sd=0.8_wp)
      call new_domain(points, alone(), whole, error)
      call start(domain, estimating, ensemble)
      call start(whole, estimating, before)
      call observe(domain, observations)
      call estimating%update(domain, 1, observations, ensemble, error)

      do m = 1, members
         z(:points, m) = before%x(:, 1, m)
         z(points + 1, m) = before%carried(1)%x(1, 1, m)
      end do
      mean = sum(z, 2)/members
      do m = 1, members
         z(:, m) = z(:, m) - mean
      end do
      covariance = matmul(z, transpose(z))/(members - 1)
      call observe(whole, observations)
      do j = 1, observations%n
         cell = int(observations%position(j)) + 1
         h = 0
         h(cell) = 1 - (observations%position(j) - int(observations%position(j)))
         h(modulo(cell, points) + 1) = h(modulo(cell, points) + 1) + 1 - h(cell)
         h(points + 1) = 1
         gain = matmul(covariance, h)/(dot_product(h, matmul(covariance, h)) + error_sd**2)
         mean = mean + gain*(observations%value(j) - dot_product(h, mean))
         covariance = covariance - spread(gain, 2, points + 1)*spread(matmul(covariance, h), 1, &
                                                                      points + 1)
      end do
      bias = ensemble%carried(1)%x(1, 1, :)
      call tests%check(size(ensemble%x, 2) == 1 .and. ensemble%parameters == 0, &
                       name//': the state has its shape back')
      call tests%check_small(abs(sum(bias)/members - mean(points + 1)), 1.0e-11_wp, &
                             name//': the analysis of the bias')
      call tests%check_small(abs(sum((bias - sum(bias)/members)**2)/(members - 1) &
                                 - covariance(points + 1, points + 1)), 1.0e-11_wp, &
                             name//': the variance of the bias')
      call tests%check_small(maxval(abs(sum(ensemble%x(:, 1, :), 2)/members &
                                        - mean(domain%first:domain%last))), 1.0e-11_wp, &
                             name//': the analysis of the state beside a bias')
   end subroutine check_kalman

   subroutine check_layout(tests, domain, filter)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      class(ensemble_filter_type), intent(in) :: filter
      class(ensemble_filter_type), allocatable :: estimating
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      type(ensemble_type) :: ensemble
      type(ensemble_type) :: ensemble_whole
      type(observations_type) :: observations
      integer :: cycle

      estimating = filter
      estimating%seed = seed
      estimating%bias = observation_bias_config(estimate=.true., random_walk=0.1_wp, &
                                                minimum_sd=0.3_wp)
      call new_domain(points, alone(), whole, error)
      call start(domain, estimating, ensemble)
      call start(whole, estimating, ensemble_whole)
      do cycle = 1, 3
         call observe(domain, observations)
         call estimating%update(domain, cycle, observations, ensemble, error)
         call observe(whole, observations)
         call estimating%update(whole, cycle, observations, ensemble_whole, error)
      end do
      call tests%check(all(abs(ensemble%carried(1)%x - ensemble_whole%carried(1)%x) <= 0), &
                       'the bias has the same bits on any layout')
      call tests%check(all(abs(ensemble%x - ensemble_whole%x(domain%first:domain%last, :, :)) &
                           <= 0), 'so has the state beside it')
   end subroutine check_layout

   subroutine start(domain, filter, ensemble)
      type(domain_type), intent(in) :: domain
      class(ensemble_filter_type), intent(in) :: filter
      type(ensemble_type), intent(out) :: ensemble

      ensemble%members = members
      allocate (ensemble%x(domain%n, 1, members))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), ensemble%x)
      call filter%carry_along(domain, ensemble)
   end subroutine start

   subroutine observe(domain, observations)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(out) :: observations

      observations = observations_on(domain)
      observations%error_sd = error_sd
      observations%value = modulo(7*observations%position, 3.0_wp)
   end subroutine observe
end module test_observation_bias
