!> Two covariances, weighted: C = (1 - β) C_1 + β C_2 (Hamill & Snyder 2000), through U =
!> [sqrt(1 - β) U_1, sqrt(β) U_2] and the controls of both side by side.
module da_covariance_hybrid
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: hybrid_type, new_hybrid

   type, extends(covariance_type) :: hybrid_type
      class(covariance_type), allocatable :: first
      class(covariance_type), allocatable :: second
      !> β, the weight of the second.
      real(wp) :: weight = 0
   contains
      procedure :: forward
      procedure :: transposed
   end type hybrid_type

contains

   function new_hybrid(first, second, weight) result(self)
      class(covariance_type), intent(in) :: first
      class(covariance_type), intent(in) :: second
      real(wp), intent(in) :: weight
      type(hybrid_type) :: self

      self%first = first
      self%second = second
      self%weight = weight
      self%components_in = first%components_in + second%components_in
      self%components_out = first%components_out
   end function new_hybrid

   subroutine forward(self, domain, x, y)
      class(hybrid_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: v, other
      integer :: split

      split = self%first%components_in
      allocate (other, mold=y)
      v = x(:, :split, :)
      call self%first%forward(domain, v, y)
      v = x(:, split + 1:, :)
      call self%second%forward(domain, v, other)
      y = sqrt(1 - self%weight)*y + sqrt(self%weight)*other
   end subroutine forward

   subroutine transposed(self, domain, dx, v)
      class(hybrid_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)
      real(wp), allocatable :: part(:, :, :)
      integer :: split

      split = self%first%components_in
      allocate (part(size(v, 1), split, size(v, 3)))
      call self%first%transposed(domain, dx, part)
      v(:, :split, :) = sqrt(1 - self%weight)*part
      deallocate (part)
      allocate (part(size(v, 1), size(v, 2) - split, size(v, 3)))
      call self%second%transposed(domain, dx, part)
      v(:, split + 1:, :) = sqrt(self%weight)*part
   end subroutine transposed
end module da_covariance_hybrid
