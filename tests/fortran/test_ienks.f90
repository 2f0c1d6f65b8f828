!> Smoothers against each other on a linear model, where the Kalman smoother's answer is exact.
module test_ienks
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_smoother_ienks, only: ienks_type, ienks_config, new_ienks
   use da_analysis_smoother_type, only: carried_start
   use da_analysis_variational_window, only: new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_covariance_ensemble, only: new_ensemble_covariance
   use da_covariance_homogeneous, only: new_homogeneous
   use da_ensemble_type, only: ensemble_type
   use da_model_runge_kutta, only: runge_kutta_type
   use da_observation_type, only: observations_type
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use test_variational, only: eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_ienks_suite
   public :: advection_type, new_advection, first_members, values_on, kalman_smoother
   public :: points, members, window

   !> dx_i/dt = speed (x_{i-1} - x_i): upstream advection.
   type, extends(runge_kutta_type) :: advection_type
      real(wp) :: speed = 1
   contains
      procedure :: tendency
      procedure :: tendency_tl
      procedure :: tendency_ad
   end type advection_type

   integer, parameter :: points = 17
   integer, parameter :: members = 7
   integer, parameter :: window = 3

contains

   subroutine test_ienks_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      type(ienks_config) :: config
      real(wp), dimension(points, 1, members) :: transform, bundle, once
      real(wp) :: mean(points)
      real(wp) :: variational(points)
      real(wp) :: covariance(points, points)
      real(wp) :: kalman_mean(points)
      real(wp) :: kalman_covariance(points, points)

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      config = ienks_config(window=window, rotation=.false., inflation=1.0_wp)
      call smooth(domain, config, transform)
      config%iterations = 1
      call smooth(domain, config, once)
      call tests%check_small(maxval(abs(transform - once)), 1.0e-10_wp, &
                             'a linear model needs one iteration')
      config%iterations = 10
      config%bundle = .true.
      call smooth(domain, config, bundle)
      call tests%check_small(maxval(abs(transform - bundle)), 1.0e-10_wp, &
                             'transform and bundle agree on a linear model')
      call kalman_smoother(whole, kalman_mean, kalman_covariance)
      mean = sum(transform(:, 1, :), dim=2)/members
      covariance = matmul(transform(:, 1, :) - spread(mean, 2, members), &
                          transpose(transform(:, 1, :) - spread(mean, 2, members)))/(members - 1)
      call tests%check_small(maxval(abs(mean - kalman_mean)), 1.0e-10_wp, &
                             'IEnKS: mean of the Kalman smoother')
      call tests%check_small(maxval(abs(covariance - kalman_covariance)), 1.0e-10_wp, &
                             'IEnKS: covariance of the Kalman smoother')
      call four_dimensional(domain, variational)
      call tests%check_small(maxval(abs(variational - kalman_mean)), 1.0e-10_wp, &
                             '4D-Var with the ensemble''s covariance: mean of the Kalman smoother')
   end subroutine test_ienks_suite

   function new_advection(points) result(self)
      integer, intent(in) :: points
      type(advection_type) :: self

      self%name = 'advection'
      self%points = points
      self%dt = 0.1_wp
      call self%set_reach(1, 0)
   end function new_advection

   pure subroutine tendency(self, n, x, f)
      class(advection_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: f(n, self%components_in)

      f = self%speed*(x(:n, :) - x(2:n + 1, :))
   end subroutine tendency

   pure subroutine tendency_tl(self, n, x, dx, df)
      class(advection_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: dx(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: df(n, self%components_in)

      call self%tendency(n, dx, df)
   end subroutine tendency_tl

   pure subroutine tendency_ad(self, n, x, df, dx)
      class(advection_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + 2*sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: df(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: dx(n, self%components_in)

      dx = self%speed*(df(2:n + 1, :) - df(:n, :))
   end subroutine tendency_ad

   subroutine first_members(domain, x)
      type(domain_type), intent(in) :: domain
      real(wp), allocatable, intent(out) :: x(:, :, :)

      allocate (x(domain%n, 1, members))
      call random_field(random_key_type(seed=3), int(domain%first - 1, i8), x)
   end subroutine first_members

   function values_on(domain) result(observations)
      type(domain_type), intent(in) :: domain
      type(observations_type) :: observations

      observations = observations_on(domain)
      call normals(random_key_type(seed=4), observations%before, observations%value)
      observations%error_sd = 0.7_wp
      observations%row = 0
   end function values_on

   !> The smoothed members at the start of the first full window, on every rank.
   subroutine smooth(domain, config, smoothed)
      type(domain_type), intent(inout) :: domain
      type(ienks_config), intent(in) :: config
      real(wp), intent(out) :: smoothed(points, 1, members)
      type(ienks_type) :: scheme
      type(ensemble_type) :: ensemble
      type(observations_type) :: observations
      type(advection_type) :: model
      type(error_type), allocatable :: error
      integer :: place
      integer :: m

      model = new_advection(points)
      scheme = new_ienks(config)
      scheme%steps = 2
      call scheme%prepare(domain, model)
      ensemble%members = members
      call first_members(domain, ensemble%x)
      allocate (ensemble%carried(0))
      call scheme%carry_along(domain, ensemble)
      call scheme%take_first(ensemble)
      call model%forecast(domain, window*scheme%steps, ensemble%x)
      observations = values_on(domain)
      ! One cycle short of a full window's end, so that the start stays where it is.
      scheme%window = window + 1
      call scheme%update(domain, window, observations, ensemble, error)
      place = ensemble%place_of(carried_start)
      smoothed = 0
      smoothed(domain%first:domain%last, :, :) = ensemble%carried(place)%x
      do m = 1, members
         call domain%communicator%exact_sums(smoothed(:, 1, m))
      end do
   end subroutine smooth

   !> x + P G^T (G P G^T + R)^{-1} (y - G x), with G found column by column.
   subroutine kalman_smoother(whole, mean, covariance)
      type(domain_type), intent(inout) :: whole
      real(wp), intent(out) :: mean(points)
      real(wp), intent(out) :: covariance(points, points)
      type(observations_type) :: observations
      type(advection_type) :: model
      type(problem_type) :: problem
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable, dimension(:, :) :: g, s, gain_transposed, d
      real(wp) :: unit(points, 1, 1)
      integer :: i

      model = new_advection(points)
      observations = values_on(whole)
      call new_window(model, whole, [2*window], [observations], problem%window)
      call first_members(whole, x)
      mean = sum(x(:, 1, :), dim=2)/members
      covariance = matmul(x(:, 1, :) - spread(mean, 2, members), &
                          transpose(x(:, 1, :) - spread(mean, 2, members)))/(members - 1)
      allocate (g(observations%n, points), d(observations%n, 1))
      call problem%window%linearise(whole, reshape(mean, [points, 1, 1]), d)
      do i = 1, points
         unit = 0
         unit(i, 1, 1) = 1
         call problem%window%tl(whole, unit, g(:, i:i))
      end do
      s = matmul(g, matmul(covariance, transpose(g)))
      do i = 1, observations%n
         s(i, i) = s(i, i) + 1
      end do
      gain_transposed = matmul(g, covariance)
      call eliminate(s, gain_transposed)
      mean = mean + matmul(d(:, 1), gain_transposed)
      covariance = covariance - matmul(transpose(gain_transposed), matmul(g, covariance))
   end subroutine kalman_smoother

   subroutine four_dimensional(domain, analysis)
      type(domain_type), intent(inout) :: domain
      real(wp), intent(out) :: analysis(points)
      type(problem_type) :: problem
      type(variational_history_type) :: history
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: mean(:, :, :)
      real(wp), allocatable :: none(:, :)
      real(wp) :: ones(0:points/2, 1)

      ones = 1
      call first_members(domain, x)
      allocate (problem%covariance, &
                source=new_ensemble_covariance(x, new_homogeneous(points, ones)))
      call new_window(new_advection(points), domain, [2*window], [values_on(domain)], &
                      problem%window)
      allocate (mean(domain%n, 1, 1))
      mean(:, :, 1) = sum(x, dim=3)/members
      allocate (none(problem%window%rows, 1), source=0.0_wp)
      call minimise_cost(minimisation_config(1, 100, 1.0e-13_wp), domain, problem, none, mean, &
                         history)
      analysis = 0
      analysis(domain%first:domain%last) = mean(:, 1, 1)
      call domain%communicator%exact_sums(analysis)
   end subroutine four_dimensional
end module test_ienks
