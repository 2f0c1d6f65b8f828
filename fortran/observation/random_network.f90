!> Networks that are drawn anew each cycle; a rank draws what lies on its slab, and little more.
module da_observation_random_network
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, uniforms, heads, coins, coins_a_block, tosses_a_block
   implicit none
   private
   public :: draw_positions, draw_points, count_points

   !> Positions that are drawn and sorted without halving further; halvings at most.
   integer, parameter :: leaf = 16
   integer, parameter :: deepest = 40

   !> The part of the circle place/2^level … (place + 1)/2^level and the positions that fall there:
   !> numbers before … before + n - 1.
   type :: arc_type
      integer :: level = 0
      integer(i8) :: place = 0
      integer(i8) :: before = 0
      integer(i8) :: n = 0
   end type arc_type

contains

   !> `count` positions, independent and uniform on the circle, in order: those of the slab, and
   !> their numbers among all.
   !>
   !> Of the positions on an arc each lies in the left half by the toss of a coin, so halving the
   !> arcs that meet the slab gives its positions without those of the others.
   subroutine draw_positions(key, count, domain, positions, numbers)
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: count
      type(domain_type), intent(in) :: domain
      real(wp), allocatable, intent(out) :: positions(:)
      integer(i8), allocatable, intent(out) :: numbers(:)
      type(arc_type) :: waiting(deepest + 1)
      type(arc_type) :: arc
      integer :: found
      integer :: open

      allocate (positions(leaf), numbers(leaf))
      found = 0
      open = 1
      waiting(1)%n = count
      do while (open > 0)
         arc = waiting(open)
         open = open - 1
         if (arc%n == 0 .or. misses(arc, domain)) cycle
         if (arc%n <= leaf .or. arc%level == deepest) then
            call draw_leaf(key, arc, domain, found, positions, numbers)
         else
            waiting(open + 1:open + 2) = halves(key, count, arc)
            open = open + 2
         end if
      end do
      positions = positions(:found)
      numbers = numbers(:found)
   end subroutine draw_positions

   !> No position on the arc can lie on the slab.
   pure function misses(arc, domain) result(yes)
      type(arc_type), intent(in) :: arc
      type(domain_type), intent(in) :: domain
      logical :: yes

      yes = position_on(arc, domain, 1.0_wp) < domain%first - 1 .or. &
            position_on(arc, domain, 0.0_wp) >= domain%last
   end function misses

   !> The place a fraction along an arc; rises with it, and from arc to arc.
   elemental function position_on(arc, domain, fraction) result(position)
      type(arc_type), intent(in) :: arc
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: fraction
      real(wp) :: position

      position = domain%total*((arc%place + fraction)*0.5_wp**arc%level)
   end function position_on

   !> The left half last, as it is wanted first.
   pure function halves(key, count, arc) result(parts)
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: count
      type(arc_type), intent(in) :: arc
      type(arc_type) :: parts(2)
      type(random_key_type) :: level_key

      level_key = key
      level_key%member = arc%level
      parts%level = arc%level + 1
      parts%place = 2*arc%place + [1, 0]
      parts(2)%n = heads(level_key, arc%place*(count/tosses_a_block + 1), arc%n)
      parts(1)%n = arc%n - parts(2)%n
      parts%before = arc%before + [parts(2)%n, 0_i8]
   end function halves

   !> Draw the positions on an arc, and keep those on the slab.
   subroutine draw_leaf(key, arc, domain, found, positions, numbers)
      type(random_key_type), intent(in) :: key
      type(arc_type), intent(in) :: arc
      type(domain_type), intent(in) :: domain
      integer, intent(inout) :: found
      real(wp), allocatable, intent(inout) :: positions(:)
      integer(i8), allocatable, intent(inout) :: numbers(:)
      type(random_key_type) :: leaf_key
      real(wp) :: fraction(arc%n)
      real(wp) :: position
      integer :: i
      integer :: j

      leaf_key = key
      leaf_key%member = deepest + 1
      call uniforms(leaf_key, arc%before, fraction)
      do i = 2, size(fraction)
         position = fraction(i)
         j = i - 1
         do while (j >= 1)
            if (fraction(j) <= position) exit
            fraction(j + 1) = fraction(j)
            j = j - 1
         end do
         fraction(j + 1) = position
      end do
      if (found + size(fraction) > size(positions)) then
         positions = [positions, spread(0.0_wp, 1, found + size(fraction))]
         numbers = [numbers, spread(0_i8, 1, found + size(fraction))]
      end if
      do i = 1, size(fraction)
         position = min(position_on(arc, domain, fraction(i)), &
                        nearest(real(domain%total, wp), -1.0_wp))
         if (int(position) + 1 < domain%first .or. int(position) + 1 > domain%last) cycle
         found = found + 1
         positions(found) = position
         numbers(found) = arc%before + i - 1
      end do
   end subroutine draw_leaf

   !> Each grid point with a probability: those of the slab; a point's number is its place, from 0.
   subroutine draw_points(key, probability, domain, positions, numbers)
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: probability
      type(domain_type), intent(in) :: domain
      real(wp), allocatable, intent(out) :: positions(:)
      integer(i8), allocatable, intent(out) :: numbers(:)
      integer(i8) :: block
      integer(i8) :: drawn
      integer :: bit
      integer :: n

      allocate (numbers(count_points(key, probability, domain)))
      n = 0
      do block = (domain%first - 1)/coins_a_block, (domain%last - 1)/coins_a_block
         drawn = on_slab(domain, block, coins(key, block, probability))
         do bit = 0, coins_a_block - 1
            if (.not. btest(drawn, bit)) cycle
            n = n + 1
            numbers(n) = block*coins_a_block + bit
         end do
      end do
      positions = real(numbers, wp)
   end subroutine draw_points

   !> How many points of the slab `draw_points` gives.
   pure function count_points(key, probability, domain) result(count)
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: probability
      type(domain_type), intent(in) :: domain
      integer :: count
      integer(i8) :: block

      count = 0
      do block = (domain%first - 1)/coins_a_block, (domain%last - 1)/coins_a_block
         count = count + popcnt(on_slab(domain, block, coins(key, block, probability)))
      end do
   end function count_points

   !> The bits of a block that stand for points of the slab.
   pure function on_slab(domain, block, drawn) result(own)
      type(domain_type), intent(in) :: domain
      integer(i8), intent(in) :: block
      integer(i8), intent(in) :: drawn
      integer(i8) :: own
      integer(i8) :: start

      start = block*coins_a_block
      own = iand(drawn, maskr(int(min(domain%last - start, int(coins_a_block, i8))), i8))
      own = iand(own, not(maskr(int(max(domain%first - 1 - start, 0_i8)), i8)))
   end function on_slab
end module da_observation_random_network
