!> What schemes with a window share: the observations of some cycles, each at its own time, and the
!> state at the window's start, which is analysed and carried.
!>
!> With L = `window` and S = `shift`, the analysis of cycle k, a multiple of S, has the window (k -
!> L, k] (from cycle 0 on while k is smaller). Single data assimilation takes from it the
!> observations of the last S cycles; those before have moved its start already. Multiple data
!> assimilation takes all, with weights that sum to one over the windows that an observation falls
!> in (Bocquet & Sakov 2014). The state at the end follows by the model; in cycles between analyses
!> the state is the forecast.
module da_analysis_smoother_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_analysis_type, only: analysis_type, observe_background
   use da_ensemble_type, only: ensemble_type, mean_of_members
   use da_model_type, only: model_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: smoother_type, carry_window, carried_start, carried_end, carried_smoothed

   character(len=*), parameter :: carried_start = 'window_start'
   !> The latest analysis, where cycles lie between analyses.
   character(len=*), parameter :: carried_end = 'window_end'
   character(len=*), parameter :: carried_smoothed = 'smoothed_mean'

   type, abstract, extends(analysis_type) :: smoother_type
      logical :: multiple = .false.
      !> Whether it is the state at the window's start that is analysed.
      logical :: smooths = .false.
      real(wp) :: gross_error_limit = 0
      !> What a single state's background is taken to have for standard deviation.
      real(wp) :: background_sd = 0
      class(model_type), allocatable :: model
   contains
      procedure :: set_window
      procedure :: carry_along => carry_window
      procedure :: take_first
      procedure :: update
      procedure :: observe_background => observe_and_check
      procedure :: observe_window
      procedure :: start_of
      procedure :: steps_between
      procedure :: weights
      procedure :: keep_smoothed
   end type smoother_type

contains

   !> Windows of a scheme that analyses their start.
   subroutine set_window(self, window, shift, multiple)
      class(smoother_type), intent(inout) :: self
      integer, intent(in) :: window
      integer, intent(in) :: shift
      logical, intent(in) :: multiple

      self%window = window
      self%shift = shift
      self%multiple = multiple
      self%smooths = window > 0
      self%history = merge(window, shift, multiple) - 1
   end subroutine set_window

   subroutine carry_window(self, domain, ensemble)
      class(smoother_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: nothing(:, :, :)

      allocate (nothing(size(ensemble%x, 1), size(ensemble%x, 2), ensemble%members), source=0.0_wp)
      if (self%smooths) then
         call ensemble%carry(carried_start, '', .false., nothing)
         call ensemble%carry(carried_smoothed, 'analysis mean at the start of the window', &
                             .false., nothing(:, :, :1))
      end if
      if (self%shift > 1) call ensemble%carry(carried_end, '', .false., nothing)
   end subroutine carry_window

   !> The first ensemble is the first window's start.
   subroutine take_first(self, ensemble)
      class(smoother_type), intent(in) :: self
      type(ensemble_type), intent(inout) :: ensemble
      integer :: place

      place = ensemble%place_of(carried_end)
      if (place > 0) ensemble%carried(place)%x = ensemble%x
      if (.not. self%smooths) return
      ensemble%carried(ensemble%place_of(carried_start))%x = ensemble%x
      call self%keep_smoothed(ensemble%x, ensemble)
   end subroutine take_first

   !> With the observations of this cycle alone.
   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(smoother_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: none(0)

      call self%update_window(domain, cycle, none, observations, ensemble, error)
   end subroutine update

   !> Observations meet the background of their time: what it makes of them, and quality control.
   subroutine observe_and_check(self, domain, ensemble, observations)
      class(smoother_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable :: hx(:, :)

      call observe_background(domain, ensemble, observations, hx)
      if (ensemble%members == 1) observations%background_sd = self%background_sd
      call check_gross_errors(self%gross_error_limit, observations)
   end subroutine observe_and_check

   !> All observations of the window of an analysis meet their background, ensemble being that of
   !> this cycle. Those since the analysis before, the last `shift` - 1 of the past, meet the
   !> forecast from it, as they did in their own cycle; older ones, which multiple data assimilation
   !> meets again, the trajectory from the window's start. `trajectory` holds that forecast.
   subroutine observe_window(self, domain, past, observations, ensemble, trajectory)
      class(smoother_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(in) :: ensemble
      real(wp), allocatable, intent(out), optional :: trajectory(:, :, :, :)
      type(ensemble_type) :: forecast
      integer :: old
      integer :: k

      call self%observe_background(domain, ensemble, observations)
      old = size(past) - (self%shift - 1)
      forecast%members = ensemble%members
      if (old > 0) forecast%x = ensemble%carried(ensemble%place_of(carried_start))%x
      do k = 1, old
         call self%model%forecast(domain, self%steps, forecast%x)
         call self%observe_background(domain, forecast, past(k))
      end do
      if (present(trajectory)) then
         allocate (trajectory(size(ensemble%x, 1), size(ensemble%x, 2), size(ensemble%x, 3), &
                              self%shift))
         trajectory(:, :, :, self%shift) = ensemble%x
      end if
      if (self%shift == 1) return
      forecast%x = ensemble%carried(ensemble%place_of(carried_end))%x
      do k = old + 1, size(past)
         call self%model%forecast(domain, self%steps, forecast%x)
         call self%observe_background(domain, forecast, past(k))
         if (present(trajectory)) trajectory(:, :, :, k - old) = forecast%x
      end do
   end subroutine observe_window

   !> The cycle at which the window of an analysis begins.
   pure function start_of(self, cycle) result(start)
      class(smoother_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer :: start

      start = max(cycle - self%window, 0)
   end function start_of

   !> Model steps to the observations of each of `times` cycles, the last of which is `cycle`, from
   !> those before; to the first from the window's start.
   pure function steps_between(self, cycle, times) result(steps)
      class(smoother_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer, intent(in) :: times
      integer :: steps(times)

      steps = self%steps
      steps(1) = (cycle - times + 1 - self%start_of(cycle))*self%steps
   end function steps_between

   !> The weights of the observations of these cycles in the analysis of `cycle`, the last of them:
   !> in its window's part of multiple data assimilation, or, `balanced`, all that windows before
   !> have not given them, so that each has counted once.
   !>
   !> The observations of cycle t fall into the windows of the multiples of S from t to t + L - 1.
   pure function weights(self, cycle, times, balanced)
      class(smoother_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer, intent(in) :: times
      logical, intent(in) :: balanced
      real(wp) :: weights(times)
      integer :: t
      integer :: windows
      integer :: to_come
      integer :: k

      weights = 1
      if (.not. self%multiple) return
      do k = 1, times
         t = cycle - times + k
         windows = (t + self%window - 1)/self%shift - (t - 1)/self%shift
         to_come = (t + self%window - 1)/self%shift - (cycle - 1)/self%shift
         weights(k) = real(merge(to_come, 1, balanced), wp)/windows
      end do
   end function weights

   subroutine keep_smoothed(self, start, ensemble)
      class(smoother_type), intent(in) :: self
      real(wp), intent(in) :: start(:, :, :)
      type(ensemble_type), intent(inout) :: ensemble

      associate (smoothed => ensemble%carried(ensemble%place_of(carried_smoothed))%x)
         call mean_of_members(size(smoothed), ensemble%members, start, smoothed)
      end associate
   end subroutine keep_smoothed
end module da_analysis_smoother_type
