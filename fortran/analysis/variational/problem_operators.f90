!> The parts of a variational problem as operators, to be examined like others: the observations of
!> its window, its cost function and its Hessian.
module da_analysis_variational_problem_operators
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_variational_conjugate_gradient, only: batch_products
   use da_analysis_variational_cost_function, only: problem_type, steepest_descent
   use da_analysis_variational_window, only: window_type
   use da_operator_catalogue, only: catalogue_type
   use da_operator_checks, only: inner_product
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: list_problem

   !> x at the window's start → R^{-1/2} (H(M(x)) - y), all its observations; the tangent linear
   !> is G.
   type, extends(operator_type) :: window_operator_type
      type(window_type) :: window
   contains
      procedure :: rows => rows_of_window
      procedure :: forward => observe_window
      procedure :: tl => window_tl
      procedure :: ad => window_ad
   end type window_operator_type

   !> v → J(v), one row on the first rank; its adjoint is the gradient that a minimisation uses.
   type, extends(operator_type) :: cost_operator_type
      type(problem_type) :: problem
      real(wp), allocatable :: background(:, :, :)
   contains
      procedure :: rows => one_row
      procedure :: forward => cost
      procedure :: tl => slope
      procedure :: ad => gradient
   end type cost_operator_type

   !> p → (I + U^T G^T G U) p about the background: symmetric, so its own adjoint.
   type, extends(operator_type) :: hessian_operator_type
      type(problem_type) :: problem
   contains
      procedure :: forward => apply_hessian
      procedure :: tl => hessian_tl
      procedure :: ad => hessian_ad
   end type hessian_operator_type

contains

   !> Add a problem's operators, B^{1/2} among them, at the background x(n, components, 1) of its
   !> window's start; `depth` operators lie between the start and the last observations.
   subroutine list_problem(problem, domain, x, depth, catalogue)
      type(problem_type), intent(in) :: problem
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      integer, intent(in) :: depth
      type(catalogue_type), intent(inout) :: catalogue
      type(window_operator_type) :: observed
      type(cost_operator_type) :: costs
      type(hessian_operator_type) :: hessian
      real(wp), allocatable :: v(:, :, :)
      real(wp), allocatable :: downhill(:, :, :)
      real(wp) :: departures(problem%window%rows, 1)
      real(wp) :: length

      allocate (v(size(x, 1), problem%covariance%components_in, 1), source=0.0_wp)
      call catalogue%add('B^(1/2)', problem%covariance, v, root=.true.)
      observed%window = problem%window
      observed%components_in = size(x, 2)
      observed%rounding = problem%window%rounding()
      call catalogue%add('G, all observations of the window', observed, x, depth)

      costs%problem = problem
      costs%background = x
      costs%components_in = size(v, 2)
      costs%rounding = observed%rounding
      hessian%problem = problem
      hessian%components_in = size(v, 2)
      hessian%components_out = size(v, 2)
      hessian%rounding = observed%rounding
      call hessian%problem%window%linearise(domain, x, departures)
      allocate (downhill, mold=v)
      call steepest_descent(hessian%problem, domain, v, departures, downhill)
      length = sqrt(inner_product(domain, downhill, downhill)/(real(domain%total, wp)*size(v, 2)))
      if (length > 0) downhill = downhill/length
      call catalogue%add('J, the cost function', costs, v, 2*depth, direction=downhill)
      call catalogue%add('I + U^T G^T G U, its Hessian', hessian, v, 2*depth)
   end subroutine list_problem

   pure function rows_of_window(self, domain) result(count)
      class(window_operator_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = self%window%rows
   end function rows_of_window

   subroutine observe_window(self, domain, x, y)
      class(window_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      type(window_type) :: window

      window = self%window
      call window%linearise(domain, x, y(:, 1, :))
      y = -y
   end subroutine observe_window

   subroutine window_tl(self, domain, x, dx, dy)
      class(window_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      type(window_type) :: window

      window = self%window
      call window%linearise(domain, x, dy(:, 1, :))
      call window%tl(domain, dx, dy(:, 1, :))
   end subroutine window_tl

   subroutine window_ad(self, domain, x, dy, dx)
      class(window_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      type(window_type) :: window
      real(wp) :: departures(size(dy, 1), size(dy, 3))

      window = self%window
      call window%linearise(domain, x, departures)
      call window%ad(domain, dy(:, 1, :), dx)
   end subroutine window_ad

   pure function one_row(self, domain) result(count)
      class(cost_operator_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = merge(1, 0, domain%communicator%is_root())
   end function one_row

   subroutine cost(self, domain, x, y)
      class(cost_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      type(problem_type) :: problem
      real(wp), allocatable :: d(:, :, :)
      real(wp) :: value

      call linearise_at(self, domain, x, problem, d)
      value = 0.5_wp*(inner_product(domain, x, x) + inner_product(domain, d, d))
      y = value
   end subroutine cost

   subroutine slope(self, domain, x, dx, dy)
      class(cost_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable :: downhill(:, :, :)
      real(wp) :: value(1)

      allocate (downhill, mold=x)
      call descend(self, domain, x, downhill)
      value = -batch_products(domain, downhill, dx)
      dy = value(1)
   end subroutine slope

   subroutine gradient(self, domain, x, dy, dx)
      class(cost_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp) :: ones(size(dy, 1), size(dy, 2), size(dy, 3))

      ones = 1
      call descend(self, domain, x, dx)
      dx = -inner_product(domain, dy, ones)*dx
   end subroutine gradient

   !> -∇J(v)
   subroutine descend(self, domain, v, downhill)
      class(cost_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      real(wp), contiguous, intent(out) :: downhill(:, :, :)
      type(problem_type) :: problem
      real(wp), allocatable :: d(:, :, :)

      call linearise_at(self, domain, v, problem, d)
      call steepest_descent(problem, domain, v, d(:, 1, :), downhill)
   end subroutine descend

   !> The problem about x_b + U v, and the departures there.
   subroutine linearise_at(self, domain, v, problem, d)
      class(cost_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      type(problem_type), intent(out) :: problem
      real(wp), allocatable, intent(out) :: d(:, :, :)
      real(wp), allocatable :: dx(:, :, :)

      problem = self%problem
      allocate (dx, mold=self%background)
      allocate (d(problem%window%rows, 1, 1))
      call problem%covariance%forward(domain, v, dx)
      call problem%window%linearise(domain, self%background + dx, d(:, 1, :))
   end subroutine linearise_at

   subroutine apply_hessian(self, domain, x, y)
      class(hessian_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      call self%problem%apply(domain, x, y)
   end subroutine apply_hessian

   subroutine hessian_tl(self, domain, x, dx, dy)
      class(hessian_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call self%forward(domain, dx, dy)
   end subroutine hessian_tl

   subroutine hessian_ad(self, domain, x, dy, dx)
      class(hessian_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)

      call self%forward(domain, dy, dx)
   end subroutine hessian_ad
end module da_analysis_variational_problem_operators
