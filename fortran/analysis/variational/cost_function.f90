!> Incremental variational assimilation (Courtier et al. 1994): outer loops that linearise about the
!> latest state, inner loops that minimise a quadratic cost function in the space of controls.
!>
!> x_0 = x_b + U v, J(v) = ½ v^T v + ½ ‖R^{-1/2} (y - H(M(x_0)))‖². About v_j with departures d_j
!> the step p solves (I + U^T G^T G U) p = U^T G^T d_j - v_j. With preconditioning A is taken as
!> C^T A C, C = L_1 L_2 …, each factor from the Ritz pairs of a loop before: I + Σ (θ^{-1/2} - 1) q
!> q^T, whose square is the spectral preconditioner of Tshimanga et al. (2008).
module da_analysis_variational_cost_function
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   use da_analysis_variational_conjugate_gradient, only: quadratic_type, minimisation_type, &
      minimise, &
      batch_products
   use da_analysis_variational_lanczos, only: ritz_type, spectral_type, ritz_pairs, spectral_factor
   use da_analysis_variational_window, only: window_type
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: problem_type, minimisation_config, variational_history_type, minimise_cost, squares
   public :: steepest_descent

   !> What `&variational` says of the minimisation.
   type :: minimisation_config
      integer :: outer_loops = 1
      integer :: inner_iterations = 50
      real(wp) :: gradient_reduction = 1.0e-3_wp
      !> Keep the gradients, and keep them orthogonal.
      logical :: lanczos = .false.
      !> By the Ritz pairs of the loops before.
      logical :: preconditioned = .false.
      !> Whether the cost's parts are wanted by inner iteration.
      logical :: watched = .false.
   end type minimisation_config

   !> By outer loop, and before the first: cost(loop, batch) and its parts. Lanczos' vectors stay
   !> only of the last loop.
   type :: variational_history_type
      real(wp), allocatable :: background_cost(:, :)
      real(wp), allocatable :: observation_cost(:, :)
      type(minimisation_type), allocatable :: inner(:)
   end type variational_history_type

   !> The factors of a preconditioner, and their inverses.
   type :: preconditioner_type
      type(spectral_type), allocatable :: factors(:)
      type(spectral_type), allocatable :: inverses(:)
   end type preconditioner_type

   !> The Hessian in the space of controls; `covariance` is that at the window's start.
   type, extends(quadratic_type) :: problem_type
      class(covariance_type), allocatable :: covariance
      type(window_type) :: window
      !> While a preconditioned minimisation lasts.
      type(preconditioner_type), allocatable, private :: preconditioner
   contains
      procedure :: apply
      procedure :: linearise
      procedure :: observe
      procedure :: gather
      procedure :: controls
      procedure :: gradient_squares
      procedure, private :: gradients
      procedure, private :: precondition_next
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
         call problem%gradients(domain, right)
         if (config%watched) then
            call minimise(problem, domain, right, config%gradient_reduction, &
                          config%inner_iterations, step, history%inner(loop + 1), config%lanczos, v)
         else
            call minimise(problem, domain, right, config%gradient_reduction, &
                          config%inner_iterations, step, history%inner(loop + 1), config%lanczos)
         end if
         call problem%controls(domain, step, right)
         v = v + right
         call problem%covariance%forward(domain, v, dx)
         x = background + dx
         if (loop + 1 == config%outer_loops) cycle
         if (config%preconditioned) call problem%precondition_next(history%inner(loop + 1))
         if (config%lanczos) deallocate (history%inner(loop + 1)%basis)
      end do
      if (allocated(problem%preconditioner)) deallocate (problem%preconditioner)
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

   !> (I + U^T G^T G U) p, or with a preconditioner C^T (I + U^T G^T G U) C p
   subroutine apply(self, domain, p, ap)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: p(:, :, :)
      real(wp), contiguous, intent(out) :: ap(:, :, :)
      real(wp) :: dy(self%window%rows, size(p, 3))
      real(wp), allocatable :: v(:, :, :)

      allocate (v, mold=p)
      call self%controls(domain, p, v)
      call self%observe(domain, v, dy)
      call self%gather(domain, dy, ap)
      ap = v + ap
      call self%gradients(domain, ap)
   end subroutine apply

   !> v = C p
   subroutine controls(self, domain, p, v)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: p(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)
      integer :: f

      v = p
      if (.not. allocated(self%preconditioner)) return
      do f = size(self%preconditioner%factors), 1, -1
         call self%preconditioner%factors(f)%apply(domain, v)
      end do
   end subroutine controls

   !> g ← C^T g
   subroutine gradients(self, domain, g)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(inout) :: g(:, :, :)
      integer :: f

      if (.not. allocated(self%preconditioner)) return
      do f = 1, size(self%preconditioner%factors)
         call self%preconditioner%factors(f)%apply(domain, g)
      end do
   end subroutine gradients

   !> |C^{-T} g|²: what ends an inner loop does not depend on the preconditioner.
   subroutine gradient_squares(self, domain, gradient, norm2, squares)
      class(problem_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: gradient(:, :, :)
      real(wp), intent(in) :: norm2(:)
      real(wp), intent(out) :: squares(:)
      real(wp), allocatable :: g(:, :, :)
      integer :: f

      squares = norm2
      if (.not. allocated(self%preconditioner)) return
      g = gradient
      do f = size(self%preconditioner%inverses), 1, -1
         call self%preconditioner%inverses(f)%apply(domain, g)
      end do
      squares = batch_products(domain, g, g)
   end subroutine gradient_squares

   !> One factor more, from the loop that has just ended.
   subroutine precondition_next(self, inner)
      class(problem_type), intent(inout) :: self
      type(minimisation_type), intent(in) :: inner
      !> Pairs less certain than this would rather harm.
      real(wp), parameter :: tolerance = 0.1_wp
      type(ritz_type) :: pairs
      type(spectral_type) :: factor
      type(spectral_type) :: inverse

      call ritz_pairs(inner, pairs)
      call spectral_factor(pairs, .true., tolerance, factor)
      call spectral_factor(pairs, .false., tolerance, inverse)
      if (.not. allocated(self%preconditioner)) then
         allocate (self%preconditioner)
         allocate (self%preconditioner%factors(0), self%preconditioner%inverses(0))
      end if
      self%preconditioner%factors = [self%preconditioner%factors, factor]
      self%preconditioner%inverses = [self%preconditioner%inverses, inverse]
   end subroutine precondition_next

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

   !> Σ d² of each column, over all ranks; `total` rows there are.
   function squares(domain, total, d) result(sums)
      type(domain_type), intent(in) :: domain
      integer(i8), intent(in) :: total
      real(wp), intent(in) :: d(:, :)
      real(wp) :: sums(size(d, 2))

      call sum_columns(domain%communicator, max(total, 1_i8), d**2, sums)
   end function squares
end module da_analysis_variational_cost_function
