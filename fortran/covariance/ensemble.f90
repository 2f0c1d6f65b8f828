!> The covariance of an ensemble, localised: C = L ∘ X X^T, through its square root.
!>
!> U v = Σ_m X_m ∘ (L^{1/2} v_m), one control field a member (Lorenc 2003; Buehner 2005), X the
!> anomalies over sqrt(members - 1). The components of a point share their controls: localisation is
!> by distance alone.
module da_covariance_ensemble
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: ensemble_covariance_type, new_ensemble_covariance

   type, extends(covariance_type) :: ensemble_covariance_type
      !> anomalies(n, components, members)
      real(wp), allocatable :: anomalies(:, :, :)
      class(covariance_type), allocatable :: localisation
   contains
      procedure :: forward
      procedure :: transposed
   end type ensemble_covariance_type

contains

   !> `localisation` has one component and unit variance.
   function new_ensemble_covariance(x, localisation) result(self)
      real(wp), intent(in) :: x(:, :, :)
      class(covariance_type), intent(in) :: localisation
      type(ensemble_covariance_type) :: self
      real(wp) :: average(size(x, 1), size(x, 2))
      integer :: members
      integer :: m

      members = size(x, 3)
      average = x(:, :, 1)
      do m = 2, members
         average = average + x(:, :, m)
      end do
      average = average/members
      allocate (self%anomalies, mold=x)
      do m = 1, members
         self%anomalies(:, :, m) = (x(:, :, m) - average)/sqrt(real(members - 1, wp))
      end do
      self%localisation = localisation
      self%components_in = members
      self%components_out = size(x, 2)
   end function new_ensemble_covariance

   subroutine forward(self, domain, x, y)
      class(ensemble_covariance_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable :: smooth(:, :, :)
      integer :: b
      integer :: m
      integer :: c

      call smoothed(self, domain, x, smooth)
      do b = 1, size(x, 3)
         do c = 1, size(y, 2)
            y(:, c, b) = 0
            do m = 1, size(x, 2)
               y(:, c, b) = y(:, c, b) + self%anomalies(:, c, m)*smooth(:, 1, (b - 1)*size(x, 2) &
                                                                        + m)
            end do
         end do
      end do
   end subroutine forward

   subroutine transposed(self, domain, dx, v)
      class(ensemble_covariance_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: products, smooth
      integer :: b
      integer :: m
      integer :: c

      allocate (products(size(v, 1), 1, size(v, 2)*size(v, 3)))
      allocate (smooth, mold=products)
      do b = 1, size(v, 3)
         do m = 1, size(v, 2)
            associate (product => products(:, 1, (b - 1)*size(v, 2) + m))
               product = 0
               do c = 1, size(dx, 2)
                  product = product + self%anomalies(:, c, m)*dx(:, c, b)
               end do
            end associate
         end do
      end do
      call self%localisation%transposed(domain, products, smooth)
      v = reshape(smooth, shape(v))
   end subroutine transposed

   !> L^{1/2} of every control field.
   subroutine smoothed(self, domain, v, smooth)
      class(ensemble_covariance_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      real(wp), allocatable, intent(out) :: smooth(:, :, :)

      allocate (smooth(size(v, 1), 1, size(v, 2)*size(v, 3)))
      call self%localisation%forward(domain, reshape(v, shape(smooth)), smooth)
   end subroutine smoothed
end module da_covariance_ensemble
