!> Normal noise on the circle, white in space or with a correlation length; a number depends on its
!> key and its global point alone.
module da_ensemble_noise
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, normals_of
   implicit none
   private
   public :: noise_type, new_noise

   !> z_i = Σ_k kernel(k) ξ_{i - before + k - 1}, ξ white.
   type :: noise_type
      integer, private :: before = 0
      real(wp), allocatable, private :: kernel(:)
   contains
      procedure :: draw
   end type noise_type

contains

   !> Noise of unit variance and correlation exp(-d² / (2 L²)) at d grid points, L the correlation
   !> length; white where that is zero. The kernel is exp(-k² / L²), wound round a small circle.
   pure function new_noise(total, correlation_length) result(self)
      integer, intent(in) :: total
      real(wp), intent(in) :: correlation_length
      type(noise_type) :: self
      integer, parameter :: lengths_kept = 5
      integer :: reach
      integer :: slot
      integer :: k

      reach = 0
      if (correlation_length > 0) reach = ceiling(lengths_kept*correlation_length)
      self%before = min(reach, (total - 1)/2)
      allocate (self%kernel(min(2*reach + 1, total)), source=0.0_wp)
      do k = -reach, reach
         slot = 1 + modulo(k + self%before, size(self%kernel))
         if (k == 0) then
            self%kernel(slot) = self%kernel(slot) + 1
         else
            self%kernel(slot) = self%kernel(slot) + exp(-(k/correlation_length)**2)
         end if
      end do
      self%kernel = self%kernel/sqrt(sum(self%kernel**2))
   end function new_noise

   !> The noise z(n) of a key on the slab.
   subroutine draw(self, domain, key, z)
      class(noise_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), intent(out) :: z(:)
      integer(i8) :: points(domain%n + size(self%kernel) - 1)
      real(wp) :: white(domain%n + size(self%kernel) - 1)
      integer :: i
      integer :: k

      do i = 1, size(points)
         points(i) = modulo(domain%first - 2 - self%before + i, domain%total)
      end do
      call normals_of(key, points, white)
      z = 0
      do k = 1, size(self%kernel)
         do i = 1, domain%n
            z(i) = z(i) + self%kernel(k)*white(i + k - 1)
         end do
      end do
   end subroutine draw
end module da_ensemble_noise
