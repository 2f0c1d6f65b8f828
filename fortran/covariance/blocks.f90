!> Fields with independent errors, side by side: C = diag(C_1, C_2, …, C_2), the second covariance
!> `copies` times; components of controls and increments follow in this order.
module da_covariance_blocks
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_covariance_type, only: covariance_type
   implicit none
   private
   public :: blocks_type, new_blocks

   type, extends(covariance_type) :: blocks_type
      class(covariance_type), allocatable :: first
      class(covariance_type), allocatable :: second
      integer :: copies = 0
   contains
      procedure :: forward
      procedure :: transposed
   end type blocks_type

contains

   function new_blocks(first, second, copies) result(self)
      class(covariance_type), intent(in) :: first
      class(covariance_type), intent(in) :: second
      integer, intent(in) :: copies
      type(blocks_type) :: self

      self%first = first
      self%second = second
      self%copies = copies
      self%components_in = first%components_in + copies*second%components_in
      self%components_out = first%components_out + copies*second%components_out
   end function new_blocks

   subroutine forward(self, domain, x, y)
      class(blocks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: v, dx
      integer :: copies

      copies = self%copies
      v = x(:, :self%first%components_in, :)
      allocate (dx(size(y, 1), self%first%components_out, size(y, 3)))
      call self%first%forward(domain, v, dx)
      y(:, :self%first%components_out, :) = dx
      deallocate (dx)
      v = together(x(:, self%first%components_in + 1:, :), copies)
      allocate (dx(size(y, 1), self%second%components_out, copies*size(y, 3)))
      call self%second%forward(domain, v, dx)
      y(:, self%first%components_out + 1:, :) = apart(dx, copies)
   end subroutine forward

   subroutine transposed(self, domain, dx, v)
      class(blocks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: increment, control
      integer :: copies

      copies = self%copies
      increment = dx(:, :self%first%components_out, :)
      allocate (control(size(v, 1), self%first%components_in, size(v, 3)))
      call self%first%transposed(domain, increment, control)
      v(:, :self%first%components_in, :) = control
      deallocate (control)
      increment = together(dx(:, self%first%components_out + 1:, :), copies)
      allocate (control(size(v, 1), self%second%components_in, copies*size(v, 3)))
      call self%second%transposed(domain, increment, control)
      v(:, self%first%components_in + 1:, :) = apart(control, copies)
   end subroutine transposed

   !> The copies as columns of a batch: one message for the halo of all.
   pure function together(x, copies) result(batch)
      real(wp), intent(in) :: x(:, :, :)
      integer, intent(in) :: copies
      real(wp), allocatable :: batch(:, :, :)

      batch = reshape(x, [size(x, 1), size(x, 2)/copies, copies*size(x, 3)])
   end function together

   !> The columns of a batch as components.
   pure function apart(batch, copies) result(x)
      real(wp), intent(in) :: batch(:, :, :)
      integer, intent(in) :: copies
      real(wp), allocatable :: x(:, :, :)

      x = reshape(batch, [size(batch, 1), size(batch, 2)*copies, size(batch, 3)/copies])
   end function apart
end module da_covariance_blocks
