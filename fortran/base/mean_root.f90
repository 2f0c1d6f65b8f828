!> Square roots of the inverse of a matrix in ensemble space, that keep the mean, by Cholesky
!> factors.
!>
!> For S = I + a with a 1 = 0, and the reflection Q that takes e_1 to 1/sqrt(n), Q S Q is the
!> identity in its first row and column; with the Cholesky factor L of the rest, T = Q diag(1,
!> L^{-T} Ω) Q has T T^T = S^{-1} and T 1 = 1 for every orthogonal Ω.
module da_base_mean_root
   use da_base_kinds, only: wp
   use da_base_linear_algebra, only: identity, random_orthogonal, reflect_rows, mean_reflection
   use da_base_random, only: random_key_type
   implicit none
   private
   public :: random_inverse_root, root_and_inverse

contains

   !> root = S^{-1/2} U and x ← S^{-1} x, where a is positive semi-definite, x is orthogonal to 1
   !> and U is a Haar-distributed rotation that keeps 1.
   !>
   !> Any T with T T^T = S^{-1} is S^{-1/2} times an orthogonal matrix, which a random rotation
   !> swallows: a random Ω gives the same distribution at a fraction of the cost of the symmetric
   !> root.
   subroutine random_inverse_root(key, n, a, root, x)
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: n
      real(wp), intent(in) :: a(n, n)
      real(wp), intent(out) :: root(n, n)
      real(wp), intent(inout) :: x(n)
      real(wp) :: lower(n, n)

      root = 1
      if (n == 1) return
      call factorise(n, a, lower)
      call solve(n, lower, x)
      ! The transpose of a Haar rotation is one too.
      call random_orthogonal(key, n, root)
      call divide(n, lower, root)
   end subroutine random_inverse_root

   !> root = T for Ω = I, inverse = T^{-1}, and x ← S^{-1} x.
   subroutine root_and_inverse(n, a, root, inverse, x)
      integer, intent(in) :: n
      real(wp), intent(in) :: a(n, n)
      real(wp), intent(out) :: root(n, n)
      real(wp), intent(out) :: inverse(n, n)
      real(wp), intent(inout) :: x(n)
      real(wp) :: lower(n, n)
      real(wp) :: v(n)
      integer :: k

      root = 1
      inverse = 1
      if (n == 1) return
      call factorise(n, a, lower)
      call solve(n, lower, x)
      root = identity(n)
      call divide(n, lower, root)
      v = mean_reflection(n)
      inverse = identity(n)
      do k = 2, n
         inverse(k, 2:k) = lower(k, 2:k)
      end do
      call reflect_rows(n, 1, v, inverse)
      inverse = transpose(inverse)
      call reflect_rows(n, 1, v, inverse)
   end subroutine root_and_inverse

   !> L, in the lower triangle of rows and columns from 2 on.
   subroutine factorise(n, a, lower)
      integer, intent(in) :: n
      real(wp), intent(in) :: a(n, n)
      real(wp), intent(out) :: lower(n, n)
      real(wp) :: v(n)
      integer :: j
      integer :: k

      v = mean_reflection(n)
      lower = a
      call reflect_rows(n, 1, v, lower)
      lower = transpose(lower)
      call reflect_rows(n, 1, v, lower)
      do k = 2, n
         lower(k, k) = lower(k, k) + 1
      end do
      do k = 2, n
         do j = 2, k - 1
            lower(k:, k) = lower(k:, k) - lower(k:, j)*lower(k, j)
         end do
         lower(k:, k) = lower(k:, k)/sqrt(lower(k, k))
      end do
   end subroutine factorise

   !> x ← S^{-1} x
   subroutine solve(n, lower, x)
      integer, intent(in) :: n
      real(wp), intent(in) :: lower(n, n)
      real(wp), intent(inout) :: x(n)
      real(wp) :: v(n)
      integer :: k

      v = mean_reflection(n)
      x = x - v*(2*dot_product(v, x)/dot_product(v, v))
      do k = 2, n
         x(k) = x(k)/lower(k, k)
         x(k + 1:) = x(k + 1:) - x(k)*lower(k + 1:, k)
      end do
      do k = n, 2, -1
         x(k) = (x(k) - dot_product(lower(k + 1:, k), x(k + 1:)))/lower(k, k)
      end do
      x(1) = 0
      x = x - v*(2*dot_product(v, x)/dot_product(v, v))
   end subroutine solve

   !> From Ω^T, with the identity in its first row and column, to T.
   subroutine divide(n, lower, t)
      integer, intent(in) :: n
      real(wp), intent(in) :: lower(n, n)
      real(wp), intent(inout) :: t(n, n)
      real(wp) :: v(n)
      integer :: i
      integer :: k

      do k = n, 2, -1
         do i = n, k + 1, -1
            t(:, k) = t(:, k) - t(:, i)*lower(i, k)
         end do
         t(:, k) = t(:, k)/lower(k, k)
      end do
      v = mean_reflection(n)
      call reflect_rows(n, 1, v, t)
      t = transpose(t)
      call reflect_rows(n, 1, v, t)
   end subroutine divide
end module da_base_mean_root
