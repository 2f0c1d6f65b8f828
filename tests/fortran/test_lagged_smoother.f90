!> The fixed-lag smoother beside its filters: on a linear model the Kalman smoother's answer is
!> exact.
module test_lagged_smoother
   use da_analysis_filter_denkf, only: new_denkf
   use da_analysis_serial_eakf, only: new_eakf
   use da_analysis_filter_enkf_n, only: enkf_n_config, new_enkf_n
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_serial_ensrf, only: ensrf_config, new_ensrf
   use da_analysis_filter_etkf, only: etkf_config, new_etkf
   use da_analysis_smoother_ienks, only: ienks_type, ienks_config, new_ienks
   use da_analysis_smoother_lagged, only: carried_lagged
   use da_analysis_local_letkf, only: letkf_config, new_letkf
   use da_analysis_smoother_type, only: carried_start, carried_smoothed
   use da_analysis_filter_stochastic_enkf, only: new_stochastic_enkf
   use da_analysis_type, only: analysis_type
   use da_analysis_variational_window, only: window_type, new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp
   use da_base_random, only: random_key_type, normals
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   use test_ienks, only: advection_type, new_advection, first_members, values_on, points, members
   use test_variational, only: eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_lagged_smoother_suite

   integer, parameter :: cycles = 3
   integer, parameter :: steps = 2

contains

   subroutine test_lagged_smoother_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      type(localisation_config) :: everywhere
      real(wp), dimension(points, members) :: smoothed, iterated
      real(wp) :: mean(points)
      real(wp) :: covariance(points, points)
      real(wp) :: gap

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call kalman_smoother(whole, mean, covariance)
      everywhere%taper = 'none'
      call check('etkf', new_etkf(etkf_config(rotation=.false.)), .true.)
      call check('etkf with rotation', new_etkf(etkf_config(rotation=.true.)), .true.)
      call check('ensrf', new_ensrf(ensrf_config(rotation=.true.), everywhere), .true.)
      call check('eakf', new_eakf(everywhere), .true.)
      everywhere%taper = 'boxcar'
      everywhere%radius = 2*points
      call check('letkf', new_letkf(letkf_config(rotation=.true.), everywhere), .true.)
      call check('denkf', new_denkf(), .false.)
      call check('enkf_n', new_enkf_n(enkf_n_config()), .false.)
      call check('stochastic_enkf', new_stochastic_enkf(), .false.)
      call smooth(domain, new_etkf(etkf_config(rotation=.false.)), smoothed, gap)
      call iterate(domain, iterated)
      call tests%check_small(maxval(abs(sum(smoothed - iterated, dim=2)))/members, 1.0e-10_wp, &
                             'EnKS and IEnKS: the same mean')
      call tests%check_small(maxval(abs(product_of(smoothed) - product_of(iterated))), &
                             1.0e-10_wp, 'EnKS and IEnKS: the same covariance')
      call check_short_lag(tests, domain)

   contains

      !> Where the model is linear, the smoothed ensemble's forecast is the analysis, whatever the
      !> filter; of an exact one it is the Kalman smoother's.
      subroutine check(name, filter, exact)
         character(len=*), intent(in) :: name
         class(ensemble_filter_type), intent(in) :: filter
         logical, intent(in) :: exact

         call smooth(domain, filter, smoothed, gap)
         call tests%check_small(gap, 1.0e-12_wp, name//': the forecast from the smoothed '// &
                                'ensemble is the analysis')
         if (.not. exact) return
         call tests%check_small(maxval(abs(sum(smoothed, dim=2)/members - mean)), 1.0e-10_wp, &
                                name//': mean of the Kalman smoother')
         call tests%check_small(maxval(abs(product_of(smoothed) - covariance)), 1.0e-10_wp, &
                                name//': covariance of the Kalman smoother')
      end subroutine check
   end subroutine test_lagged_smoother_suite

   pure function product_of(x) result(covariance)
      real(wp), intent(in) :: x(points, members)
      real(wp) :: covariance(points, points)
      real(wp) :: anomalies(points, members)

      anomalies = x - spread(sum(x, dim=2)/members, 2, members)
      covariance = matmul(anomalies, transpose(anomalies))/(members - 1)
   end function product_of

   function observed(domain, cycle) result(observations)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(observations_type) :: observations

      observations = values_on(domain)
      call normals(random_key_type(seed=21, cycle=cycle), observations%before, observations%value)
   end function observed

   !> An ensemble at the first cycle's analysis, and the scheme ready to go on from there.
   subroutine begin(domain, scheme, ensemble)
      type(domain_type), intent(inout) :: domain
      class(analysis_type), intent(inout) :: scheme
      type(ensemble_type), intent(out) :: ensemble

      scheme%steps = steps
      call scheme%prepare(domain, new_advection(points))
      ensemble%members = members
      call first_members(domain, ensemble%x)
      allocate (ensemble%carried(0))
      call scheme%carry_along(domain, ensemble)
      call scheme%take_first(ensemble)
   end subroutine begin

   subroutine go_on(domain, scheme, ensemble)
      type(domain_type), intent(inout) :: domain
      class(analysis_type), intent(in) :: scheme
      type(ensemble_type), intent(inout) :: ensemble
      type(observations_type) :: observations
      type(advection_type) :: model
      type(error_type), allocatable :: error
      integer :: cycle

      model = new_advection(points)
      do cycle = 1, cycles
         call scheme%forecast(domain, model, cycle, ensemble)
         observations = observed(domain, cycle)
         call scheme%update(domain, cycle, observations, ensemble, error)
      end do
   end subroutine go_on

   !> The first ensemble after all cycles, on every rank, and how far its forecast is from the
   !> analysis.
   subroutine smooth(domain, filter, smoothed, gap)
      type(domain_type), intent(inout) :: domain
      class(ensemble_filter_type), intent(in) :: filter
      real(wp), intent(out) :: smoothed(points, members)
      real(wp), intent(out) :: gap
      class(ensemble_filter_type), allocatable :: scheme
      type(ensemble_type) :: ensemble
      type(advection_type) :: model
      real(wp), allocatable :: start(:, :, :)
      integer :: place
      integer :: m

      scheme = filter
      scheme%inflation = no_inflation
      ! One cycle more than there are, so that the first ensemble is kept.
      scheme%lag = cycles + 1
      call begin(domain, scheme, ensemble)
      call go_on(domain, scheme, ensemble)
      place = ensemble%place_of(carried_lagged)
      smoothed = 0
      start = ensemble%carried(place)%x(:, cycles + 1:cycles + 1, :)
      smoothed(domain%first:domain%last, :) = start(:, 1, :)
      do m = 1, members
         call domain%communicator%exact_sums(smoothed(:, m))
      end do
      model = new_advection(points)
      call model%forecast(domain, cycles*steps, start)
      gap = maxval(abs(start - ensemble%x))
   end subroutine smooth

   !> The same by the iterative smoother, whose window begins at the first ensemble all the time.
   subroutine iterate(domain, smoothed)
      type(domain_type), intent(inout) :: domain
      real(wp), intent(out) :: smoothed(points, members)
      type(ienks_type) :: scheme
      type(ensemble_type) :: ensemble
      integer :: place
      integer :: m

      scheme = new_ienks(ienks_config(window=cycles + 1, rotation=.false., inflation=1.0_wp))
      call begin(domain, scheme, ensemble)
      call go_on(domain, scheme, ensemble)
      place = ensemble%place_of(carried_start)
      smoothed = 0
      smoothed(domain%first:domain%last, :) = ensemble%carried(place)%x(:, 1, :)
      do m = 1, members
         call domain%communicator%exact_sums(smoothed(:, m))
      end do
   end subroutine iterate

   !> A lag changes nothing of the filter, and a shorter one nothing of what both keep.
   subroutine check_short_lag(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, parameter :: short = 2
      type(ensemble_type) :: none, two, three
      integer :: last

      call run(0, none)
      call run(short, two)
      call run(cycles, three)
      call tests%check(all_same(none%x, two%x) .and. all_same(none%x, three%x), &
                       'no bit of the filter''s ensemble depends on the lag')
      associate (shorter => two%carried(two%place_of(carried_lagged))%x, &
                 longer => three%carried(three%place_of(carried_lagged))%x, &
                 means => two%carried(two%place_of(carried_smoothed))%x, &
                 more => three%carried(three%place_of(carried_smoothed))%x)
         last = size(means, 3)
         call tests%check(all_same(shorter, longer(:, :short, :)), &
                          'no bit of what is smoothed depends on the lag')
         call tests%check(all_same(means, more(:, :, size(more, 3) - last + 1:)), &
                          'no bit of its means depends on the lag')
         call tests%check(any(abs(more) > 0) .and. .not. all_same(more(:, :, :1), &
                                                              more(:, :, 2:2)), &
                          'means are those of different cycles')
      end associate

   contains

      subroutine run(lag, ensemble)
         integer, intent(in) :: lag
         type(ensemble_type), intent(out) :: ensemble
         class(ensemble_filter_type), allocatable :: scheme

         scheme = new_etkf(etkf_config())
         scheme%lag = lag
         call begin(domain, scheme, ensemble)
         call go_on(domain, scheme, ensemble)
      end subroutine run

      pure logical function all_same(a, b)
         real(wp), intent(in) :: a(:, :, :)
         real(wp), intent(in) :: b(:, :, :)

         all_same = all(abs(a - b) <= 0)
      end function all_same
   end subroutine check_short_lag

   !> x + P G^T (G P G^T + R)^{-1} (y - G x) of the first ensemble, from the observations of all
   !> cycles at once; G column by column.
   subroutine kalman_smoother(whole, mean, covariance)
      type(domain_type), intent(inout) :: whole
      real(wp), intent(out) :: mean(points)
      real(wp), intent(out) :: covariance(points, points)
      type(window_type) :: window
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable, dimension(:, :) :: g, s, gain_transposed, d
      real(wp) :: unit(points, 1, 1)
      integer :: i
      integer :: k

      call new_window(new_advection(points), whole, [(steps, k=1, cycles)], &
                      [(observed(whole, k), k=1, cycles)], window)
      call first_members(whole, x)
      mean = sum(x(:, 1, :), dim=2)/members
      covariance = product_of(x(:, 1, :))
      allocate (g(window%rows, points), d(window%rows, 1))
      call window%linearise(whole, reshape(mean, [points, 1, 1]), d)
      do i = 1, points
         unit = 0
         unit(i, 1, 1) = 1
         call window%tl(whole, unit, g(:, i:i))
      end do
      s = matmul(g, matmul(covariance, transpose(g)))
      do i = 1, size(s, 1)
         s(i, i) = s(i, i) + 1
      end do
      gain_transposed = matmul(g, covariance)
      call eliminate(s, gain_transposed)
      mean = mean + matmul(d(:, 1), gain_transposed)
      covariance = covariance - matmul(transpose(gain_transposed), matmul(g, covariance))
   end subroutine kalman_smoother
end module test_lagged_smoother
