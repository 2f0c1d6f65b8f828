!> Windows of observations: every shift, single and multiple data assimilation and 3D-FGAT against
!> the direct solution for a linear model, where all must agree with it.
module test_windows
   use da_analysis_variational_cost_function, only: minimisation_config
   use da_analysis_smoother_ienks, only: ienks_type, ienks_config, new_ienks
   use da_analysis_smoother_type, only: smoother_type, carried_start, carried_smoothed
   use da_analysis_variational_scheme, only: variational_type, new_variational
   use da_analysis_variational_settings, only: variational_config
   use da_analysis_variational_window, only: window_type, new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_covariance_background, only: background_config
   use da_covariance_homogeneous, only: new_homogeneous
   use da_ensemble_type, only: ensemble_type, mean_of_members
   use da_observation_type, only: observations_type, new_observations, qc_outlier
   use da_operator_checks, only: random_field
   use test_ienks, only: advection_type, new_advection
   use test_operators, only: observations_on
   use test_variational, only: eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_windows_suite

   integer, parameter :: points = 17
   integer, parameter :: members = 7
   integer, parameter :: steps = 3
   integer, parameter :: cycles = 12
   !> A cycle without observations.
   integer, parameter :: missing = 5
   real(wp), parameter :: tolerance = 1.0e-10_wp

contains

   subroutine test_windows_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_weights(tests)
      call check_smoothers(tests, domain, whole)
      call check_variational(tests, domain, whole)
      call check_fgat(tests, domain, whole)
      call check_rejection(tests, domain)
   end subroutine test_windows_suite

   !> Over the windows that an observation falls in its weights sum to one; what is balanced is what
   !> the windows before have left.
   subroutine check_weights(tests)
      type(testing_type), intent(inout) :: tests
      type(ienks_type) :: scheme
      real(wp), allocatable :: weights(:)
      real(wp), allocatable :: balanced(:)
      real(wp) :: given(cycles)
      integer :: window
      integer :: shift
      integer :: cycle
      integer :: first

      do window = 1, 5
         do shift = 1, window
            call scheme%set_window(window, shift, .true.)
            given = 0
            do cycle = shift, cycles, shift
               first = scheme%start_of(cycle) + 1
               weights = scheme%weights(cycle, cycle - first + 1, .false.)
               balanced = scheme%weights(cycle, cycle - first + 1, .true.)
               call tests%check_small(maxval(abs(given(first:cycle) + balanced - 1)), 1e-15_wp, &
                                      'balanced weights complete those before')
               given(first:cycle) = given(first:cycle) + weights
               if (mod(window, shift) == 0) then
                  call tests%check_small(maxval(abs(weights - real(shift, wp)/window)), 0.0_wp, &
                                         'weights are S/L')
               end if
            end do
            call tests%check_small(maxval(abs(given(:cycles - window) - 1)), 1e-15_wp, &
                                   'weights sum to one')
         end do
      end do
   end subroutine check_weights

   !> The observations of a cycle, which are linear in the state.
   function values_on(domain, cycle) result(observations)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(observations_type) :: observations

      if (cycle == missing) then
         observations = new_observations(0, 0.0_wp)
         call observations%count_ranks(domain)
         return
      end if
      observations = observations_on(domain)
      call normals(random_key_type(seed=4, cycle=cycle), observations%before, observations%value)
      observations%error_sd = 0.7_wp + 0.1_wp*mod(cycle, 3)
      observations%row = 0
   end function values_on

   subroutine first_members(domain, x)
      type(domain_type), intent(in) :: domain
      real(wp), allocatable, intent(out) :: x(:, :, :)

      allocate (x(domain%n, 1, members))
      call random_field(random_key_type(seed=3), int(domain%first - 1, i8), x)
   end subroutine first_members

   subroutine begin(scheme, domain, x, ensemble)
      class(smoother_type), intent(inout) :: scheme
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: x(:, :, :)
      type(ensemble_type), intent(out) :: ensemble

      scheme%steps = steps
      scheme%model = new_advection(points)
      ensemble%members = size(x, 3)
      ensemble%x = x
      allocate (ensemble%carried(0))
      call scheme%carry_along(domain, ensemble)
      call scheme%take_first(ensemble)
   end subroutine begin

   !> Cycles of a scheme, as the driver makes them.
   subroutine cycle_through(scheme, domain, last, ensemble)
      class(smoother_type), intent(in) :: scheme
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: last
      type(ensemble_type), intent(inout) :: ensemble
      type(observations_type), allocatable :: past(:)
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      integer :: cycle
      integer :: k

      do cycle = 1, last
         call scheme%model%forecast(domain, steps, ensemble%x)
         allocate (past(min(scheme%history, cycle - 1)))
         do k = 1, size(past)
            past(k) = values_on(domain, cycle - size(past) + k - 1)
         end do
         observations = values_on(domain, cycle)
         call scheme%update_window(domain, cycle, past, observations, ensemble, error)
         deallocate (past)
      end do
   end subroutine cycle_through

   !> x(n, 1, members) of all ranks, on every rank.
   function gathered(domain, x) result(all)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: x(:, :, :)
      real(wp) :: all(points, size(x, 3))
      integer :: m

      all = 0
      all(domain%first:domain%last, :) = x(:, 1, :)
      do m = 1, size(x, 3)
         call domain%communicator%exact_sums(all(:, m))
      end do
   end function gathered

   !> Mean and covariance at cycle 0 given the observations of some cycles: x + P G^T (G P G^T +
   !> I)^{-1} (y - G x), G found column by column; constant: every G_k is H_k.
   subroutine solve(whole, first, last, constant, mean, covariance, guess)
      type(domain_type), intent(inout) :: whole
      integer, intent(in) :: first
      integer, intent(in) :: last
      logical, intent(in) :: constant
      real(wp), intent(inout) :: mean(points)
      real(wp), intent(inout) :: covariance(points, points)
      !> Of a constant increment: the background of each cycle.
      real(wp), intent(in), optional :: guess(points, first:last)
      type(window_type) :: window
      type(observations_type) :: observations
      real(wp), allocatable, dimension(:, :) :: g, s, gain_transposed, d
      real(wp) :: unit(points, 1, 1)
      integer :: rows
      integer :: k
      integer :: i

      rows = 0
      do k = first, last
         observations = values_on(whole, k)
         rows = rows + observations%n
      end do
      allocate (g(rows, points), d(rows, 1))
      rows = 0
      do k = first, last
         observations = values_on(whole, k)
         call new_window(new_advection(points), whole, [merge(0, k*steps, constant)], &
                         [observations], window)
         unit(:, 1, 1) = mean
         if (present(guess)) unit(:, 1, 1) = guess(:, k)
         call window%linearise(whole, unit, d(rows + 1:rows + observations%n, :))
         do i = 1, points
            unit = 0
            unit(i, 1, 1) = 1
            call window%tl(whole, unit, g(rows + 1:rows + observations%n, i:i))
         end do
         rows = rows + observations%n
      end do
      s = matmul(g, matmul(covariance, transpose(g)))
      do i = 1, rows
         s(i, i) = s(i, i) + 1
      end do
      gain_transposed = matmul(g, covariance)
      call eliminate(s, gain_transposed)
      mean = mean + matmul(d(:, 1), gain_transposed)
      covariance = covariance - matmul(transpose(gain_transposed), matmul(g, covariance))
   end subroutine solve

   pure function covariance_of(x) result(covariance)
      real(wp), intent(in) :: x(:, :)
      real(wp) :: covariance(size(x, 1), size(x, 1))
      real(wp) :: anomalies(size(x, 1), size(x, 2))

      anomalies = x - spread(sum(x, dim=2)/size(x, 2), 2, size(x, 2))
      covariance = matmul(anomalies, transpose(anomalies))/(size(x, 2) - 1)
   end function covariance_of

   !> Columns carried by the model for some cycles.
   function carried_by_model(whole, count, x) result(y)
      type(domain_type), intent(inout) :: whole
      integer, intent(in) :: count
      real(wp), intent(in) :: x(:, :)
      real(wp) :: y(size(x, 1), size(x, 2))
      type(advection_type) :: model
      real(wp) :: states(size(x, 1), 1, size(x, 2))

      model = new_advection(points)
      states(:, 1, :) = x
      call model%forecast(whole, count*steps, states)
      y = states(:, 1, :)
   end function carried_by_model

   !> IEnKS, cycled: whatever the window, its shift and the weights, the ensemble at its end is the
   !> Kalman filter's, and the mean at its start the Kalman smoother's.
   subroutine check_smoothers(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, parameter :: windows(9) = [1, 4, 4, 4, 3, 4, 4, 4, 3]
      integer, parameter :: shifts(9) = [1, 1, 2, 4, 2, 1, 2, 4, 2]
      logical, parameter :: multiple(9) = [.false., .false., .false., .false., .false., .true., &
         .true., .true., .true.]
      character(len=40) :: name
      type(ienks_config) :: config
      type(ienks_type) :: scheme
      type(ensemble_type) :: ensemble
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: prior(points, points)
      real(wp), dimension(points) :: prior_mean
      real(wp), dimension(points, 1) :: start, end
      real(wp), dimension(points, points) :: covariance
      real(wp) :: found(points, members)
      integer :: k

      call first_members(whole, x)
      prior_mean = sum(x(:, 1, :), dim=2)/members
      prior = covariance_of(x(:, 1, :))
      call first_members(domain, x)
      do k = 1, size(windows)
         write (name, '("IEnKS L =",i2,", S =",i2,l2,": ")') windows(k), shifts(k), multiple(k)
         start(:, 1) = prior_mean
         covariance = prior
         call solve(whole, 1, cycles, .false., start(:, 1), covariance)
         end = carried_by_model(whole, cycles, start)
         start = carried_by_model(whole, cycles - windows(k), start)
         covariance = carried_by_model(whole, cycles, covariance)
         covariance = carried_by_model(whole, cycles, transpose(covariance))
         config = ienks_config(window=windows(k), shift=shifts(k), multiple=multiple(k), &
                               rotation=.true., inflation=1.0_wp)
         scheme = new_ienks(config)
         call begin(scheme, domain, x, ensemble)
         call cycle_through(scheme, domain, cycles, ensemble)
         found = gathered(domain, ensemble%x)
         call tests%check_small(maxval(abs(sum(found, dim=2)/members - end(:, 1))), tolerance, &
                                trim(name)//' mean of the Kalman filter')
         call tests%check_small(maxval(abs(covariance_of(found) - covariance)), tolerance, &
                                trim(name)//' covariance of the Kalman filter')
         associate (smoothed => ensemble%carried(ensemble%place_of(carried_smoothed))%x)
            call tests%check_small(maxval(abs(gathered(domain, smoothed) - start)), tolerance, &
                                   trim(name)//' mean of the Kalman smoother')
         end associate
      end do
   end subroutine check_smoothers

   pure function row_of_covariances() result(row)
      integer, parameter :: lags = 4
      real(wp) :: row(0:lags, 1)
      integer :: lag

      do lag = 0, lags
         row(lag, 1) = 0.5_wp*max(0.0_wp, 1 - lag/(0.8_wp*lags))
      end do
   end function row_of_covariances

   pure function static_covariance() result(b)
      real(wp) :: b(points, points)
      real(wp), allocatable :: row(:, :)
      integer :: distance
      integer :: i
      integer :: j

      row = row_of_covariances()
      b = 0
      do i = 1, points
         do j = 1, points
            distance = min(modulo(i - j, points), modulo(j - i, points))
            if (distance < size(row, 1)) b(i, j) = row(distance + 1, 1)
         end do
      end do
   end function static_covariance

   subroutine set_variational(name, window, shift, multiple, scheme)
      character(len=*), intent(in) :: name
      integer, intent(in) :: window
      integer, intent(in) :: shift
      logical, intent(in) :: multiple
      type(variational_type), intent(out) :: scheme
      type(variational_config) :: config
      type(background_config) :: background

      config%window = window
      config%shift = shift
      config%multiple = multiple
      config%minimisation = minimisation_config(1, 200, 1.0e-13_wp)
      scheme = new_variational(name, config, background)
      allocate (scheme%errors%covariance, source=new_homogeneous(points, row_of_covariances()))
   end subroutine set_variational

   !> 4D-Var with observations all over its first window: with B, what the direct solution gives;
   !> of multiple data assimilation, what is given out.
   subroutine check_variational(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, parameter :: window = 6
      integer, parameter :: shift = 3
      type(variational_type) :: scheme
      type(ensemble_type) :: ensemble
      real(wp), allocatable :: x(:, :, :)
      real(wp), dimension(points, 1) :: expected
      real(wp) :: b(points, points)

      call first_members(whole, x)
      expected(:, 1) = x(:, 1, 1)
      b = static_covariance()
      call solve(whole, 1, window, .false., expected(:, 1), b)
      expected = carried_by_model(whole, window, expected)
      call first_members(domain, x)
      call set_variational('var4d', window, window, .false., scheme)
      call begin(scheme, domain, x(:, :, :1), ensemble)
      call cycle_through(scheme, domain, window, ensemble)
      call tests%check_small(maxval(abs(gathered(domain, ensemble%x) - expected)), tolerance, &
                             '4D-Var, shift = window: the direct solution')
      call tests%check_small(maxval(abs(gathered(domain, ensemble%carried(ensemble%place_of( &
                             carried_start))%x) - expected)), tolerance, &
                             '4D-Var, shift = window: the next window starts at its end')

      call first_members(whole, x)
      expected(:, 1) = x(:, 1, 1)
      b = static_covariance()
      call solve(whole, 1, shift, .false., expected(:, 1), b)
      expected = carried_by_model(whole, shift, expected)
      call first_members(domain, x)
      call set_variational('var4d', window, shift, .true., scheme)
      call begin(scheme, domain, x(:, :, :1), ensemble)
      call cycle_through(scheme, domain, shift, ensemble)
      call tests%check_small(maxval(abs(gathered(domain, ensemble%x) - expected)), tolerance, &
                             '4D-Var, multiple: balanced, each observation counts once')
   end subroutine check_variational

   !> 3D-FGAT: the increment from departures at the observations' times, added in their middle.
   subroutine check_fgat(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, parameter :: window = 4
      integer, parameter :: middle = (window + 1)*steps/2
      type(variational_type) :: scheme
      type(advection_type) :: model
      type(ensemble_type) :: ensemble
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: guess(points, window)
      real(wp) :: expected(points)
      real(wp) :: b(points, points)
      integer :: k

      model = new_advection(points)
      call first_members(whole, x)
      do k = 1, window
         guess(:, k:k) = carried_by_model(whole, k, x(:, 1, :1))
      end do
      call model%forecast(whole, middle, x)
      expected = x(:, 1, 1)
      b = static_covariance()
      call solve(whole, 1, window, .true., expected, b, guess)
      x(:, 1, 1) = expected
      call model%forecast(whole, window*steps - middle, x)
      expected = x(:, 1, 1)
      call first_members(domain, x)
      call set_variational('var3d', window, window, .false., scheme)
      call begin(scheme, domain, x(:, :, :1), ensemble)
      call cycle_through(scheme, domain, window, ensemble)
      call tests%check_small(maxval(abs(gathered(domain, ensemble%x) &
                                        - spread(expected, 2, 1))), tolerance, &
                             '3D-FGAT: the direct solution')
   end subroutine check_fgat

   !> Observations of past cycles carry what they met: their background at their time, their QC code
   !> and their analysis.
   subroutine check_rejection(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, parameter :: window = 3
      type(ienks_type) :: scheme
      type(ensemble_type) :: ensemble
      type(observations_type) :: past(window - 1)
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: background(domain%n, 1)
      real(wp) :: difference
      integer :: k
      integer :: j

      scheme = new_ienks(ienks_config(window=window, shift=window))
      scheme%gross_error_limit = 5
      call first_members(domain, x)
      call begin(scheme, domain, x, ensemble)
      do k = 1, size(past)
         past(k) = values_on(domain, k)
      end do
      if (past(2)%n > 0) past(2)%value(1) = 1000
      observations = values_on(domain, window)
      call scheme%model%forecast(domain, window*steps, ensemble%x)
      call scheme%update_window(domain, window, past, observations, ensemble, error)
      call tests%check(all(past(2)%qc(:min(1, past(2)%n)) == qc_outlier), &
                       'a gross error in the middle of a window is rejected')
      call tests%check(count(past(1)%qc == qc_outlier) + count(past(2)%qc == qc_outlier) &
                       == min(1, past(2)%n), 'and nothing else')
      call scheme%model%forecast(domain, steps, x)
      call mean_of_members(domain%n, members, x, background)
      difference = 0
      do j = 1, past(1)%n
         k = nint(past(1)%position(j))
         if (abs(past(1)%position(j) - k) > 0) cycle
         difference = max(difference, &
                          abs(past(1)%background(j) - background(k + 2 - domain%first, 1)))
      end do
      call tests%check_small(difference, 1.0e-14_wp, 'the background at the observations'' time')
      call tests%check(all(abs(past(1)%analysis - past(1)%background) > 0), &
                       'past observations have an analysis')
   end subroutine check_rejection
end module test_windows
