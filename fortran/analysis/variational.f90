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
   use da_analysis_diagnostics, only: note_minimisation
   use da_analysis_smoother, only: smoother_type, carried_start
   use da_analysis_type, only: observe_background
   use da_analysis_window, only: new_window
   use da_covariance_background, only: background_config, new_background
   use da_covariance_type, only: covariance_type
   use da_ensemble_initialise, only: draw_from_attractor
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: variational_type, variational_config, new_variational, read_variational

   character(len=7), parameter :: known_solvers(2) = [character(len=7) :: 'cg', 'lanczos']
   character(len=7), parameter :: known_preconditioners(2) = [character(len=7) :: 'none', &
      'lanczos']

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
      character(len=:), allocatable :: solver
      character(len=:), allocatable :: preconditioner

      solver = trim(known_solvers(1))
      preconditioner = trim(known_preconditioners(1))
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
      call namelists%get('solver', solver, &
                         'of inner loops: conjugate gradients, or the same with gradients that '// &
                         'are kept, and kept orthogonal', known_solvers)
      call namelists%get('preconditioner', preconditioner, &
                         'of the second outer loop and those after: none, or by the Lanczos '// &
                         'vectors of those before', known_preconditioners)
      config%minimisation%lanczos = solver == 'lanczos'
      config%minimisation%preconditioned = preconditioner == 'lanczos'
      if (config%minimisation%preconditioned) then
         if (.not. config%minimisation%lanczos) then
            call namelists%reject('preconditioner', "= 'lanczos': needs solver = 'lanczos'")
         else if (config%minimisation%outer_loops == 1) then
            call namelists%reject('preconditioner', &
                                  "= 'lanczos': is not used with outer_loops = 1")
         end if
      end if
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
         call note_minimisation(self%diagnosed, self%seed, domain, cycle, problem, history, &
                                ensemble)
         return
      end if
      associate (start => ensemble%carried(ensemble%place_of(carried_start))%x)
         call minimise_cost(self%minimisation, domain, problem, perturbations, start, history)
         call self%keep_smoothed(start, ensemble)
         ensemble%x = problem%window%states(:, :, :, back*self%steps)
         if (back == self%window) start = problem%window%states(:, :, :, self%steps)
      end associate
      call note_minimisation(self%diagnosed, self%seed, domain, cycle, problem, history, ensemble)
   end subroutine update

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
