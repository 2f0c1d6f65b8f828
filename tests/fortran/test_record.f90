!> Statistics over time.
module test_record
   use, intrinsic :: ieee_arithmetic, only: ieee_is_nan, ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_verification_record, only: statistics_type, statistics_of
   use testing, only: testing_type
   implicit none
   private
   public :: test_record_suite

contains

   subroutine test_record_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 50000
      real(wp), parameter :: memory = 0.9_wp
      type(statistics_type) :: stats
      real(wp), allocatable :: z(:)
      real(wp) :: expected
      integer :: k

      allocate (z(n))
      call normals(random_key_type(seed=1), 0_i8, z)
      stats = statistics_of(z)
      call tests%check_small(abs(stats%mean - sum(z)/n), 1.0e-14_wp, 'mean')
      call tests%check_small(abs(stats%maximum - maxval(abs(z))), 0.0_wp, 'maximum')
      call tests%check_small(abs(stats%standard_error*sqrt(real(n, wp)) - 1), 0.1_wp, &
                             'standard error of white noise')
      do k = 2, n
         z(k) = memory*z(k - 1) + z(k)
      end do
      stats = statistics_of(z)
      expected = 1/(1 - memory)/sqrt(real(n, wp))
      call tests%check_small(abs(stats%standard_error/expected - 1), 0.15_wp, &
                             'standard error of an autoregressive series')
      stats = statistics_of([(2.0_wp, k=1, 10)])
      call tests%check_small(abs(stats%mean - 2) + stats%standard_error, 0.0_wp, &
                             'a constant has no error')
      stats = statistics_of(z(:1))
      call tests%check(ieee_is_nan(stats%standard_error) .and. abs(stats%mean - z(1)) <= 0, &
                       'one cycle has a mean without an error')
      stats = statistics_of(z(:0))
      call tests%check(ieee_is_nan(stats%mean), 'no cycle, no mean')
      z(5) = ieee_value(z(5), ieee_quiet_nan)
      stats = statistics_of(z)
      call tests%check(ieee_is_nan(stats%mean) .and. ieee_is_nan(stats%maximum), &
                       'a NaN is not averaged away')
   end subroutine test_record_suite
end module test_record
