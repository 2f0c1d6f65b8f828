!> Covariances of ensembles in an analysis: the roots, and hybrid schemes against the Kalman
!> smoother on a linear model.
module test_hybrid
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_serial_ensrf, only: ensrf_config, new_ensrf
   use da_analysis_filter_etkf, only: etkf_type, etkf_config, new_etkf
   use da_analysis_hybrid_coupled, only: coupled_type
   use da_analysis_hybrid_covariance, only: new_localisation
   use da_analysis_hybrid_envar, only: envar_type, envar_problem_type
   use da_analysis_local_letkf, only: letkf_config, new_letkf
   use da_analysis_smoother_type, only: carried_start, carried_end
   use da_analysis_variational_scheme, only: variational_type, new_variational
   use da_analysis_variational_settings, only: variational_config
   use da_analysis_variational_window, only: window_type, new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_covariance_background, only: background_config
   use da_covariance_ensemble, only: new_ensemble_covariance
   use da_covariance_hybrid, only: new_hybrid
   use da_covariance_diagonal, only: new_diagonal
   use da_covariance_type, only: covariance_type
   use da_covariance_uniform, only: new_uniform
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_localisation, only: localisation_config, gaspari_cohn, tapers
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   use da_operator_checks, only: random_field, inner_product
   use test_ienks, only: advection_type, new_advection, first_members, values_on, &
      kalman_smoother, points, members, window
   use test_variational, only: dense, eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_hybrid_suite

contains

   subroutine test_hybrid_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      type(coupled_type) :: coupled
      type(envar_type) :: envar
      type(etkf_type) :: etkf
      type(localisation_config) :: nowhere

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_localisation(tests, whole)
      call check_errors_of_background(tests, whole)
      etkf = new_etkf(etkf_config(rotation=.false.))
      nowhere = with_taper('none', 6.0_wp)
      call check_against_kalman(tests, 'E4DVar', etkf, coupled, domain, whole)
      call check_against_kalman(tests, '4DEnVar', etkf, envar, domain, whole)
      call check_overlap(tests, 'E4DVar, shift 2', etkf, coupled, domain, whole)
      call check_overlap(tests, '4DEnVar, shift 2', etkf, envar, domain, whole)
      call check_overlap(tests, 'E4DVar beside a serial filter', &
                         new_ensrf(ensrf_config(rotation=.false.), nowhere), coupled, domain, &
                         whole)
      call check_overlap(tests, 'E4DVar beside an LETKF', &
                         new_letkf(letkf_config(rotation=.false.), nowhere), coupled, domain, &
                         whole)
      call check_two_times(tests, domain)
      call check_instants(tests, domain, whole)
   end subroutine test_hybrid_suite

   function with_taper(taper, radius) result(config)
      character(len=*), intent(in) :: taper
      real(wp), intent(in) :: radius
      type(localisation_config) :: config

      config%taper = taper
      config%radius = radius
   end function with_taper

   pure function distance(i, j) result(steps)
      integer, intent(in) :: i
      integer, intent(in) :: j
      real(wp) :: steps

      steps = min(modulo(i - j, points), modulo(j - i, points))
   end function distance

   !> A taper that fits onto the circle is what its root stands for; variances are 1 with any.
   subroutine check_localisation(tests, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: whole
      character(len=12), parameter :: names(5) = [character(len=12) :: &
         'gaspari_cohn', 'triangle', 'exponential', 'gaussian', 'none']
      class(covariance_type), allocatable :: localisation
      real(wp), dimension(points, points) :: c, expected
      integer :: i
      integer :: j
      integer :: k

      call new_localisation(with_taper('gaspari_cohn', 2.0_wp), whole, localisation)
      do j = 1, points
         do i = 1, points
            expected(i, j) = gaspari_cohn(distance(i, j)/(2*1.82_wp))
         end do
      end do
      call tests%check_small(maxval(abs(dense(localisation, whole) - expected)), 1.0e-13_wp, &
                             'localisation: the Gaspari-Cohn matrix')
      call new_localisation(with_taper('none', 6.0_wp), whole, localisation)
      call tests%check_small(maxval(abs(dense(localisation, whole) - 1)), 1.0e-13_wp, &
                             'localisation: none')
      do k = 1, size(names)
         call new_localisation(with_taper(names(k), 7.0_wp), whole, localisation)
         c = dense(localisation, whole)
         call tests%check_small(maxval(abs([(c(i, i), i=1, points)] - 1)), 1.0e-13_wp, &
                                'localisation: variances are 1 with '//trim(names(k)))
      end do
   end subroutine check_localisation

   !> What an ensemble of analyses takes for B: (1 - β) B_c + β f² L ∘ P at the window's start.
   subroutine check_errors_of_background(tests, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: whole
      real(wp), parameter :: weight = 0.3_wp
      real(wp), parameter :: factor = 1.4_wp
      real(wp), parameter :: sd = 0.6_wp
      type(variational_type) :: scheme
      type(background_config) :: background
      type(variational_config) :: config
      type(ensemble_type) :: ensemble
      type(advection_type) :: model
      class(covariance_type), allocatable :: covariance
      real(wp), dimension(points, points) :: expected
      real(wp) :: anomalies(points, members)
      real(wp) :: local(1)
      integer :: i
      integer :: j

      model = new_advection(points)
      background%covariance = 'diagonal'
      background%sd = sd
      config%window = window
      scheme = new_variational('var4d', config, background)
      scheme%errors%hybrid%weight = weight
      scheme%errors%hybrid%inflation = factor
      scheme%errors%hybrid%localisation = with_taper('gaspari_cohn', 1.5_wp)
      call scheme%prepare(whole, model)
      call begin(whole, scheme%window, model, ensemble)
      call scheme%errors_of_background(whole, ensemble, covariance)
      associate (x => ensemble%carried(1)%x(:, 1, :))
         anomalies = x - spread(sum(x, dim=2)/members, 2, members)
      end associate
      expected = weight*factor**2*matmul(anomalies, transpose(anomalies))/(members - 1)
      do j = 1, points
         do i = 1, points
            call tapers(scheme%errors%hybrid%localisation, 1, [distance(i, j)], local)
            expected(i, j) = local(1)*expected(i, j)
         end do
         expected(j, j) = expected(j, j) + (1 - weight)*sd**2
      end do
      call tests%check_small(maxval(abs(dense(covariance, whole) - expected)), 1.0e-13_wp, &
                             'hybrid 4D-Var: B is the weighted sum, at the window''s start')
   end subroutine check_errors_of_background

   !> Members at the window's start, and carried to its end.
   subroutine begin(domain, cycles, model, ensemble)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycles
      type(advection_type), intent(in) :: model
      type(ensemble_type), intent(out) :: ensemble
      integer, parameter :: steps = 2

      ensemble%members = members
      allocate (ensemble%carried(0))
      call first_members(domain, ensemble%x)
      call ensemble%carry(carried_start, '', .false., ensemble%x)
      call ensemble%carry('smoothed_mean', '', .false., ensemble%x(:, :, :1))
      call model%forecast(domain, cycles*steps, ensemble%x)
   end subroutine begin

   !> Weight 1, no localisation: mean and covariance of the Kalman smoother.
   subroutine check_against_kalman(tests, name, filter, scheme, domain, whole)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: name
      class(ensemble_filter_type), intent(in) :: filter
      class(coupled_type), intent(inout) :: scheme
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(variational_config) :: config
      type(observations_type) :: observations
      type(ensemble_type) :: ensemble
      type(advection_type) :: model
      type(error_type), allocatable :: error
      real(wp), dimension(points) :: mean, kalman_mean
      real(wp), dimension(points, points) :: covariance, kalman_covariance
      real(wp) :: x(points, members)

      model = new_advection(points)
      ! One cycle short of a full window's end, so that the start stays where it is.
      config%window = window + 1
      call set_up_scheme(name, filter, config, domain, scheme)
      call begin(domain, window, model, ensemble)
      observations = values_on(domain)
      call scheme%update(domain, window, observations, ensemble, error)
      call tests%check(.not. allocated(error), name//': no error')
      call statistics(domain, ensemble, mean, covariance)
      call kalman_smoother(whole, kalman_mean, kalman_covariance)
      call tests%check_small(maxval(abs(mean - kalman_mean)), 1.0e-10_wp, &
                             name//': mean of the Kalman smoother')
      call tests%check_small(maxval(abs(covariance - kalman_covariance)), 1.0e-10_wp, &
                             name//': covariance of the Kalman smoother')
      x(domain%first:domain%last, :) = ensemble%x(:, 1, :)
      associate (start => ensemble%carried(1)%x)
         call model%forecast(domain, window*scheme%steps, start)
         call tests%check(all(abs(start(:, 1, :) - x(domain%first:domain%last, :)) <= 0), &
                          name//': the end follows from the start')
      end associate
   end subroutine check_against_kalman

   subroutine set_up_scheme(name, filter, config, domain, scheme)
      character(len=*), intent(in) :: name
      class(ensemble_filter_type), intent(in) :: filter
      type(variational_config), intent(inout) :: config
      type(domain_type), intent(inout) :: domain
      class(coupled_type), intent(inout) :: scheme
      type(background_config) :: background

      config%minimisation = minimisation_config(1, 100, 1.0e-13_wp)
      background%covariance = 'diagonal'
      scheme%variational_type = new_variational(name, config, background)
      scheme%errors%hybrid%weight = 1
      scheme%errors%hybrid%localisation = with_taper('none', 6.0_wp)
      scheme%steps = 2
      if (allocated(scheme%filter)) deallocate (scheme%filter)
      allocate (scheme%filter, source=filter)
      scheme%filter%inflation = no_inflation
      call scheme%prepare(domain, new_advection(points))
   end subroutine set_up_scheme

   !> Of the members at the window's start, on every rank.
   subroutine statistics(domain, ensemble, mean, covariance)
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(out) :: mean(points)
      real(wp), intent(out) :: covariance(points, points)
      real(wp) :: x(points, members)
      integer :: m

      x = 0
      x(domain%first:domain%last, :) = ensemble%carried(1)%x(:, 1, :)
      do m = 1, members
         call domain%communicator%exact_sums(x(:, m))
      end do
      mean = sum(x, dim=2)/members
      x = x - spread(mean, 2, members)
      covariance = matmul(x, transpose(x))/(members - 1)
   end subroutine statistics

   !> Two cycles of observations in one analysis, of a window that begins a cycle before them: the
   !> Kalman smoother of the ensemble, with one set of observations and then the other.
   subroutine check_overlap(tests, name, filter, scheme, domain, whole)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: name
      class(ensemble_filter_type), intent(in) :: filter
      class(coupled_type), intent(inout) :: scheme
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, parameter :: last = 4
      type(variational_config) :: config
      type(observations_type) :: groups(2)
      type(observations_type) :: groups_whole(2)
      type(ensemble_type) :: ensemble
      type(ensemble_type) :: forecast
      type(advection_type) :: model
      type(error_type), allocatable :: error
      real(wp), dimension(points) :: mean, kalman_mean
      real(wp), dimension(points, points) :: covariance, kalman_covariance
      integer :: k

      model = new_advection(points)
      ! So long that the start stays where it is.
      config%window = last + 2
      config%shift = 2
      call set_up_scheme(name, filter, config, domain, scheme)
      call begin(domain, last, model, ensemble)
      call begin(domain, 2, model, forecast)
      call ensemble%carry(carried_end, '', .false., forecast%x)
      groups = values_on(domain)
      groups(1)%value = 2*groups(1)%value - 0.3_wp
      groups_whole = values_on(whole)
      groups_whole(1)%value = 2*groups_whole(1)%value - 0.3_wp
      call scheme%update_window(domain, last, groups(:1), groups(2), ensemble, error)
      call tests%check(.not. allocated(error), name//': no error')
      call statistics(domain, ensemble, mean, covariance)
      call begin(whole, 0, model, forecast)
      call statistics(whole, forecast, kalman_mean, kalman_covariance)
      do k = 1, 2
         call assimilate_at(whole, (2 + k)*scheme%steps, groups_whole(k), kalman_mean, &
                            kalman_covariance)
      end do
      call tests%check_small(maxval(abs(mean - kalman_mean)), 1.0e-10_wp, &
                             name//': mean of the Kalman smoother')
      call tests%check_small(maxval(abs(covariance - kalman_covariance)), 1.0e-10_wp, &
                             name//': covariance of the Kalman smoother')
      call tests%check(allocated(groups(1)%analysis), name//': past observations learn their '// &
                       'analysis')
   end subroutine check_overlap

   !> Observations some steps later move mean and covariance here: one step of a Kalman smoother.
   subroutine assimilate_at(whole, steps, observations, mean, covariance)
      type(domain_type), intent(inout) :: whole
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      real(wp), intent(inout) :: mean(points)
      real(wp), intent(inout) :: covariance(points, points)
      type(window_type) :: later
      real(wp) :: unit(points, 1, 1)
      real(wp), dimension(observations%n, points) :: g, gain_transposed
      real(wp) :: s(observations%n, observations%n)
      real(wp) :: d(observations%n, 1)
      integer :: i

      call new_window(new_advection(points), whole, [steps], [observations], later)
      call later%linearise(whole, reshape(mean, [points, 1, 1]), d)
      do i = 1, points
         unit = 0
         unit(i, 1, 1) = 1
         call later%tl(whole, unit, g(:, i:i))
      end do
      s = matmul(g, matmul(covariance, transpose(g)))
      do i = 1, observations%n
         s(i, i) = s(i, i) + 1
      end do
      gain_transposed = matmul(g, covariance)
      call eliminate(s, gain_transposed)
      mean = mean + matmul(d(:, 1), gain_transposed)
      covariance = covariance - matmul(transpose(gain_transposed), matmul(g, covariance))
   end subroutine assimilate_at

   !> Observations at two times: 4DEnVar of the members' trajectories and 4D-Var with their
   !> covariance at the start, with one and the same linear model.
   subroutine check_two_times(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(minimisation_config), parameter :: precisely = minimisation_config(1, 100, 1.0e-13_wp)
      integer, parameter :: steps(2) = [2, 3]
      type(problem_type) :: with_model
      type(envar_problem_type) :: without
      type(observations_type) :: observations(2)
      type(variational_history_type) :: history
      type(advection_type) :: model
      real(wp), allocatable, dimension(:, :, :) :: x, one, other
      real(wp), allocatable :: none(:, :)

      model = new_advection(points)
      observations = values_on(domain)
      observations(2)%value = 2*observations(2)%value - 0.3_wp
      call two_times(domain, observations, without)
      call new_window(model, domain, steps, observations, with_model%window)
      call first_members(domain, x)
      allocate (with_model%covariance, source=without%covariance)
      allocate (one(domain%n, 1, 1))
      one(:, :, 1) = sum(x, dim=3)/members
      other = one
      allocate (none(with_model%window%rows, 1), source=0.0_wp)
      call minimise_cost(precisely, domain, with_model, none, one, history)
      call minimise_cost(precisely, domain, without, none, other, history)
      call tests%check_small(maxval(abs(one - other)), 1.0e-10_wp, &
                             '4DEnVar is 4D-Var with the ensemble''s covariance')
      call tests%check(maxval(abs(one(:, 1, 1) - sum(x(:, 1, :), dim=2)/members)) > 0.01_wp, &
                       '… and moves the state')
   end subroutine check_two_times

   !> The 4DEnVar problem of `steps` after the start and later, without localisation.
   subroutine two_times(domain, observations, problem)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations(2)
      type(envar_problem_type), intent(out) :: problem
      integer, parameter :: steps(2) = [2, 3]
      type(advection_type) :: model
      real(wp), allocatable :: x(:, :, :)
      integer :: k

      model = new_advection(points)
      call new_window(model, domain, steps, observations, problem%window)
      call first_members(domain, x)
      allocate (problem%covariance, source=new_ensemble_covariance(x, new_uniform()))
      allocate (problem%instants(2))
      do k = 1, 2
         problem%instants(k)%step = sum(steps(:k))
         call new_window(model, domain, [0], observations(k:k), problem%instants(k)%window)
         call model%forecast(domain, steps(k), x)
         allocate (problem%instants(k)%covariance, &
                   source=new_ensemble_covariance(x, new_uniform()))
      end do
   end subroutine two_times

   !> The hybrid, localised problem: controls to observations and back, dot product and layouts.
   subroutine check_instants(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(envar_problem_type) :: problem
      type(envar_problem_type) :: problem_whole
      real(wp), allocatable, dimension(:, :, :) :: v, back, v_whole, back_whole
      real(wp), allocatable, dimension(:, :) :: dy, d, dy_whole, d_whole
      real(wp) :: defect

      call set_up(domain, problem, v, back, dy, d)
      call set_up(whole, problem_whole, v_whole, back_whole, dy_whole, d_whole)
      defect = inner_product(domain, reshape(dy, [size(dy, 1), 1, 1]), &
                             reshape(d, [size(d, 1), 1, 1])) - inner_product(domain, v, back)
      call tests%check_small(abs(defect) &
                             /sqrt(inner_product(whole, v_whole, v_whole) &
                                   *inner_product(whole, back_whole, back_whole)), &
                             1.0e-13_wp, '4DEnVar, hybrid: dot product')
      call tests%check(all(abs(back - back_whole(domain%first:domain%last, :, :)) <= 0), &
                       '4DEnVar, hybrid: the gradient has the same bits on any layout')

   contains

      subroutine set_up(on, made, controls, gathered, seen, departures)
         type(domain_type), intent(inout) :: on
         type(envar_problem_type), intent(out) :: made
         real(wp), allocatable, intent(out) :: controls(:, :, :)
         real(wp), allocatable, intent(out) :: gathered(:, :, :)
         real(wp), allocatable, intent(out) :: seen(:, :)
         real(wp), allocatable, intent(out) :: departures(:, :)
         type(observations_type) :: observations(2)
         class(covariance_type), allocatable :: localisation
         real(wp), allocatable :: x(:, :, :)
         integer :: k

         observations = values_on(on)
         observations(2)%value = 2*observations(2)%value - 0.3_wp
         call two_times(on, observations, made)
         call new_localisation(with_taper('gaspari_cohn', 1.5_wp), on, localisation)
         call first_members(on, x)
         do k = 1, 2
            deallocate (made%instants(k)%covariance)
            allocate (made%instants(k)%covariance, &
                      source=new_hybrid(new_diagonal([0.4_wp]), &
                                        new_ensemble_covariance(x**k, localisation), 0.6_wp))
         end do
         allocate (controls(on%n, members + 1, 1), departures(made%window%rows, 1))
         allocate (gathered, mold=controls)
         allocate (seen, mold=departures)
         call random_field(random_key_type(seed=8), int(on%first - 1, i8), controls)
         call made%linearise(on, x(:, :, :1), departures)
         call made%observe(on, controls, seen)
         call made%gather(on, departures, gathered)
      end subroutine set_up
   end subroutine check_instants
end module test_hybrid
