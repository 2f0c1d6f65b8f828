!> A random square root of an inverse matrix in ensemble space, that keeps the mean.
module da_base_random_root
   use da_base_kinds, only: wp
   use da_base_linear_algebra, only: random_orthogonal, reflect_rows, mean_reflection
   use da_base_random, only: random_key_type
   implicit none
   private
   public :: random_inverse_root

contains

   !> root = S^{-1/2} U and x ← S^{-1} x for S = I + a, where a is positive semi-definite with a 1 =
   !> 0, x is orthogonal to 1 and U is a Haar-distributed rotation that keeps 1.
   !>
   !> Any matrix T with T T^T = S^{-1} is S^{-1/2} times an orthogonal one, which a random rotation
   !> swallows: so T = L^{-T} Ω from the Cholesky factor of S in the n - 1 directions orthogonal to
   !> 1 has the same distribution, at a fraction of the cost of the symmetric root.
   subroutine random_inverse_root(key, n, a, root, x)
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: n
      real(wp), intent(in) :: a(n, n)
      real(wp), intent(out) :: root(n, n)
      real(wp), intent(inout) :: x(n)
      real(wp) :: lower(n, n)
      real(wp) :: v(n)
      integer :: i
      integer :: k

      root = 1
      if (n == 1) return
      v = mean_reflection(n)
      lower = a
      call reflect_rows(n, 1, v, lower)
      lower = transpose(lower)
      call reflect_rows(n, 1, v, lower)
      do i = 2, n
         lower(i, i) = lower(i, i) + 1
      end do
      call factorise(n, lower)

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

      ! The columns of `root` are the rows of L^{-T} Ω: the transpose of a Haar rotation is one too.
      call random_orthogonal(key, n, root)
      do k = n, 2, -1
         do i = n, k + 1, -1
            root(:, k) = root(:, k) - root(:, i)*lower(i, k)
         end do
         root(:, k) = root(:, k)/lower(k, k)
      end do
      call reflect_rows(n, 1, v, root)
      root = transpose(root)
      call reflect_rows(n, 1, v, root)
   end subroutine random_inverse_root

   !> The Cholesky factor of the part of a positive definite matrix without its first row and
   !> column, in its lower triangle.
   pure subroutine factorise(n, a)
      integer, intent(in) :: n
      real(wp), intent(inout) :: a(n, n)
      integer :: j
      integer :: k

      do k = 2, n
         do j = 2, k - 1
            a(k:, k) = a(k:, k) - a(k:, j)*a(k, j)
         end do
         a(k:, k) = a(k:, k)/sqrt(a(k, k))
      end do
   end subroutine factorise
end module da_base_random_root
