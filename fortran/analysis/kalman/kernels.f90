!> Covariances on a circle as bands, on plain arrays: their columns in combs, their product with a
!> tangent linear model, and observations that change them one by one.
!>
!> bands(i, c, d components + e) is the covariance of component c at point i and e at point i + d, d
!> from 0 to `ahead`. A comb is a field that holds a column of the covariance for every tooth, a
!> stretch of the circle: of the points `start(t)` + k, k the comb's number. Columns are so far from
!> each other that they do not meet.
module da_analysis_kalman_kernels
   use da_base_kinds, only: wp
   implicit none
   private
   public :: fill_combs, mark_combs, turn_combs, take_combs, assimilate_one

contains

   !> The columns of P in the combs number(f) of component component(f), on the slab's points 1 … n;
   !> of each column the rows from `ahead` points before to `behind` points after its own.
   pure subroutine fill_combs(n, components, ahead, behind, teeth, start, combs, number, &
                              component, bands, fields)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: ahead
      integer, intent(in) :: behind
      integer, intent(in) :: teeth
      integer, intent(in) :: start(teeth + 1)
      integer, intent(in) :: combs
      integer, intent(in) :: number(combs)
      integer, intent(in) :: component(combs)
      real(wp), intent(in) :: bands(1 - behind:n, components, components*(ahead + 1))
      real(wp), intent(out) :: fields(n, components, combs)
      integer :: column
      integer :: c
      integer :: f
      integer :: i
      integer :: t

      fields = 0
      do t = 1, teeth
         do f = 1, combs
            column = start(t) + number(f)
            if (column >= start(t + 1)) cycle
            do c = 1, components
               do i = max(1, column - ahead), min(n, column)
                  fields(i, c, f) = bands(i, c, (column - i)*components + component(f))
               end do
               do i = max(1, column + 1), min(n, column + behind)
                  fields(i, c, f) = bands(column, component(f), (i - column)*components + c)
               end do
            end do
         end do
      end do
   end subroutine fill_combs

   !> One at each column's own point and component.
   pure subroutine mark_combs(n, components, teeth, start, combs, number, component, fields)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: teeth
      integer, intent(in) :: start(teeth + 1)
      integer, intent(in) :: combs
      integer, intent(in) :: number(combs)
      integer, intent(in) :: component(combs)
      real(wp), intent(out) :: fields(n, components, combs)
      integer :: column
      integer :: f
      integer :: t

      fields = 0
      do f = 1, combs
         do t = 1, teeth
            column = start(t) + number(f)
            if (column >= start(t + 1) .or. column < 1 .or. column > n) cycle
            fields(column, component(f), f) = 1
         end do
      end do
   end subroutine mark_combs

   !> The transposed: combs of rows from combs of columns, which hold the rows from -before to n +
   !> after; place(i) is the number of the comb that has column i.
   pure subroutine turn_combs(n, components, before, after, all, place, teeth, start, combs, &
                              number, component, columns, fields)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: before
      integer, intent(in) :: after
      integer, intent(in) :: all
      integer, intent(in) :: place(n)
      integer, intent(in) :: teeth
      integer, intent(in) :: start(teeth + 1)
      integer, intent(in) :: combs
      integer, intent(in) :: number(combs)
      integer, intent(in) :: component(combs)
      real(wp), intent(in) :: columns(1 - before:n + after, components, all)
      real(wp), intent(out) :: fields(n, components, combs)
      integer :: row
      integer :: c
      integer :: f
      integer :: i
      integer :: t

      fields = 0
      do t = 1, teeth
         do f = 1, combs
            row = start(t) + number(f)
            if (row >= start(t + 1) .or. row < 1 - before .or. row > n + after) cycle
            do c = 1, components
               do i = max(1, row - after), min(n, row + before)
                  fields(i, c, f) = columns(row, component(f), place(i)*components + c)
               end do
            end do
         end do
      end do
   end subroutine turn_combs

   !> The bands of the columns that the combs hold, times taper(d).
   pure subroutine take_combs(n, components, ahead, taper, teeth, start, combs, number, &
                              component, fields, bands)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: ahead
      real(wp), intent(in) :: taper(0:ahead)
      integer, intent(in) :: teeth
      integer, intent(in) :: start(teeth + 1)
      integer, intent(in) :: combs
      integer, intent(in) :: number(combs)
      integer, intent(in) :: component(combs)
      real(wp), intent(in) :: fields(n, components, combs)
      real(wp), intent(inout) :: bands(n, components, components*(ahead + 1))
      integer :: column
      integer :: c
      integer :: f
      integer :: i
      integer :: t

      do t = 1, teeth
         do f = 1, combs
            column = start(t) + number(f)
            if (column >= start(t + 1)) cycle
            do c = 1, components
               do i = max(1, column - ahead), min(n, column)
                  bands(i, c, (column - i)*components + component(f)) = taper(column - i) &
                                                                        *fields(i, c, f)
               end do
            end do
         end do
      end do
   end subroutine take_combs

   !> An observation that sees variables seen(:) with weights h(:) changes the mean by dx and the
   !> covariance p, of which the lower triangle is held; both only up to variable `top`, beyond
   !> which nothing correlates with it.
   pure subroutine assimilate_one(size_of_p, top, seers, seen, h, innovation, variance, p, dx, v)
      integer, intent(in) :: size_of_p
      integer, intent(in) :: top
      integer, intent(in) :: seers
      integer, intent(in) :: seen(seers)
      real(wp), intent(in) :: h(seers)
      real(wp), intent(in) :: innovation
      real(wp), intent(in) :: variance
      real(wp), intent(inout) :: p(size_of_p, size_of_p)
      real(wp), intent(inout) :: dx(size_of_p)
      real(wp), intent(out) :: v(size_of_p)
      real(wp) :: expected
      real(wp) :: departure
      integer :: j
      integer :: k

      v(:top) = 0
      do k = 1, seers
         associate (i => seen(k))
            do j = 1, i - 1
               v(j) = v(j) + h(k)*p(i, j)
            end do
            v(i:top) = v(i:top) + h(k)*p(i:top, i)
         end associate
      end do
      expected = variance
      departure = innovation
      do k = 1, seers
         expected = expected + h(k)*v(seen(k))
         departure = departure - h(k)*dx(seen(k))
      end do
      dx(:top) = dx(:top) + (departure/expected)*v(:top)
      v(:top) = v(:top)/sqrt(expected)
      do j = 1, top
         p(j:top, j) = p(j:top, j) - v(j)*v(j:top)
      end do
   end subroutine assimilate_one
end module da_analysis_kalman_kernels
