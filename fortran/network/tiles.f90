!> Tiles of the whole circle, on which networks are evaluated.
!>
!> They follow from the circle and the network alone. A rank evaluates every tile that touches its
!> slab, whole: so each tile is the same call on whatever rank, with the same bits. Their number is
!> one that many numbers of ranks divide: slabs then end where tiles do, and nothing is done twice.
module da_network_tiles
   use da_base_kinds, only: i8
   implicit none
   private
   public :: tiles_type, new_tiles

   type :: tiles_type
      integer :: points = 0
      integer :: count = 1
   contains
      procedure :: first
      procedure :: last
      procedure :: containing
   end type tiles_type

contains

   !> Tiles of about `wanted` points of a circle of `points`: one where as many are wanted.
   pure function new_tiles(points, wanted) result(self)
      integer, intent(in) :: points
      integer, intent(in) :: wanted
      type(tiles_type) :: self
      integer, parameter :: divisible(3) = [12, 4, 2]
      integer :: d

      self%points = points
      self%count = max(1, (points + wanted - 1)/wanted)
      do d = 1, size(divisible)
         if (self%count < divisible(d)) cycle
         self%count = (self%count + divisible(d) - 1)/divisible(d)*divisible(d)
         exit
      end do
   end function new_tiles

   !> The first point of a tile, counted from tile 0; tiles go on round the circle.
   pure function first(self, tile) result(point)
      class(tiles_type), intent(in) :: self
      integer, intent(in) :: tile
      integer :: point
      integer :: within

      within = modulo(tile, self%count)
      point = int(int(within, i8)*self%points/self%count) + 1 &
              + (tile - within)/self%count*self%points
   end function first

   pure function last(self, tile) result(point)
      class(tiles_type), intent(in) :: self
      integer, intent(in) :: tile
      integer :: point

      point = self%first(tile + 1) - 1
   end function last

   !> The tile of a point, which may lie beyond the circle's ends.
   pure function containing(self, point) result(tile)
      class(tiles_type), intent(in) :: self
      integer, intent(in) :: point
      integer :: tile
      integer :: within

      within = modulo(point - 1, self%points)
      tile = int(int(within, i8)*self%count/self%points)
      if (self%last(tile) < within + 1) tile = tile + 1
      tile = tile + (point - 1 - within)/self%points*self%count
   end function containing
end module da_network_tiles
