!> Variational analysis: square roots of covariances, the linearised window, the minimisation
!> against a direct solution.
module test_variational
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_analysis_variational_conjugate_gradient, only: batch_products
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_variational_window, only: window_type, new_window
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_covariance_climatology, only: keep_finite
   use da_covariance_diagonal, only: new_diagonal
   use da_covariance_ensemble, only: new_ensemble_covariance
   use da_covariance_homogeneous, only: new_homogeneous
   use da_covariance_hybrid, only: new_hybrid
   use da_covariance_type, only: covariance_type
   use da_model_lorenz96, only: lorenz96_config, new_lorenz96
   use da_observation_type, only: observations_type, qc_missing
   use da_operator_checks, only: random_field, inner_product
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_variational_suite, eliminate, dense, make_window, row_of_covariances

   integer, parameter, public :: points = 41
   integer, parameter :: members = 5
   integer, parameter :: lags = 6

contains

   subroutine test_variational_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_square_roots(tests, whole)
      call check_runs_kept(tests, domain)
      call check_window(tests, domain, whole)
      call check_minimum(tests, domain, whole, [0])
      call check_minimum(tests, domain, whole, [1, 0, 3])
   end subroutine test_variational_suite

   !> Covariances that die out with distance, positive definite.
   pure function row_of_covariances() result(row)
      real(wp) :: row(0:lags, 1)
      integer :: lag

      do lag = 0, lags
         row(lag, 1) = 0.5_wp*max(0.0_wp, 1 - lag/(0.8_wp*lags))
      end do
   end function row_of_covariances

   subroutine random_members(domain, x)
      type(domain_type), intent(in) :: domain
      real(wp), allocatable, intent(out) :: x(:, :, :)

      allocate (x(domain%n, 1, members))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), x)
   end subroutine random_members

   !> The covariance that a root stands for, column by column.
   function dense(covariance, whole) result(c)
      class(covariance_type), intent(in) :: covariance
      type(domain_type), intent(inout) :: whole
      real(wp) :: c(whole%total, whole%total)
      real(wp) :: unit(whole%total, 1, 1)
      real(wp) :: column(whole%total, 1, 1)
      real(wp) :: v(whole%total, covariance%components_in, 1)
      integer :: i

      do i = 1, whole%total
         unit = 0
         unit(i, 1, 1) = 1
         call covariance%transposed(whole, unit, v)
         call covariance%forward(whole, v, column)
         c(:, i) = column(:, 1, 1)
      end do
   end function dense

   subroutine check_square_roots(tests, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: whole
      real(wp), dimension(points, points) :: static, local, flow
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: row(0:lags, 1)
      real(wp) :: anomalies(points, members)
      integer :: distance
      integer :: i
      integer :: j

      row = row_of_covariances()
      static = 0
      do i = 1, points
         do j = 1, points
            distance = min(modulo(i - j, points), modulo(j - i, points))
            if (distance <= lags) static(i, j) = row(distance, 1)
         end do
      end do
      local = static/row(0, 1)
      call tests%check_small(maxval(abs(dense(new_homogeneous(points, row), whole) - static)), &
                             1.0e-13_wp, 'homogeneous: U U^T is the covariance')
      call tests%check_small(maxval(abs(dense(new_diagonal([0.7_wp]), whole) - 0.49_wp &
                                        *reshape([((merge(1, 0, i == j), i=1, points), j=1, &
                                                   points)], [points, points]))), &
                             1.0e-14_wp, 'diagonal: U U^T is the covariance')
      call random_members(whole, x)
      anomalies = x(:, 1, :) - spread(sum(x(:, 1, :), dim=2)/members, 2, members)
      flow = local*matmul(anomalies, transpose(anomalies))/(members - 1)
      call tests%check_small(maxval(abs(dense(new_ensemble_covariance(x, &
                                        new_homogeneous(points, row/row(0, 1))), whole) - flow)), &
                             1.0e-13_wp, 'ensemble: U U^T is the localised sample covariance')
      call tests%check_small(maxval(abs(dense(new_hybrid(new_homogeneous(points, row), &
                                        new_ensemble_covariance(x, &
                                        new_homogeneous(points, row/row(0, 1))), 0.3_wp), whole) &
                                        - 0.7_wp*static - 0.3_wp*flow)), 1.0e-13_wp, &
                             'hybrid: U U^T is the weighted sum')
   end subroutine check_square_roots

   !> A free run that has blown up on one rank is left out on all; without one nothing changes.
   subroutine check_runs_kept(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: before(:, :, :)

      call random_members(domain, before)
      x = before
      call keep_finite(domain, x)
      call tests%check(size(x, 3) == members .and. all(abs(x - before) <= 0), &
                       'finite runs are kept')
      if (domain%first == 1) x(1, 1, 2) = ieee_value(1.0_wp, ieee_quiet_nan)
      call keep_finite(domain, x)
      call tests%check(size(x, 3) == members - 1 .and. &
                       all(abs(x(:, :, 2:) - before(:, :, 3:)) <= 0), &
                       'a run that is not finite is left out')
   end subroutine check_runs_kept

   subroutine make_window(domain, steps, window)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: steps(:)
      type(window_type), intent(out) :: window
      type(observations_type) :: observations(size(steps))
      type(random_key_type) :: key
      integer :: k

      do k = 1, size(steps)
         observations(k) = observations_on(domain)
         key = random_key_type(seed=9, cycle=k)
         call normals(key, observations(k)%before, observations(k)%value)
         observations(k)%error_sd = 0.5_wp + 0.2_wp*k
         if (domain%first == 1) observations(k)%qc(1) = qc_missing
      end do
      call new_window(new_lorenz96(lorenz96_config(n=points)), domain, steps, observations, window)
   end subroutine make_window

   !> G and its adjoint about a trajectory: dot product, and the same bits on any layout.
   subroutine check_window(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(window_type) :: window
      type(window_type) :: window_whole
      real(wp), allocatable, dimension(:, :, :) :: x, dx, back, x_whole, dx_whole, back_whole
      real(wp), allocatable, dimension(:, :) :: d, dy, d_whole, dy_whole
      real(wp) :: forwards
      real(wp) :: backwards
      real(wp) :: size_of

      call make_window(domain, [2, 0, 3], window)
      call make_window(whole, [2, 0, 3], window_whole)
      call random_members(domain, x)
      call random_members(whole, x_whole)
      dx = 0.3_wp*x**2
      dx_whole = 0.3_wp*x_whole**2
      allocate (back, mold=dx)
      allocate (back_whole, mold=dx_whole)
      allocate (d(window%rows, members), dy(window%rows, members))
      allocate (d_whole(window_whole%rows, members), dy_whole(window_whole%rows, members))
      call window%linearise(domain, x, d)
      call window_whole%linearise(whole, x_whole, d_whole)
      call window%tl(domain, dx, dy)
      call window_whole%tl(whole, dx_whole, dy_whole)
      call window%ad(domain, d, back)
      call window_whole%ad(whole, d_whole, back_whole)
      forwards = inner_product(domain, reshape(dy, [window%rows, 1, members]), &
                               reshape(d, [window%rows, 1, members]))
      backwards = inner_product(domain, dx, back)
      size_of = sqrt(inner_product(whole, dx_whole, dx_whole) &
                     *inner_product(whole, back_whole, back_whole))
      call tests%check_small(abs(forwards - backwards)/size_of, 1.0e-14_wp, 'window: dot product')
      call tests%check(all(abs(back - back_whole(domain%first:domain%last, :, :)) <= 0), &
                       'window: the gradient has the same bits on any layout')
   end subroutine check_window

   !> A window's quadratic problem, minimised and solved: x = x_b + B G^T (G B G^T + I)^{-1} d.
   subroutine check_minimum(tests, domain, whole, steps)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, intent(in) :: steps(:)
      type(problem_type) :: problem
      type(problem_type) :: problem_whole
      type(variational_history_type) :: history
      real(wp), allocatable, dimension(:, :, :) :: x, x_whole, expected
      real(wp), allocatable :: none(:, :)
      integer, parameter :: loops = 15
      real(wp) :: gradient

      call set_up(domain, problem)
      call set_up(whole, problem_whole)
      call random_members(domain, x)
      call random_members(whole, x_whole)
      call solve_directly(whole, problem_whole, x_whole, expected)
      allocate (none(problem%window%rows, members), source=0.0_wp)
      call minimise_cost(minimisation_config(1, 200, 1.0e-13_wp), domain, problem, none, x, history)
      deallocate (none)
      allocate (none(problem_whole%window%rows, members), source=0.0_wp)
      call tests%check_small(maxval(abs(x - expected(domain%first:domain%last, :, :))), &
                             1.0e-10_wp, 'one outer loop solves the quadratic problem')
      call minimise_cost(minimisation_config(1, 200, 1.0e-13_wp), whole, problem_whole, none, &
                         x_whole, history)
      call tests%check(all(abs(x - x_whole(domain%first:domain%last, :, :)) <= 0), &
                       'the analysis has the same bits on any layout')
      call random_members(whole, x_whole)
      call minimise_cost(minimisation_config(loops, 200, 1.0e-12_wp), whole, problem_whole, none, &
                         x_whole, history)
      gradient = maxval(history%inner(loops)%gradient_norm(0, :) &
                        /history%inner(1)%gradient_norm(0, :))
      call tests%check_small(gradient, 1.0e-6_wp, 'outer loops end where J has no gradient')
      call tests%check(all(history%background_cost(loops, :) + history%observation_cost(loops, :) &
                           <= history%background_cost(0, :) + history%observation_cost(0, :)), &
                       'the cost falls')

   contains

      subroutine set_up(on, made)
         type(domain_type), intent(in) :: on
         type(problem_type), intent(out) :: made

         call make_window(on, steps, made%window)
         allocate (made%covariance, source=new_homogeneous(points, row_of_covariances()))
      end subroutine set_up
   end subroutine check_minimum

   subroutine solve_directly(whole, problem, x, expected)
      type(domain_type), intent(inout) :: whole
      type(problem_type), intent(inout) :: problem
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), allocatable, intent(out) :: expected(:, :, :)
      real(wp) :: b(points, points)
      real(wp) :: departures(problem%window%rows, members)
      real(wp) :: g(problem%window%rows, points)
      real(wp) :: s(problem%window%rows, problem%window%rows)
      real(wp) :: d(problem%window%rows, 1)
      real(wp), allocatable :: unit(:, :, :)
      integer :: i
      integer :: m

      b = dense(problem%covariance, whole)
      call problem%window%linearise(whole, x, departures)
      expected = x
      do m = 1, members
         d(:, 1) = departures(:, m)
         allocate (unit(points, 1, 1))
         call problem%window%linearise(whole, x(:, :, m:m), departures(:, 1:1))
         do i = 1, points
            unit = 0
            unit(i, 1, 1) = 1
            call problem%window%tl(whole, unit, g(:, i:i))
         end do
         deallocate (unit)
         s = matmul(g, matmul(b, transpose(g)))
         do i = 1, size(s, 1)
            s(i, i) = s(i, i) + 1
         end do
         call eliminate(s, d)
         expected(:, 1, m) = x(:, 1, m) + matmul(b, matmul(transpose(g), d(:, 1)))
      end do
   end subroutine solve_directly

   !> s x = d for a positive definite s, by Gauss' elimination; x in place of d.
   subroutine eliminate(s, d)
      real(wp), intent(inout) :: s(:, :)
      real(wp), intent(inout) :: d(:, :)
      integer :: i
      integer :: k

      do k = 1, size(s, 1)
         do i = k + 1, size(s, 1)
            d(i, :) = d(i, :) - s(i, k)/s(k, k)*d(k, :)
            s(i, k:) = s(i, k:) - s(i, k)/s(k, k)*s(k, k:)
         end do
      end do
      do k = size(s, 1), 1, -1
         d(k, :) = (d(k, :) - matmul(s(k, k + 1:), d(k + 1:, :)))/s(k, k)
      end do
   end subroutine eliminate
end module test_variational
