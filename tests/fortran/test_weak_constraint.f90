!> Weak-constraint 4D-Var: forcings on their way through a window, and their estimates against the
!> Kalman smoother with model error.
module test_weak_constraint
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_variational_forcing, only: forcing_type
   use da_analysis_variational_window, only: window_type, new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_linear_algebra, only: identity
   use da_base_random, only: random_key_type, normals
   use da_covariance_blocks, only: blocks_type, new_blocks
   use da_covariance_diagonal, only: new_diagonal
   use da_covariance_homogeneous, only: new_homogeneous
   use da_model_lorenz96, only: lorenz96_config, new_lorenz96
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_checks, only: adjoint_defect, inner_product, random_field
   use da_operator_type, only: operator_type
   use test_ienks, only: advection_type, new_advection, values_on, points
   use test_variational, only: eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_weak_constraint_suite

   integer, parameter :: cycles = 3
   integer, parameter :: steps = 2
   real(wp), parameter :: model_error_sd = 0.3_wp

contains

   subroutine test_weak_constraint_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      logical :: constant
      integer :: k

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_blocks(tests, domain, whole)
      do k = 1, 2
         constant = k == 2
         call check_window(tests, domain, whole, new_forcing(constant, .false.))
         call check_window(tests, domain, whole, new_forcing(constant, .true.))
         call check_smoother(tests, domain, whole, new_forcing(constant, .false.))
         call check_smoother(tests, domain, whole, new_forcing(constant, .true.))
      end do
   end subroutine test_weak_constraint_suite

   pure function new_forcing(constant, every_step) result(forcing)
      logical, intent(in) :: constant
      logical, intent(in) :: every_step
      type(forcing_type) :: forcing

      forcing = forcing_type(components=1, forced=1, steps=steps, constant=constant, &
                             every_step=every_step)
   end function new_forcing

   pure function forcings_of(forcing) result(count)
      type(forcing_type), intent(in) :: forcing
      integer :: count

      count = merge(1, cycles, forcing%constant)
   end function forcings_of

   pure function background_covariances() result(row)
      real(wp) :: row(0:2, 1)

      row(:, 1) = [0.8_wp, 0.4_wp, 0.1_wp]
   end function background_covariances

   function control_covariance(forcing) result(covariance)
      type(forcing_type), intent(in) :: forcing
      type(blocks_type) :: covariance

      covariance = new_blocks(new_homogeneous(points, background_covariances()), &
                              new_diagonal([model_error_sd]), forcings_of(forcing))
   end function control_covariance

   !> Blocks are those of the parts, the adjoint is one, and the bits are those of one rank.
   subroutine check_blocks(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, parameter :: copies = 2
      integer, parameter :: batch = 3
      type(blocks_type) :: blocks
      real(wp) :: x(points, 1 + copies, batch), y(points, 1 + copies, batch)
      real(wp), dimension(points, 1, batch) :: part, image
      real(wp), allocatable, dimension(:, :, :) :: here, there
      real(wp) :: defect
      integer :: k

      ! The second differs from the first, and has a reach too.
      blocks = new_blocks(new_homogeneous(points, background_covariances()), &
                          new_homogeneous(points, 2*background_covariances()), copies)
      call random_field(random_key_type(seed=8), 0_i8, x)
      call blocks%forward(whole, x, y)
      do k = 1, 1 + copies
         part = x(:, k:k, :)
         if (k == 1) then
            call blocks%first%forward(whole, part, image)
         else
            call blocks%second%forward(whole, part, image)
         end if
         call tests%check(all(abs(image - y(:, k:k, :)) <= 0), 'a block is that of its part')
      end do
      here = x(domain%first:domain%last, :, :)
      allocate (there, mold=here)
      call blocks%forward(domain, here, there)
      call tests%check(all(abs(there - y(domain%first:domain%last, :, :)) <= 0), &
                       'blocks have the same bits on any layout')
      here = 0.5_wp*here**2
      call adjoint_defect(blocks, domain, there, here, there, defect)
      call tests%check_small(defect, 1.0e-13_wp, 'blocks: dot product')
   end subroutine check_blocks

   function observed(domain, cycle) result(observations)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(observations_type) :: observations

      observations = values_on(domain)
      call normals(random_key_type(seed=11, cycle=cycle), observations%before, observations%value)
   end function observed

   subroutine make_window(model, domain, forcing, window)
      class(model_type), intent(in) :: model
      type(domain_type), intent(in) :: domain
      type(forcing_type), intent(in) :: forcing
      type(window_type), intent(out) :: window
      type(observations_type) :: observations(cycles)
      integer :: k

      do k = 1, cycles
         observations(k) = observed(domain, k)
      end do
      call new_window(model, domain, [(steps, k=1, cycles)], observations, window)
      window%forcing = forcing
   end subroutine make_window

   !> About a nonlinear model's forced trajectory: G's adjoint, its Taylor remainders, the gradient
   !> of J, and the bits of any layout.
   subroutine check_window(tests, domain, whole, forcing)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(forcing_type), intent(in) :: forcing
      real(wp), parameter :: alphas(7) = [1.0e-1_wp, 1.0e-2_wp, 1.0e-3_wp, 1.0e-4_wp, 1.0e-5_wp, &
                                          1.0e-6_wp, 1.0e-7_wp]
      integer, parameter :: falling = 5
      real(wp), parameter :: valley = 1.0e-7_wp
      type(window_type) :: window
      type(window_type) :: window_whole
      real(wp), allocatable, dimension(:, :, :) :: x, dx, back, back_whole
      real(wp) :: x_whole(points, 1 + forcings_of(forcing), 1)
      real(wp), allocatable, dimension(:, :) :: d, dy, moved, d_whole
      real(wp) :: remainders(size(alphas))
      real(wp) :: gradient_errors(size(alphas))
      real(wp) :: slope
      integer :: a

      call make_window(new_lorenz96(lorenz96_config(n=points)), domain, forcing, window)
      call make_window(new_lorenz96(lorenz96_config(n=points)), whole, forcing, window_whole)
      call random_field(random_key_type(seed=12), 0_i8, x_whole)
      x = x_whole(domain%first:domain%last, :, :)
      dx = 0.3_wp*x**2
      allocate (back, mold=x)
      allocate (back_whole, mold=x_whole)
      allocate (d(window%rows, 1), dy(window%rows, 1), moved(window%rows, 1))
      allocate (d_whole(window_whole%rows, 1))
      call window_whole%linearise(whole, x_whole, d_whole)
      call window_whole%ad(whole, d_whole, back_whole)
      call window%linearise(domain, x, d)
      call window%tl(domain, dx, dy)
      call window%ad(domain, d, back)
      slope = product_of(dy, d)
      call tests%check_small(abs(slope - inner_product(domain, dx, back)) &
                             /sqrt(product_of(dy, dy)*product_of(d, d)), 1.0e-13_wp, &
                             'forced window: dot product')
      call tests%check(all(abs(back - back_whole(domain%first:domain%last, :, :)) <= 0), &
                       'forced window: the gradient has the same bits on any layout')
      do a = 1, size(alphas)
         call window%linearise(domain, x + alphas(a)*dx, moved)
         remainders(a) = sqrt(product_of(d - moved - alphas(a)*dy, d - moved - alphas(a)*dy) &
                              /product_of(dy, dy))/alphas(a)
         gradient_errors(a) = abs(0.5_wp*(product_of(d, d) - product_of(moved, moved)) &
                                  /(alphas(a)*slope) - 1)
      end do
      call tests%check(all(remainders(2:falling) < 0.2_wp*remainders(:falling - 1)), &
                       'forced window: the tangent linear is that of the trajectory')
      call tests%check(all(gradient_errors(2:falling) < 0.2_wp*gradient_errors(:falling - 1)), &
                       'forced window: the gradient''s error falls with the step')
      call tests%check_small(minval(gradient_errors), valley, &
                             'forced window: the gradient, down to rounding')

   contains

      function product_of(a, b) result(total)
         real(wp), intent(in) :: a(:, :)
         real(wp), intent(in) :: b(:, :)
         real(wp) :: total

         total = inner_product(domain, reshape(a, [size(a), 1, 1]), reshape(b, [size(b), 1, 1]))
      end function product_of
   end subroutine check_window

   !> State at the start and forcings, minimised, against the smoother of the joint state, by dense
   !> matrices.
   subroutine check_smoother(tests, domain, whole, forcing)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(forcing_type), intent(in) :: forcing
      type(problem_type) :: problem
      type(variational_history_type) :: history
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: none(:, :)
      real(wp) :: background(points, 1, 1)
      real(wp) :: start(points)
      real(wp) :: finish(points)

      call random_field(random_key_type(seed=13), 0_i8, background)
      allocate (problem%covariance, source=control_covariance(forcing))
      call make_window(new_advection(points), domain, forcing, problem%window)
      allocate (x(domain%n, 1 + forcings_of(forcing), 1), source=0.0_wp)
      x(:, 1, 1) = background(domain%first:domain%last, 1, 1)
      allocate (none(problem%window%rows, 1), source=0.0_wp)
      call minimise_cost(minimisation_config(1, 300, 1.0e-13_wp), domain, problem, none, x, history)
      call kalman_smoother(whole, forcing, background(:, 1, 1), start, finish)
      call tests%check_small(maxval(abs(x(:, 1, 1) - start(domain%first:domain%last))), &
                             1.0e-10_wp, 'Kalman smoother with model error: the start')
      call tests%check_small(maxval(abs(problem%window%states(:, 1, 1, cycles*steps) &
                                        - finish(domain%first:domain%last))), 1.0e-10_wp, &
                             'Kalman smoother with model error: the end')
   end subroutine check_smoother

   !> The Kalman filter of a state that keeps its first value and a constant forcing beside it: what
   !> it says of the first value is the (fixed-point) smoother's.
   subroutine kalman_smoother(whole, forcing, background, start, finish)
      type(domain_type), intent(inout) :: whole
      type(forcing_type), intent(in) :: forcing
      real(wp), intent(in) :: background(points)
      real(wp), intent(out) :: start(points)
      real(wp), intent(out) :: finish(points)
      integer, parameter :: n = 3*points
      real(wp), dimension(n, n) :: covariance, model, noise
      real(wp), dimension(points, points) :: step, acts
      real(wp) :: mean(n)
      real(wp), allocatable, dimension(:, :) :: h, s, gain
      type(observations_type) :: observations
      integer :: i
      integer :: k

      step = step_matrix(whole)
      acts = identity(points)
      if (forcing%every_step) acts = 0.5_wp*(step + identity(points))
      model = identity(n)
      model(:points, :points) = matmul(step, step)
      covariance = 0
      covariance(:points, :points) = dense_background()
      covariance(points + 1:2*points, points + 1:2*points) = covariance(:points, :points)
      covariance(:points, points + 1:2*points) = covariance(:points, :points)
      covariance(points + 1:2*points, :points) = covariance(:points, :points)
      noise = 0
      if (forcing%constant) then
         model(:points, 2*points + 1:) = acts
         do i = 2*points + 1, n
            covariance(i, i) = model_error_sd**2
         end do
      else
         noise(:points, :points) = model_error_sd**2*matmul(acts, transpose(acts))
      end if
      mean = [background, background, [(0.0_wp, i=1, points)]]
      do k = 1, cycles
         observations = observed(whole, k)
         h = observation_matrix(whole, observations)
         mean = matmul(model, mean)
         covariance = matmul(model, matmul(covariance, transpose(model))) + noise
         s = matmul(h, matmul(covariance(:points, :points), transpose(h)))
         do i = 1, size(s, 1)
            s(i, i) = s(i, i) + 1
         end do
         gain = matmul(h, covariance(:points, :))
         call eliminate(s, gain)
         mean = mean + matmul(observations%value/observations%error_sd &
                              - matmul(h, mean(:points)), gain)
         covariance = covariance - matmul(transpose(gain), matmul(h, covariance(:points, :)))
      end do
      finish = mean(:points)
      start = mean(points + 1:2*points)
   end subroutine kalman_smoother

   pure function dense_background() result(b)
      real(wp) :: b(points, points)
      real(wp) :: row(0:2, 1)
      integer :: distance
      integer :: i
      integer :: j

      row = background_covariances()
      b = 0
      do j = 1, points
         do i = 1, points
            distance = min(modulo(i - j, points), modulo(j - i, points))
            if (distance < size(row)) b(i, j) = row(distance, 1)
         end do
      end do
   end function dense_background

   !> The linear model's step.
   function step_matrix(whole) result(matrix)
      type(domain_type), intent(inout) :: whole
      real(wp) :: matrix(points, points)
      type(advection_type) :: model
      real(wp) :: unit(points, 1, points)
      real(wp) :: image(points, 1, points)

      model = new_advection(points)
      unit(:, 1, :) = identity(points)
      call model%forward(whole, unit, image)
      matrix = image(:, 1, :)
   end function step_matrix

   !> R^{-1/2} H
   function observation_matrix(whole, observations) result(h)
      type(domain_type), intent(inout) :: whole
      type(observations_type), intent(in) :: observations
      real(wp), allocatable :: h(:, :)
      class(operator_type), allocatable :: operator
      real(wp) :: unit(points, 1, points)
      real(wp) :: image(observations%n, 1, points)

      call new_observation_operator(observations, whole, operator)
      unit(:, 1, :) = identity(points)
      call operator%forward(whole, unit, image)
      h = image(:, 1, :)/spread(observations%error_sd, 2, points)
   end function observation_matrix
end module test_weak_constraint
