!> An ensemble filter and a variational analysis coupled both ways: E3DVar and E4DVar (Zhang, Zhang
!> & Hansen 2009; Zhang et al. 2013).
!>
!> The ensemble's mean at the window's start is the background of 3D-Var or 4D-Var, whose B has the
!> ensemble's localised covariance in it; the filter analyses the anomalies, and these are put round
!> the variational analysis. With a window, the filter's transform is that of the observations at
!> their own times and acts on the anomalies at the window's start, as in an ensemble smoother:
!> those then belong to the same observations as the mean, in windows that overlap too.
module da_analysis_hybrid_coupled
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_analysis_variational_cost_function, only: problem_type, variational_history_type, &
      minimise_cost
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type, scale_by_errors
   use da_analysis_filter_list, only: new_filter
   use da_analysis_setup, only: analysis_setup_type
   use da_analysis_smoother_type, only: carried_start, carried_end
   use da_analysis_type, only: observe_analysis, observe_members
   use da_analysis_variational_scheme, only: variational_type
   use da_analysis_variational_window, only: new_window
   use da_ensemble_inflation, only: background_memory_type, inflate, relax, remember_background
   use da_ensemble_type, only: ensemble_type, mean_of_members
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: coupled_type

   type, extends(variational_type) :: coupled_type
      class(ensemble_filter_type), allocatable :: filter
   contains
      procedure :: configure
      procedure :: update_window
      procedure :: pose
   end type coupled_type

contains

   subroutine configure(self, namelists, setup, error)
      class(coupled_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error

      self%coupled = .true.
      call self%variational_type%configure(namelists, setup, error)
      if (allocated(error)) return
      call new_filter(self%errors%hybrid%filter, self%filter)
      call self%filter%configure_beside(namelists, setup, self%errors%hybrid%localisation, error)
   end subroutine configure

   subroutine update_window(self, domain, cycle, past, observations, ensemble, error)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: groups(size(past) + 1)
      type(ensemble_type) :: start
      real(wp), allocatable :: trajectory(:, :, :, :)
      real(wp) :: control(size(ensemble%x, 1), size(ensemble%x, 2), 1)
      integer :: place

      if (.not. self%is_due(cycle)) then
         call self%observe_background(domain, ensemble, observations)
         return
      end if
      call self%observe_window(domain, past, observations, ensemble, trajectory)
      groups(:size(past)) = past
      groups(size(groups)) = observations
      place = ensemble%place_of(carried_start)
      start%members = ensemble%members
      start%parameters = ensemble%parameters
      if (self%smooths) then
         start%x = ensemble%carried(place)%x
      else
         start%x = ensemble%x
      end if
      call start%mean(control(:, :, 1))
      call find_control(self, domain, cycle, groups, ensemble, trajectory, control)
      call analyse_anomalies(self, domain, cycle, groups, trajectory, start, error)
      if (allocated(error)) return
      call recentre(control(:, :, 1), start)
      if (self%smooths) then
         call self%keep_smoothed(start%x, ensemble)
         call forecast_window(self, domain, cycle, start, past, ensemble)
         call move_alloc(start%x, ensemble%carried(place)%x)
      else
         call move_alloc(start%x, ensemble%x)
      end if
   end subroutine update_window

   !> From the mean at the window's start to its analysis.
   subroutine find_control(self, domain, cycle, groups, ensemble, trajectory, control)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: groups(:)
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(in) :: trajectory(:, :, :, :)
      real(wp), contiguous, intent(inout) :: control(:, :, :)
      class(problem_type), allocatable :: problem
      type(variational_history_type) :: history
      real(wp), allocatable :: none(:, :)

      call self%pose(domain, self%steps_between(cycle, size(groups)), groups, ensemble, &
                     trajectory, problem)
      allocate (none(problem%window%rows, 1), source=0.0_wp)
      call minimise_cost(self%minimisation, domain, problem, none, control, history)
   end subroutine find_control

   !> The variational problem, observations at `steps(k)` model steps after those before or after
   !> the window's start; trajectory(n, components, members, k) is the background at their times.
   subroutine pose(self, domain, steps, groups, ensemble, trajectory, problem)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps(:)
      type(observations_type), intent(in) :: groups(:)
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(in) :: trajectory(:, :, :, :)
      class(problem_type), allocatable, intent(out) :: problem

      allocate (problem)
      call self%errors_of_background(domain, ensemble, problem%covariance)
      call new_window(self%model, domain, steps, groups, problem%window)
   end subroutine pose

   !> The filter takes one time of observations after the other. What it does to the anomalies there
   !> it does to those at the window's start and at the times to come, which stand beside one
   !> another as components of the same points (Hunt et al. 2004).
   subroutine analyse_anomalies(self, domain, cycle, groups, trajectory, start, error)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: groups(:)
      real(wp), intent(in) :: trajectory(:, :, :, :)
      type(ensemble_type), intent(inout) :: start
      type(error_type), allocatable, intent(out) :: error
      type(ensemble_type) :: all_times
      type(ensemble_type) :: now
      type(observations_type) :: here
      type(background_memory_type) :: memory
      real(wp), allocatable, dimension(:, :) :: hx, anomalies
      real(wp), allocatable :: innovations(:)
      real(wp) :: average(size(start%x, 1), size(start%x, 2))
      integer :: components
      integer :: times
      integer :: k

      components = size(start%x, 2)
      times = size(groups)
      now%members = start%members
      all_times%members = start%members
      allocate (all_times%x(size(start%x, 1), components*times, start%members))
      all_times%x(:, :components, :) = start%x
      do k = 2, times
         all_times%x(:, (k - 1)*components + 1:k*components, :) = trajectory(:, :, :, k)
      end do
      call remember_background(self%filter%inflation, start, average, memory)
      do k = 1, times
         if (k == 1) then
            now%x = trajectory(:, :, :, 1)
         else
            now%x = all_times%x(:, (k - 1)*components + 1:k*components, :)
         end if
         here = groups(k)
         allocate (hx(here%n, now%members), innovations(here%n))
         call observe_members(domain, now, here, here%n, now%members, hx)
         call mean_of_members(here%n, now%members, hx, here%background)
         call scale_by_errors(here, hx, anomalies, innovations)
         call self%filter%assimilate(domain, cycle - times + k, here, anomalies, innovations, &
                                     all_times, error)
         if (allocated(error)) return
         deallocate (innovations)
      end do
      start%x = all_times%x(:, :components, :)
      call relax(self%filter%inflation, memory, start, average)
      call inflate(self%filter%inflation%posterior, start, average)
   end subroutine analyse_anomalies

   !> The same anomalies about another mean.
   subroutine recentre(mean, ensemble)
      real(wp), intent(in) :: mean(:, :)
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: average(size(mean, 1), size(mean, 2))
      integer :: m

      call ensemble%mean(average)
      do m = 1, ensemble%members
         ensemble%x(:, :, m) = mean + (ensemble%x(:, :, m) - average)
      end do
   end subroutine recentre

   !> The members by the model from the window's start to its end, past observations on the way; the
   !> start itself moves on to that of the next window.
   subroutine forecast_window(self, domain, cycle, start, past, ensemble)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: start
      type(observations_type), intent(inout) :: past(:)
      type(ensemble_type), intent(inout) :: ensemble
      integer :: back
      integer :: moves
      integer :: seen
      integer :: k

      ensemble%x = start%x
      back = cycle - self%start_of(cycle)
      moves = self%start_of(cycle + self%shift) - self%start_of(cycle)
      do k = 1, back
         call self%model%forecast(domain, self%steps, ensemble%x)
         if (k == moves) start%x = ensemble%x
         seen = size(past) - back + 1 + k
         if (seen >= 1 .and. k < back) call observe_analysis(domain, ensemble, past(seen))
      end do
      if (self%shift > 1) ensemble%carried(ensemble%place_of(carried_end))%x = ensemble%x
   end subroutine forecast_window
end module da_analysis_hybrid_coupled
