!> One operator after another: y = B(A(x)), with the tangent linear and adjoint that follow from
!> theirs.
module da_operator_composition
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: composition_type, new_composition

   !> `first` keeps the slab's points as its rows.
   type, extends(operator_type) :: composition_type
      class(operator_type), allocatable :: first
      class(operator_type), allocatable :: second
   contains
      procedure :: rows
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type composition_type

contains

   function new_composition(first, second) result(self)
      class(operator_type), intent(in) :: first
      class(operator_type), intent(in) :: second
      type(composition_type) :: self

      self%first = first
      self%second = second
      self%components_in = first%components_in
      self%components_out = second%components_out
      self%rounding = max(first%rounding, second%rounding)
   end function new_composition

   pure function rows(self, domain) result(count)
      class(composition_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = self%second%rows(domain)
   end function rows

   subroutine forward(self, domain, x, y)
      class(composition_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable :: middle(:, :, :)

      allocate (middle(domain%n, self%first%components_out, size(x, 3)))
      call self%first%forward(domain, x, middle)
      call self%second%forward(domain, middle, y)
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(composition_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: middle, dmiddle

      allocate (middle(domain%n, self%first%components_out, size(x, 3)))
      allocate (dmiddle, mold=middle)
      call self%first%forward(domain, x, middle)
      call self%first%tl(domain, x, dx, dmiddle)
      call self%second%tl(domain, middle, dmiddle, dy)
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(composition_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: middle, dmiddle

      allocate (middle(domain%n, self%first%components_out, size(x, 3)))
      allocate (dmiddle, mold=middle)
      call self%first%forward(domain, x, middle)
      call self%second%ad(domain, middle, dy, dmiddle)
      call self%first%ad(domain, x, dmiddle, dx)
   end subroutine ad
end module da_operator_composition
