!> Runs the suites of tests that are named; the exit status is 1 if a check failed, or if a suite
!> made none.
program tester
   use da_base_communicator, only: communicator_type, start_communication, stop_communication
   use da_base_error, only: error_type
   use test_adaptive_inflation, only: test_adaptive_inflation_suite
   use test_archive, only: test_archive_suite
   use test_carried, only: test_carried_suite
   use test_checks, only: test_checks_suite
   use test_domain, only: test_domain_suite
   use test_errors, only: test_errors_suite
   use test_filters, only: test_filters_suite
   use test_hybrid, only: test_hybrid_suite
   use test_ienks, only: test_ienks_suite
   use test_kalman, only: test_kalman_suite
   use test_lagged_smoother, only: test_lagged_smoother_suite
   use test_impact, only: test_impact_suite
   use test_letkf, only: test_letkf_suite
   use test_linear_algebra, only: test_linear_algebra_suite
   use test_namelists, only: test_namelists_suite
   use test_networks, only: test_networks_suite
   use test_noise, only: test_noise_suite
   use test_observation_bias, only: test_observation_bias_suite
   use test_observations, only: test_observations_suite
   use test_operators, only: test_operators_suite
   use test_parameters, only: test_parameters_suite
   use test_particles, only: test_particles_suite
   use test_random, only: test_random_suite
   use test_record, only: test_record_suite
   use test_serial, only: test_serial_suite
   use test_sha256, only: test_sha256_suite
   use test_sums, only: test_sums_suite
   use test_treatment, only: test_treatment_suite
   use test_verification, only: test_verification_suite
   use test_lanczos, only: test_lanczos_suite
   use test_diagnostics, only: test_diagnostics_suite
   use test_variational, only: test_variational_suite
   use test_windows, only: test_windows_suite
   use test_weak_constraint, only: test_weak_constraint_suite
   use test_wrapped, only: test_wrapped_suite
   use testing, only: testing_type
   implicit none
   type(testing_type) :: tests
   type(error_type), allocatable :: error
   character(len=40) :: suite
   logical :: right
   integer :: i

   call start_communication(tests%communicator, error)
   if (allocated(error)) error stop 'no communication'
   right = command_argument_count() > 0
   do i = 1, command_argument_count()
      call get_command_argument(i, suite)
      tests%passed = 0
      tests%failed = 0
      call run(suite, tests)
      right = right .and. tests%failed == 0 .and. tests%passed > 0
      if (tests%communicator%is_root()) print '(2a,i0,a,i0,a)', trim(suite), ': ', tests%passed, &
         ' passed, ', tests%failed, ' failed'
   end do
   call stop_communication()
   if (.not. right) stop 1, quiet=.true.

contains

   subroutine run(suite, tests)
      character(len=*), intent(in) :: suite
      type(testing_type), intent(inout) :: tests

      select case (suite)
      case ('sha256')
         call test_sha256_suite(tests)
      case ('archive')
         call test_archive_suite(tests)
      case ('wrapped')
         call test_wrapped_suite(tests)
      case ('sums')
         call test_sums_suite(tests)
      case ('random')
         call test_random_suite(tests)
      case ('domain')
         call test_domain_suite(tests)
      case ('namelists')
         call test_namelists_suite(tests)
      case ('linear_algebra')
         call test_linear_algebra_suite(tests)
      case ('operators')
         call test_operators_suite(tests)
      case ('checks')
         call test_checks_suite(tests)
      case ('observations')
         call test_observations_suite(tests)
      case ('networks')
         call test_networks_suite(tests)
      case ('errors')
         call test_errors_suite(tests)
      case ('treatment')
         call test_treatment_suite(tests)
      case ('filters')
         call test_filters_suite(tests)
      case ('letkf')
         call test_letkf_suite(tests)
      case ('serial')
         call test_serial_suite(tests)
      case ('particles')
         call test_particles_suite(tests)
      case ('record')
         call test_record_suite(tests)
      case ('noise')
         call test_noise_suite(tests)
      case ('adaptive_inflation')
         call test_adaptive_inflation_suite(tests)
      case ('parameters')
         call test_parameters_suite(tests)
      case ('observation_bias')
         call test_observation_bias_suite(tests)
      case ('carried')
         call test_carried_suite(tests)
      case ('verification')
         call test_verification_suite(tests)
      case ('lanczos')
         call test_lanczos_suite(tests)
      case ('diagnostics')
         call test_diagnostics_suite(tests)
      case ('variational')
         call test_variational_suite(tests)
      case ('ienks')
         call test_ienks_suite(tests)
      case ('kalman')
         call test_kalman_suite(tests)
      case ('hybrid')
         call test_hybrid_suite(tests)
      case ('windows')
         call test_windows_suite(tests)
      case ('weak_constraint')
         call test_weak_constraint_suite(tests)
      case ('lagged_smoother')
         call test_lagged_smoother_suite(tests)
      case ('impact')
         call test_impact_suite(tests)
      end select
   end subroutine run
end program tester
