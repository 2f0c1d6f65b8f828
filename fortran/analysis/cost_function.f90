!> Incremental variational assimilation (Courtier et al. 1994): outer loops that linearise about the
!> latest state, inner loops that minimise a quadratic cost function in the space of controls.
!>
!> x_0 = x_b + U v, J(v) = ½ v^T v + ½ ‖R^{-1/2} (y - H(M(x_0)))‖². About v_j with departures d_j
!> the step p solves (I + U^T G^T G U) p = U^T G^T d_j - v_j.
module da_analysis_cost_function
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   use da_analysis_conjugate_gradient, only: quadratic_type, minimisation_type, minimise, &
      batch_products
   use da_analysis_window, only: window_type
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: problem_type, minimisation_config, variational_history_type, minimise_cost
   public :: steepest_descent

   !> What `&variational` says of the minimisation.
   type :: minimisation_config
      integer :: outer_loops = 1
      integer :: inner_iterations = 50
      real(wp) :: gradient_reduction = 1.0e-3_wp
   end type minimisation_config

   !> By outer loop, and before the first: cost(loop, batch) and its parts.
   type :: variational_history_type
      real(wp), allocatable :: background_cost(:, :)
      real(wp), allocatable :: observation_cost(:, :)
      type(minimisation_type), allocatable :: inner(:)
   end type variational_history_type

   !> The Hessian in the space of controls; `covariance` is that at the window's start.
   type, extends(quadratic_type) :: problem_type
      class(covariance_type), allocatable :: covariance
      type(window_type) :: window
   contains
      procedure :: apply
      procedure :: linearise
      procedure :: observe
      procedure :: gather
   end type problem_type

contains

   !> Move x(n, components, batch), the background at the window's start, to the analysis.
   !> `perturbations(rows, batch)` are added to the scaled departures: those of perturbed
   !> observations, or zero.
   subroutine minimise_cost(config, domain, problem, perturbations, x, history)
      type(minimisation_config), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      class(problem_type), intent(inout) :: problem
      real(wp), intent(in) :: perturbations(:, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      type(variational_history_type), intent(out) :: history
      real(wp), allocatable, dimension(:, :, :) :: background, v, step, right, dx
      real(wp), allocatable :: departures(:, :)
      integer :: loop

      background = x
      allocate (dx, mold=x)
      allocate (v(size(x, 1), problem%covariance%components_in, size(x, 3)))
      allocate (step, right, mold=v)
      allocate (departures(problem%window%rows, size(x, 3)))
      allocate (history%background_cost(0:config%outer_loops, size(x, 3)))
      allocate (history%observation_cost, mold=history%background_cost)
      allocate (history%inner(config%outer_loops))
      v = 0
      do loop = 0, config%outer_loops
         call problem%linearise(domain, x, departures)
         departures = departures + perturbations
         history%background_cost(loop, :) = 0.5_wp*batch_products(domain, v, v)
         history%observation_cost(loop, :) = 0.5_wp*squares(domain, problem%window%total, &
                                                               departures)
         if (loop == config%outer_loops) exit
         call steepest_descent(problem, domain, v, departures, right)
         call minimise(problem, domain, right, config%gradient_reduction, config%inner_iterations, &
                       step, history%inner(loop + 1))
         v = v + step
         call problem%covariance%forward(domain, v, dx)
         x = background + dx
      end do
   end subroutine minimise_cost

   !> -∇J(v) = U^T G^T d - v, with the departures d of the state that the window is linearised
   !> about.
   subroutine steepest_descent(problem, domain, v, departures, downhill)
      class(problem_type), intent(in) :: problem
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      real(wp), intent(in) :: departures(:, :)
      real(wp), contiguous, intent(out) :: downhill(:, :, :)

      call problem%gather(domain, departures, downhill)
      downhill = downhill - v
   end subroutine steepest_descent

   !> (I + U^T G^T G U) p
   subroutine apply(self, domain, p, ap)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: p(:, :, :)
      real(wp), contiguous, intent(out) :: ap(:, :, :)
      real(wp) :: dy(self%window%rows, size(p, 3))

      call self%observe(domain, p, dy)
      call self%gather(domain, dy, ap)
      ap = p + ap
   end subroutine apply

   !> Take x(n, components, batch) as the state at the window's start.
   subroutine linearise(self, domain, x, departures)
      class(problem_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), intent(out) :: departures(:, :)

      call self%window%linearise(domain, x, departures)
   end subroutine linearise

   !> dy = G U v
   subroutine observe(self, domain, v, dy)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      real(wp), intent(out) :: dy(:, :)
      real(wp) :: dx(size(v, 1), self%covariance%components_out, size(v, 3))

      call self%covariance%forward(domain, v, dx)
      call self%window%tl(domain, dx, dy)
   end subroutine observe

   !> v = U^T G^T dy
   subroutine gather(self, domain, dy, v)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: dy(:, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)
      real(wp) :: dx(size(v, 1), self%covariance%components_out, size(v, 3))

      call self%window%ad(domain, dy, dx)
      call self%covariance%transposed(domain, dx, v)
   end subroutine gather

   function squares(domain, total, d) result(sums)
      type(domain_type), intent(in) :: domain
      integer(i8), intent(in) :: total
      real(wp), intent(in) :: d(:, :)
      real(wp) :: sums(size(d, 2))

      call sum_columns(domain%communicator, max(total, 1_i8), d**2, sums)
   end function squares
end module da_analysis_cost_function
