!> One error all round the circle: C_ij = 1, whose root takes a field's sum, over sqrt(points), to
!> every point. As localisation it is none.
module da_covariance_uniform
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: uniform_type, new_uniform

   type, extends(covariance_type) :: uniform_type
   contains
      procedure :: forward
      procedure :: transposed
   end type uniform_type

contains

   pure function new_uniform() result(self)
      type(uniform_type) :: self

      self%components_in = 1
      self%components_out = 1
   end function new_uniform

   subroutine forward(self, domain, x, y)
      class(uniform_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp) :: sums(size(x, 3))
      integer :: b

      call sum_columns(domain%communicator, int(domain%total, i8), x(:, 1, :), sums)
      do b = 1, size(x, 3)
         y(:, :, b) = sums(b)/sqrt(real(domain%total, wp))
      end do
   end subroutine forward

   subroutine transposed(self, domain, dx, v)
      class(uniform_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)

      call self%forward(domain, dx, v)
   end subroutine transposed
end module da_covariance_uniform
