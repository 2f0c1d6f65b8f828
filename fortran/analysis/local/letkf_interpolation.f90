!> Local analyses whose weights are computed on a coarser grid and interpolated linearly (Yang,
!> Kalnay, Hunt & Bowler 2009, Weight interpolation for efficient data assimilation with the local
!> ensemble transform Kalman filter, QJRMS 135, 251-262).
!>
!> The interpolated weights are applied without being formed: a point's analysis is linear in them,
!> so it is the sum of what the two coarse points beside it make of its anomalies, each times its
!> share. That costs a few products with S^{-1/2}, but spares the matrix.
module da_analysis_local_letkf_interpolation
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_factorised_kernels, only: together, reflect_together, factorise_shifted, &
      solve_factorised
   use da_base_tridiagonal_kernels, only: lanes
   use da_analysis_local_letkf_core, only: work_type, decompose
   use da_analysis_local_observations, only: local_observations_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: interpolate_weights, coarse_point, coarse_number

contains

   !> The analyses of the slab's points start … last, from weights at every `every`-th point of the
   !> circle. Coarse points just outside are worked out here as well, to the same bits.
   subroutine interpolate_weights(domain, every, rotate, start, last, observations, anomalies, &
                                  innovations, local, work, x)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: every
      logical, intent(in) :: rotate
      integer, intent(in) :: start
      integer, intent(in) :: last
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(local_observations_type), intent(inout) :: local
      type(work_type), intent(inout) :: work
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), dimension(last - start + 1, size(x, 2)) :: average, increment
      real(wp) :: blended(last - start + 1, size(x, 2), size(x, 3))
      integer :: points(0:lanes + 1)
      integer :: before
      integer :: first_number
      integer :: last_number
      integer :: number
      integer :: members
      integer :: l
      integer :: m

      members = size(x, 3)
      before = domain%first - 1
      first_number = coarse_number(domain%total, every, before + start - 1)
      last_number = coarse_number(domain%total, every, before + last - 1)
      if (coarse_point(domain%total, every, last_number) < before + last - 1) then
         last_number = last_number + 1
      end if
      call local%load(observations, anomalies, innovations, place_of(first_number), &
                      place_of(last_number))
      average = 0
      do m = 1, members
         average = average + x(start:last, :, m)
      end do
      average = average/members
      increment = 0
      blended = 0
      do m = 1, members
         x(start:last, :, m) = x(start:last, :, m) - average
      end do
      do number = first_number, last_number, lanes
         do l = 0, lanes + 1
            points(l) = place_of(min(number + l - 1, last_number + 1))
         end do
         call decompose(min(points(1:lanes), place_of(last_number)), local, members, work)
         call spread_analyses(every, points, min(lanes, last_number - number + 1), start, &
                              last, size(x, 1), size(x, 2), members, work, x, increment, blended)
      end do
      average = average + increment
      call combine(last - start + 1, size(x, 2), members, rotate, work%rotation, average, blended)
      x(start:last, :, :) = blended

   contains

      !> A coarse point as a point of the slab.
      pure function place_of(coarse) result(place)
         integer, intent(in) :: coarse
         integer :: place

         place = coarse_point(domain%total, every, coarse) - before + 1
      end function place_of
   end subroutine interpolate_weights

   !> The number of the coarse point at or left of a point of the unrolled circle; both count from
   !> zero.
   pure function coarse_number(total, every, point) result(number)
      integer, intent(in) :: total
      integer, intent(in) :: every
      integer, intent(in) :: point
      integer :: number
      integer :: within

      within = modulo(point, total)
      number = (point - within)/total*((total - 1)/every + 1) + within/every
   end function coarse_number

   !> Where a coarse point lies; each time round the circle they begin anew at its first point.
   pure function coarse_point(total, every, number) result(point)
      integer, intent(in) :: total
      integer, intent(in) :: every
      integer, intent(in) :: number
      integer :: point
      integer :: within

      within = modulo(number, (total - 1)/every + 1)
      point = (number - within)/((total - 1)/every + 1)*total + within*every
   end function coarse_point

   !> Add what `used` coarse points, points(1) …, make of the anomalies of the points start … last
   !> around them. A column is a component at an offset from its coarse point.
   subroutine spread_analyses(every, points, used, start, last, n, components, members, work, x, &
                              increment, blended)
      integer, intent(in) :: every
      integer, intent(in) :: points(0:lanes + 1)
      integer, intent(in) :: used
      integer, intent(in) :: start
      integer, intent(in) :: last
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: members
      type(work_type), intent(inout) :: work
      real(wp), intent(in) :: x(n, components, members)
      real(wp), intent(inout) :: increment(start:last, components)
      real(wp), intent(inout) :: blended(start:last, components, members)
      real(wp) :: columns(lanes, together, members)
      real(wp) :: along(lanes)
      real(wp) :: share(lanes, together)
      integer :: target(lanes, together)
      integer :: c(together)
      integer :: column
      integer :: m
      integer :: v

      associate (diagonal => work%vectors(:, :, 1), beside => work%vectors(:, :, 2), &
                 factor => work%vectors(:, :, 3), mean_weights => work%vectors(:, :, 4), &
                 pivots => work%factors(:, :, :, 1), ratios => work%factors(:, :, :, 2), &
                 nodes => size(work%shifts))
         call factorise_shifted(members, nodes, diagonal, beside, work%shifts, pivots, ratios)
         do column = 0, (2*every - 1)*components - 1, together
            do v = 1, together
               c(v) = mod(column + v - 1, components) + 1
               call aim((column + v - 1)/components + 1 - every, target(:, v), share(:, v))
            end do
            do m = 1, members
               do v = 1, together
                  call gather(n, x(:, c(v), m), target(:, v), share(:, v), columns(:, v, m))
               end do
            end do
            call reflect_together(members, work%s, factor, .false., columns)
            do v = 1, together
               along = 0
               do m = 1, members
                  along = along + columns(:, v, m)*mean_weights(:, m)
               end do
               along = along/sqrt(real(members - 1, wp))
               call scatter(along, target(:, v), share(:, v), increment(:, c(v)))
               call solve_factorised(members, nodes, beside, pivots, ratios, work%node_weights, v, &
                                     columns, work%factors(:, :, :, 3))
            end do
            call reflect_together(members, work%s, factor, .true., columns)
            do m = 1, members
               do v = 1, together
                  call scatter(columns(:, v, m), target(:, v), share(:, v), blended(:, c(v), m))
               end do
            end do
         end do
      end associate

   contains

      !> The points at an offset from the coarse ones, and the coarse points' shares in them: none
      !> where another coarse point is nearer than that, or the window ends.
      pure subroutine aim(offset, target, share)
         integer, intent(in) :: offset
         integer, intent(out) :: target(lanes)
         real(wp), intent(out) :: share(lanes)
         integer :: gap
         integer :: l

         target = start
         share = 0
         if (offset >= every) return
         do l = 1, used
            gap = points(l + 1) - points(l)
            if (offset < 0) gap = points(l) - points(l - 1)
            if (abs(offset) >= gap) cycle
            if (points(l) + offset < start .or. points(l) + offset > last) cycle
            target(l) = points(l) + offset
            share(l) = 1 - real(abs(offset), wp)/gap
         end do
      end subroutine aim

      !> Values times shares.
      pure subroutine gather(n, x, target, share, values)
         integer, intent(in) :: n
         real(wp), intent(in) :: x(n)
         integer, intent(in) :: target(lanes)
         real(wp), intent(in) :: share(lanes)
         real(wp), intent(out) :: values(lanes)
         integer :: l

         do l = 1, lanes
            values(l) = share(l)*x(target(l))
         end do
      end subroutine gather

      !> Lanes without a share hold zero: adding them changes nothing.
      pure subroutine scatter(values, target, share, sums)
         real(wp), intent(in) :: values(lanes)
         integer, intent(in) :: target(lanes)
         real(wp), intent(in) :: share(lanes)
         real(wp), intent(inout) :: sums(start:last)
         integer :: l

         do l = 1, lanes
            if (share(l) > 0) sums(target(l)) = sums(target(l)) + values(l)
         end do
      end subroutine scatter
   end subroutine spread_analyses

   !> x ← mean + X U
   pure subroutine combine(n, components, members, rotate, rotation, average, x)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: members
      logical, intent(in) :: rotate
      real(wp), intent(in) :: rotation(members, members)
      real(wp), intent(in) :: average(n, components)
      real(wp), intent(inout) :: x(n, components, members)
      integer, parameter :: tile = 64
      real(wp) :: turned(tile, members)
      integer :: start
      integer :: points
      integer :: c
      integer :: k
      integer :: m

      do c = 1, components
         do start = 0, n - 1, tile
            points = min(tile, n - start)
            do m = 1, members
               if (rotate) then
                  turned(:points, m) = 0
                  do k = 1, members
                     turned(:points, m) = turned(:points, m) &
                                          + x(start + 1:start + points, c, k)*rotation(k, m)
                  end do
               else
                  turned(:points, m) = x(start + 1:start + points, c, m)
               end if
            end do
            do m = 1, members
               x(start + 1:start + points, c, m) = average(start + 1:start + points, c) &
                                                   + turned(:points, m)
            end do
         end do
      end do
   end subroutine combine
end module da_analysis_local_letkf_interpolation
