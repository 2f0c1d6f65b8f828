!> The linear part of observing: the state interpolated to a position, or averaged around it.
!>
!> A value is (1 - f) x_i + f x_{i+1}, f the fraction of its position beyond point i. An average is
!> the mean of the interpolated state over position ± w, so that point i + d weighs
!> (C(f + w - d) - C(f - w - d)) / 2w, C the integral of the hat function; w → 0 gives the value.
module da_observation_interpolation
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_observation_kinds, only: kind_average
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: interpolation_type, new_interpolation

   !> An observation belongs to the slab of the point at or left of it: its cell.
   type, extends(operator_type) :: interpolation_type
      integer, allocatable :: cell(:)
      real(wp), allocatable :: fraction(:)
      !> Where there are averages: half-width of an average, zero for a value.
      real(wp), allocatable :: half_width(:)
      !> Points left and right of the cell's that a footprint may reach, on any rank.
      integer :: reach(2) = 0
      !> Where there are averages: the footprint of observation j begins at the slab's point
      !> first(j) and has the weights weight(start(j)) … weight(start(j + 1) - 1).
      integer, allocatable :: first(:)
      integer, allocatable :: start(:)
      real(wp), allocatable :: weight(:)
   contains
      procedure :: rows
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type interpolation_type

contains

   !> The operator of a set of observations, which the ranks have counted.
   pure function new_interpolation(observations, domain) result(self)
      type(observations_type), intent(in) :: observations
      type(domain_type), intent(in) :: domain
      type(interpolation_type) :: self

      self%reach = [0, 1]
      self%cell = int(observations%position) + 2 - domain%first
      self%fraction = observations%position - int(observations%position)
      if (observations%averages == 0) return
      self%reach = ceiling(observations%parameters%half_width) + [0, 1]
      allocate (self%half_width(observations%n), source=0.0_wp)
      where (observations%kind == kind_average)
         self%half_width = observations%parameters%half_width
      end where
      call lay_out_footprints(self)
   end function new_interpolation

   pure subroutine lay_out_footprints(self)
      type(interpolation_type), intent(inout) :: self
      integer :: offset
      integer :: points
      integer :: j

      allocate (self%first(size(self%cell)), self%start(size(self%cell) + 1))
      self%start(1) = 1
      do j = 1, size(self%cell)
         call measure(self%fraction(j), self%half_width(j), offset, points)
         self%first(j) = self%cell(j) + offset
         self%start(j + 1) = self%start(j) + points
      end do
      allocate (self%weight(self%start(size(self%cell) + 1) - 1))
      do j = 1, size(self%cell)
         call weigh(self%fraction(j), self%half_width(j), self%first(j) - self%cell(j), &
                    self%weight(self%start(j):self%start(j + 1) - 1))
      end do
   end subroutine lay_out_footprints

   !> A footprint covers the points cell + offset … cell + offset + points - 1.
   elemental subroutine measure(fraction, half_width, offset, points)
      real(wp), intent(in) :: fraction
      real(wp), intent(in) :: half_width
      integer, intent(out) :: offset
      integer, intent(out) :: points

      offset = floor(fraction - half_width)
      points = floor(fraction + half_width) + 2 - offset
   end subroutine measure

   pure subroutine weigh(fraction, half_width, offset, weights)
      real(wp), intent(in) :: fraction
      real(wp), intent(in) :: half_width
      integer, intent(in) :: offset
      real(wp), intent(out) :: weights(:)
      integer :: k

      if (half_width > 0) then
         do k = 1, size(weights)
            weights(k) = (below(fraction + half_width - (offset + k - 1)) &
                          - below(fraction - half_width - (offset + k - 1)))/(2*half_width)
         end do
      else
         weights = [1 - fraction, fraction]
      end if
   end subroutine weigh

   !> The integral of the hat function max(1 - |s|, 0) up to t.
   elemental function below(t) result(area)
      real(wp), intent(in) :: t
      real(wp) :: area

      area = 0.5_wp*(1 + min(t, 0.0_wp))**2
      if (t > 0) area = 1 - 0.5_wp*(1 - min(t, 1.0_wp))**2
      if (t <= -1) area = 0
   end function below

   pure function rows(self, domain) result(count)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = size(self%cell)
   end function rows

   subroutine forward(self, domain, x, y)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
      integer :: member

      allocate (left(self%reach(1), size(x, 3)), right(self%reach(2), size(x, 3)))
      call domain%fetch_halo(size(x, 3), x(:, 1, :), left, right)
      do member = 1, size(x, 3)
         if (allocated(self%weight)) then
            call weighted_sums(self, domain%n, left(:, member), x(:, 1, member), &
                               right(:, member), y(:, 1, member))
         else
            call interpolate(self, domain%n, x(:, 1, member), right(1, member), y(:, 1, member))
         end if
      end do
   end subroutine forward

   !> Where all are values.
   pure subroutine interpolate(self, n, x, next, y)
      type(interpolation_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: next
      real(wp), intent(out) :: y(size(self%cell))
      integer :: inside
      integer :: j

      inside = count(self%cell < n)
      do j = 1, inside
         y(j) = (1 - self%fraction(j))*x(self%cell(j)) + self%fraction(j)*x(self%cell(j) + 1)
      end do
      do j = inside + 1, size(self%cell)
         y(j) = (1 - self%fraction(j))*x(self%cell(j)) + self%fraction(j)*next
      end do
   end subroutine interpolate

   pure subroutine weighted_sums(self, n, left, x, right, y)
      type(interpolation_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: left(:)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: right(:)
      real(wp), intent(out) :: y(size(self%cell))
      integer :: points
      integer :: j
      integer :: k

      do j = 1, size(self%cell)
         points = self%start(j + 1) - self%start(j)
         associate (first => self%first(j), weight => self%weight(self%start(j):))
            if (first >= 1 .and. first + points - 1 <= n) then
               y(j) = weight(1)*x(first)
               do k = 2, points
                  y(j) = y(j) + weight(k)*x(first + k - 1)
               end do
            else
               y(j) = weight(1)*value(first)
               do k = 2, points
                  y(j) = y(j) + weight(k)*value(first + k - 1)
               end do
            end if
         end associate
      end do

   contains

      pure function value(i)
         integer, intent(in) :: i
         real(wp) :: value

         if (i < 1) then
            value = left(i + size(left))
         else if (i > n) then
            value = right(i - n)
         else
            value = x(i)
         end if
      end function value
   end subroutine weighted_sums

   subroutine tl(self, domain, x, dx, dy)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call self%forward(domain, dx, dy)
   end subroutine tl

   !> A point sums over the observations whose footprints hold it from left to right, those of
   !> neighbouring slabs included: the same bits on any layout.
   subroutine ad(self, domain, x, dy, dx)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      integer, parameter :: described = 2
      real(wp), allocatable :: gathered(:, :)
      real(wp) :: weights(sum(self%reach) + 1)
      integer, allocatable :: counts(:)
      integer :: halo(2)
      integer :: offset
      integer :: points
      integer :: c
      integer :: i
      integer :: j
      integer :: k
      integer :: row

      halo = [self%reach(2), self%reach(1)]
      call count_by_cell(self, domain, halo, counts)
      allocate (gathered(described + size(dy, 3), sum(counts)))
      row = sum(counts(:halo(1)))
      do j = 1, size(self%cell)
         gathered(1, row + j) = self%fraction(j)
         gathered(2, row + j) = 0
         if (allocated(self%half_width)) gathered(2, row + j) = self%half_width(j)
         gathered(described + 1:, row + j) = dy(j, 1, :)
      end do
      call domain%fetch_rows(halo, counts, gathered)
      dx = 0
      row = 0
      do c = 1, size(counts)
         do j = 1, counts(c)
            row = row + 1
            call measure(gathered(1, row), gathered(2, row), offset, points)
            call weigh(gathered(1, row), gathered(2, row), offset, weights(:points))
            do k = 1, points
               i = c - halo(1) + offset + k - 1
               if (i < 1 .or. i > domain%n) cycle
               dx(i, 1, :) = dx(i, 1, :) + weights(k)*gathered(described + 1:, row)
            end do
         end do
      end do
   end subroutine ad

   !> Observations by cell, from halo(1) cells left of the slab to halo(2) cells right of it.
   subroutine count_by_cell(self, domain, halo, counts)
      type(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: halo(2)
      integer, allocatable, intent(out) :: counts(:)
      real(wp) :: own(domain%n, 1)
      real(wp) :: left(halo(1), 1)
      real(wp) :: right(halo(2), 1)
      integer :: j

      own = 0
      do j = 1, size(self%cell)
         own(self%cell(j), 1) = own(self%cell(j), 1) + 1
      end do
      call domain%fetch_halo(1, own, left, right)
      counts = nint([left(:, 1), own(:, 1), right(:, 1)])
   end subroutine count_by_cell
end module da_observation_interpolation
