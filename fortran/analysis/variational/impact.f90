!> 3D-Var and 4D-Var that tell what each observation does to a forecast.
module da_analysis_variational_impact
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_variational_cost_function, only: problem_type
   use da_analysis_variational_observation_impact, only: forecast_aspect_type, impact_type, &
      impact_of_problem, analyse, forecast_errors
   use da_analysis_smoother_type, only: carried_start
   use da_analysis_variational_scheme, only: variational_type
   use da_analysis_variational_window, only: new_window
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type, qc_evaluated
   implicit none
   private
   public :: variational_impact_type

   type, extends(variational_type) :: variational_impact_type
   contains
      procedure :: impact
   end type variational_impact_type

contains

   !> By the adjoint; analyses without the withheld observations are made anew, the rest of them
   !> with their codes of quality control.
   subroutine impact(self, domain, cycle, observations, ensemble, aspect, withheld, found)
      class(variational_impact_type), intent(in) :: self
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
      real(wp), allocatable :: start(:, :, :)
      real(wp), allocatable :: analysis(:, :, :)
      integer :: steps
      integer :: k

      checked = observations
      call self%observe_background(domain, ensemble, checked)
      steps = (cycle - self%start_of(cycle))*self%steps
      if (.not. self%smooths) then
         start = ensemble%x
      else
         start = ensemble%carried(ensemble%place_of(carried_start))%x
      end if
      call pose(self, domain, steps, checked, ensemble, problem)
      call impact_of_problem(self%minimisation, domain, self%model, problem, start, steps, aspect, &
                             found)
      allocate (found%denied_error(size(withheld, 2)))
      allocate (analysis, mold=start)
      do k = 1, size(withheld, 2)
         rest = checked
         where (withheld(:, k) .and. rest%used()) rest%qc = qc_evaluated
         call pose(self, domain, steps, rest, ensemble, problem)
         call analyse(self%minimisation, domain, problem, start, analysis)
         call forecast_errors(self%model, domain, steps + aspect%steps, analysis, aspect, &
                              found%denied_error(k:k))
      end do
   end subroutine impact

   !> The problem of observations that stand `steps` model steps after the window's start.
   subroutine pose(self, domain, steps, observations, ensemble, problem)
      class(variational_impact_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(problem_type), intent(out) :: problem

      call self%errors_of_background(domain, ensemble, problem%covariance)
      call new_window(self%model, domain, [steps], [observations], problem%window)
   end subroutine pose
end module da_analysis_variational_impact
