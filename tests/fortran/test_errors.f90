!> Errors of twins' observations: their moments and correlations, the same on any layout.
module test_errors
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals_of, stream_observations
   use da_observation_errors, only: error_config, draw_errors
   use testing, only: testing_type
   implicit none
   private
   public :: test_errors_suite

contains

   subroutine test_errors_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(4) = [4, 13, 40, 1000]
      real(wp), parameter :: lengths(3) = [0.01_wp, 3.0_wp, 1.0e9_wp]
      integer :: s
      integer :: l

      call check_moments(tests)
      call check_gross(tests)
      call check_correlations(tests, 3.0_wp)
      call check_correlations(tests, 0.4_wp)
      call check_limits(tests)
      do s = 1, size(sizes)
         do l = 1, size(lengths)
            call check_layout(tests, sizes(s), lengths(l))
         end do
      end do
   end subroutine test_errors_suite

   function settings(distribution, correlation_length, gross_share) result(config)
      character(len=*), intent(in) :: distribution
      real(wp), intent(in) :: correlation_length
      real(wp), intent(in) :: gross_share
      type(error_config) :: config

      config%distribution = distribution
      config%correlation_length = correlation_length
      config%gross_share = gross_share
   end function settings

   !> Mean 0, variance 1, kurtosis 3 and 6; the bounds are four standard deviations of each.
   subroutine check_moments(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 200000
      character(len=8), parameter :: names(2) = [character(len=8) :: 'gaussian', 'laplace']
      !> E e⁴ and E e⁸ of variance one.
      real(wp), parameter :: fourth(2) = [3.0_wp, 6.0_wp]
      real(wp), parameter :: eighth(2) = [105.0_wp, 2520.0_wp]
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      real(wp), allocatable :: e(:)
      integer :: d
      integer :: i

      call new_domain(n, alone(), domain, error)
      allocate (e(n))
      do d = 1, size(names)
         call draw_errors(settings(trim(names(d)), 0.0_wp, 0.0_wp), domain, 5, 1, &
                          [(real(i, wp), i=0, n - 1)], [(int(i, i8), i=0, n - 1)], e)
         call tests%check_small(abs(sum(e)/n), 4/sqrt(real(n, wp)), trim(names(d))//': mean zero')
         call tests%check_small(abs(sum(e**2)/n - 1), 4*sqrt((fourth(d) - 1)/n), &
                                trim(names(d))//': variance one')
         call tests%check_small(abs(sum(e**4)/n - fourth(d)), &
                                4*sqrt((eighth(d) - fourth(d)**2)/n), trim(names(d))//': kurtosis')
         call tests%check_small(abs(dot_product(e(2:), e(:n - 1)))/n, 4/sqrt(real(n, wp)), &
                                trim(names(d))//': neighbours are uncorrelated')
      end do
   end subroutine check_moments

   !> A share of the errors is larger by the factor, the others are as without.
   subroutine check_gross(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 20000
      real(wp), parameter :: share = 0.05_wp
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      real(wp), allocatable :: positions(:)
      real(wp), allocatable :: ordinary(:)
      real(wp), allocatable :: e(:)
      integer(i8), allocatable :: numbers(:)
      integer :: gross
      integer :: i

      call new_domain(n, alone(), domain, error)
      positions = [(real(i, wp), i=0, n - 1)]
      numbers = int(positions, i8)
      allocate (ordinary(n), e(n))
      call draw_errors(settings('laplace', 0.0_wp, 0.0_wp), domain, 5, 1, positions, numbers, &
                       ordinary)
      call draw_errors(settings('laplace', 0.0_wp, share), domain, 5, 1, positions, numbers, e)
      gross = count(abs(e - 10*ordinary) <= 0)
      call tests%check(gross + count(abs(e - ordinary) <= 0) == n, &
                       'errors are ordinary, or larger by the factor')
      call tests%check_small(abs(gross - share*n), 4*sqrt(n*share*(1 - share)), &
                             'the share of gross errors')
   end subroutine check_gross

   !> Covariances of all pairs of observations over many cycles: exp(-distance/length), several
   !> observations in a cell, none in others, and none across the seam.
   subroutine check_correlations(tests, length)
      type(testing_type), intent(inout) :: tests
      real(wp), intent(in) :: length
      integer, parameter :: n = 9
      integer, parameter :: draws = 20000
      real(wp), parameter :: positions(n) = [0.0_wp, 0.25_wp, 0.9_wp, 1.0_wp, 2.5_wp, 6.1_wp, &
         6.2_wp, 9.0_wp, 12.75_wp]
      !> In standard deviations: one pair of 45 in 7,000 tests lies beyond.
      real(wp), parameter :: bound = 4.5_wp
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      real(wp) :: e(n)
      real(wp) :: products(n, n)
      real(wp) :: rho
      real(wp) :: worst
      integer :: cycle
      integer :: i
      integer :: j

      call new_domain(13, alone(), domain, error)
      products = 0
      do cycle = 1, draws
         call draw_errors(settings('gaussian', length, 0.0_wp), domain, 5, cycle, positions, &
                          [(int(i, i8), i=0, n - 1)], e)
         do j = 1, n
            products(:, j) = products(:, j) + e*e(j)
         end do
      end do
      worst = 0
      do j = 1, n
         do i = 1, j
            rho = exp(-abs(positions(j) - positions(i))/length)
            worst = max(worst, abs(products(i, j)/draws - rho)/sqrt((1 + rho**2)/draws))
         end do
      end do
      call tests%check_small(worst, bound, 'errors correlate as exp(-distance/length)')
   end subroutine check_correlations

   !> Short lengths leave the errors as they are between grid points; long ones make them all the
   !> same.
   subroutine check_limits(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: positions(4) = [0.5_wp, 3.5_wp, 7.25_wp, 39.5_wp]
      integer(i8), parameter :: numbers(4) = [0_i8, 1_i8, 2_i8, 3_i8]
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      real(wp) :: white(4)
      real(wp) :: e(4)

      call new_domain(40, alone(), domain, error)
      call normals_of(random_key_type(5, stream_observations, 1), numbers, white)
      call draw_errors(settings('gaussian', 1.0e-3_wp, 0.0_wp), domain, 5, 1, positions, numbers, e)
      call tests%check_small(maxval(abs(e - white)), 1.0e-15_wp, 'short: errors are independent')
      call draw_errors(settings('gaussian', 1.0e9_wp, 0.0_wp), domain, 5, 1, positions, numbers, e)
      call tests%check_small(maxval(e) - minval(e), 3.0e-3_wp, 'long: errors are all the same')
   end subroutine check_limits

   !> Each rank draws for its slab what one rank alone draws for it.
   subroutine check_layout(tests, points, length)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: points
      real(wp), intent(in) :: length
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      real(wp), allocatable :: positions(:)
      real(wp), allocatable :: e(:)
      real(wp) :: all_e(2*points)
      integer :: first
      integer :: i

      if (points < tests%communicator%ranks) return
      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call draw_errors(settings('gaussian', length, 0.1_wp), whole, 5, 3, &
                       [(0.5_wp*i, i=0, 2*points - 1)], [(int(i, i8), i=0, 2*points - 1)], all_e)
      first = 2*(domain%first - 1)
      positions = [(0.5_wp*i, i=first, 2*domain%last - 1)]
      allocate (e(size(positions)))
      call draw_errors(settings('gaussian', length, 0.1_wp), domain, 5, 3, positions, &
                       [(int(i, i8), i=first, 2*domain%last - 1)], e)
      call tests%check(all(abs(e - all_e(first + 1:2*domain%last)) <= 0), &
                       'correlated errors are the same on any layout')
   end subroutine check_layout
end module test_errors
