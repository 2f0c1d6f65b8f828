!> The one abstraction: a differentiable map from fields on the slabs of a domain.
!>
!> Models, networks, observation operators and square roots of covariances are all operators. Calls
!> are collective: every rank passes its part and gets its part. No linearisation is stored: `tl`
!> and `ad` take the point, and `self` does not change.
module da_operator_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   implicit none
   private
   public :: operator_type

   !> Input x(n, components_in, batch), output y(rows, components_out, batch), n and rows those of
   !> this rank.
   type, abstract :: operator_type
      integer :: components_in = 1
      integer :: components_out = 1
      !> That of the precision it computes in: what its results may be wrong by, relatively.
      real(wp) :: rounding = epsilon(1.0_wp)
   contains
      procedure :: rows
      procedure(forward), deferred :: forward
      procedure(tangent_linear), deferred :: tl
      procedure(adjoint), deferred :: ad
   end type operator_type

   abstract interface
      !> y = M(x)
      subroutine forward(self, domain, x, y)
         import :: operator_type, domain_type, wp
         class(operator_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         real(wp), contiguous, intent(in) :: x(:, :, :)
         real(wp), contiguous, intent(out) :: y(:, :, :)
      end subroutine forward

      !> dy = M'(x) dx
      subroutine tangent_linear(self, domain, x, dx, dy)
         import :: operator_type, domain_type, wp
         class(operator_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         real(wp), contiguous, intent(in) :: x(:, :, :)
         real(wp), contiguous, intent(in) :: dx(:, :, :)
         real(wp), contiguous, intent(out) :: dy(:, :, :)
      end subroutine tangent_linear

      !> dx = M'(x)^T dy
      subroutine adjoint(self, domain, x, dy, dx)
         import :: operator_type, domain_type, wp
         class(operator_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         real(wp), contiguous, intent(in) :: x(:, :, :)
         real(wp), contiguous, intent(in) :: dy(:, :, :)
         real(wp), contiguous, intent(out) :: dx(:, :, :)
      end subroutine adjoint
   end interface

contains

   !> Rows of the output on this rank; the slab's points unless an operator says otherwise.
   pure function rows(self, domain) result(count)
      class(operator_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = domain%n
   end function rows
end module da_operator_type
