!> Lanczos' method on the Hessian of a window: its pairs against dense matrices, the gradients that
!> a minimisation keeps, preconditioning.
module test_lanczos
   use da_analysis_variational_conjugate_gradient, only: minimisation_type, minimise, batch_products
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_variational_hessian, only: signal_of_pairs
   use da_analysis_variational_lanczos, only: ritz_type, find_basis, ritz_pairs
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_linear_algebra, only: eigen_type, new_eigen
   use da_base_random, only: random_key_type
   use da_covariance_diagonal, only: new_diagonal
   use da_covariance_homogeneous, only: new_homogeneous
   use da_operator_checks, only: random_field
   use test_variational, only: eliminate, make_window, row_of_covariances, points
   use testing, only: testing_type
   implicit none
   private
   public :: test_lanczos_suite, set_up, dense_matrices, inverse_of

   integer, parameter, public :: members = 3
   integer, parameter, public :: steps(2) = [1, 4]
   type(random_key_type), parameter, public :: key = random_key_type(seed=3, stream=1)

contains

   subroutine test_lanczos_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_all_pairs(tests, domain, whole)
      call check_repeated_eigenvalues(tests, whole)
      call check_kept_gradients(tests, domain)
      call check_preconditioning(tests, domain, whole)
   end subroutine test_lanczos_suite

   !> A window's problem, linearised about random states x(n, 1, batch).
   subroutine set_up(domain, batch, problem, x)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: batch
      type(problem_type), intent(out) :: problem
      real(wp), allocatable, intent(out) :: x(:, :, :)
      real(wp), allocatable :: departures(:, :)

      allocate (x(domain%n, 1, batch))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), x)
      call make_window(domain, steps, problem%window)
      allocate (problem%covariance, source=new_homogeneous(points, row_of_covariances()))
      allocate (departures(problem%window%rows, batch))
      call problem%window%linearise(domain, x, departures)
   end subroutine set_up

   !> The Hessian of a column of the batch, and U and M U, column by column.
   subroutine dense_matrices(whole, batch, problem, hessian, root, at_end)
      type(domain_type), intent(inout) :: whole
      integer, intent(in) :: batch
      type(problem_type), intent(in) :: problem
      real(wp), intent(out) :: hessian(points, points, batch)
      real(wp), intent(out) :: root(points, points, batch)
      real(wp), intent(out) :: at_end(points, points, batch)
      real(wp), dimension(points, 1, batch) :: unit, column
      integer :: i

      do i = 1, points
         unit = 0
         unit(i, 1, :) = 1
         call problem%apply(whole, unit, column)
         hessian(:, i, :) = column(:, 1, :)
         call problem%covariance%forward(whole, unit, column)
         root(:, i, :) = column(:, 1, :)
         call problem%window%tl_to_end(whole, column)
         at_end(:, i, :) = column(:, 1, :)
      end do
   end subroutine dense_matrices

   !> A^{-1}
   function inverse_of(a) result(inverse)
      real(wp), intent(in) :: a(points, points)
      real(wp) :: inverse(points, points)
      real(wp) :: matrix(points, points)
      integer :: i

      matrix = a
      inverse = 0
      do i = 1, points
         inverse(i, i) = 1
      end do
      call eliminate(matrix, inverse)
   end function inverse_of

   subroutine check_all_pairs(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(problem_type) :: problem
      type(problem_type) :: problem_whole
      type(minimisation_type) :: history
      type(ritz_type) :: pairs
      type(ritz_type) :: pairs_whole
      type(eigen_type) :: eigen
      type(error_type), allocatable :: error
      real(wp), allocatable :: x(:, :, :)
      real(wp), dimension(points, points, members) :: hessian, root, at_end
      real(wp) :: inverse(points, points)
      real(wp) :: signal(members)
      real(wp) :: trace
      integer :: i
      integer :: m

      call set_up(domain, members, problem, x)
      call set_up(whole, members, problem_whole, x)
      call find_basis(problem, domain, key, [domain%n, 1, members], 2*points, history)
      call ritz_pairs(history, pairs)
      call tests%check(history%iterations == points, 'no more Lanczos vectors than dimensions')
      call find_basis(problem_whole, whole, key, [points, 1, members], 2*points, history)
      call ritz_pairs(history, pairs_whole)
      call tests%check(all(abs(pairs%values - pairs_whole%values) <= 0) .and. &
                       all(abs(pairs%vectors - pairs_whole%vectors(domain%first:domain%last, :, :, &
                                                                   :)) <= 0), &
                       'Ritz pairs have the same bits on any layout')
      call dense_matrices(whole, members, problem_whole, hessian, root, at_end)
      signal = signal_of_pairs(pairs)
      call new_eigen(points, eigen)
      do m = 1, members
         call eigen%decompose(hessian(:, :, m), error)
         call tests%check_small(maxval(abs(pairs%values(:, m) - eigen%values(points:1:-1))), &
                                1.0e-11_wp, 'Ritz values of a whole basis are the eigenvalues')
         inverse = inverse_of(hessian(:, :, m))
         trace = 0
         do i = 1, points
            trace = trace + 1 - inverse(i, i)
         end do
         call tests%check_small(abs(signal(m) - trace), 1.0e-10_wp, &
                                'degrees of freedom for signal are the trace of I - A^{-1}')
      end do
   end subroutine check_all_pairs

   !> With B and the network the same round the circle eigenvalues come in pairs, and with a
   !> diagonal B all are alike but that of the point that is not observed: a Krylov space would end
   !> after two vectors.
   subroutine check_repeated_eigenvalues(tests, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: whole
      type(problem_type) :: problem
      type(minimisation_type) :: history
      type(ritz_type) :: pairs
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: departures(:, :)
      real(wp), parameter :: sd = 1.4_wp

      allocate (x(points, 1, 1), source=0.0_wp)
      call make_window(whole, [0], problem%window)
      allocate (problem%covariance, source=new_diagonal([sd]))
      allocate (departures(problem%window%rows, 1))
      call problem%window%linearise(whole, x, departures)
      call find_basis(problem, whole, key, [points, 1, 1], points, history)
      call ritz_pairs(history, pairs)
      call tests%check_small(abs(sum(pairs%values - 1) - (trace_of(problem, whole) - points)), &
                             1.0e-10_wp, 'no eigenvalue of many dimensions is left out')
   end subroutine check_repeated_eigenvalues

   function trace_of(problem, whole) result(trace)
      type(problem_type), intent(in) :: problem
      type(domain_type), intent(inout) :: whole
      real(wp) :: trace
      real(wp), dimension(points, 1, 1) :: unit, column
      integer :: i

      trace = 0
      do i = 1, points
         unit = 0
         unit(i, 1, 1) = 1
         call problem%apply(whole, unit, column)
         trace = trace + column(i, 1, 1)
      end do
   end function trace_of

   !> The kept gradients are orthonormal, lead to the same minimum, and give pairs whose residuals
   !> are what they are said to be.
   subroutine check_kept_gradients(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(problem_type) :: problem
      type(minimisation_type) :: plain
      type(minimisation_type) :: kept
      type(ritz_type) :: pairs
      real(wp), allocatable, dimension(:, :, :) :: x, p, p_kept, image
      real(wp) :: overlap(members)
      real(wp) :: residual(members)
      integer, parameter :: most = 12
      integer :: i
      integer :: j
      integer :: m

      call set_up(domain, members, problem, x)
      allocate (p, p_kept, image, mold=x)
      call minimise(problem, domain, x, 1.0e-14_wp, most, p, plain)
      call minimise(problem, domain, x, 1.0e-14_wp, most, p_kept, kept, .true., x)
      call tests%check_small(maxval(abs(p - p_kept)), 1.0e-10_wp, &
                             'kept gradients change the minimum by rounding')
      call tests%check(.not. allocated(plain%basis), 'gradients are kept only if asked')
      image = x + p_kept
      call tests%check_small(maxval(abs(kept%background_cost(kept%iterations, :) &
                                        - 0.5_wp*batch_products(domain, image, image))), &
                             1.0e-12_wp, 'the background''s part is that of offset + p')
      do i = 1, most
         do j = 1, i
            overlap = batch_products(domain, kept%basis(:, :, :, i), kept%basis(:, :, :, j))
            if (i == j) overlap = overlap - 1
            call tests%check_small(maxval(abs(overlap)), 1.0e-13_wp, 'the basis is orthonormal')
         end do
      end do
      call ritz_pairs(kept, pairs)
      do i = 1, most
         call problem%apply(domain, pairs%vectors(:, :, :, i), image)
         do m = 1, members
            image(:, :, m) = image(:, :, m) - pairs%values(i, m)*pairs%vectors(:, :, m, i)
         end do
         residual = sqrt(batch_products(domain, image, image))/pairs%values(i, :)
         call tests%check_small(maxval(abs(residual - pairs%residuals(i, :))), 1.0e-10_wp, &
                                'residuals of Ritz pairs are as stated')
      end do
   end subroutine check_kept_gradients

   !> The same minimum in fewer iterations.
   subroutine check_preconditioning(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(problem_type) :: problem
      type(problem_type) :: problem_whole
      type(variational_history_type) :: plain
      type(variational_history_type) :: preconditioned
      real(wp), allocatable, dimension(:, :, :) :: x, y, z
      real(wp), allocatable :: none(:, :)
      integer, parameter :: loops = 6
      real(wp), parameter :: reduction = 1.0e-6_wp
      integer, parameter :: most = 60

      call set_up(domain, members, problem, x)
      y = x
      allocate (none(problem%window%rows, members), source=0.0_wp)
      call minimise_cost(minimisation_config(loops, most, reduction), domain, problem, none, y, &
                         plain)
      z = x
      call minimise_cost(minimisation_config(loops, most, reduction, lanczos=.true., &
                                             preconditioned=.true.), domain, problem, none, z, &
                         preconditioned)
      call tests%check_small(maxval(abs(y - z)), 1.0e-7_wp, &
                             'preconditioning does not move the minimum')
      call tests%check(preconditioned%inner(1)%iterations == plain%inner(1)%iterations, &
                       'the first loop has no preconditioner')
      call tests%check(3*sum(preconditioned%inner(2:)%iterations) &
                       < 2*sum(plain%inner(2:)%iterations), &
                       'preconditioned loops end a third earlier at least')
      call set_up(whole, members, problem_whole, y)
      deallocate (none)
      allocate (none(problem_whole%window%rows, members), source=0.0_wp)
      call minimise_cost(minimisation_config(loops, most, reduction, lanczos=.true., &
                                             preconditioned=.true.), whole, problem_whole, none, &
                         y, plain)
      call tests%check(all(abs(z - y(domain%first:domain%last, :, :)) <= 0), &
                       'a preconditioned analysis has the same bits on any layout')
   end subroutine check_preconditioning
end module test_lanczos
