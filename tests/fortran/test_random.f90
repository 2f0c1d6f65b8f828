!> Random numbers: the published known answers of the generator, moments, and independence of who
!> draws.
module test_random
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals, normals_of, uniforms
   use da_base_random_kernels, only: lanes, threefry, gaussian_pairs, uniform
   use testing, only: testing_type
   implicit none
   private
   public :: test_random_suite

contains

   subroutine test_random_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 100001
      type(random_key_type) :: key
      integer(i8) :: words(2)
      integer(i8), dimension(2) :: first, second
      real(wp), allocatable :: z(:)
      real(wp) :: part(7)
      real(wp), allocatable :: u(:)
      integer :: i

      allocate (z(n), u(n))
      call threefry(2, [0_i8, 0_i8], 0_i8, 0_i8, 0_i8, first, second)
      words = [first(2), second(2)]
      call tests%check(all(words == [int(z'C2B6E3A8C2C69865', i8), int(z'6F81ED42F350084D', i8)]), &
                       'Threefry-2x64-20 known answer: zeros (Random123)')
      call threefry(2, [0_i8, -1_i8], -1_i8, -1_i8, -1_i8, first, second)
      words = [first(2), second(2)]
      call tests%check(all(words == [int(z'E02CB7C4D95D277A', i8), int(z'D06633D0893B8B68', i8)]), &
                       'Threefry-2x64-20 known answer: ones (Random123)')
      call threefry(2, [0_i8, int(z'243F6A8885A308D3', i8)], int(z'13198A2E03707344', i8), &
                    int(z'A4093822299F31D0', i8), int(z'082EFA98EC4E6C89', i8), first, second)
      words = [first(2), second(2)]
      call tests%check(all(words == [int(z'263C7D30BB0F0AF1', i8), int(z'56BE8361D3311526', i8)]), &
                       'Threefry-2x64-20 known answer: digits of pi (Random123)')

      call check_functions()

      key = random_key_type(seed=7, stream=3, cycle=11, member=2)
      call normals(key, 0_i8, z)
      call tests%check_small(abs(sum(z)/n), 4/sqrt(real(n, wp)), 'normals have mean zero')
      call tests%check_small(abs(sum(z**2)/n - 1), 4*sqrt(2.0_wp/n), 'normals have variance one')
      call tests%check_small(abs(sum(z**4)/n - 3), 4*sqrt(96.0_wp/n), 'normals have kurtosis three')
      call tests%check_small(abs(dot_product(z(2:), z(:n - 1)))/n, 4/sqrt(real(n, wp)), &
                             'neighbouring normals are uncorrelated')
      call normals(key, 5_i8, part)
      call tests%check(all(abs(part - z(6:12)) <= 0), &
                       'a number depends on its index alone (odd start)')
      call normals(key, 6_i8, part)
      call tests%check(all(abs(part - z(7:13)) <= 0), &
                       'a number depends on its index alone (even start)')
      call normals_of(key, [(int(mod(3*i, 11), i8), i=1, 7)], part)
      call tests%check(all(abs(part - z([(mod(3*i, 11) + 1, i=1, 7)])) <= 0), &
                       'normals of any indices')
      call uniforms(key, 0_i8, u)
      call tests%check(all(u > 0 .and. u < 1), 'uniforms lie between zero and one')
      call tests%check_small(abs(sum(u)/n - 0.5_wp), 4/sqrt(12.0_wp*n), &
                             'uniforms have mean one half')

      call differs(random_key_type(seed=8, stream=3, cycle=11, member=2), 'seed')
      call differs(random_key_type(seed=7, stream=4, cycle=11, member=2), 'stream')
      call differs(random_key_type(seed=7, stream=3, cycle=12, member=2), 'cycle')
      call differs(random_key_type(seed=7, stream=3, cycle=11, member=3), 'member')

   contains

      !> The series against the C library's functions, from the smallest uniform to the largest.
      subroutine check_functions()
         integer(i8), dimension(lanes) :: words1, words2
         real(wp), dimension(lanes) :: z1, z2, u1, u2, radius
         real(wp), parameter :: two_pi = 6.283185307179586_wp
         real(wp) :: worst
         integer(i8) :: block

         worst = 0
         do block = 0, 10000
            call threefry(lanes, [(lanes*block + i, i=1, lanes)], 1_i8, 2_i8, 3_i8, words1, words2)
            if (block == 0) words1(:4) = [0_i8, -1_i8, int(z'7FFFFFFFFFFFFFFF', i8), 2048_i8]
            if (block == 0) words2(:4) = [-1_i8, 0_i8, int(z'3FFFFFFFFFFFFFFF', i8), &
               int(z'5FFFFFFFFFFFFFFF', i8)]
            call gaussian_pairs(words1, words2, z1, z2)
            u1 = uniform(words1)
            u2 = uniform(words2)
            radius = sqrt(-2*log(u1))
            worst = max(worst, maxval(abs(z1 - radius*cos(two_pi*u2))), &
                        maxval(abs(z2 - radius*sin(two_pi*u2))))
         end do
         call tests%check_small(worst, 1.0e-14_wp, 'log, sin and cos of the normals')
      end subroutine check_functions

      subroutine differs(other, what)
         type(random_key_type), intent(in) :: other
         character(len=*), intent(in) :: what
         real(wp), allocatable :: y(:)

         allocate (y(n))
         call normals(other, 0_i8, y)
         call tests%check_small(abs(dot_product(y, z))/n, 4/sqrt(real(n, wp)), 'another '//what// &
                                ' gives an uncorrelated sequence')
      end subroutine differs
   end subroutine test_random_suite
end module test_random
