!> Errors of the same standard deviation everywhere, independent of one another.
module da_covariance_diagonal
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: diagonal_type, new_diagonal

   type, extends(covariance_type) :: diagonal_type
      !> Of each component.
      real(wp), allocatable :: sd(:)
   contains
      procedure :: forward
      procedure :: transposed
   end type diagonal_type

contains

   pure function new_diagonal(sd) result(self)
      real(wp), intent(in) :: sd(:)
      type(diagonal_type) :: self

      self%sd = sd
      self%components_in = size(sd)
      self%components_out = size(sd)
   end function new_diagonal

   subroutine forward(self, domain, x, y)
      class(diagonal_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      integer :: c

      do c = 1, size(self%sd)
         y(:, c, :) = self%sd(c)*x(:, c, :)
      end do
   end subroutine forward

   subroutine transposed(self, domain, dx, v)
      class(diagonal_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)

      call self%forward(domain, dx, v)
   end subroutine transposed
end module da_covariance_diagonal
