!> All that moves in a run beside its members: model, analysis, truth, observations, model error.
module da_run_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_timer, only: phase_analysis
   use da_analysis_type, only: analysis_type
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
   contains
      procedure :: lay_out
      procedure :: begin
      procedure :: first_ensemble
      procedure :: forecast
      procedure :: analyse
      procedure :: remember
      procedure :: truth_ahead
   end type run_type

contains

   !> Room for the members, and for what goes on from cycle to cycle beside them.
   subroutine lay_out(self, domain, ensemble)
      class(run_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(out) :: ensemble

      ensemble%members = self%setup%members
      allocate (ensemble%x(domain%n, self%model%components_in, ensemble%members))
      ensemble%parameters = self%model%parameters
      allocate (ensemble%carried(0))
      call self%analysis%carry_along(domain, ensemble)
      if (self%truth%exists) then
         call carry_past_truth(max(self%analysis%window, self%analysis%lags()), &
                               self%truth%x(:, :, 1), ensemble)
      end if
   end subroutine lay_out

   !> The state at cycle 0, as a new run has it.
   subroutine begin(self, domain, ensemble, error)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error

      call self%truth%begin(domain, error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call self%first_ensemble(domain, ensemble)
      call self%remember(0, ensemble)
      call self%analysis%prepare(domain, self%model)
   end subroutine begin

   !> The members at cycle 0, where the truth has begun, or of a new beginning at a later cycle.
   subroutine first_ensemble(self, domain, ensemble, cycle)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      integer, intent(in), optional :: cycle

      call draw_first(self%first, self%model, domain, self%setup%seed, self%truth%x, &
                      self%parameters, ensemble, cycle)
      call self%analysis%take_first(ensemble)
   end subroutine first_ensemble

   !> From the analysis before to the background of `cycle` and its observations; `past` are those
   !> of the cycles before that the analysis asks for. Members that are lost stay as they are.
   subroutine forecast(self, domain, cycle, lost, ensemble, past, observations, error)
      class(run_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      logical, intent(in) :: lost
      type(ensemble_type), intent(inout) :: ensemble
      type(observations_type), allocatable, intent(out) :: past(:)
      type(observations_type), intent(out) :: observations
      type(error_type), allocatable, intent(out) :: error

      if (.not. lost) then
         call self%analysis%forecast(domain, self%model, cycle, ensemble)
         call self%model_error%disturb_members(domain, cycle, ensemble%x)
         call self%parameters%walk(domain, cycle, ensemble%x)
      end if
      call self%truth%advance(domain, cycle, error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call self%model_error%disturb_truth(domain, cycle, self%truth%x)
      call self%source%observe(domain, cycle, self%truth%x, observations, error)
      if (allocated(error)) return
      call self%history%recall(cycle, past)
      call self%history%remember(cycle, observations)
   end subroutine forecast

   !> The background of `cycle` becomes its analysis.
   subroutine analyse(self, domain, cycle, past, observations, ensemble, error)
      class(run_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error

      call domain%timer%start(phase_analysis)
      call self%analysis%update_window(domain, cycle, past, observations, ensemble, error)
      call self%parameters%settle(domain, ensemble%x)
      call domain%timer%stop()
   end subroutine analyse

   !> The truth of this cycle, where some of the last ones are kept.
   subroutine remember(self, cycle, ensemble)
      class(run_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble

      if (self%truth%exists) call remember_truth(cycle, self%truth%x(:, :, 1), ensemble)
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
