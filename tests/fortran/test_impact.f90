!> Impact of observations: against a dense gain, exact where the model is linear, of third order
!> elsewhere, the same bits on any layout.
module test_impact
   use da_analysis_variational_conjugate_gradient, only: minimisation_type, minimise
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config
   use da_analysis_variational_observation_impact, only: forecast_aspect_type, impact_type, &
      impact_of_problem, impact_of_departures, analyse, forecast_errors, forecast_sensitivity
   use da_analysis_variational_impact, only: variational_impact_type
   use da_analysis_variational_scheme, only: new_variational
   use da_analysis_variational_settings, only: variational_config
   use da_analysis_variational_window, only: new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_covariance_background, only: background_config
   use da_covariance_homogeneous, only: new_homogeneous
   use da_ensemble_type, only: ensemble_type
   use da_model_lorenz96, only: lorenz96_type, lorenz96_config, new_lorenz96
   use da_model_type, only: model_type
   use da_observation_type, only: observations_type, qc_missing
   use da_operator_checks, only: random_field, inner_product
   use test_ienks, only: advection_type, new_advection, points
   use test_operators, only: observations_on
   use test_variational, only: eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_impact_suite

   !> Groups of observations in a window, and what the Hessian's solution is wanted to.
   integer, parameter :: groups(3) = [2, 0, 3]
   real(wp), parameter :: tight = 1.0e-14_wp
   integer, parameter :: iterations = 200

   type :: case_type
      type(problem_type) :: problem
      type(observations_type), allocatable :: observations(:)
      type(forecast_aspect_type) :: aspect
      real(wp), allocatable :: background(:, :, :)
   end type case_type

contains

   subroutine test_impact_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(advection_type) :: linear
      type(lorenz96_type) :: chaotic
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      linear = new_advection(points)
      chaotic = new_lorenz96(lorenz96_config(n=linear%points))
      call new_domain(linear%points, tests%communicator, domain, error)
      call new_domain(linear%points, alone(), whole, error)
      call check_gain(tests, chaotic, domain, whole)
      call check_gradient(tests, chaotic, domain)
      call check_sum(tests, linear, domain, 1, exact=.true.)
      call check_sum(tests, linear, domain, 3, exact=.true.)
      call check_sum(tests, chaotic, domain, 1, exact=.false.)
      call check_sum(tests, chaotic, domain, 3, exact=.false.)
      call check_order(tests, chaotic, domain)
      call check_layout(tests, chaotic, domain, whole)
      call check_scheme(tests, chaotic, domain)
   end subroutine test_impact_suite

   subroutine make_case(model, domain, steps, made)
      class(model_type), intent(in) :: model
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: steps(:)
      type(case_type), intent(out) :: made
      integer, parameter :: lags = 4
      integer, parameter :: lead = 7
      real(wp) :: row(0:lags, 1)
      real(wp), allocatable :: field(:, :, :)
      type(random_key_type) :: key
      integer :: k
      integer :: i

      do k = 0, lags
         row(k, 1) = 0.5_wp*max(0.0_wp, 1 - k/(lags + 1.0_wp))
      end do
      allocate (made%problem%covariance, source=new_homogeneous(model%points, row))
      allocate (made%observations(size(steps)))
      do k = 1, size(steps)
         associate (group => made%observations(k))
            group = observations_on(domain)
            key = random_key_type(seed=9, cycle=k)
            call normals(key, group%before, group%value)
            group%error_sd = 0.5_wp + 0.2_wp*k
            if (domain%first == 1) group%qc(1) = qc_missing
         end associate
      end do
      call new_window(model, domain, steps, made%observations, made%problem%window)
      allocate (made%background(domain%n, 1, 1), field(domain%n, 1, 1))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), made%background)
      call random_field(random_key_type(seed=6), int(domain%first - 1, i8), field)
      made%aspect%verifying = made%background(:, 1, 1) + field(:, 1, 1)
      made%aspect%weight = [(merge(0.3_wp, 0.0_wp, i <= model%points/2), &
                             i=domain%first, domain%last)]
      made%aspect%steps = lead
      made%aspect%reduction = tight
      made%aspect%iterations = iterations
   end subroutine make_case

   !> K^T: its dot product with K, and against B G^T (G B G^T + I)^{-1}, dense.
   subroutine check_gain(tests, model, domain, whole)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(case_type) :: one
      type(minimisation_type) :: history
      real(wp), allocatable, dimension(:, :, :) :: gradient, right, solution, increment
      real(wp), allocatable, dimension(:, :, :) :: unit, column
      real(wp), allocatable, dimension(:, :) :: d, ones, g, b, s, gb, dense
      real(wp), allocatable :: transposed(:)
      real(wp) :: forwards
      real(wp) :: backwards
      real(wp) :: size_of
      real(wp) :: reduction
      integer :: rows
      integer :: i

      call make_case(model, domain, groups, one)
      call set_sizes(domain)
      call one%problem%window%linearise(domain, one%background, d)
      call one%problem%window%ad(domain, d, increment)
      call one%problem%covariance%transposed(domain, increment, right)
      call minimise(one%problem, domain, right, tight, iterations, solution, history)
      call one%problem%covariance%forward(domain, solution, increment)
      call impact_of_departures(domain, one%problem, ones, gradient, one%aspect, transposed, &
                                reduction)
      forwards = inner_product(domain, increment, gradient)
      backwards = inner_product(domain, reshape(d, [rows, 1, 1]), &
                                reshape(transposed, [rows, 1, 1]))
      size_of = sqrt(inner_product(domain, increment, increment) &
                     *inner_product(domain, gradient, gradient))
      call tests%check_small(abs(forwards - backwards)/size_of, 1.0e-13_wp, &
                             'K and its transpose: dot product')
      call tests%check_small(reduction, 2*tight, 'the Hessian''s equation is solved')
      deallocate (gradient, right, solution, increment, d, ones, transposed)

      call make_case(model, whole, groups, one)
      call set_sizes(whole)
      call one%problem%window%linearise(whole, one%background, d)
      call impact_of_departures(whole, one%problem, ones, gradient, one%aspect, transposed, &
                                reduction)
      allocate (unit, column, mold=gradient)
      allocate (g(rows, model%points), b(model%points, model%points))
      do i = 1, model%points
         unit = 0
         unit(i, 1, 1) = 1
         call one%problem%window%tl(whole, unit, g(:, i:i))
         call one%problem%covariance%transposed(whole, unit, right)
         call one%problem%covariance%forward(whole, right, column)
         b(:, i) = column(:, 1, 1)
      end do
      gb = matmul(g, b)
      s = matmul(gb, transpose(g))
      do i = 1, rows
         s(i, i) = s(i, i) + 1
      end do
      dense = matmul(gb, gradient(:, 1, :))
      call eliminate(s, dense)
      call tests%check_small(maxval(abs(transposed - dense(:, 1))), 1.0e-12_wp, &
                             'the transpose of the gain, against dense matrices')

   contains

      subroutine set_sizes(on)
         type(domain_type), intent(in) :: on

         rows = one%problem%window%rows
         allocate (gradient(on%n, 1, 1), increment(on%n, 1, 1))
         allocate (right(on%n, one%problem%covariance%components_in, 1))
         allocate (solution, mold=right)
         allocate (d(rows, 1), transposed(rows))
         allocate (ones(rows, 1), source=1.0_wp)
         call random_field(random_key_type(seed=8), int(on%first - 1, i8), gradient)
      end subroutine set_sizes
   end subroutine check_gain

   !> The adjoint of the forecast, against centred differences of its error.
   subroutine check_gradient(tests, model, domain)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      type(case_type) :: one
      real(wp), allocatable, dimension(:, :, :) :: direction, gradient
      real(wp), parameter :: h = 1.0e-4_wp
      real(wp) :: errors(1)
      real(wp) :: ahead(1)
      real(wp) :: behind(1)
      real(wp) :: slope

      call make_case(model, domain, groups, one)
      allocate (direction, gradient, mold=one%background)
      call random_field(random_key_type(seed=7), int(domain%first - 1, i8), direction)
      call forecast_sensitivity(model, domain, 12, one%background, one%aspect, errors, gradient)
      call forecast_errors(model, domain, 12, one%background + h*direction, one%aspect, ahead)
      call forecast_errors(model, domain, 12, one%background - h*direction, one%aspect, behind)
      slope = 2*inner_product(domain, gradient, direction)
      call tests%check_small(abs((ahead(1) - behind(1))/(2*h) - slope), 1.0e-6_wp*abs(slope), &
                             'the gradient of the forecast''s error')
   end subroutine check_gradient

   !> The impacts' sum: (x_a - x_b)^T g to rounding, whatever the model and the outer loops; the
   !> difference of the errors where the model is linear.
   subroutine check_sum(tests, model, domain, loops, exact)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: loops
      logical, intent(in) :: exact
      type(case_type) :: one
      type(impact_type) :: impact
      type(minimisation_config) :: config
      real(wp), allocatable, dimension(:, :, :) :: pair, gradients
      real(wp) :: errors(2)
      real(wp) :: estimated
      real(wp) :: linear
      real(wp) :: actual

      call make_case(model, domain, groups, one)
      config = minimisation_config(loops, iterations, tight)
      call impact_of_problem(config, domain, model, one%problem, one%background, sum(groups), &
                             one%aspect, impact)
      allocate (pair(domain%n, 1, 2), gradients(domain%n, 1, 2))
      pair(:, :, :1) = one%background
      call analyse(config, domain, one%problem, one%background, pair(:, :, 2:))
      call forecast_sensitivity(model, domain, sum(groups) + one%aspect%steps, pair, one%aspect, &
                                errors, gradients)
      estimated = total(domain, impact%of_observation)
      linear = inner_product(domain, pair(:, :, 2:) - pair(:, :, :1), &
                             gradients(:, :, :1) + gradients(:, :, 2:))
      actual = impact%analysis_error - impact%background_error
      call tests%check(all(abs([impact%background_error, impact%analysis_error] - errors) <= 0), &
                       'errors of the forecasts from background and analysis')
      call tests%check_small(abs(estimated - linear), 1.0e-10_wp*abs(linear), &
                             'impacts sum to the increment along the mean of the gradients')
      if (exact) then
         call tests%check_small(abs(estimated - actual), 1.0e-10_wp*abs(actual), &
                                'impacts sum to the change of the error of a linear model')
      else
         call tests%check(abs(estimated - actual) > 1.0e-6_wp*abs(actual), &
                          'a chaotic model is not linear')
      end if
      associate (first => one%observations(1))
         call tests%check(all(first%used() .or. abs(impact%of_observation(:first%n)) <= 0), &
                          'what is not used has no impact')
      end associate
   end subroutine check_sum

   function total(domain, values) result(sum_of_all)
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: values(:)
      real(wp) :: sum_of_all
      real(wp) :: ones(size(values), 1, 1)

      ones = 1
      sum_of_all = inner_product(domain, reshape(values, [size(values), 1, 1]), ones)
   end function total

   !> Innovations half as large: the rest is an eighth.
   subroutine check_order(tests, model, domain)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      real(wp), parameter :: eighth = 0.125_wp
      real(wp) :: rest(2)

      rest(1) = what_is_left(0.02_wp)
      rest(2) = what_is_left(0.01_wp)
      call tests%check_small(abs(rest(2)/rest(1) - eighth), 0.2_wp*eighth, &
                             'the estimate is of third order in the increment')

   contains

      function what_is_left(scale) result(rest)
         real(wp), intent(in) :: scale
         real(wp) :: rest
         type(case_type) :: one
         type(impact_type) :: impact
         real(wp), allocatable :: d(:, :)

         call make_case(model, domain, [0], one)
         allocate (d(one%problem%window%rows, 1))
         call one%problem%window%linearise(domain, one%background, d)
         associate (group => one%observations(1))
            group%value = group%value + (scale - 1)*group%error_sd*d(:, 1)
         end associate
         call new_window(model, domain, [0], one%observations, one%problem%window)
         call impact_of_problem(minimisation_config(1, iterations, tight), domain, model, &
                                one%problem, one%background, 0, one%aspect, impact)
         rest = total(domain, impact%of_observation) &
                - (impact%analysis_error - impact%background_error)
      end function what_is_left
   end subroutine check_order

   subroutine check_layout(tests, model, domain, whole)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(case_type) :: one
      type(case_type) :: same
      type(impact_type) :: impact
      type(impact_type) :: expected
      integer :: k
      integer :: own
      integer :: all_of_them

      call make_case(model, domain, groups, one)
      call make_case(model, whole, groups, same)
      call impact_of_problem(minimisation_config(2, 20, 1.0e-3_wp), domain, model, one%problem, &
                             one%background, sum(groups), one%aspect, impact)
      call impact_of_problem(minimisation_config(2, 20, 1.0e-3_wp), whole, model, same%problem, &
                             same%background, sum(groups), same%aspect, expected)
      do k = 1, size(groups)
         associate (part => one%observations(k), n => one%observations(k)%n)
            own = (k - 1)*n
            all_of_them = (k - 1)*same%observations(k)%n + int(part%before)
            call tests%check(all(abs(impact%of_observation(own + 1:own + n) &
                                     - expected%of_observation(all_of_them + 1: &
                                                               all_of_them + n)) <= 0), &
                             'the impact has the same bits on any layout')
         end associate
      end do
      call tests%check(all(abs([impact%background_error, impact%analysis_error, impact%reduction] &
                               - [expected%background_error, expected%analysis_error, &
                                  expected%reduction]) <= 0), 'and so have the errors')
   end subroutine check_layout

   !> 3D-Var's own: withheld observations are missing from the analyses made without them.
   subroutine check_scheme(tests, model, domain)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      integer, parameter :: cases = 3
      type(case_type) :: one
      type(variational_impact_type) :: scheme
      type(variational_config) :: config
      type(background_config) :: background
      type(ensemble_type) :: ensemble
      type(ensemble_type) :: analysed
      type(observations_type) :: seen
      type(impact_type) :: impact
      type(error_type), allocatable :: error
      logical, allocatable :: withheld(:, :)
      real(wp) :: expected(1)

      call make_case(model, domain, [0], one)
      background%covariance = 'diagonal'
      background%sd = 0.6_wp
      config%window = 0
      scheme%variational_type = new_variational('var3d', config, background)
      call scheme%prepare(domain, model)
      ensemble%members = 1
      ensemble%x = one%background
      allocate (ensemble%carried(0))
      allocate (withheld(one%observations(1)%n, cases))
      withheld(:, 1) = .true.
      withheld(:, 2) = .false.
      withheld(:, 3) = one%observations(1)%position < 0.5_wp*model%points
      call scheme%impact(domain, 1, one%observations(1), ensemble, one%aspect, withheld, impact)
      call tests%check(all(abs(impact%denied_error(:2) &
                               - [impact%background_error, impact%analysis_error]) <= 0), &
                       'without any observation the background is left, with all the analysis')
      analysed = ensemble
      seen = one%observations(1)
      call scheme%update(domain, 1, seen, analysed, error)
      call forecast_errors(model, domain, one%aspect%steps, analysed%x, one%aspect, expected)
      call tests%check(abs(expected(1) - impact%analysis_error) <= 0, &
                       'the analysis that is judged is the one that is made')
      seen = one%observations(1)
      where (withheld(:, 3)) seen%qc = qc_missing
      analysed = ensemble
      call scheme%update(domain, 1, seen, analysed, error)
      call forecast_errors(model, domain, one%aspect%steps, analysed%x, one%aspect, expected)
      call tests%check(abs(expected(1) - impact%denied_error(3)) <= 0, &
                       'data denial is an analysis without the data')
      call tests%check(abs(impact%denied_error(3) - impact%analysis_error) > 0, 'and matters')
   end subroutine check_scheme
end module test_impact
