!> The Kalman filter's analysis of one state with the bands of its covariance, on any H whose rows
!> are local.
!>
!> R is diagonal, so observations may come one after another: each sees what those before have left,
!> and the result is that of all at once. On a large circle this is done on tiles of it, each with a
!> margin on either side whose observations count but whose points belong to other tiles: what is
!> further away would change next to nothing. Tiles lie on the circle, not on the slabs, and a rank
!> computes all that touch its slab: the same bits on any layout.
module da_analysis_kalman_update
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_kalman_bands, only: bands_type, padded
   use da_analysis_kalman_kernels, only: assimilate_one
   use da_analysis_kalman_observations, only: rows_type, seen_type, gather_rows, cell_of
   use da_network_tiles, only: tiles_type, new_tiles
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: observe_spread, update_covariance

   !> A tile with its margins, from point first to first + points - 1, counted from the slab's;
   !> round the circle where it is the whole of it.
   type :: piece_type
      integer :: first = 1
      integer :: points = 0
      logical :: whole = .false.
   end type piece_type

contains

   !> The standard deviation of what each observation sees, sqrt(h P h^T); rows are this rank's.
   subroutine observe_spread(bands, domain, rows, covariance, observations)
      type(bands_type), intent(in) :: bands
      type(domain_type), intent(inout) :: domain
      type(rows_type), intent(in) :: rows
      real(wp), contiguous, intent(in) :: covariance(:, :, :)
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable :: wide(:, :, :)
      type(seen_type) :: seen
      real(wp) :: variance
      integer :: cell
      integer :: j
      integer :: k
      integer :: l

      call padded(domain, rows%span, covariance, wide)
      do j = 1, observations%n
         cell = cell_of(domain, observations%position(j))
         call rows%see(bands%components, j, seen)
         variance = 0
         do k = 1, seen%count
            do l = 1, seen%count
               variance = variance + seen%weight(k)*seen%weight(l)*between(k, l)
            end do
         end do
         observations%background_sd(j) = sqrt(max(variance, 0.0_wp))
      end do

   contains

      pure recursive function between(k, l) result(p)
         integer, intent(in) :: k
         integer, intent(in) :: l
         real(wp) :: p
         integer :: distance

         p = 0
         distance = seen%point(l) - seen%point(k)
         if (distance < 0) then
            p = between(l, k)
         else if (distance <= bands%ahead) then
            p = wide(cell + seen%point(k), seen%component(k), &
                     distance*bands%components + seen%component(l))
         else if (bands%whole) then
            p = wide(cell + seen%point(l), seen%component(l), &
                     (domain%total - distance)*bands%components + seen%component(k))
         end if
      end function between
   end subroutine observe_spread

   !> From the background to the analysis: x(n, components) and its covariance. `rows` are this
   !> rank's, and become those around it.
   subroutine update_covariance(bands, domain, observations, innovations, rows, covariance, x)
      type(bands_type), intent(in) :: bands
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: innovations(:)
      type(rows_type), intent(inout) :: rows
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      real(wp), intent(inout) :: x(:, :)
      type(tiles_type) :: tiles
      type(piece_type) :: piece
      real(wp), allocatable :: wide(:, :, :)
      real(wp), allocatable :: p(:, :)
      real(wp), allocatable, dimension(:) :: dx, v
      integer :: margin
      integer :: halo
      integer :: most
      integer :: t

      margin = bands%ahead + maxval(rows%span) - 1
      tiles = new_tiles(domain%total, bands%ahead)
      most = (domain%total + tiles%count - 1)/tiles%count
      halo = most - 1 + margin
      piece%whole = bands%whole .or. most + 2*margin > domain%total
      if (piece%whole) then
         tiles = tiles_type(domain%total, 1)
         margin = 0
         most = domain%total
         halo = domain%total
      end if
      call gather_rows(domain, observations, innovations, halo, rows)
      call padded(domain, [halo, halo], covariance, wide)
      allocate (p((most + 2*margin)*bands%components, (most + 2*margin)*bands%components))
      allocate (dx(size(p, 1)), v(size(p, 1)))
      do t = tiles%containing(domain%first), tiles%containing(domain%last)
         piece%first = tiles%first(t) - margin - domain%first + 1
         piece%points = tiles%last(t) - tiles%first(t) + 1 + 2*margin
         call lay_out(bands, piece, wide(:, :, :), 1 - halo, p)
         call assimilate(bands, piece, rows, p, dx, v)
         call take_back(bands, piece, margin, domain%n, p, dx, covariance, x)
      end do
   end subroutine update_covariance

   !> The covariance of a piece's points as a matrix, its lower triangle.
   pure subroutine lay_out(bands, piece, wide, lowest, p)
      type(bands_type), intent(in) :: bands
      type(piece_type), intent(in) :: piece
      integer, intent(in) :: lowest
      real(wp), intent(in) :: wide(lowest:, :, :)
      real(wp), intent(inout) :: p(:, :)
      integer :: distance
      integer :: row
      integer :: column
      integer :: c
      integer :: e
      integer :: i

      p = 0
      associate (m => bands%components)
         do distance = 0, bands%ahead
            do e = 1, m
               do c = 1, m
                  do i = 1, merge(piece%points, piece%points - distance, piece%whole)
                     row = i + distance
                     if (row > piece%points) row = row - piece%points
                     row = (row - 1)*m + e
                     column = (i - 1)*m + c
                     p(max(row, column), min(row, column)) = wide(piece%first - 1 + i, c, &
                                                                  distance*m + e)
                  end do
               end do
            end do
         end do
      end associate
   end subroutine lay_out

   !> The observations of a piece, from its first cell to its last; those that see beyond its ends
   !> do not count.
   subroutine assimilate(bands, piece, rows, p, dx, v)
      type(bands_type), intent(in) :: bands
      type(piece_type), intent(in) :: piece
      type(rows_type), intent(in) :: rows
      real(wp), intent(inout) :: p(:, :)
      real(wp), intent(inout) :: dx(:)
      real(wp), intent(inout) :: v(:)
      type(seen_type) :: seen
      integer, allocatable :: variables(:)
      integer :: variable
      integer :: top
      integer :: i
      integer :: j
      integer :: k

      dx = 0
      top = 0
      allocate (variables(size(rows%values, 1)))
      do i = 1, piece%points
         do j = rows%first(piece%first - 1 + i), rows%first(piece%first + i) - 1
            if (rows%values(2, j) < 0) cycle
            call rows%see(bands%components, j, seen)
            if (seen%count == 0) cycle
            do k = 1, seen%count
               variable = i + seen%point(k)
               if (piece%whole) variable = modulo(variable - 1, piece%points) + 1
               variables(k) = (variable - 1)*bands%components + seen%component(k)
            end do
            if (.not. piece%whole .and. (i + seen%point(1) < 1 .or. &
                                         i + seen%point(seen%count) > piece%points)) cycle
            top = max(top, (i + seen%point(seen%count) + bands%ahead)*bands%components)
            if (piece%whole) top = piece%points*bands%components
            top = min(top, piece%points*bands%components)
            call assimilate_one(size(p, 1), top, seen%count, variables, seen%weight, &
                                rows%values(1, j), rows%values(2, j), p, dx, v)
         end do
      end do
   end subroutine assimilate

   !> What a piece's tile has of the slab.
   pure subroutine take_back(bands, piece, margin, n, p, dx, covariance, x)
      type(bands_type), intent(in) :: bands
      type(piece_type), intent(in) :: piece
      integer, intent(in) :: margin
      integer, intent(in) :: n
      real(wp), intent(in) :: p(:, :)
      real(wp), intent(in) :: dx(:)
      real(wp), intent(inout) :: covariance(:, :, :)
      real(wp), intent(inout) :: x(:, :)
      integer :: first
      integer :: last
      integer :: distance
      integer :: row
      integer :: column
      integer :: c
      integer :: e
      integer :: i

      first = max(1 + margin, 2 - piece%first)
      last = min(piece%points - margin, n + 1 - piece%first)
      associate (m => bands%components)
         do distance = 0, bands%ahead
            do e = 1, m
               do c = 1, m
                  do i = first, last
                     row = i + distance
                     if (row > piece%points) row = row - piece%points
                     row = (row - 1)*m + e
                     column = (i - 1)*m + c
                     covariance(piece%first - 1 + i, c, distance*m + e) = &
                        p(max(row, column), min(row, column))
                  end do
               end do
            end do
         end do
         do i = first, last
            x(piece%first - 1 + i, :) = x(piece%first - 1 + i, :) + dx((i - 1)*m + 1:i*m)
         end do
      end associate
   end subroutine take_back
end module da_analysis_kalman_update
