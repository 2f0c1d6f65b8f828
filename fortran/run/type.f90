!> All that moves in a run: model, members, truth, observations, analysis.
module da_run_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, lost_error
   use da_base_timer, only: phase_analysis, phase_verification
   use da_analysis_type, only: analysis_type
   use da_ensemble_estimate, only: estimate_type, new_estimate
   use da_ensemble_initialise, only: ensemble_config, draw_first
   use da_ensemble_model_error, only: model_error_type
   use da_ensemble_parameters, only: parameters_type
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_type, only: observations_type
   use da_run_history, only: history_type
   use da_run_observation_source, only: observation_source_type
   use da_run_past_truth, only: carry_past_truth, remember_truth
   use da_run_setup, only: setup_type
   use da_run_truth, only: truth_type
   implicit none
   private
   public :: run_type

   type :: run_type
      type(setup_type) :: setup
      type(ensemble_config) :: first
      class(model_type), allocatable :: model
      class(analysis_type), allocatable :: analysis
      type(truth_type) :: truth
      type(observation_source_type) :: source
      type(history_type) :: history
      type(model_error_type) :: model_error
      type(parameters_type) :: parameters
      !> The truth's last components are the parameters that the model's are.
      logical :: true_parameters = .false.
      type(ensemble_type) :: ensemble
      !> The cycle under way, its observations, and those of the cycles before that the analysis
      !> asks for.
      integer :: cycle = 0
      type(observations_type) :: observations
      type(observations_type), allocatable :: past(:)
      !> Mean and spread of its background and its analysis.
      type(estimate_type) :: estimates(2)
   contains
      procedure :: lay_out
      procedure :: begin
      procedure :: first_ensemble
      procedure :: forecast
      procedure :: analyse
      procedure :: estimate
      procedure :: remember
      procedure :: truth_ahead
   end type run_type

contains

   !> Room for the members, and for what goes on from cycle to cycle beside them.
   subroutine lay_out(self, domain)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain

      self%ensemble%members = self%setup%members
      allocate (self%ensemble%x(domain%n, self%model%components_in, self%setup%members))
      self%ensemble%parameters = self%model%parameters
      allocate (self%ensemble%carried(0))
      call self%analysis%carry_along(domain, self%ensemble)
      if (self%truth%exists) then
         call carry_past_truth(max(self%analysis%window, self%analysis%lags()), &
                               self%truth%x(:, :, 1), self%ensemble)
      end if
   end subroutine lay_out

   !> The state at cycle 0, as a new run has it.
   subroutine begin(self, domain, error)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(error_type), allocatable, intent(out) :: error

      call self%truth%begin(domain, error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call self%first_ensemble(domain)
      call self%remember()
      call self%analysis%prepare(domain, self%model)
   end subroutine begin

   !> The members at cycle 0, where the truth has begun, or of a new beginning at this cycle.
   subroutine first_ensemble(self, domain)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain

      call draw_first(self%first, self%model, domain, self%setup%seed, self%cycle, self%truth%x, &
                      self%parameters, self%ensemble)
      call self%analysis%take_first(self%ensemble)
   end subroutine first_ensemble

   !> To the background of the next cycle and its observations. Members that are lost stay as they
   !> are.
   subroutine forecast(self, domain, lost, error)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      logical, intent(in) :: lost
      type(error_type), allocatable, intent(out) :: error

      self%cycle = self%cycle + 1
      if (.not. lost) then
         call self%analysis%forecast(domain, self%model, self%cycle, self%ensemble)
         call self%model_error%disturb_members(domain, self%cycle, self%ensemble%x)
         call self%parameters%walk(domain, self%cycle, self%ensemble%x)
      end if
      call self%truth%advance(domain, self%cycle, error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call self%model_error%disturb_truth(domain, self%cycle, self%truth%x)
      call self%source%observe(domain, self%cycle, self%truth%x, self%observations, error)
      if (allocated(error)) return
      call self%history%recall(self%cycle, self%past)
      call self%history%remember(self%cycle, self%observations)
   end subroutine forecast

   !> The background becomes the analysis.
   subroutine analyse(self, domain, error)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(error_type), allocatable, intent(out) :: error

      call domain%timer%start(phase_analysis)
      call self%analysis%update_window(domain, self%cycle, self%past, self%observations, &
                                       self%ensemble, error)
      call self%parameters%settle(domain, self%ensemble%x)
      call domain%timer%stop()
   end subroutine analyse

   !> Mean and spread of the members, as those of the background (1) or the analysis (2). An
   !> ensemble that is not finite is lost. Collective, errors too.
   subroutine estimate(self, domain, which, error)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: which
      type(error_type), allocatable, intent(inout) :: error

      call domain%timer%start(phase_verification)
      call new_estimate(self%ensemble, self%estimates(which))
      if (.not. (allocated(error) .or. self%estimates(which)%holds())) call lost_error(error)
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine estimate

   !> The truth of this cycle, where some of the last ones are kept.
   subroutine remember(self)
      class(run_type), intent(inout) :: self

      if (self%truth%exists) then
         call remember_truth(self%cycle, self%truth%x(:, :, 1), self%ensemble)
      end if
   end subroutine remember

   !> From x, the truth of cycle `from`, to that of cycle `to`, as the run will come to it.
   subroutine truth_ahead(self, domain, from, to, x, error)
      class(run_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: from
      integer, intent(in) :: to
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      type(error_type), allocatable, intent(out) :: error
      integer :: now
      integer :: next

      now = from
      do while (now < to)
         next = to
         if (self%model_error%acts()) next = now + 1
         call self%truth%look_ahead(domain, now, next, x, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call self%model_error%disturb_truth(domain, next, x)
         now = next
      end do
   end subroutine truth_ahead
end module da_run_type
