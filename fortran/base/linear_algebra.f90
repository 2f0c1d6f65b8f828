!> The small dense matrices of ensemble space: eigen-decomposition, functions of it, random
!> rotations.
module da_base_linear_algebra
   use da_base_kinds, only: wp, i8
   use da_base_error, only: error_type, run_error, lost_error
   use da_base_random, only: random_key_type, normals
   use da_base_text, only: to_text
   implicit none
   private
   public :: eigen_type, new_eigen, random_rotation, random_orthogonal, mean_reflection
   public :: reflect_rows, identity

   !> Decomposes symmetric matrices of one size, a = V diag(values) V^T, without allocating.
   type :: eigen_type
      real(wp), allocatable :: vectors(:, :)
      real(wp), allocatable :: values(:)
      real(wp), allocatable, private :: work(:)
   contains
      procedure :: decompose
      procedure :: compose
   end type eigen_type

   interface
      subroutine dsyev(jobz, uplo, n, a, lda, w, work, lwork, info)
         import :: wp
         character(len=1), intent(in) :: jobz
         character(len=1), intent(in) :: uplo
         integer, intent(in) :: n
         integer, intent(in) :: lda
         real(wp), intent(inout) :: a(lda, *)
         real(wp), intent(out) :: w(*)
         real(wp), intent(out) :: work(*)
         integer, intent(in) :: lwork
         integer, intent(out) :: info
      end subroutine dsyev
   end interface

contains

   pure subroutine new_eigen(n, eigen)
      integer, intent(in) :: n
      type(eigen_type), intent(out) :: eigen
      integer, parameter :: block = 34

      allocate (eigen%vectors(n, n), eigen%values(n), eigen%work(block*n))
   end subroutine new_eigen

   !> Decompose a symmetric matrix (its lower triangle is read).
   subroutine decompose(self, a, error)
      class(eigen_type), intent(inout) :: self
      real(wp), intent(in) :: a(:, :)
      type(error_type), allocatable, intent(out) :: error
      integer :: info

      if (.not. all(abs(a) <= huge(a))) then
         call lost_error(error)
         return
      end if
      self%vectors = a
      call dsyev('V', 'L', size(a, 1), self%vectors, size(a, 1), self%values, self%work, &
                 size(self%work), info)
      if (info /= 0) then
         call run_error(error, 'the eigen-decomposition of a '//to_text(size(a, 1))//' x '// &
                        to_text(size(a, 1))//' matrix in ensemble space failed (LAPACK dsyev: '// &
                        to_text(info)//'): the ensemble has probably diverged')
      end if
   end subroutine decompose

   !> a = V diag(factors) V^T: the function of the matrix that the factors are of its eigenvalues.
   pure subroutine compose(self, factors, a)
      class(eigen_type), intent(in) :: self
      real(wp), intent(in) :: factors(:)
      real(wp), intent(out) :: a(:, :)
      integer :: i
      integer :: k

      a = 0
      do k = 1, size(factors)
         do i = 1, size(factors)
            a(:, i) = a(:, i) + (factors(k)*self%vectors(i, k))*self%vectors(:, k)
         end do
      end do
   end subroutine compose

   !> A random orthogonal matrix that keeps the mean: u 1 = 1 (Sakov & Oke 2008, MWR 136,
   !> 1042-1053): a rotation of the n - 1 directions orthogonal to 1.
   subroutine random_rotation(key, u)
      type(random_key_type), intent(in) :: key
      real(wp), intent(out) :: u(:, :)
      real(wp) :: v(size(u, 1))
      integer :: n

      n = size(u, 1)
      call random_orthogonal(key, n, u)
      if (n == 1) return
      v = mean_reflection(n)
      call reflect_rows(n, 1, v, u)
      u = transpose(u)
      call reflect_rows(n, 1, v, u)
      u = transpose(u)
   end subroutine random_rotation

   !> The reflection I - 2 v v^T / v^T v that takes e_1 to 1/sqrt(n), n > 1.
   pure function mean_reflection(n) result(v)
      integer, intent(in) :: n
      real(wp) :: v(n)

      v = 1/sqrt(real(n, wp))
      v(1) = v(1) - 1
   end function mean_reflection

   !> A Haar-distributed orthogonal matrix that keeps e_1, as a product of Householder reflections
   !> of Gaussian vectors (Stewart 1980).
   subroutine random_orthogonal(key, n, u)
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: n
      real(wp), intent(out) :: u(n, n)
      real(wp) :: gaussian(n*(n - 1)/2)
      real(wp) :: v(n)
      real(wp) :: first
      integer :: place
      integer :: k

      u = identity(n)
      call normals(key, 0_i8, gaussian)
      place = 0
      do k = n - 1, 1, -1
         v(n - k + 1:) = gaussian(place + 1:place + k)
         place = place + k
         first = v(n - k + 1)
         if (k > 1) then
            v(n - k + 1) = first + sign(sqrt(dot_product(v(n - k + 1:), v(n - k + 1:))), first)
            call reflect_rows(n, n - k + 1, v, u)
         end if
         if (first < 0) u(:, n - k + 1) = -u(:, n - k + 1)
      end do
   end subroutine random_orthogonal

   !> u ← u (I - 2 v v^T / v^T v) for a vector that is zero before `start`.
   pure subroutine reflect_rows(n, start, v, u)
      integer, intent(in) :: n
      integer, intent(in) :: start
      real(wp), intent(in) :: v(n)
      real(wp), intent(inout) :: u(n, n)
      real(wp) :: along(n)
      real(wp) :: scale
      integer :: j

      along = 0
      do j = start, n
         along = along + u(:, j)*v(j)
      end do
      scale = 2/dot_product(v(start:), v(start:))
      do j = start, n
         u(:, j) = u(:, j) - along*(scale*v(j))
      end do
   end subroutine reflect_rows

   pure function identity(n) result(a)
      integer, intent(in) :: n
      real(wp) :: a(n, n)
      integer :: i

      a = 0
      do i = 1, n
         a(i, i) = 1
      end do
   end function identity
end module da_base_linear_algebra
