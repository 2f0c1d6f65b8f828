!> Diagnostics of a minimisation: degrees of freedom for signal and variances of the analysis
!> against dense matrices, and what is noted.
module test_diagnostics
   use da_analysis_variational_conjugate_gradient, only: minimisation_type
   use da_analysis_variational_cost_function, only: problem_type, minimisation_config, &
      variational_history_type, minimise_cost
   use da_analysis_variational_diagnostics, only: note_minimisation
   use da_analysis_diagnostics_settings, only: diagnostics_config
   use da_analysis_variational_hessian, only: signal_of_pairs, sample_signal, analysis_variances
   use da_analysis_variational_lanczos, only: ritz_type, find_basis, ritz_pairs
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp
   use da_ensemble_type, only: ensemble_type
   use test_lanczos, only: set_up, dense_matrices, inverse_of, key, members, steps
   use test_variational, only: row_of_covariances, points
   use testing, only: testing_type
   implicit none
   private
   public :: test_diagnostics_suite

contains

   subroutine test_diagnostics_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_variances(tests, domain, whole)
      call check_combs(tests, domain)
      call check_samples(tests, domain, whole)
      call check_notes(tests, domain)
   end subroutine test_diagnostics_suite

   !> diag(U A^{-1} U^T) and diag(M U A^{-1} U^T M^T)
   subroutine check_variances(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(problem_type) :: problem
      type(problem_type) :: problem_whole
      type(minimisation_type) :: history
      type(ritz_type) :: pairs
      real(wp), allocatable :: x(:, :, :)
      real(wp), dimension(points, points, 1) :: hessian, root, at_end
      real(wp), dimension(domain%n, 1) :: variance, variance_at_end, own_variance, &
         own_variance_at_end
      real(wp), dimension(points, points) :: inverse, expected, expected_at_end
      real(wp) :: difference(2)
      integer :: i

      call set_up(domain, 1, problem, x)
      call find_basis(problem, domain, key, [domain%n, 1, 1], points, history)
      call ritz_pairs(history, pairs)
      call analysis_variances(problem, domain, key, points, variance, variance_at_end, pairs)
      call analysis_variances(problem, domain, key, points, own_variance, own_variance_at_end)
      call tests%check_small(maxval(abs(own_variance - variance)), 1.0e-7_wp, &
                             'variances by Krylov spaces of their own')
      call tests%check_small(maxval(abs(own_variance_at_end - variance_at_end)), 1.0e-7_wp, &
                             'and at the end')
      call set_up(whole, 1, problem_whole, x)
      call dense_matrices(whole, 1, problem_whole, hessian, root, at_end)
      inverse = inverse_of(hessian(:, :, 1))
      expected = matmul(root(:, :, 1), matmul(inverse, transpose(root(:, :, 1))))
      expected_at_end = matmul(at_end(:, :, 1), matmul(inverse, transpose(at_end(:, :, 1))))
      difference = 0
      do i = 1, domain%n
         associate (point => domain%first - 1 + i)
            difference(1) = max(difference(1), abs(variance(i, 1) - expected(point, point)))
            difference(2) = max(difference(2), abs(variance_at_end(i, 1) &
                                                   - expected_at_end(point, point)))
         end associate
      end do
      call tests%check_small(difference(1), 1.0e-11_wp, &
                             'variances at the window''s start are those of the inverse')
      call tests%check_small(difference(2), 1.0e-11_wp, 'and so are those at its end')
   end subroutine check_variances

   !> Without pairs the variances are B's, whose root has all but died out between two teeth.
   subroutine check_combs(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(problem_type) :: problem
      type(ritz_type) :: no_pairs
      type(minimisation_type) :: nothing
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: row(0:6, 1)
      real(wp), dimension(domain%n, 1) :: variance, variance_at_end
      integer, parameter :: two_teeth = 15

      call set_up(domain, 1, problem, x)
      allocate (nothing%rank(1), source=0)
      allocate (nothing%basis(domain%n, 1, 1, 0))
      call ritz_pairs(nothing, no_pairs)
      call analysis_variances(problem, domain, key, two_teeth, variance, variance_at_end, &
                              no_pairs)
      row = row_of_covariances()
      call tests%check_small(maxval(abs(variance - row(0, 1))), 2.0e-3_wp, &
                             'combs read off the variances of B')
   end subroutine check_combs

   subroutine check_samples(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(problem_type) :: problem
      type(minimisation_type) :: history
      type(ritz_type) :: pairs
      integer, parameter :: vectors = 60
      real(wp), parameter :: errors_allowed = 4
      real(wp), dimension(members, vectors) :: samples, samples_whole
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: signal(members)
      real(wp) :: mean
      real(wp) :: error
      integer :: m

      call set_up(domain, members, problem, x)
      call sample_signal(problem, domain, key, members, samples)
      call set_up(whole, members, problem, x)
      call sample_signal(problem, whole, key, members, samples_whole)
      call tests%check(all(abs(samples - samples_whole) <= 0), &
                       'random traces have the same bits on any layout')
      call find_basis(problem, whole, key, [points, 1, members], points, history)
      call ritz_pairs(history, pairs)
      signal = signal_of_pairs(pairs)
      do m = 1, members
         mean = sum(samples(m, :))/vectors
         error = sqrt(sum((samples(m, :) - mean)**2)/(vectors - 1)/vectors)
         call tests%check(abs(mean - signal(m)) < errors_allowed*error .and. &
                          error < 0.1_wp*signal(m), 'random traces scatter about the exact one')
      end do
   end subroutine check_samples

   !> What is told of a minimisation; the number of observations used is that of all ranks.
   subroutine check_notes(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(problem_type) :: problem
      type(variational_history_type) :: history
      type(diagnostics_config) :: config
      type(ensemble_type) :: ensemble
      real(wp), allocatable :: none(:, :)
      integer, parameter :: loops = 2
      integer, parameter :: most = 50
      real(wp) :: cost
      real(wp) :: used
      real(wp), allocatable :: costs(:)

      call set_up(domain, 1, problem, ensemble%x)
      ensemble%members = 1
      allocate (none(problem%window%rows, 1), source=0.0_wp)
      call minimise_cost(minimisation_config(loops, most, lanczos=.true., watched=.true.), domain, &
                         problem, none, ensemble%x, history)
      config%costs = .true.
      config%outer_loops = loops
      config%inner_iterations = most
      call note_minimisation(config, 1, domain, 1, problem, history, ensemble)
      call tests%check(.not. any(ensemble%notes%name == 'iterate_cost'), &
                       'costs alone are noted where nothing else is asked for')
      config%iterations = .true.
      config%hessian = .true.
      config%analysis_error = .true.
      config%dfs_samples = 2
      deallocate (ensemble%notes)
      call note_minimisation(config, 1, domain, 1, problem, history, ensemble)
      cost = history%background_cost(loops, 1) + history%observation_cost(loops, 1)
      used = real(problem%window%total - size(steps), wp)
      call tests%check_small(maxval(abs(noted('cost_ratio') - 2*cost/used)), 1.0e-14_wp, &
                             'twice the cost is told over the observations used')
      costs = noted('iterate_cost')
      call tests%check_small(abs(costs(1) - maxval(noted('cost_before'))), 1.0e-12_wp, &
                             'iterates begin at the background')
      call tests%check(all(costs(2:most + 1) <= costs(:most)), 'the quadratic cost falls')
      call tests%check_small(maxval(abs(costs - noted('iterate_background_cost') &
                                        - noted('iterate_observation_cost'))), 1.0e-12_wp, &
                             'the parts of the cost make the whole')
      call tests%check(allocated(ensemble%sd), 'a single state has an analysis error')

   contains

      function noted(name) result(values)
         character(len=*), intent(in) :: name
         real(wp), allocatable :: values(:)
         integer :: i

         do i = 1, size(ensemble%notes)
            if (ensemble%notes(i)%name == name) values = ensemble%notes(i)%values
         end do
      end function noted
   end subroutine check_notes
end module test_diagnostics
