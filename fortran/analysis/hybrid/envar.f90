!> 4DEnVar (Liu, Xiao & Wang 2008; Buehner et al. 2010; Lorenc 2003): four-dimensional, without a
!> tangent linear or adjoint model.
!>
!> The increment at each time is a combination of the ensemble's own forecasts,
!>     dx(t) = sqrt(1 - β) U_c v_c + sqrt(β) Σ_m X_m(t) ∘ (L^{1/2} v_m),
!> one control field a member; the static part, if there is one, stays as it is over the window
!> (Lorenc et al. 2015). Beside it the ensemble is analysed by a filter, as in E4DVar.
module da_analysis_hybrid_envar
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_variational_cost_function, only: problem_type
   use da_analysis_hybrid_coupled, only: coupled_type
   use da_analysis_variational_window, only: window_type, new_window
   use da_covariance_type, only: covariance_type
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: envar_type, envar_problem_type, instant_type

   !> A time of observations.
   type :: instant_type
      !> Model steps from the window's start.
      integer :: step = 0
      !> Its observations, as a window without extent.
      type(window_type) :: window
      !> The root that takes controls to the increment at this time.
      class(covariance_type), allocatable :: covariance
   end type instant_type

   type, extends(problem_type) :: envar_problem_type
      type(instant_type), allocatable :: instants(:)
   contains
      procedure :: linearise
      procedure :: observe
      procedure :: gather
   end type envar_problem_type

   type, extends(coupled_type) :: envar_type
   contains
      procedure :: pose
   end type envar_type

contains

   !> The increment at the window's start is one of the ensemble there, that at a later time one of
   !> the ensemble then.
   subroutine pose(self, domain, steps, groups, ensemble, trajectory, problem)
      class(envar_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps(:)
      type(observations_type), intent(in) :: groups(:)
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(in) :: trajectory(:, :, :, :)
      class(problem_type), allocatable, intent(out) :: problem
      type(envar_problem_type), allocatable :: made
      integer :: k

      allocate (made)
      allocate (made%instants(size(steps)))
      call self%errors_of_background(domain, ensemble, made%covariance)
      call new_window(self%model, domain, steps, groups, made%window)
      do k = 1, size(steps)
         made%instants(k)%step = sum(steps(:k))
         call new_window(self%model, domain, [0], groups(k:k), made%instants(k)%window)
         call self%errors%at(trajectory(:, :, :, k), made%instants(k)%covariance)
      end do
      call move_alloc(made, problem)
   end subroutine pose

   !> Departures along the model's trajectory, and H about it.
   subroutine linearise(self, domain, x, departures)
      class(envar_problem_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), intent(out) :: departures(:, :)
      integer :: before
      integer :: k

      call self%window%linearise(domain, x, departures)
      before = 0
      do k = 1, size(self%instants)
         associate (instant => self%instants(k))
            call instant%window%linearise(domain, self%window%states(:, :, :, instant%step), &
                                          departures(before + 1:before + instant%window%rows, :))
            before = before + instant%window%rows
         end associate
      end do
   end subroutine linearise

   subroutine observe(self, domain, v, dy)
      class(envar_problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      real(wp), intent(out) :: dy(:, :)
      real(wp) :: dx(size(v, 1), self%covariance%components_out, size(v, 3))
      integer :: before
      integer :: k

      before = 0
      do k = 1, size(self%instants)
         associate (instant => self%instants(k))
            call instant%covariance%forward(domain, v, dx)
            call instant%window%tl(domain, dx, dy(before + 1:before + instant%window%rows, :))
            before = before + instant%window%rows
         end associate
      end do
   end subroutine observe

   subroutine gather(self, domain, dy, v)
      class(envar_problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: dy(:, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)
      real(wp) :: dx(size(v, 1), self%covariance%components_out, size(v, 3))
      real(wp) :: share(size(v, 1), size(v, 2), size(v, 3))
      integer :: before
      integer :: k

      v = 0
      before = 0
      do k = 1, size(self%instants)
         associate (instant => self%instants(k))
            call instant%window%ad(domain, dy(before + 1:before + instant%window%rows, :), dx)
            call instant%covariance%transposed(domain, dx, share)
            v = v + share
            before = before + instant%window%rows
         end associate
      end do
   end subroutine gather
end module da_analysis_hybrid_envar
