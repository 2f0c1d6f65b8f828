!> Variational analysis with a static background covariance or an ensemble's: 3D-Var, also with a
!> first guess at the appropriate time, or incremental 4D-Var, strong- or weak-constraint.
!>
!> An ensemble of more than one member is an ensemble of analyses: each member has its own
!> background and its own perturbed observations (Fisher 2003).
module da_analysis_variational_scheme
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_random, only: random_key_type, stream_climatology
   use da_analysis_variational_cost_function, only: problem_type, &
      variational_history_type, minimise_cost
   use da_analysis_variational_diagnostics, only: note_minimisation
   use da_analysis_variational_problem_operators, only: list_problem
   use da_analysis_perturbed_observations, only: perturb_window
   use da_analysis_smoother_type, only: carry_window, carried_start, carried_end
   use da_analysis_type, only: no_noise_in_windows, observe_analysis
   use da_analysis_variational_parts, only: variational_parts_type
   use da_analysis_variational_settings, only: variational_config
   use da_analysis_variational_window, only: new_window, new_fgat_window
   use da_covariance_background, only: background_config
   use da_covariance_type, only: covariance_type
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_type, only: observations_type
   use da_operator_catalogue, only: catalogue_type
   implicit none
   private
   public :: variational_type, new_variational

   type, extends(variational_parts_type) :: variational_type
   contains
      procedure :: covariance_file
      procedure :: take_covariances
      procedure :: list_operators
      procedure :: prepare
      procedure :: carry_along
      procedure :: forecast
      procedure :: against_noise
      procedure :: update_window
      procedure :: errors_of_background
   end type variational_type

contains

   function new_variational(name, config, background) result(self)
      character(len=*), intent(in) :: name
      type(variational_config), intent(in) :: config
      type(background_config), intent(in) :: background
      type(variational_type) :: self

      self%name = name
      self%errors%background = background
      call self%take(config)
   end function new_variational

   pure function covariance_file(self) result(path)
      class(variational_type), intent(in) :: self
      character(len=:), allocatable :: path

      path = self%errors%background%file
   end function covariance_file

   pure subroutine take_covariances(self, covariances)
      class(variational_type), intent(inout) :: self
      real(wp), intent(in) :: covariances(0:, :)

      self%errors%background%covariances = covariances
   end subroutine take_covariances

   subroutine prepare(self, domain, model)
      class(variational_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      real(wp), allocatable :: climate(:, :, :)

      self%model = model
      call self%errors%prepare(model, domain, random_key_type(self%seed, stream_climatology), &
                               self%weak_constraint%wants_climate(), climate)
      call self%errors%sd_at_one_point(domain, self%background_sd)
      call self%weak_constraint%prepare(model, domain, climate)
   end subroutine prepare

   subroutine carry_along(self, domain, ensemble)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble

      call carry_window(self, domain, ensemble)
      call self%weak_constraint%carry_along(self%window, ensemble)
   end subroutine carry_along

   subroutine forecast(self, domain, model, cycle, ensemble)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      integer :: due

      due = (cycle + self%shift - 1)/self%shift*self%shift
      call self%weak_constraint%forecast(domain, model, self%steps, cycle - self%start_of(due), &
                                         ensemble)
   end subroutine forecast

   pure function against_noise(self, members) result(reason)
      class(variational_type), intent(in) :: self
      integer, intent(in) :: members
      character(len=:), allocatable :: reason

      reason = no_noise_in_windows(self, members)
      if (self%weak_constraint%active) then
         reason = self%weak_constraint%against_noise(members)
         if (self%shift > 1) reason = 'takes noise with shift = 1 only'
      end if
   end function against_noise

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
         call self%observe_background(domain, ensemble, observations)
      else if (self%smooths) then
         call self%observe_window(domain, past, observations, ensemble)
         call analyse_start(self, domain, cycle, past, observations, ensemble)
      else
         call self%observe_window(domain, past, observations, ensemble, trajectory)
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
      type(variational_history_type) :: history
      type(observations_type) :: groups(size(past) + 1)
      real(wp), dimension(size(past) + 1) :: weights, balanced
      real(wp), allocatable, dimension(:, :, :) :: control, background
      integer :: steps(size(past) + 1)
      integer :: cycles
      integer :: moved
      integer :: place
      integer :: k

      groups(:size(past)) = past
      groups(size(groups)) = observations
      steps = self%steps_between(cycle, size(groups))
      weights = self%weights(cycle, size(groups), .false.)
      balanced = self%weights(cycle, size(groups), .true.)
      place = ensemble%place_of(carried_start)
      cycles = cycle - self%start_of(cycle)
      moved = self%start_of(cycle + self%shift) - self%start_of(cycle)
      call self%errors_of_background(domain, ensemble, problem%covariance)
      call self%weak_constraint%widen(cycles, problem%covariance)
      call self%weak_constraint%fill(cycles, ensemble%carried(place)%x, ensemble, control)
      call self%weak_constraint%take_noise(ensemble, control)
      if (any(balanced > weights)) background = control
      call solve(weights)
      call self%weak_constraint%keep(cycles, moved, control, ensemble)
      ensemble%carried(place)%x = problem%window%states(:, :, :, moved*self%steps)
      if (allocated(background)) then
         call move_alloc(background, control)
         call solve(balanced)
      end if
      call note_minimisation(self%diagnosed, self%seed, domain, cycle, problem, history, ensemble)
      call self%keep_smoothed(problem%window%states(:, :, :, 0), ensemble)
      ensemble%x = problem%window%states(:, :, :, sum(steps))
      do k = size(groups) - self%shift + 1, size(past)
         call observe_states(domain, problem%window%states(:, :, :, sum(steps(:k))), past(k))
      end do

   contains

      subroutine solve(weights)
         real(wp), intent(in) :: weights(:)
         real(wp), allocatable :: perturbations(:, :)

         call new_window(self%model, domain, steps, groups, problem%window, weights)
         problem%window%forcing = self%weak_constraint%forcing(self%model, self%steps)
         call perturb_window(self%seed, cycle, groups, weights, ensemble%members, perturbations)
         call minimise_cost(self%minimisation, domain, problem, perturbations, control, history)
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
      call perturb_window(self%seed, cycle, groups, weights, ensemble%members, perturbations)
      call minimise_cost(self%minimisation, domain, problem, perturbations, ensemble%x, history)
      call note_minimisation(self%diagnosed, self%seed, domain, cycle, problem, history, ensemble)
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

   !> At the first member.
   subroutine list_operators(self, domain, cycle, past, observations, ensemble, catalogue)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: past(:)
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(catalogue_type), intent(inout) :: catalogue
      type(problem_type) :: problem
      type(observations_type) :: groups(size(past) + 1)
      real(wp), allocatable :: offsets(:, :, :, :)
      real(wp), allocatable :: control(:, :, :)
      integer :: steps(size(past) + 1)
      integer :: place

      groups(:size(past)) = past
      groups(size(groups)) = observations
      call self%errors_of_background(domain, ensemble, problem%covariance)
      if (self%smooths) then
         steps = self%steps_between(cycle, size(groups))
         place = ensemble%place_of(carried_start)
         call new_window(self%model, domain, steps, groups, problem%window, &
                         self%weights(cycle, size(groups), .false.))
         problem%window%forcing = self%weak_constraint%forcing(self%model, self%steps)
         call self%weak_constraint%widen(cycle - self%start_of(cycle), problem%covariance)
         call self%weak_constraint%fill(cycle - self%start_of(cycle), &
                                        ensemble%carried(place)%x(:, :, :1), ensemble, control)
         call list_problem(problem, domain, control, 1 + sum(steps), catalogue)
      else
         allocate (offsets(size(ensemble%x, 1), size(ensemble%x, 2), 1, size(groups)), &
                   source=0.0_wp)
         call new_fgat_window(self%model, domain, offsets, groups, problem%window)
         call list_problem(problem, domain, ensemble%x(:, :, :1), 1, catalogue)
      end if
   end subroutine list_operators

   !> The covariance of the background's errors in this cycle: the one that was prepared, or with
   !> the ensemble's at the window's start in it.
   subroutine errors_of_background(self, domain, ensemble, covariance)
      class(variational_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      class(covariance_type), allocatable, intent(out) :: covariance

      if (self%smooths) then
         call self%errors%at(ensemble%carried(ensemble%place_of(carried_start))%x, covariance)
      else
         call self%errors%at(ensemble%x, covariance)
      end if
   end subroutine errors_of_background
end module da_analysis_variational_scheme
