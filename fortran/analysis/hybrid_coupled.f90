!> An ensemble filter and a variational analysis coupled both ways: E3DVar and E4DVar (Zhang, Zhang
!> & Hansen 2009; Zhang et al. 2013).
!>
!> The ensemble's mean at the window's start is the background of 3D-Var or 4D-Var, whose B has the
!> ensemble's localised covariance in it; the filter analyses the anomalies, and these are put round
!> the variational analysis. With a window, the filter's transform is that of the observations at
!> its end and acts on the anomalies at its start, as in an ensemble smoother: those then belong to
!> the same observations as the mean, in windows that overlap too.
module da_analysis_hybrid_coupled
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_analysis_cost_function, only: problem_type, variational_history_type, minimise_cost
   use da_analysis_ensemble_filter, only: ensemble_filter_type, scale_by_errors
   use da_analysis_smoother, only: carried_start
   use da_analysis_type, only: observe_background
   use da_analysis_variational, only: variational_type
   use da_analysis_window, only: new_window
   use da_ensemble_inflation, only: background_memory_type, inflate, relax, remember_background
   use da_ensemble_type, only: ensemble_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: coupled_type

   type, extends(variational_type) :: coupled_type
      class(ensemble_filter_type), allocatable :: filter
   contains
      procedure :: update
      procedure :: pose
   end type coupled_type

contains

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      class(problem_type), allocatable :: problem
      type(variational_history_type) :: history
      type(ensemble_type) :: start
      type(background_memory_type) :: memory
      real(wp), allocatable, dimension(:, :) :: anomalies, hx, none
      real(wp) :: innovations(observations%n)
      real(wp) :: average(size(ensemble%x, 1), size(ensemble%x, 2))
      real(wp) :: control(size(ensemble%x, 1), size(ensemble%x, 2), 1)
      integer :: place
      integer :: back

      place = ensemble%place_of(carried_start)
      call observe_background(domain, ensemble, observations, hx)
      call check_gross_errors(self%gross_error_limit, observations)
      call scale_by_errors(observations, hx, anomalies, innovations)
      back = self%cycles_back(cycle)
      call self%pose(domain, back*self%steps, observations, ensemble, problem)
      start%members = ensemble%members
      if (self%window == 0) then
         call move_alloc(ensemble%x, start%x)
      else
         call move_alloc(ensemble%carried(place)%x, start%x)
      end if
      call start%mean(control(:, :, 1))
      allocate (none(problem%window%rows, 1), source=0.0_wp)
      call minimise_cost(self%minimisation, domain, problem, none, control, history)
      associate (inflation => self%filter%inflation)
         call remember_background(inflation, start, average, memory)
         call self%filter%assimilate(domain, cycle, observations, anomalies, innovations, start, &
                                     error)
         call relax(inflation, memory, start, average)
         call inflate(inflation%posterior, start, average)
      end associate
      call recentre(control(:, :, 1), start, average)
      if (self%window == 0) then
         call move_alloc(start%x, ensemble%x)
         return
      end if
      call self%keep_smoothed(start%x, ensemble)
      ensemble%x = start%x
      if (back == self%window) then
         call self%model%forecast(domain, self%steps, start%x)
         ensemble%x = start%x
         call self%model%forecast(domain, (back - 1)*self%steps, ensemble%x)
      else
         call self%model%forecast(domain, back*self%steps, ensemble%x)
      end if
      call move_alloc(start%x, ensemble%carried(place)%x)
   end subroutine update

   !> The variational problem: `steps` model steps from the window's start to the observations.
   subroutine pose(self, domain, steps, observations, ensemble, problem)
      class(coupled_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      class(problem_type), allocatable, intent(out) :: problem

      allocate (problem)
      call self%errors_of_background(domain, ensemble, problem%covariance)
      call new_window(self%model, domain, [steps], [observations], problem%window)
   end subroutine pose

   !> The same anomalies about another mean; `average` is work space.
   subroutine recentre(mean, ensemble, average)
      real(wp), intent(in) :: mean(:, :)
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(inout) :: average(:, :)
      integer :: m

      call ensemble%mean(average)
      do m = 1, ensemble%members
         ensemble%x(:, :, m) = mean + (ensemble%x(:, :, m) - average)
      end do
   end subroutine recentre
end module da_analysis_hybrid_coupled
