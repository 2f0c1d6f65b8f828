!> Variational analysis with a static background covariance: 3D-Var, or strong-constraint
!> incremental 4D-Var, whose window ends with the observations.
!>
!> An ensemble of more than one member is an ensemble of analyses: each member has its own
!> background and its own perturbed observations (Fisher 2003).
module da_analysis_variational
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals_of, stream_climatology, stream_perturbations
   use da_analysis_conjugate_gradient, only: batch_products
   use da_analysis_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_observation_impact, only: forecast_aspect_type, impact_type, &
      impact_of_problem, analyse, forecast_errors
   use da_analysis_smoother, only: smoother_type, carried_start
   use da_analysis_type, only: observe_background
   use da_analysis_window, only: new_window
   use da_covariance_background, only: background_config, new_background
   use da_covariance_type, only: covariance_type
   use da_ensemble_initialise, only: draw_from_attractor
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type, qc_evaluated
   implicit none
   private
   public :: variational_type, variational_config, new_variational, read_variational

   !> `&variational`
   type :: variational_config
      !> Cycles of the window; 3D-Var has none.
      integer :: window = 4
      type(minimisation_config) :: minimisation
   end type variational_config

   type, extends(smoother_type) :: variational_type
      type(minimisation_config) :: minimisation
      type(background_config) :: background
      real(wp) :: gross_error_limit = 0
      class(model_type), allocatable :: model
      class(covariance_type), allocatable :: covariance
      !> Standard deviation of the background's errors, of the first component.
      real(wp) :: background_sd = 0
   contains
      procedure :: prepare
      procedure :: update
      procedure :: impact
      procedure, private :: pose
      procedure :: errors_of_background
   end type variational_type

contains

   subroutine read_variational(namelists, name, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: name
      type(variational_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest_window = 1000
      type(variational_config) :: defaults

      call namelists%open_group('variational', 'Minimisation, used by analysis = ''var3d'' and '// &
                                '''var4d''')
      call namelists%get('window', config%window, &
                         'var4d: cycles from the window''s start to its end, the analysis', &
                         minimum=1, maximum=longest_window)
      call namelists%get('outer_loops', config%minimisation%outer_loops, &
                         'linearisations about the latest state; one is enough where all is '// &
                         'linear', minimum=1)
      call namelists%get('inner_iterations', config%minimisation%inner_iterations, &
                         'most iterations of conjugate gradients in an outer loop', minimum=1)
      call namelists%get('gradient_reduction', config%minimisation%gradient_reduction, &
                         'an inner loop ends where the gradient''s norm has fallen to this '// &
                         'fraction', above=0.0_wp, maximum=1.0_wp)
      if (name == 'var3d') then
         if (config%window /= defaults%window) then
            call namelists%reject('window', "is not used with analysis = 'var3d'")
         end if
         config%window = 0
      end if
      call namelists%close_group(error)
   end subroutine read_variational

   function new_variational(name, config, background) result(self)
      character(len=*), intent(in) :: name
      type(variational_config), intent(in) :: config
      type(background_config), intent(in) :: background
      type(variational_type) :: self

      self%name = name
      self%window = config%window
      self%minimisation = config%minimisation
      self%background = background
      self%tells_impact = .true.
   end function new_variational

   !> The background covariance; the climate is sampled by free runs of the model.
   subroutine prepare(self, domain, model)
      class(variational_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, parameter :: points_wanted = 4000
      real(wp), parameter :: spin_up = 20
      real(wp), allocatable :: climate(:, :, :)

      self%model = model
      if (self%background%covariance == 'climatology') then
         allocate (climate(domain%n, model%components_in, max(1, points_wanted/domain%total)))
         call draw_from_attractor(model, domain, random_key_type(self%seed, stream_climatology), &
                                  spin_up, climate)
      else
         allocate (climate(domain%n, model%components_in, 0))
      end if
      call new_background(self%background, model, domain, climate, self%covariance)
      call look_at_one_point(self, domain)
   end subroutine prepare

   !> The variance that the covariance gives the circle's first point: |U^T e|².
   subroutine look_at_one_point(self, domain)
      type(variational_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      real(wp) :: unit(domain%n, self%covariance%components_out, 1)
      real(wp) :: v(domain%n, self%covariance%components_in, 1)
      real(wp) :: variance(1)

      unit = 0
      if (domain%first == 1) unit(1, 1, 1) = 1
      call self%covariance%transposed(domain, unit, v)
      variance = batch_products(domain, v, v)
      self%background_sd = sqrt(variance(1))
   end subroutine look_at_one_point

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(problem_type) :: problem
      type(variational_history_type) :: history
      real(wp) :: perturbations(observations%n, ensemble%members)
      real(wp), allocatable :: hx(:, :)
      integer :: back

      call observe_background(domain, ensemble, observations, hx)
      if (ensemble%members == 1) observations%background_sd = self%background_sd
      call check_gross_errors(self%gross_error_limit, observations)
      call perturb_observations(self, cycle, observations, perturbations)
      call self%errors_of_background(domain, ensemble, problem%covariance)
      back = self%cycles_back(cycle)
      call new_window(self%model, domain, [back*self%steps], [observations], problem%window)
      if (self%window == 0) then
         call minimise_cost(self%minimisation, domain, problem, perturbations, ensemble%x, history)
         return
      end if
      associate (start => ensemble%carried(ensemble%place_of(carried_start))%x)
         call minimise_cost(self%minimisation, domain, problem, perturbations, start, history)
         call self%keep_smoothed(start, ensemble)
         ensemble%x = problem%window%states(:, :, :, back*self%steps)
         if (back == self%window) start = problem%window%states(:, :, :, self%steps)
      end associate
   end subroutine update

   !> By the adjoint; analyses without the withheld observations are made anew, the rest of them
   !> with their codes of quality control.
   subroutine impact(self, domain, cycle, observations, ensemble, aspect, withheld, found)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(forecast_aspect_type), intent(in) :: aspect
      logical, intent(in) :: withheld(:, :)
      type(impact_type), intent(out) :: found
      type(observations_type) :: checked
      type(observations_type) :: rest
      type(problem_type) :: problem
      real(wp), allocatable :: hx(:, :)
      real(wp), allocatable :: start(:, :, :)
      real(wp), allocatable :: analysis(:, :, :)
      integer :: steps
      integer :: k

      checked = observations
      call observe_background(domain, ensemble, checked, hx)
      checked%background_sd = self%background_sd
      call check_gross_errors(self%gross_error_limit, checked)
      steps = self%cycles_back(cycle)*self%steps
      if (self%window == 0) then
         start = ensemble%x
      else
         start = ensemble%carried(ensemble%place_of(carried_start))%x
      end if
      call self%pose(domain, steps, checked, ensemble, problem)
      call impact_of_problem(self%minimisation, domain, self%model, problem, start, steps, aspect, &
                             found)
      allocate (found%denied_error(size(withheld, 2)))
      allocate (analysis, mold=start)
      do k = 1, size(withheld, 2)
         rest = checked
         where (withheld(:, k) .and. rest%used()) rest%qc = qc_evaluated
         call self%pose(domain, steps, rest, ensemble, problem)
         call analyse(self%minimisation, domain, problem, start, analysis)
         call forecast_errors(self%model, domain, steps + aspect%steps, analysis, aspect, &
                              found%denied_error(k:k))
      end do
   end subroutine impact

   !> The problem of observations that stand `steps` model steps after the window's start.
   subroutine pose(self, domain, steps, observations, ensemble, problem)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(problem_type), intent(out) :: problem

      call self%errors_of_background(domain, ensemble, problem%covariance)
      call new_window(self%model, domain, [steps], [observations], problem%window)
   end subroutine pose

   !> The covariance of the background's errors in this cycle: the one that was prepared.
   subroutine errors_of_background(self, domain, ensemble, covariance)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      class(covariance_type), allocatable, intent(out) :: covariance

      covariance = self%covariance
   end subroutine errors_of_background

   !> What an ensemble's members add to the observations, in units of their errors: normal numbers;
   !> a single state adds nothing.
   subroutine perturb_observations(self, cycle, observations, perturbations)
      class(variational_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), intent(out) :: perturbations(:, :)
      type(random_key_type) :: key
      integer :: m

      perturbations = 0
      if (size(perturbations, 2) == 1) return
      key = random_key_type(self%seed, stream_perturbations, cycle)
      do m = 1, size(perturbations, 2)
         key%member = m
         call normals_of(key, observations%row, perturbations(:, m))
         where (.not. observations%used()) perturbations(:, m) = 0
      end do
   end subroutine perturb_observations
end module da_analysis_variational
