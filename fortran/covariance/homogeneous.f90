!> A covariance that is the same around every point: circulant, its square root a symmetric kernel.
!>
!> C_ij = σ² ρ(|i - j|); with the Fourier transform ĉ of a row of C, the root's kernel is the
!> inverse transform of sqrt(ĉ). On a long circle the kernel is cut where it has died out, so that U
!> needs one exchange of a halo; C is then what U U^T is.
module da_covariance_homogeneous
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_random_kernels, only: circle
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: homogeneous_type, new_homogeneous

   !> kernel(0:reach, component): U v at point i is Σ_k kernel(|k|) v at i + k, k = -left … reach.
   type, extends(covariance_type) :: homogeneous_type
      real(wp), allocatable :: kernel(:, :)
      integer :: left = 0
      integer :: reach = 0
   contains
      procedure :: forward
      procedure :: transposed
   end type homogeneous_type

   !> Points a pass of the convolution.
   integer, parameter :: tile = 256

contains

   !> From the covariances of points 0, 1, … `size(covariances, 1) - 1` apart, beyond which they are
   !> zero, on a circle of `points`, for each component. What is not positive of their spectrum is
   !> left out.
   pure function new_homogeneous(points, covariances) result(self)
      integer, intent(in) :: points
      real(wp), intent(in) :: covariances(0:, :)
      type(homogeneous_type) :: self
      !> Circles up to this length have their exact root; a longer one that of a shorter one, cut.
      integer, parameter :: longest_exact = 128
      integer, parameter :: lengths_kept = 4
      integer :: circle
      integer :: c

      circle = min(points, max(longest_exact, lengths_kept*ubound(covariances, 1)))
      self%components_in = size(covariances, 2)
      self%components_out = size(covariances, 2)
      self%reach = circle/2
      self%left = (circle - 1)/2
      allocate (self%kernel(0:self%reach, size(covariances, 2)))
      do c = 1, size(covariances, 2)
         call root_of_row(circle, covariances(:, c), self%kernel(:, c))
      end do
      if (circle < points) self%left = self%reach
   end function new_homogeneous

   !> The symmetric root's kernel on a circle of n points.
   pure subroutine root_of_row(n, covariances, kernel)
      integer, intent(in) :: n
      real(wp), intent(in) :: covariances(0:)
      real(wp), intent(out) :: kernel(0:)
      real(wp) :: wave(0:n - 1)
      real(wp) :: sine
      real(wp) :: spectrum(0:n/2)
      real(wp) :: row(0:n/2)
      integer :: i
      integer :: k

      do i = 0, n - 1
         call circle(real(i, wp)/n, sine, wave(i))
      end do
      row = 0
      do i = 0, min(n/2, ubound(covariances, 1))
         row(i) = covariances(i)
      end do
      do k = 0, n/2
         spectrum(k) = sqrt(max(folded_sum(n, k, row, wave), 0.0_wp))
      end do
      do i = 0, n/2
         kernel(i) = folded_sum(n, i, spectrum, wave)/n
      end do
   end subroutine root_of_row

   !> Σ_i row(|i|) cos(2π i k / n) over the circle.
   pure function folded_sum(n, k, row, wave) result(total)
      integer, intent(in) :: n
      integer, intent(in) :: k
      real(wp), intent(in) :: row(0:)
      real(wp), intent(in) :: wave(0:)
      real(wp) :: total
      integer :: i

      total = row(0)
      do i = 1, (n - 1)/2
         total = total + 2*row(i)*wave(mod(i*k, n))
      end do
      if (mod(n, 2) == 0) total = total + row(n/2)*wave(mod(n/2*k, n))
   end function folded_sum

   subroutine forward(self, domain, x, y)
      class(homogeneous_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      call convolve(self, domain, self%left, self%reach, x, y)
   end subroutine forward

   subroutine transposed(self, domain, dx, v)
      class(homogeneous_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)

      call convolve(self, domain, self%reach, self%left, dx, v)
   end subroutine transposed

   subroutine convolve(self, domain, left, right, x, y)
      class(homogeneous_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: left
      integer, intent(in) :: right
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable :: before(:, :)
      real(wp), allocatable :: behind(:, :)
      real(wp), allocatable :: padded(:)
      integer :: columns
      integer :: column
      integer :: m
      integer :: c

      columns = size(x, 2)*size(x, 3)
      allocate (before(left, columns), behind(right, columns), padded(left + domain%n + right))
      call domain%fetch_halo(columns, x, before, behind)
      do m = 1, size(x, 3)
         do c = 1, size(x, 2)
            column = (m - 1)*size(x, 2) + c
            padded(:left) = before(:, column)
            padded(left + 1:left + domain%n) = x(:, c, m)
            padded(left + domain%n + 1:) = behind(:, column)
            call convolve_column(domain%n, left, right, self%kernel(:, c), padded, y(:, c, m))
         end do
      end do
   end subroutine convolve

   !> y_i = Σ_k kernel(|k|) x_{i+k}, k = -left … right in this order, wherever the slab ends.
   pure subroutine convolve_column(n, left, right, kernel, x, y)
      integer, intent(in) :: n
      integer, intent(in) :: left
      integer, intent(in) :: right
      real(wp), intent(in) :: kernel(0:max(left, right))
      real(wp), intent(in) :: x(1 - left:n + right)
      real(wp), intent(out) :: y(n)
      real(wp) :: total(tile)
      integer :: start
      integer :: points
      integer :: i
      integer :: k

      do start = 0, n - 1, tile
         points = min(tile, n - start)
         total = 0
         do k = -left, right
            do i = 1, points
               total(i) = total(i) + kernel(abs(k))*x(start + i + k)
            end do
         end do
         y(start + 1:start + points) = total(:points)
      end do
   end subroutine convolve_column
end module da_covariance_homogeneous
