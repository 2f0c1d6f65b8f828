!> What each observation does to a forecast, by the adjoints of the analysis and of the model.
!>
!> Forecasts from the background x_b and from the analysis x_a = x_b + K d have the errors
!> e = (x_f - x_t)^T C (x_f - x_t). The trapezoidal rule between the two trajectories (Langland &
!> Baker 2004) gives, exactly where the model is linear,
!>
!>   e_a - e_b = d^T K^T g,  g = M_b^T C (x_fb - x_t) + M_a^T C (x_fa - x_t),
!>
!> observation by observation, each in terms of all others' weights. With the Hessian of the
!> analysis (Trémolet 2008) K^T = R^{-1/2} G U (I + U^T G^T G U)^{-1} U^T.
!>
!> Of an analysis with several outer loops G is that of the last linearisation, about x_j, and
!> d = y - H(M(x_j)) + H M (x_j - x_b): with these the last step ends at x_b + K d exactly.
module da_analysis_variational_observation_impact
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   use da_analysis_variational_conjugate_gradient, only: minimisation_type, minimise
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_model_type, only: model_type
   implicit none
   private
   public :: forecast_aspect_type, impact_type, impact_of_problem, analyse
   public :: impact_of_departures, forecast_errors, forecast_sensitivity

   !> A forecast's error as a number: Σ_i weight(i) (x_i - verifying(i))², x the first component,
   !> `steps` model steps after the analysis.
   type :: forecast_aspect_type
      integer :: steps = 0
      real(wp), allocatable :: verifying(:)
      real(wp), allocatable :: weight(:)
      !> The Hessian's solution: its gradient falls by `reduction`, in at most `iterations`.
      real(wp) :: reduction = 0
      integer :: iterations = 0
   end type forecast_aspect_type

   type :: impact_type
      real(wp) :: background_error = 0
      real(wp) :: analysis_error = 0
      !> Of each observation; their sum is the estimate of analysis_error - background_error.
      real(wp), allocatable :: of_observation(:)
      !> What the norm of the gradient has fallen to.
      real(wp) :: reduction = 0
      !> Errors of the forecasts from analyses without some observations.
      real(wp), allocatable :: denied_error(:)
   end type impact_type

contains

   !> The impact of a problem's observations, in the order of its window's rows. `background` is
   !> the state(n, components, 1) at the window's start, `steps` model steps before the analysis.
   subroutine impact_of_problem(config, domain, model, problem, background, steps, aspect, impact)
      type(minimisation_config), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      type(problem_type), intent(inout) :: problem
      real(wp), contiguous, intent(in) :: background(:, :, :)
      integer, intent(in) :: steps
      type(forecast_aspect_type), intent(in) :: aspect
      type(impact_type), intent(out) :: impact
      type(minimisation_config) :: before_last
      real(wp), allocatable, dimension(:, :, :) :: pair, gradients, gradient, last
      real(wp), allocatable, dimension(:, :) :: departures, moved
      real(wp) :: errors(2)

      allocate (pair(size(background, 1), size(background, 2), 2))
      allocate (gradients, mold=pair)
      allocate (gradient, last, mold=background)
      pair(:, :, :1) = background
      call analyse(config, domain, problem, background, pair(:, :, 2:))
      call forecast_sensitivity(model, domain, steps + aspect%steps, pair, aspect, errors, &
                                gradients)
      impact%background_error = errors(1)
      impact%analysis_error = errors(2)
      gradient(:, :, 1) = gradients(:, :, 1) + gradients(:, :, 2)

      before_last = config
      before_last%outer_loops = config%outer_loops - 1
      call analyse(before_last, domain, problem, background, last)
      allocate (departures(problem%window%rows, 1), moved(problem%window%rows, 1))
      call problem%window%linearise(domain, last, departures)
      last = last - background
      call problem%window%tl(domain, last, moved)
      departures = departures + moved
      allocate (impact%of_observation(problem%window%rows))
      call impact_of_departures(domain, problem, departures, gradient, aspect, &
                                impact%of_observation, impact%reduction)
   end subroutine impact_of_problem

   !> The analysis(n, components, 1) at the window's start that the loops of `config` make.
   subroutine analyse(config, domain, problem, background, analysis)
      type(minimisation_config), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      type(problem_type), intent(inout) :: problem
      real(wp), intent(in) :: background(:, :, :)
      real(wp), contiguous, intent(out) :: analysis(:, :, :)
      type(variational_history_type) :: history
      real(wp) :: unperturbed(problem%window%rows, 1)

      unperturbed = 0
      analysis = background
      call minimise_cost(config, domain, problem, unperturbed, analysis, history)
   end subroutine analyse

   !> d_i (K^T g)_i, of scaled departures d(rows, 1) and g(n, components, 1), about the trajectory
   !> that the problem is linearised about.
   subroutine impact_of_departures(domain, problem, departures, gradient, aspect, impact, reduction)
      type(domain_type), intent(inout) :: domain
      type(problem_type), intent(in) :: problem
      real(wp), intent(in) :: departures(:, :)
      real(wp), contiguous, intent(in) :: gradient(:, :, :)
      type(forecast_aspect_type), intent(in) :: aspect
      real(wp), intent(out) :: impact(:)
      real(wp), intent(out) :: reduction
      type(minimisation_type) :: history
      real(wp), allocatable, dimension(:, :, :) :: right, solution, dx
      real(wp) :: sensitivity(size(departures, 1), 1)

      allocate (right(size(gradient, 1), problem%covariance%components_in, 1))
      allocate (solution, mold=right)
      allocate (dx, mold=gradient)
      call problem%covariance%transposed(domain, gradient, right)
      call minimise(problem, domain, right, aspect%reduction, aspect%iterations, solution, history)
      call problem%covariance%forward(domain, solution, dx)
      call problem%window%tl(domain, dx, sensitivity)
      impact = departures(:, 1)*sensitivity(:, 1)
      reduction = 0
      associate (norm => history%gradient_norm)
         if (norm(0, 1) > 0) reduction = norm(history%iterations, 1)/norm(0, 1)
      end associate
   end subroutine impact_of_departures

   !> The errors of the forecasts from x(n, components, batch), `steps` model steps long.
   subroutine forecast_errors(model, domain, steps, x, aspect, errors)
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(forecast_aspect_type), intent(in) :: aspect
      real(wp), intent(out) :: errors(:)
      real(wp), allocatable :: forecast(:, :, :)

      forecast = x
      call model%forecast(domain, steps, forecast)
      call measure(domain, forecast, aspect, errors)
   end subroutine forecast_errors

   subroutine measure(domain, forecast, aspect, errors)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: forecast(:, :, :)
      type(forecast_aspect_type), intent(in) :: aspect
      real(wp), intent(out) :: errors(:)
      real(wp) :: terms(size(forecast, 1), size(forecast, 3))
      integer :: b

      do b = 1, size(forecast, 3)
         terms(:, b) = aspect%weight*(forecast(:, 1, b) - aspect%verifying)**2
      end do
      call sum_columns(domain%communicator, int(domain%total, i8), terms, errors)
   end subroutine measure

   !> M^T C (x_f - x_t) along the trajectory from each x(n, components, batch), half the gradient
   !> of the error, and the errors themselves.
   subroutine forecast_sensitivity(model, domain, steps, x, aspect, errors, sensitivity)
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(forecast_aspect_type), intent(in) :: aspect
      real(wp), intent(out) :: errors(:)
      real(wp), contiguous, intent(out) :: sensitivity(:, :, :)
      real(wp), allocatable :: states(:, :, :, :)
      real(wp), allocatable :: later(:, :, :)
      integer :: s
      integer :: b

      allocate (states(size(x, 1), size(x, 2), size(x, 3), 0:steps))
      states(:, :, :, 0) = x
      do s = 1, steps
         call model%forward(domain, states(:, :, :, s - 1), states(:, :, :, s))
      end do
      call measure(domain, states(:, :, :, steps), aspect, errors)
      sensitivity = 0
      do b = 1, size(x, 3)
         sensitivity(:, 1, b) = aspect%weight*(states(:, 1, b, steps) - aspect%verifying)
      end do
      do s = steps - 1, 0, -1
         later = sensitivity
         call model%ad(domain, states(:, :, :, s), later, sensitivity)
      end do
   end subroutine forecast_sensitivity
end module da_analysis_variational_observation_impact
