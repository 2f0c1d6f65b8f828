!> Variational analysis with a static background covariance: 3D-Var, also with a first guess at the
!> appropriate time, or strong-constraint incremental 4D-Var.
!>
!> An ensemble of more than one member is an ensemble of analyses: each member has its own
!> background and its own perturbed observations (Fisher 2003).
module da_analysis_variational
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals_of, stream_climatology, stream_perturbations
   use da_base_text, only: to_text
   use da_analysis_conjugate_gradient, only: batch_products
   use da_analysis_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_smoother, only: smoother_type, carried_start, carried_end
   use da_analysis_type, only: observe_analysis
   use da_analysis_window, only: new_window, new_fgat_window
   use da_covariance_background, only: background_config, new_background
   use da_covariance_type, only: covariance_type
   use da_ensemble_initialise, only: draw_from_attractor
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: variational_type, variational_config, new_variational, read_variational

   !> `&variational`
   type :: variational_config
      !> Cycles of the window; 3D-Var has none, or those of a first guess at the appropriate time.
      integer :: window = 4
      integer :: shift = 1
      logical :: multiple = .false.
      type(minimisation_config) :: minimisation
   end type variational_config

   type, extends(smoother_type) :: variational_type
      type(minimisation_config) :: minimisation
      type(background_config) :: background
      class(covariance_type), allocatable :: covariance
   contains
      procedure :: prepare
      procedure :: update_window
      procedure :: errors_of_background
   end type variational_type

contains

   subroutine read_variational(namelists, name, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: name
      type(variational_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest_window = 1000

      if (name == 'var3d') config%window = 0
      call namelists%open_group('variational', 'Minimisation, used by analysis = ''var3d'' and '// &
                                '''var4d''')
      call namelists%get('window', config%window, &
                         'cycles from the window''s start to its end, the analysis; var3d: 0, '// &
                         'or those of 3D-FGAT', minimum=merge(0, 1, name == 'var3d'), &
                         maximum=longest_window)
      if (name == 'var3d') config%shift = max(config%window, 1)
      call namelists%get('shift', config%shift, &
                         'cycles from analysis to analysis, which takes the observations of '// &
                         'all of them; at most the window, and all of it with 3D-FGAT', minimum=1)
      call namelists%get('multiple', config%multiple, &
                         'var4d: assimilate observations in all windows that they fall in, '// &
                         'with weights that sum to one')
      call namelists%get('outer_loops', config%minimisation%outer_loops, &
                         'linearisations about the latest state; one is enough where all is '// &
                         'linear', minimum=1)
      call namelists%get('inner_iterations', config%minimisation%inner_iterations, &
                         'most iterations of conjugate gradients in an outer loop', minimum=1)
      call namelists%get('gradient_reduction', config%minimisation%gradient_reduction, &
                         'an inner loop ends where the gradient''s norm has fallen to this '// &
                         'fraction', above=0.0_wp, maximum=1.0_wp)
      if (name == 'var3d') then
         if (config%shift /= max(config%window, 1)) then
            call namelists%reject('shift', '= '//to_text(config%shift)//": analysis = 'var3d' "// &
                                  'takes the observations of each window once: leave it out')
         end if
         if (config%multiple) then
            call namelists%reject('multiple', "is not used with analysis = 'var3d'")
         end if
      else if (config%shift > config%window) then
         call namelists%reject('shift', '= '//to_text(config%shift)//': must be at most window '// &
                               '= '//to_text(config%window))
      end if
      call namelists%close_group(error)
   end subroutine read_variational

   function new_variational(name, config, background) result(self)
      character(len=*), intent(in) :: name
      type(variational_config), intent(in) :: config
      type(background_config), intent(in) :: background
      type(variational_type) :: self

      self%name = name
      call self%set_window(config%window, config%shift, config%multiple)
      if (name == 'var3d') self%smooths = .false.
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

   subroutine update_window(self, domain, cycle, past, observations, ensemble, error)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: trajectory(:, :, :, :)

      if (.not. self%is_due(cycle)) then
         call self%meet(domain, ensemble, observations)
      else if (self%smooths) then
         call self%meet_window(domain, past, observations, ensemble)
         call analyse_start(self, domain, cycle, past, observations, ensemble)
      else
         call self%meet_window(domain, past, observations, ensemble, trajectory)
         call analyse_middle(self, domain, cycle, trajectory, past, observations, ensemble)
      end if
      if (self%shift > 1 .and. self%is_due(cycle)) then
         ensemble%carried(ensemble%place_of(carried_end))%x = ensemble%x
      end if
   end subroutine update_window

   !> 4D-Var. With multiple data assimilation the start moves by the window's part of the weights;
   !> what is given out is the analysis with what they still lack.
   subroutine analyse_start(self, domain, cycle, past, observations, ensemble)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(problem_type) :: problem
      type(observations_type) :: groups(size(past) + 1)
      real(wp), dimension(size(past) + 1) :: weights, balanced
      real(wp), allocatable, dimension(:, :, :) :: start, background
      integer :: steps(size(past) + 1)
      integer :: place
      integer :: k

      groups(:size(past)) = past
      groups(size(groups)) = observations
      steps = self%steps_between(cycle, size(groups))
      weights = self%weights(cycle, size(groups), .false.)
      balanced = self%weights(cycle, size(groups), .true.)
      place = ensemble%place_of(carried_start)
      call move_alloc(ensemble%carried(place)%x, start)
      call self%errors_of_background(domain, ensemble, problem%covariance)
      if (any(balanced > weights)) background = start
      call solve(weights)
      start = problem%window%states(:, :, :, (self%start_of(cycle + self%shift) &
                                              - self%start_of(cycle))*self%steps)
      call move_alloc(start, ensemble%carried(place)%x)
      if (allocated(background)) then
         call move_alloc(background, start)
         call solve(balanced)
      end if
      call self%keep_smoothed(problem%window%states(:, :, :, 0), ensemble)
      ensemble%x = problem%window%states(:, :, :, sum(steps))
      do k = size(groups) - self%shift + 1, size(past)
         call observe_states(domain, problem%window%states(:, :, :, sum(steps(:k))), past(k))
      end do

   contains

      subroutine solve(weights)
         real(wp), intent(in) :: weights(:)
         type(variational_history_type) :: history
         real(wp), allocatable :: perturbations(:, :)

         call new_window(self%model, domain, steps, groups, problem%window, weights)
         call perturb_window(self, cycle, groups, weights, ensemble%members, perturbations)
         call minimise_cost(self%minimisation, domain, problem, perturbations, start, history)
      end subroutine solve
   end subroutine analyse_start

   !> 3D-Var, with the first guess at the appropriate time: the increment holds in the middle of the
   !> observation times, `window` + 1 half cycles after the start (or at the model step before), and
   !> the model takes the analysis from there to the end. trajectory(n, components, members, time).
   subroutine analyse_middle(self, domain, cycle, trajectory, past, observations, ensemble)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(inout) :: trajectory(:, :, :, :)
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(problem_type) :: problem
      type(variational_history_type) :: history
      type(observations_type) :: groups(size(past) + 1)
      real(wp), allocatable :: perturbations(:, :)
      real(wp) :: weights(size(past) + 1)
      integer :: middle
      integer :: times
      integer :: k

      times = size(groups)
      weights = 1
      groups(:times - 1) = past
      groups(times) = observations
      middle = (times + 1)*self%steps/2
      ensemble%x = trajectory(:, :, :, middle/self%steps)
      call self%model%forecast(domain, mod(middle, self%steps), ensemble%x)
      do k = 1, times
         trajectory(:, :, :, k) = trajectory(:, :, :, k) - ensemble%x
      end do
      call self%errors_of_background(domain, ensemble, problem%covariance)
      call new_fgat_window(self%model, domain, trajectory, groups, problem%window)
      call perturb_window(self, cycle, groups, weights, ensemble%members, perturbations)
      call minimise_cost(self%minimisation, domain, problem, perturbations, ensemble%x, history)
      do k = 1, times - 1
         call observe_states(domain, problem%window%states(:, :, :, k), past(k))
      end do
      call self%model%forecast(domain, times*self%steps - middle, ensemble%x)
   end subroutine analyse_middle

   !> The mean of x(n, components, members) at observations: their analysis.
   subroutine observe_states(domain, x, observations)
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: x(:, :, :)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type) :: states

      states%members = size(x, 3)
      states%x = x
      call observe_analysis(domain, states, observations)
   end subroutine observe_states

   !> The covariance of the background's errors in this cycle: the one that was prepared.
   subroutine errors_of_background(self, domain, ensemble, covariance)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      class(covariance_type), allocatable, intent(out) :: covariance

      covariance = self%covariance
   end subroutine errors_of_background

   !> What an ensemble's members add to the observations of a window, in units of their errors:
   !> normal numbers, the same whenever an observation is used; a single state adds nothing.
   subroutine perturb_window(self, cycle, observations, weights, members, perturbations)
      class(variational_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations(:)
      real(wp), intent(in) :: weights(:)
      integer, intent(in) :: members
      real(wp), allocatable, intent(out) :: perturbations(:, :)
      type(random_key_type) :: key
      integer :: first
      integer :: last
      integer :: k
      integer :: m

      allocate (perturbations(sum(observations%n), members), source=0.0_wp)
      if (members == 1) return
      last = 0
      do k = 1, size(observations)
         first = last + 1
         last = last + observations(k)%n
         key = random_key_type(self%seed, stream_perturbations, &
                               cycle - size(observations) + k)
         do m = 1, members
            key%member = m
            call normals_of(key, observations(k)%row, perturbations(first:last, m))
            perturbations(first:last, m) = sqrt(weights(k))*perturbations(first:last, m)
            where (.not. observations(k)%used()) perturbations(first:last, m) = 0
         end do
      end do
   end subroutine perturb_window
end module da_analysis_variational
