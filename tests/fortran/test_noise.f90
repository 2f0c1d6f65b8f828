!> Noise on the circle: the same numbers on any layout, and the variance and correlation it claims.
module test_noise
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals, stream_model_error, &
      stream_truth_error
   use da_ensemble_model_error, only: model_error_type, model_error_config, new_model_error
   use da_ensemble_noise, only: noise_type, new_noise
   use testing, only: testing_type
   implicit none
   private
   public :: test_noise_suite

   real(wp), parameter :: lengths(3) = [0.0_wp, 1.5_wp, 9.0_wp]

contains

   subroutine test_noise_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(3) = [13, 40, 200]
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      integer :: s
      integer :: l

      do s = 1, size(sizes)
         call new_domain(sizes(s), tests%communicator, domain, error)
         call new_domain(sizes(s), alone(), whole, error)
         do l = 1, size(lengths)
            call check_layout(tests, domain, whole, new_noise(sizes(s), lengths(l)))
         end do
         call check_correlation(tests, whole, lengths(2))
         call check_correlation(tests, whole, lengths(3))
      end do
      call check_model_error(tests, domain)
   end subroutine test_noise_suite

   subroutine check_layout(tests, domain, whole, noise)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      type(domain_type), intent(in) :: whole
      type(noise_type), intent(in) :: noise
      type(random_key_type), parameter :: key = random_key_type(3, 5, 7, 11)
      real(wp) :: z(domain%n)
      real(wp) :: z_whole(whole%n)

      call noise%draw(domain, key, z)
      call noise%draw(whole, key, z_whole)
      call tests%check(all(abs(z - z_whole(domain%first:domain%last)) <= 0), &
                       'noise has the same bits on any layout')
   end subroutine check_layout

   !> Against Σ_j exp(-(d + j total)² / (2 L²)), which is what remains on a circle, to the error of
   !> a sample.
   subroutine check_correlation(tests, whole, length)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: whole
      real(wp), intent(in) :: length
      integer, parameter :: draws = 4000
      integer, parameter :: most_images = 20
      type(noise_type) :: noise
      real(wp), dimension(0:6) :: found, expected
      real(wp) :: z(whole%total)
      real(wp) :: norm
      real(wp) :: independent
      integer :: d
      integer :: j
      integer :: k

      noise = new_noise(whole%total, length)
      found = 0
      do k = 1, draws
         call noise%draw(whole, random_key_type(1, 2, k), z)
         do d = 0, ubound(found, 1)
            found(d) = found(d) + sum(z*cshift(z, d))/(draws*real(whole%total, wp))
         end do
      end do
      expected = 0
      norm = 0
      do j = -most_images, most_images
         norm = norm + exp(-0.5_wp*(j*whole%total/length)**2)
         do d = 0, ubound(found, 1)
            expected(d) = expected(d) + exp(-0.5_wp*((d + j*whole%total)/length)**2)
         end do
      end do
      independent = draws*max(1.0_wp, whole%total/(4*length))
      call tests%check_small(maxval(abs(found - expected/norm)), 5/sqrt(independent), &
                             'variance and correlation of noise')
   end subroutine check_correlation

   !> sd sqrt(Δt) z on the first component, numbers of their own for truth and members; nothing at
   !> zero.
   subroutine check_model_error(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(model_error_type) :: model_error
      real(wp) :: x(domain%n, 2, 3)
      real(wp) :: truth(domain%n, 1, 1)
      real(wp) :: z(domain%n)

      model_error = new_model_error(model_error_config(), domain%total, 0.25_wp, 3)
      x = 1
      call model_error%disturb_members(domain, 5, x)
      call tests%check(all(abs(x - 1) <= 0), 'no model error changes no bit')
      model_error = new_model_error(model_error_config(sd=2.0_wp, truth_sd=1.0_wp), domain%total, &
                                    0.25_wp, 3)
      truth = 1
      call model_error%disturb_members(domain, 5, x)
      call model_error%disturb_truth(domain, 5, truth)
      call normals(random_key_type(3, stream_model_error, 5, 2), int(domain%first - 1, i8), z)
      call tests%check(all(abs(x(:, 1, 2) - (1 + z)) <= epsilon(z)*10), 'a member''s model error')
      call tests%check(all(abs(x(:, 2, :) - 1) <= 0), 'only the first component errs')
      call normals(random_key_type(3, stream_truth_error, 5, 1), int(domain%first - 1, i8), z)
      call tests%check(all(abs(truth(:, 1, 1) - (1 + 0.5_wp*z)) <= epsilon(z)*10), &
                       'the truth''s model error')
   end subroutine check_model_error
end module test_noise
