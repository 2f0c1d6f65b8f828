!> Errors that correlate along the circle as exp(-distance/length), distance not counted across its
!> seam: a Markov process, whose value between two others depends on these two alone.
!>
!> So it can be drawn from coarse to fine: its ends, the middle between them, the middles of the
!> halves, … the grid points, and in each cell the observations from left to right. A rank follows
!> the halvings down to its slab; nothing is sent, and every layout draws the same numbers.
module da_observation_correlation
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, normals
   implicit none
   private
   public :: correlate

   !> A run of grid coordinates with the values at its ends.
   type :: span_type
      integer :: ends(2) = 0
      real(wp) :: values(2) = 0
   end type span_type

   !> Spans that wait while one is halved: one a halving, and an integer has fewer bits.
   integer, parameter :: most_waiting = 64

contains

   !> Make independent standard normal numbers, one for each of the sorted positions on the slab,
   !> correlated ones of the same variance; `length` in grid points.
   subroutine correlate(key, length, domain, positions, errors)
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: length
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: positions(:)
      real(wp), intent(inout) :: errors(:)
      real(wp) :: points(0:domain%n)
      real(wp) :: fraction
      real(wp) :: fraction_before
      real(wp) :: error_before
      integer :: cell
      integer :: cell_before
      integer :: j

      call draw_points(key, length, domain, points)
      cell_before = 0
      fraction_before = 0
      error_before = 0
      do j = 1, size(errors)
         cell = int(positions(j)) + 2 - domain%first
         fraction = positions(j) - int(positions(j))
         if (cell /= cell_before) then
            fraction_before = 0
            error_before = points(cell - 1)
         end if
         errors(j) = between(length, fraction - fraction_before, 1 - fraction, error_before, &
                             points(cell), errors(j))
         cell_before = cell
         fraction_before = fraction
         error_before = errors(j)
      end do
   end subroutine correlate

   !> The process at the grid coordinates first - 1 … last of the slab; the circle's seam is two
   !> coordinates, 0 and its number of points.
   subroutine draw_points(key, length, domain, points)
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: length
      type(domain_type), intent(in) :: domain
      real(wp), intent(out) :: points(0:domain%n)
      type(span_type) :: waiting(most_waiting)
      type(span_type) :: span
      real(wp) :: own(0:domain%n)
      real(wp) :: z(1)
      real(wp) :: rho
      integer :: open
      integer :: middle

      call normals(key, int(domain%first - 1, i8), own)
      rho = exp(-domain%total/length)
      open = 1
      waiting(1)%ends = [0, domain%total]
      waiting(1)%values = [normal(0), normal(domain%total)]
      waiting(1)%values(2) = rho*waiting(1)%values(1) &
                             + sqrt(grown(domain%total/length))*waiting(1)%values(2)
      do while (open > 0)
         span = waiting(open)
         open = open - 1
         if (span%ends(1) >= domain%last .or. span%ends(2) < domain%first) cycle
         if (span%ends(2) - span%ends(1) == 1) then
            points(span%ends - domain%first + 1) = span%values
            cycle
         end if
         middle = (span%ends(1) + span%ends(2))/2
         z = between(length, real(middle - span%ends(1), wp), real(span%ends(2) - middle, wp), &
                     span%values(1), span%values(2), normal(middle))
         waiting(open + 1)%ends = [middle, span%ends(2)]
         waiting(open + 1)%values = [z(1), span%values(2)]
         waiting(open + 2)%ends = [span%ends(1), middle]
         waiting(open + 2)%values = [span%values(1), z(1)]
         open = open + 2
      end do

   contains

      function normal(point)
         integer, intent(in) :: point
         real(wp) :: normal
         real(wp) :: drawn(1)

         if (point >= domain%first - 1 .and. point <= domain%last) then
            normal = own(point - domain%first + 1)
         else
            call normals(key, int(point, i8), drawn)
            normal = drawn(1)
         end if
      end function normal
   end subroutine draw_points

   !> The process at distances `left` and `right` from two places where it has the values a and b.
   !>
   !> With the correlations r1 and r2 with these and r = r1 r2 between them, mean [r1 (1 - r2²) a +
   !> r2 (1 - r1²) b] / (1 - r²) and variance (1 - r1²) (1 - r2²) / (1 - r²).
   elemental function between(length, left, right, a, b, z) result(value)
      real(wp), intent(in) :: length
      real(wp), intent(in) :: left
      real(wp), intent(in) :: right
      real(wp), intent(in) :: a
      real(wp), intent(in) :: b
      real(wp), intent(in) :: z
      real(wp) :: value
      real(wp) :: g1
      real(wp) :: g2
      real(wp) :: g

      g1 = grown(left/length)
      g2 = grown(right/length)
      g = grown((left + right)/length)
      value = (exp(-left/length)*g2*a + exp(-right/length)*g1*b)/g + sqrt(g1*g2/g)*z
   end function between

   !> 1 - exp(-2t), without cancellation where t is small.
   elemental function grown(t) result(g)
      real(wp), intent(in) :: t
      real(wp) :: g

      g = tanh(t)
      g = 2*g/(1 + g)
   end function grown
end module da_observation_correlation
