!> A network as an operator on the slabs of a domain: tile by tile, members in batches.
module da_network_operator
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use, intrinsic :: iso_fortran_env, only: real32
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_network_tiles, only: tiles_type, new_tiles
   use da_network_torch, only: torch_type, task_forward, task_tl, task_ad
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: network_operator_type, new_network_operator

   !> Bytes of a layer's values on a tile, of one member: small, so that many ranks find tiles.
   integer, parameter :: tile_bytes = 128*1024
   !> The same in a call, all its members: larger blocks leave the caches, and from 2 MiB on the
   !> allocator maps and unmaps them again and again (`keep_memory`).
   integer, parameter :: batch_bytes = 1024*1024
   integer, parameter :: fewest_points = 64

   !> y = network(x): `reach` points beyond either end go in.
   type, extends(operator_type) :: network_operator_type
      integer :: reach(2) = 0
      !> The circle is one tile, however large: the network knows it as a whole only.
      logical :: whole = .false.
      !> Values a point of its widest layer.
      integer :: width = 1
      type(torch_type), private :: torch
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
      procedure :: evaluate
      procedure :: tiles_of
      procedure :: count_tiles
      procedure, private :: batch_of
   end type network_operator_type

   !> The points before and behind this rank's that its tiles need, (points, column): a column for
   !> each component of each member.
   type :: surroundings_type
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
   end type surroundings_type

   !> What goes into a call and comes out of it, (points, components, members), and the same in
   !> single precision; kept from tile to tile.
   type :: work_type
      real(wp), allocatable, dimension(:, :, :) :: x, d, y
      real(real32), allocatable, dimension(:, :, :) :: x_single, d_single, y_single
   end type work_type

contains

   function new_network_operator(torch, reach, whole, width, components_in, components_out) &
      result(self)
      type(torch_type), intent(in) :: torch
      integer, intent(in) :: reach(2)
      logical, intent(in) :: whole
      integer, intent(in) :: width
      integer, intent(in) :: components_in
      integer, intent(in) :: components_out
      type(network_operator_type) :: self

      self%torch = torch
      self%reach = reach
      self%whole = whole
      self%width = max(width, components_in, components_out)
      self%components_in = components_in
      self%components_out = components_out
      if (torch%single) self%rounding = epsilon(1.0_real32)
   end function new_network_operator

   subroutine forward(self, domain, x, y)
      class(network_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      call along(self, domain, task_forward, x, x(:, :, :0), y)
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(network_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call along(self, domain, task_tl, x, dx, dy)
   end subroutine tl

   !> y = network(x) as it stands, x with its halo; `message` says what went wrong.
   subroutine evaluate(self, x, y, message)
      class(network_operator_type), intent(in) :: self
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(inout) :: y(:, :, :)
      character(len=:), allocatable, intent(out) :: message
      type(work_type) :: work

      work%x = x
      allocate (work%d(0, 0, 0))
      allocate (work%y, mold=y)
      call call_network(self, task_forward, work, message)
      y = work%y
   end subroutine evaluate

   !> Forward or tangent linear on every tile that touches the slab.
   subroutine along(self, domain, task, x, dx, y)
      class(network_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: task
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      type(tiles_type) :: tiles
      type(surroundings_type) :: around
      type(surroundings_type) :: around_dx
      type(work_type) :: work
      character(len=:), allocatable :: message
      integer :: widths(2)
      integer :: tile
      integer :: first
      integer :: last
      integer :: from
      integer :: to
      integer :: batch
      integer :: m
      integer :: many

      tiles = self%tiles_of(domain%total)
      widths = beyond(domain, tiles, [0, 0]) + self%reach
      call look_around(domain, widths, x, around)
      if (task == task_tl) call look_around(domain, widths, dx, around_dx)
      allocate (work%d(0, 0, 0))
      do tile = tiles%containing(domain%first), tiles%containing(domain%last)
         first = tiles%first(tile)
         last = tiles%last(tile)
         from = max(first, domain%first)
         to = min(last, domain%last)
         batch = self%batch_of(last - first + 1)
         do m = 1, size(x, 3), batch
            many = min(batch, size(x, 3) - m + 1)
            call fit(work%y, last - first + 1, self%components_out, many)
            call cut(domain, x, around, first - self%reach(1), last + self%reach(2), m, many, &
                     work%x)
            if (task == task_tl) then
               call cut(domain, dx, around_dx, first - self%reach(1), last + self%reach(2), m, &
                        many, work%d)
            end if
            call call_network(self, task, work, message)
            y(from - domain%first + 1:to - domain%first + 1, :, m:m + many - 1) = &
               work%y(from - first + 1:to - first + 1, :, :)
         end do
      end do
   end subroutine along

   !> Every tile whose halo or points touch the slab, in the order of the circle: what they send to
   !> a point adds up in the same order on any layout.
   subroutine ad(self, domain, x, dy, dx)
      class(network_operator_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      type(tiles_type) :: tiles
      type(surroundings_type) :: around
      type(surroundings_type) :: around_dy
      type(work_type) :: work
      character(len=:), allocatable :: message
      integer :: widths(2)
      integer :: tile
      integer :: first_tile
      integer :: last_tile
      integer :: first
      integer :: last
      integer :: batch
      integer :: place
      integer :: m
      integer :: many

      tiles = self%tiles_of(domain%total)
      first_tile = tiles%containing(domain%first - self%reach(2))
      last_tile = tiles%containing(domain%last + self%reach(1))
      last_tile = min(last_tile, first_tile + tiles%count - 1)
      widths = beyond(domain, tiles, [self%reach(2), self%reach(1)])
      call look_around(domain, widths + self%reach, x, around)
      call look_around(domain, widths, dy, around_dy)
      dx = 0
      do place = 0, tiles%count - 1
         tile = first_tile + modulo(place - first_tile, tiles%count)
         if (tile > last_tile) cycle
         first = tiles%first(tile)
         last = tiles%last(tile)
         batch = self%batch_of(last - first + 1)
         do m = 1, size(x, 3), batch
            many = min(batch, size(x, 3) - m + 1)
            call fit(work%y, last - first + 1 + sum(self%reach), self%components_in, many)
            call cut(domain, x, around, first - self%reach(1), last + self%reach(2), m, many, &
                     work%x)
            call cut(domain, dy, around_dy, first, last, m, many, work%d)
            call call_network(self, task_ad, work, message)
            call fold(domain, first - self%reach(1), work%y, dx(:, :, m:m + many - 1))
         end do
      end do
   end subroutine ad

   !> Add what belongs to this rank's points, `part` beginning at the point `first`, round the
   !> circle as often as it goes.
   subroutine fold(domain, first, part, dx)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: first
      real(wp), intent(in) :: part(:, :, :)
      real(wp), intent(inout) :: dx(:, :, :)
      integer :: start
      integer :: from
      integer :: to
      integer :: m
      integer :: c

      start = first - modulo(first - 1, domain%total) - 1
      do while (start < first + size(part, 1) - 1)
         from = max(domain%first, first - start)
         to = min(domain%last, first + size(part, 1) - 1 - start)
         do m = 1, size(part, 3)
            do c = 1, size(part, 2)
               dx(from - domain%first + 1:to - domain%first + 1, c, m) = &
                  dx(from - domain%first + 1:to - domain%first + 1, c, m) + &
                  part(from + start - first + 1:to + start - first + 1, c, m)
            end do
         end do
         start = start + domain%total
      end do
   end subroutine fold

   !> One call, in the network's own precision. Where it fails the result is not finite: cycles
   !> look for that.
   subroutine call_network(self, task, work, message)
      class(network_operator_type), intent(in) :: self
      integer, intent(in) :: task
      type(work_type), intent(inout) :: work
      character(len=:), allocatable, intent(out) :: message

      if (self%torch%single) then
         work%x_single = real(work%x, real32)
         work%d_single = real(work%d, real32)
         if (allocated(work%y_single)) then
            if (any(shape(work%y_single) /= shape(work%y))) deallocate (work%y_single)
         end if
         if (.not. allocated(work%y_single)) then
            allocate (work%y_single(size(work%y, 1), size(work%y, 2), size(work%y, 3)))
         end if
         call self%torch%apply(task, work%x_single, work%d_single, work%y_single, message)
         work%y = work%y_single
      else
         call self%torch%apply(task, work%x, work%d, work%y, message)
      end if
      if (allocated(message)) work%y = ieee_value(1.0_wp, ieee_quiet_nan)
   end subroutine call_network

   !> Make an array have a shape; it keeps its memory where it has that.
   subroutine fit(array, points, components, members)
      real(wp), allocatable, intent(inout) :: array(:, :, :)
      integer, intent(in) :: points
      integer, intent(in) :: components
      integer, intent(in) :: members

      if (allocated(array)) then
         if (all(shape(array) == [points, components, members])) return
         deallocate (array)
      end if
      allocate (array(points, components, members))
   end subroutine fit

   !> How far tiles go beyond slabs and `further` points at most, on a small circle more than once
   !> round: all ranks want as much halo.
   pure function beyond(domain, tiles, further) result(widths)
      type(domain_type), intent(in) :: domain
      type(tiles_type), intent(in) :: tiles
      integer, intent(in) :: further(2)
      integer :: widths(2)
      integer :: first
      integer :: last
      integer :: rank

      widths = 0
      do rank = 0, domain%communicator%ranks - 1
         first = domain%first_of(rank)
         last = domain%first_of(rank + 1) - 1
         widths(1) = max(widths(1), first - tiles%first(tiles%containing(first - further(1))))
         widths(2) = max(widths(2), tiles%last(tiles%containing(last + further(2))) - last)
      end do
   end function beyond

   !> What lies round this rank's points, so many points of it before and behind.
   subroutine look_around(domain, widths, x, around)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: widths(2)
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(surroundings_type), intent(out) :: around
      integer :: columns

      columns = size(x, 2)*size(x, 3)
      allocate (around%left(widths(1), columns), around%right(widths(2), columns))
      call domain%fetch_halo(columns, x, around%left, around%right)
   end subroutine look_around

   !> The points `first` … `last` of `many` members, contiguous.
   subroutine cut(domain, x, around, first, last, member, many, piece)
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(surroundings_type), intent(in) :: around
      integer, intent(in) :: first
      integer, intent(in) :: last
      integer, intent(in) :: member
      integer, intent(in) :: many
      real(wp), allocatable, intent(inout) :: piece(:, :, :)
      integer :: left
      integer :: right
      integer :: outside
      integer :: column
      integer :: m
      integer :: c

      call fit(piece, last - first + 1, size(x, 2), many)
      left = max(0, min(domain%first, last + 1) - first)
      right = max(0, last - max(domain%last, first - 1))
      outside = size(around%left, 1) + first - domain%first
      column = (member - 1)*size(x, 2)
      do m = 1, many
         do c = 1, size(x, 2)
            column = column + 1
            piece(:left, c, m) = around%left(outside + 1:outside + left, column)
            piece(left + 1:size(piece, 1) - right, c, m) = &
               x(first + left - domain%first + 1:last - right - domain%first + 1, c, member + m - 1)
            piece(size(piece, 1) - right + 1:, c, m) = &
               around%right(last - right - domain%last + 1:last - domain%last, column)
         end do
      end do
   end subroutine cut

   !> The circle's tiles: as large as the caches like, or the whole.
   pure function tiles_of(self, points) result(tiles)
      class(network_operator_type), intent(in) :: self
      integer, intent(in) :: points
      type(tiles_type) :: tiles

      tiles = new_tiles(points, merge(points, max(fewest_points, &
                                                  tile_bytes/(bytes(self)*self%width)), self%whole))
   end function tiles_of

   !> The most tiles that a rank evaluates in `forward`, and how many the circle has.
   pure subroutine count_tiles(self, domain, most, all)
      class(network_operator_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(out) :: most
      integer, intent(out) :: all
      type(tiles_type) :: tiles
      integer :: rank

      tiles = self%tiles_of(domain%total)
      all = tiles%count
      most = 0
      do rank = 0, domain%communicator%ranks - 1
         most = max(most, tiles%containing(domain%first_of(rank + 1) - 1) &
                    - tiles%containing(domain%first_of(rank)) + 1)
      end do
   end subroutine count_tiles

   !> Members a call.
   pure function batch_of(self, points) result(members)
      class(network_operator_type), intent(in) :: self
      integer, intent(in) :: points
      integer :: members

      members = max(1, batch_bytes/(bytes(self)*self%width*points))
   end function batch_of

   pure integer function bytes(self)
      class(network_operator_type), intent(in) :: self
      integer, parameter :: bits_a_byte = 8

      bytes = merge(storage_size(1.0_real32), storage_size(1.0_wp), self%torch%single)/bits_a_byte
   end function bytes
end module da_network_operator
