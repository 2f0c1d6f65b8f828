!> Sums over the domain: exact enough, and the same bits in any order and on any layout.
module test_sums
   use, intrinsic :: iso_fortran_env, only: real128
   use, intrinsic :: ieee_arithmetic, only: ieee_is_nan, ieee_value, ieee_positive_inf
   use da_base_communicator, only: alone
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_base_reproducible_sum, only: sum_columns, sum_products
   use testing, only: testing_type
   implicit none
   private
   public :: test_sums_suite

   integer, parameter :: n = 1009

contains

   subroutine test_sums_suite(tests)
      type(testing_type), intent(inout) :: tests
      real(wp) :: x(n, 3)
      real(wp) :: whole(3)
      real(wp) :: parts(3)
      real(wp) :: gram(3, 3)
      real(wp) :: gram_parts(3, 3)
      real(wp) :: exact
      integer :: first
      integer :: last
      integer :: c

      do c = 1, 3
         call normals(random_key_type(seed=c), 0_i8, x(:, c))
      end do
      x(:, 2) = x(:, 2)*10.0_wp**(8*x(:, 3))
      x(:, 3) = 1 + 1.0e-9_wp*x(:, 3)
      call sum_columns(alone(), int(n, i8), x, whole)
      do c = 1, 3
         exact = real(sum(real(x(:, c), real128)), wp)
         call tests%check_small(abs(whole(c) - exact), 4*epsilon(exact)*sum(abs(x(:, c))), &
                                'sum is accurate')
      end do
      call sum_columns(alone(), int(n, i8), x(n:1:-1, :), parts)
      call tests%check(all(abs(parts - whole) <= 0), 'sum does not depend on order')

      associate (rank => tests%communicator%rank, ranks => tests%communicator%ranks)
         first = rank*n/ranks + 1
         last = (rank + 1)*n/ranks
      end associate
      call sum_columns(tests%communicator, int(n, i8), x(first:last, :), parts)
      call tests%check(all(abs(parts - whole) <= 0), 'sum does not depend on the layout')
      call sum_products(alone(), int(n, i8), x, x, .true., gram)
      call sum_products(tests%communicator, int(n, i8), x(first:last, :), x(first:last, :), &
                        .true., gram_parts)
      call tests%check(all(abs(gram - gram_parts) <= 0), 'products: same on any layout')
      call sum_products(tests%communicator, int(n, i8), x(first:last, :), x(first:last, :), &
                        .false., gram_parts)
      call tests%check(all(abs(gram - gram_parts) <= 0), &
                       'products: symmetric form agrees with general form')
      exact = real(sum(real(x(:, 1), real128)*x(:, 3)), wp)
      call tests%check_small(abs(gram(1, 3) - exact), 4*epsilon(exact)*n, 'products are accurate')

      x(:, 1) = 0
      x(3, 2) = ieee_value(1.0_wp, ieee_positive_inf)
      call sum_columns(tests%communicator, int(n, i8), x(first:last, :), parts)
      call tests%check(abs(parts(1)) <= 0, 'sum of zeros is zero')
      call tests%check(ieee_is_nan(parts(2)), 'a sum that holds an infinity is not a number')
   end subroutine test_sums_suite
end module test_sums
