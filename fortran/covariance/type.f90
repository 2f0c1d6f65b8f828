!> A covariance, known by a square root: C = U U^T.
!>
!> U takes a field of independent standard normal controls, v(n, components_in, batch), to an
!> increment dx(n, components_out, batch); it is linear, so it is its own tangent linear.
module da_covariance_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: covariance_type

   type, abstract, extends(operator_type) :: covariance_type
   contains
      procedure :: tl
      procedure :: ad
      procedure(transposed), deferred :: transposed
   end type covariance_type

   abstract interface
      !> v = U^T dx
      subroutine transposed(self, domain, dx, v)
         import :: covariance_type, domain_type, wp
         class(covariance_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         real(wp), contiguous, intent(in) :: dx(:, :, :)
         real(wp), contiguous, intent(out) :: v(:, :, :)
      end subroutine transposed
   end interface

contains

   subroutine tl(self, domain, x, dx, dy)
      class(covariance_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call self%forward(domain, dx, dy)
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(covariance_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)

      call self%transposed(domain, dy, dx)
   end subroutine ad
end module da_covariance_type
