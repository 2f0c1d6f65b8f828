!> Ensemble-space matrices.
module test_linear_algebra
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_positive_inf
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_linear_algebra, only: eigen_type, new_eigen, identity, random_rotation
   use da_base_random, only: random_key_type, normals
   use testing, only: testing_type
   implicit none
   private
   public :: test_linear_algebra_suite

contains

   subroutine test_linear_algebra_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(4) = [1, 2, 7, 24]
      type(eigen_type) :: eigen
      type(error_type), allocatable :: error
      real(wp), allocatable, dimension(:, :) :: y, s, root, inverse, u
      integer :: k
      integer :: m

      do k = 1, size(sizes)
         m = sizes(k)
         allocate (y(m, m), s(m, m), root(m, m), inverse(m, m), u(m, m))
         call normals(random_key_type(seed=m), 0_i8, y(:, 1))
         do m = 1, sizes(k)
            call normals(random_key_type(seed=m), 0_i8, y(:, m))
         end do
         m = sizes(k)
         s = identity(m) + matmul(transpose(y), y)
         call new_eigen(m, eigen)
         call eigen%decompose(s, error)
         call tests%check(.not. allocated(error), 'a positive matrix is decomposed')
         call eigen%compose(1/sqrt(eigen%values), root)
         call eigen%compose(1/eigen%values, inverse)
         call tests%check_small(maxval(abs(matmul(root, root) - inverse)), 1.0e-13_wp*m, &
                                'root² = inverse')
         call tests%check_small(maxval(abs(matmul(s, inverse) - identity(m))), 1.0e-11_wp, &
                                'S S⁻¹ = I')
         call random_rotation(random_key_type(seed=m), u)
         call tests%check_small(maxval(abs(matmul(u, transpose(u)) - identity(m))), 1.0e-13_wp, &
                                'a rotation is orthogonal')
         call tests%check_small(maxval(abs(sum(u, dim=2) - 1)), 1.0e-13_wp, &
                                'a rotation keeps the mean')
         deallocate (y, s, root, inverse, u)
      end do
      allocate (s(2, 2), source=0.0_wp)
      s(1, 1) = ieee_value(1.0_wp, ieee_positive_inf)
      call new_eigen(2, eigen)
      call eigen%decompose(s, error)
      call tests%check(allocated(error), 'a matrix that is not finite is an error')
      call check_haar(tests)
   end subroutine test_linear_algebra_suite

   !> Averaged over many rotations, every direction orthogonal to 1 is turned into every other
   !> alike.
   subroutine check_haar(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: m = 5
      integer, parameter :: samples = 20000
      real(wp), dimension(m, m) :: u, mean, square
      integer :: k

      mean = 0
      square = 0
      do k = 1, samples
         call random_rotation(random_key_type(seed=1, cycle=k), u)
         mean = mean + u/samples
         square = square + (u - 1.0_wp/m)**2/samples
      end do
      call tests%check_small(maxval(abs(mean - 1.0_wp/m)), 5/sqrt(real(samples, wp)), &
                             'rotations have no bias')
      call tests%check_small(maxval(abs(square - (m - 1.0_wp)/m**2)), 5/sqrt(real(samples, wp)), &
                             'rotations prefer no direction')
   end subroutine check_haar
end module test_linear_algebra
