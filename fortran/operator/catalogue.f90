!> Operators to be examined: what a run is made of, each at a point.
module da_operator_catalogue
   use da_base_kinds, only: wp
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: catalogue_type, entry_type

   type :: entry_type
      character(len=:), allocatable :: name
      class(operator_type), allocatable :: operator
      !> The point x(n, components_in, 1), and a direction from it; without one it is drawn.
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: direction(:, :, :)
      !> Operators that one application goes through, one after another: rounding grows with it.
      integer :: depth = 1
      !> The square root of a covariance.
      logical :: root = .false.
   end type entry_type

   type :: catalogue_type
      type(entry_type), allocatable :: entries(:)
   contains
      procedure :: add
   end type catalogue_type

contains

   subroutine add(self, name, operator, x, depth, root, direction)
      class(catalogue_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      class(operator_type), intent(in) :: operator
      real(wp), intent(in) :: x(:, :, :)
      integer, intent(in), optional :: depth
      logical, intent(in), optional :: root
      real(wp), intent(in), optional :: direction(:, :, :)
      type(entry_type), allocatable :: longer(:)
      integer :: n
      integer :: e

      n = 0
      if (allocated(self%entries)) n = size(self%entries)
      allocate (longer(n + 1))
      do e = 1, n
         call move_entry(self%entries(e), longer(e))
      end do
      call move_alloc(longer, self%entries)
      self%entries(n + 1)%name = name
      allocate (self%entries(n + 1)%operator, source=operator)
      self%entries(n + 1)%x = x
      if (present(depth)) self%entries(n + 1)%depth = depth
      if (present(root)) self%entries(n + 1)%root = root
      if (present(direction)) self%entries(n + 1)%direction = direction
   end subroutine add

   subroutine move_entry(from, to)
      type(entry_type), intent(inout) :: from
      type(entry_type), intent(inout) :: to

      call move_alloc(from%name, to%name)
      call move_alloc(from%operator, to%operator)
      call move_alloc(from%x, to%x)
      call move_alloc(from%direction, to%direction)
      to%depth = from%depth
      to%root = from%root
   end subroutine move_entry
end module da_operator_catalogue
