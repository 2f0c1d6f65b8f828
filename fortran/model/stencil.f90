!> Models whose step at a point depends on a bounded neighbourhood: they state their reach and
!> supply kernels on halo-padded slabs; filling the halos and walking over tiles and members is done
!> here.
module da_model_stencil
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   implicit none
   private
   public :: stencil_model_type

   !> Points a tile: tile and halo of a component stay in the second-level cache.
   integer, parameter :: tile = 2048

   !> Output at point i depends on the points i - reach(1) … i + reach(2), from and to a field of
   !> `components_in` values a point.
   type, abstract, extends(model_type) :: stencil_model_type
      integer :: reach(2) = 0
   contains
      procedure :: forward
      procedure :: advance
      procedure :: tl
      procedure :: ad
      procedure :: step_reach
      procedure(slab_forward), deferred :: slab_forward
      procedure(slab_tl), deferred :: slab_tl
      procedure(slab_ad), deferred :: slab_ad
   end type stencil_model_type

   abstract interface
      !> y = M(x) on n points; xh(reach(1) + i, :) is point i.
      subroutine slab_forward(self, n, xh, y)
         import :: stencil_model_type, wp
         class(stencil_model_type), intent(in) :: self
         integer, intent(in) :: n
         real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
         real(wp), intent(out) :: y(n, self%components_out)
      end subroutine slab_forward

      !> dy = M'(x) dx on n points; xh and dxh padded as for `slab_forward`.
      subroutine slab_tl(self, n, xh, dxh, dy)
         import :: stencil_model_type, wp
         class(stencil_model_type), intent(in) :: self
         integer, intent(in) :: n
         real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
         real(wp), intent(in) :: dxh(n + sum(self%reach), self%components_in)
         real(wp), intent(out) :: dy(n, self%components_out)
      end subroutine slab_tl

      !> dx = M'(x)^T dy on n points, gathered: xh(sum(reach) + i, :) is point i, padded by
      !> sum(reach) on both sides; dyh(reach(2) + i, :) is point i, padded by the transposed reach.
      subroutine slab_ad(self, n, xh, dyh, dx)
         import :: stencil_model_type, wp
         class(stencil_model_type), intent(in) :: self
         integer, intent(in) :: n
         real(wp), intent(in) :: xh(n + 2*sum(self%reach), self%components_in)
         real(wp), intent(in) :: dyh(n + sum(self%reach), self%components_out)
         real(wp), intent(out) :: dx(n, self%components_in)
      end subroutine slab_ad
   end interface

contains

   subroutine forward(self, domain, x, y)
      class(stencil_model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      y = x
      call self%advance(domain, 1, y)
   end subroutine forward

   subroutine advance(self, domain, times, x)
      class(stencil_model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: times
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
      real(wp), allocatable :: xh(:, :)
      real(wp), allocatable :: y(:, :)
      integer :: columns
      integer :: width
      integer :: time
      integer :: member

      columns = size(x, 2)*size(x, 3)
      width = min(tile, domain%n)
      allocate (left(self%reach(1), columns), right(self%reach(2), columns))
      allocate (xh(width + sum(self%reach), size(x, 2)), y(width, size(x, 2)))
      do time = 1, times
         call domain%fetch_halo(columns, x, left, right)
         do member = 1, size(x, 3)
            call advance_member(self, domain%n, width, size(x, 2), left(:, first_column(member):), &
                                right(:, first_column(member):), xh, y, x(:, :, member))
         end do
      end do

   contains

      pure integer function first_column(member)
         integer, intent(in) :: member

         first_column = (member - 1)*size(x, 2) + 1
      end function first_column
   end subroutine advance

   !> One member, tile by tile; what a tile overwrites stays in the padded copy for the next one.
   subroutine advance_member(self, n, width, components, left, right, xh, y, x)
      class(stencil_model_type), intent(in) :: self
      integer, intent(in) :: n
      integer, intent(in) :: width
      integer, intent(in) :: components
      real(wp), intent(in) :: left(self%reach(1), components)
      real(wp), intent(in) :: right(self%reach(2), components)
      real(wp), intent(inout) :: xh(width + sum(self%reach), components)
      real(wp), intent(inout) :: y(width, components)
      real(wp), intent(inout) :: x(n, components)
      integer :: before
      integer :: start
      integer :: points
      integer :: c

      before = self%reach(1)
      do c = 1, components
         xh(:before, c) = left(:, c)
      end do
      do start = 1, n, width
         points = min(width, n - start + 1)
         do c = 1, components
            call fill(start, points + self%reach(2), x(:, c), right(:, c), xh(before + 1:, c))
         end do
         call apply(self, width, points, components, xh, y)
         do c = 1, components
            x(start:start + points - 1, c) = y(:points, c)
            xh(:before, c) = xh(points + 1:points + before, c)
         end do
      end do

   contains

      !> Values of the slab from `start` on, continued by the right halo.
      pure subroutine fill(start, length, slab, beyond, values)
         integer, intent(in) :: start
         integer, intent(in) :: length
         real(wp), intent(in) :: slab(:)
         real(wp), intent(in) :: beyond(:)
         real(wp), intent(inout) :: values(:)
         integer :: inside

         inside = min(length, size(slab) - start + 1)
         values(:inside) = slab(start:start + inside - 1)
         values(inside + 1:length) = beyond(start + inside - size(slab):start + length - 1 &
                                            - size(slab))
      end subroutine fill
   end subroutine advance_member

   !> The kernel on a tile; only the last tile is shorter than its work space, and is copied if it
   !> matters.
   subroutine apply(self, width, points, components, xh, y)
      class(stencil_model_type), intent(in) :: self
      integer, intent(in) :: width
      integer, intent(in) :: points
      integer, intent(in) :: components
      real(wp), intent(in) :: xh(width + sum(self%reach), components)
      real(wp), intent(inout) :: y(width, components)

      if (points == width .or. components == 1) then
         call self%slab_forward(points, xh, y)
      else
         call self%slab_forward(points, xh(:points + sum(self%reach), :), y(:points, :))
      end if
   end subroutine apply

   subroutine tl(self, domain, x, dx, dy)
      class(stencil_model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable :: xh(:, :, :)
      real(wp), allocatable :: dxh(:, :, :)
      integer :: member

      call padded(domain, self%reach(1), self%reach(2), x, xh)
      call padded(domain, self%reach(1), self%reach(2), dx, dxh)
      do member = 1, size(x, 3)
         call self%slab_tl(domain%n, xh(:, :, member), dxh(:, :, member), dy(:, :, member))
      end do
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(stencil_model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable :: xh(:, :, :)
      real(wp), allocatable :: dyh(:, :, :)
      integer :: member

      call padded(domain, sum(self%reach), sum(self%reach), x, xh)
      call padded(domain, self%reach(2), self%reach(1), dy, dyh)
      do member = 1, size(x, 3)
         call self%slab_ad(domain%n, xh(:, :, member), dyh(:, :, member), dx(:, :, member))
      end do
   end subroutine ad

   pure function step_reach(self) result(reach)
      class(stencil_model_type), intent(in) :: self
      integer :: reach(2)

      reach = self%reach
   end function step_reach

   !> A copy of a field with its halo.
   subroutine padded(domain, before, behind, x, xh)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: before
      integer, intent(in) :: behind
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), allocatable, intent(out) :: xh(:, :, :)
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
      integer :: columns
      integer :: column
      integer :: m
      integer :: c

      columns = size(x, 2)*size(x, 3)
      allocate (left(before, columns), right(behind, columns))
      allocate (xh(before + domain%n + behind, size(x, 2), size(x, 3)))
      call domain%fetch_halo(columns, x, left, right)
      do m = 1, size(x, 3)
         do c = 1, size(x, 2)
            column = (m - 1)*size(x, 2) + c
            xh(:before, c, m) = left(:, column)
            xh(before + 1:before + domain%n, c, m) = x(:, c, m)
            xh(before + domain%n + 1:, c, m) = right(:, column)
         end do
      end do
   end subroutine padded
end module da_model_stencil
