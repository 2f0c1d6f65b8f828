!> The circle cut into blocks, for filters that take one observation after another.
!>
!> Blocks follow from the circle and the localisation alone, never from the ranks. They are at least
!> as wide as an observation reaches to both sides, and even in number: what the observations of
!> every second block change lies apart from what those of the next such block change, so one colour
!> of blocks is done in any order, and then the other. Where the circle is too small for that, there
!> is one block.
module da_analysis_serial_blocks
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_ensemble_localisation, only: localisation_config, cutoff
   implicit none
   private
   public :: blocks_type, new_blocks

   type :: blocks_type
      integer :: number = 1
      !> Points of the circle.
      integer :: total = 0
      !> Cells to the left and right in which an observation changes anything.
      integer :: reach = 0
      !> Points left and right of a slab that its blocks need; the same on all ranks.
      integer :: halo(2) = 0
   contains
      procedure :: colours
      procedure :: first_of
      procedure :: first_touching
   end type blocks_type

contains

   pure function new_blocks(domain, localisation) result(self)
      type(domain_type), intent(in) :: domain
      type(localisation_config), intent(in) :: localisation
      type(blocks_type) :: self
      integer :: width

      self%total = domain%total
      self%reach = ceiling(min(cutoff(localisation), real(domain%total, wp)))
      width = max(2*self%reach, 1)
      if (width <= domain%total/2) self%number = 2*(domain%total/(2*width))
      if (self%number > 1) then
         self%halo = (domain%total - 1)/self%number + 2*self%reach
      else
         self%reach = domain%total
         self%halo = [domain%first_of(domain%communicator%ranks - 1) - 1, &
                      domain%total - domain%first_of(1) + 1]
      end if
   end function new_blocks

   pure function colours(self) result(number)
      class(blocks_type), intent(in) :: self
      integer :: number

      number = min(self%number, 2)
   end function colours

   !> The first point of a block; blocks are counted from zero, and on round the circle to either
   !> side.
   pure function first_of(self, block) result(point)
      class(blocks_type), intent(in) :: self
      integer, intent(in) :: block
      integer :: point
      integer :: within

      within = modulo(block, self%number)
      point = int((int(within, i8)*self%total)/self%number) + 1 &
              + ((block - within)/self%number)*self%total
   end function first_of

   !> The first block of a colour (0, 1) that reaches points from `point` on.
   pure function first_touching(self, colour, point) result(block)
      class(blocks_type), intent(in) :: self
      integer, intent(in) :: colour
      integer, intent(in) :: point
      integer :: block

      block = int((int(point - self%reach - 1, i8)*self%number)/self%total) - 2
      block = block + modulo(colour - block, 2)
      do while (self%first_of(block + 1) - 1 + self%reach < point)
         block = block + 2
      end do
   end function first_touching
end module da_analysis_serial_blocks
