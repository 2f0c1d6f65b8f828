!> The periodic circle of grid points, split into contiguous slabs, one a rank.
!>
!> Slab ends follow from the sizes alone, so every rank knows every slab. A halo may be wider than
!> the neighbour's slab, and wider than the circle: neighbours are then counted on, round and round.
module da_base_domain
   use mpi_f08, only: MPI_Request, MPI_Irecv, MPI_Isend, MPI_Waitall, MPI_DOUBLE_PRECISION, &
      MPI_STATUSES_IGNORE
   use da_base_kinds, only: wp, i8
   use da_base_error, only: error_type, input_error
   use da_base_communicator, only: communicator_type
   use da_base_timer, only: timer_type, phase_halo
   use da_base_reproducible_sum, only: sum_columns
   use da_base_text, only: to_text
   implicit none
   private
   public :: domain_type, new_domain

   !> A run of points that one side of a halo takes from one slab.
   type :: segment_type
      integer :: rank = 0
      integer :: tag = 0
      integer :: slab_start = 0
      integer :: halo_start = 0
      integer :: length = 0
   end type segment_type

   !> The segments of a halo of some widths: what this rank takes, and what it gives.
   type :: route_type
      integer :: widths(2) = -1
      type(segment_type), allocatable :: taken(:)
      type(segment_type), allocatable :: given(:)
   end type route_type

   !> Routes remembered: a run exchanges halos of a few widths, again and again.
   integer, parameter :: most_routes = 16

   !> Points first … last (counted from 1) of `total` lie on this rank; `n` = last - first + 1.
   type :: domain_type
      type(communicator_type) :: communicator
      type(timer_type) :: timer
      integer :: total = 0
      integer :: first = 1
      integer :: last = 0
      integer :: n = 0
      real(wp), allocatable, private :: outbox(:)
      real(wp), allocatable, private :: inbox(:)
      type(route_type), private :: routes(most_routes)
      integer, private :: latest_route = 0
   contains
      procedure :: first_of
      procedure :: owner
      procedure :: fetch_halo
      procedure :: fold_halo
      procedure :: fetch_rows
      procedure :: mean_of_points
   end type domain_type

   integer, parameter :: side_left = 0
   integer, parameter :: side_right = 1

contains

   !> A domain of `total` points over all ranks of a communicator.
   subroutine new_domain(total, communicator, domain, error)
      integer, intent(in) :: total
      type(communicator_type), intent(in) :: communicator
      type(domain_type), intent(out) :: domain
      type(error_type), allocatable, intent(out) :: error

      if (communicator%ranks > total) then
         call input_error(error, to_text(total)//' grid points cannot be spread over '// &
                          to_text(communicator%ranks)//' ranks: start at most '//to_text(total))
         return
      end if
      domain%communicator = communicator
      domain%total = total
      domain%first = domain%first_of(communicator%rank)
      domain%last = domain%first_of(communicator%rank + 1) - 1
      domain%n = domain%last - domain%first + 1
      allocate (domain%outbox(0), domain%inbox(0))
   end subroutine new_domain

   !> The first point of a rank's slab; ranks beyond either end count on round the circle.
   pure function first_of(self, rank) result(first)
      class(domain_type), intent(in) :: self
      integer, intent(in) :: rank
      integer :: first
      integer :: within

      associate (ranks => self%communicator%ranks)
         within = modulo(rank, ranks)
         first = int((int(within, i8)*self%total)/ranks) + 1 + ((rank - within)/ranks)*self%total
      end associate
   end function first_of

   !> The rank that holds a point 1 … total.
   pure function owner(self, point) result(rank)
      class(domain_type), intent(in) :: self
      integer, intent(in) :: point
      integer :: rank

      associate (ranks => self%communicator%ranks)
         rank = min(int((int(point, i8)*ranks - 1)/self%total), ranks - 1)
         do while (self%first_of(rank) > point)
            rank = rank - 1
         end do
         do while (self%first_of(rank + 1) <= point)
            rank = rank + 1
         end do
      end associate
   end function owner

   !> The points left and right of the slab, for every column; the halo's widths are the arrays'
   !> extents. left(:, c) are the points first - size(left, 1) … first - 1, right(:, c) last + 1 … .
   subroutine fetch_halo(self, columns, x, left, right)
      class(domain_type), intent(inout) :: self
      integer, intent(in) :: columns
      real(wp), intent(in) :: x(self%n, columns)
      real(wp), contiguous, intent(inout) :: left(:, :)
      real(wp), contiguous, intent(inout) :: right(:, :)
      integer :: route
      integer :: place
      integer :: c
      integer :: s

      call self%timer%start(phase_halo)
      call find_route(self, [size(left, 1), size(right, 1)], route)
      associate (taken => self%routes(route)%taken, given => self%routes(route)%given)
         call reserve(self%inbox, columns*sum(taken%length))
         call reserve(self%outbox, columns*sum(given%length))
         place = 0
         do s = 1, size(given)
            associate (segment => given(s))
               do c = 1, columns
                  self%outbox(place + 1:place + segment%length) = &
                     x(segment%slab_start:segment%slab_start + segment%length - 1, c)
                  place = place + segment%length
               end do
            end associate
         end do
         call swap(self%communicator, columns, given, self%outbox, taken, self%inbox)
         place = 0
         do s = 1, size(taken)
            associate (segment => taken(s))
               do c = 1, columns
                  if (segment%rank == self%communicator%rank) then
                     call put(segment, x(segment%slab_start:segment%slab_start + segment%length &
                                         - 1, c), c)
                  else
                     call put(segment, self%inbox(place + 1:place + segment%length), c)
                     place = place + segment%length
                  end if
               end do
            end associate
         end do
      end associate
      call self%timer%stop()

   contains

      subroutine put(segment, values, column)
         type(segment_type), intent(in) :: segment
         real(wp), intent(in) :: values(:)
         integer, intent(in) :: column

         if (mod(segment%tag, 2) == side_left) then
            left(segment%halo_start:segment%halo_start + segment%length - 1, column) = values
         else
            right(segment%halo_start:segment%halo_start + segment%length - 1, column) = values
         end if
      end subroutine put
   end subroutine fetch_halo

   !> The adjoint of `fetch_halo`: each halo value is added to the point it was taken from.
   !> Where a point receives at most one value, its sum does not depend on the layout.
   subroutine fold_halo(self, columns, x, left, right)
      class(domain_type), intent(inout) :: self
      integer, intent(in) :: columns
      real(wp), intent(inout) :: x(self%n, columns)
      real(wp), contiguous, intent(in) :: left(:, :)
      real(wp), contiguous, intent(in) :: right(:, :)
      type(segment_type), allocatable :: taken(:)
      type(segment_type), allocatable :: given(:)
      integer :: widths(2)
      integer :: place
      integer :: c
      integer :: s

      call self%timer%start(phase_halo)
      widths = [size(left, 1), size(right, 1)]
      taken = segments_taken(self, widths)
      given = segments_given(self, widths)
      call reserve(self%outbox, columns*sum(taken%length))
      call reserve(self%inbox, columns*sum(given%length))
      place = 0
      do s = 1, size(taken)
         if (taken(s)%rank == self%communicator%rank) cycle
         do c = 1, columns
            self%outbox(place + 1:place + taken(s)%length) = get(taken(s), c)
            place = place + taken(s)%length
         end do
      end do
      call swap(self%communicator, columns, taken, self%outbox, given, self%inbox)
      place = 0
      do s = 1, size(given)
         do c = 1, columns
            call add(given(s), self%inbox(place + 1:place + given(s)%length), c)
            place = place + given(s)%length
         end do
      end do
      do s = 1, size(taken)
         if (taken(s)%rank /= self%communicator%rank) cycle
         do c = 1, columns
            call add(taken(s), get(taken(s), c), c)
         end do
      end do
      call self%timer%stop()

   contains

      function get(segment, column) result(values)
         type(segment_type), intent(in) :: segment
         integer, intent(in) :: column
         real(wp) :: values(segment%length)

         if (mod(segment%tag, 2) == side_left) then
            values = left(segment%halo_start:segment%halo_start + segment%length - 1, column)
         else
            values = right(segment%halo_start:segment%halo_start + segment%length - 1, column)
         end if
      end function get

      subroutine add(segment, values, column)
         type(segment_type), intent(in) :: segment
         real(wp), intent(in) :: values(:)
         integer, intent(in) :: column
         integer :: i

         do i = 1, segment%length
            x(segment%slab_start + i - 1, column) = x(segment%slab_start + i - 1, column) &
               + values(i)
         end do
      end subroutine add
   end subroutine fold_halo

   !> As `fetch_halo`, for rows of numbers of which a point may have any count.
   !>
   !> `counts` are the rows of the points first - halo(1) … last + halo(2) (from `fetch_halo`);
   !> `rows` are those of all these points in order, the slab's own part filled on entry and the
   !> halo's on return.
   subroutine fetch_rows(self, halo, counts, rows)
      class(domain_type), intent(inout) :: self
      integer, intent(in) :: halo(2)
      integer, intent(in) :: counts(:)
      real(wp), contiguous, intent(inout) :: rows(:, :)
      type(segment_type), allocatable :: taken(:)
      type(segment_type), allocatable :: given(:)
      type(segment_type) :: row_segment
      integer :: start(size(counts) + 1)
      integer :: i
      integer :: s

      call self%timer%start(phase_halo)
      start(1) = 1
      do i = 1, size(counts)
         start(i + 1) = start(i) + counts(i)
      end do
      taken = segments_taken(self, halo)
      given = segments_given(self, halo)
      do s = 1, size(taken)
         row_segment = taken(s)
         i = taken(s)%halo_start + merge(0, halo(1) + self%n, mod(taken(s)%tag, 2) == side_left)
         row_segment%halo_start = start(i)
         row_segment%length = start(i + taken(s)%length) - start(i)
         row_segment%slab_start = start(halo(1) + taken(s)%slab_start)
         taken(s) = row_segment
      end do
      do s = 1, size(given)
         i = halo(1) + given(s)%slab_start
         given(s)%slab_start = start(i)
         given(s)%length = start(i + given(s)%length) - start(i)
      end do
      call swap_rows(self%communicator, given, taken, size(rows, 1), rows)
      do s = 1, size(taken)
         if (taken(s)%rank /= self%communicator%rank) cycle
         do i = 0, taken(s)%length - 1
            rows(:, taken(s)%halo_start + i) = rows(:, taken(s)%slab_start + i)
         end do
      end do
      call self%timer%stop()
   end subroutine fetch_rows

   !> Mean over all points of the domain, for each column; the same bits on any layout.
   function mean_of_points(self, x) result(means)
      class(domain_type), intent(in) :: self
      real(wp), contiguous, intent(in) :: x(:, :)
      real(wp) :: means(size(x, 2))

      call sum_columns(self%communicator, int(self%total, i8), x, means)
      means = means/self%total
   end function mean_of_points

   !> The place of the route for these widths; worked out where it is not remembered.
   subroutine find_route(self, widths, route)
      type(domain_type), intent(inout) :: self
      integer, intent(in) :: widths(2)
      integer, intent(out) :: route

      do route = 1, most_routes
         if (all(self%routes(route)%widths == widths)) return
      end do
      self%latest_route = mod(self%latest_route, most_routes) + 1
      route = self%latest_route
      self%routes(route)%widths = widths
      self%routes(route)%taken = segments_taken(self, widths)
      self%routes(route)%given = segments_given(self, widths)
   end subroutine find_route

   !> Where this rank's halo comes from, slab by slab outwards.
   pure function segments_taken(self, widths) result(segments)
      type(domain_type), intent(in) :: self
      integer, intent(in) :: widths(2)
      type(segment_type), allocatable :: segments(:)
      integer :: neighbour
      integer :: start
      integer :: end

      allocate (segments(0))
      neighbour = self%communicator%rank
      end = self%first - 1
      do while (end >= self%first - widths(1))
         neighbour = neighbour - 1
         start = max(self%first_of(neighbour), self%first - widths(1))
         segments = [segments, new_segment(self, side_left, self%communicator%rank, neighbour, &
                                           start, end, self%first - widths(1))]
         end = start - 1
      end do
      neighbour = self%communicator%rank
      start = self%last + 1
      do while (start <= self%last + widths(2))
         neighbour = neighbour + 1
         end = min(self%first_of(neighbour + 1) - 1, self%last + widths(2))
         segments = [segments, new_segment(self, side_right, self%communicator%rank, neighbour, &
                                           start, end, self%last + 1)]
         start = end + 1
      end do
   end function segments_taken

   !> Which of this rank's points other ranks' halos take; the mirror image of `segments_taken`.
   pure function segments_given(self, widths) result(segments)
      type(domain_type), intent(in) :: self
      integer, intent(in) :: widths(2)
      type(segment_type), allocatable :: segments(:)
      integer :: taker
      integer :: first
      integer :: last

      allocate (segments(0))
      taker = self%communicator%rank + 1
      do
         first = self%first_of(taker)
         if (first - widths(1) > self%last) exit
         if (modulo(taker, self%communicator%ranks) /= self%communicator%rank) then
            segments = [segments, new_segment(self, side_left, taker, self%communicator%rank, &
                                              max(self%first, first - widths(1)), self%last, &
                                              first - widths(1))]
         end if
         taker = taker + 1
      end do
      taker = self%communicator%rank - 1
      do
         last = self%first_of(taker + 1) - 1
         if (last + widths(2) < self%first) exit
         if (modulo(taker, self%communicator%ranks) /= self%communicator%rank) then
            segments = [segments, new_segment(self, side_right, taker, self%communicator%rank, &
                                              self%first, min(self%last, last + widths(2)), last &
                                              + 1)]
         end if
         taker = taker - 1
      end do
   end function segments_given

   !> Points start … end of `giver`'s slab (its own count) for one side of `taker`'s halo.
   pure function new_segment(self, side, taker, giver, start, end, halo_origin) result(segment)
      type(domain_type), intent(in) :: self
      integer, intent(in) :: side
      integer, intent(in) :: taker
      integer, intent(in) :: giver
      integer, intent(in) :: start
      integer, intent(in) :: end
      integer, intent(in) :: halo_origin
      type(segment_type) :: segment
      integer :: other

      other = merge(taker, giver, giver == self%communicator%rank)
      segment%rank = modulo(other, self%communicator%ranks)
      segment%tag = 2*abs(taker - giver) + side
      segment%slab_start = start - self%first_of(giver) + 1
      segment%halo_start = start - halo_origin + 1
      segment%length = end - start + 1
   end function new_segment

   !> Point-to-point exchange of segments, `columns` values a point; own segments are left out.
   subroutine swap(communicator, columns, given, outbox, taken, inbox)
      type(communicator_type), intent(in) :: communicator
      integer, intent(in) :: columns
      type(segment_type), intent(in) :: given(:)
      real(wp), contiguous, intent(in) :: outbox(:)
      type(segment_type), intent(in) :: taken(:)
      real(wp), contiguous, intent(inout), asynchronous :: inbox(:)
      type(MPI_Request) :: requests(size(given) + size(taken))
      integer :: messages
      integer :: place
      integer :: s

      if (communicator%ranks == 1) return
      messages = 0
      place = 1
      do s = 1, size(taken)
         if (taken(s)%rank == communicator%rank) cycle
         messages = messages + 1
         call MPI_Irecv(inbox(place), columns*taken(s)%length, MPI_DOUBLE_PRECISION, &
                        taken(s)%rank, taken(s)%tag, communicator%mpi, requests(messages))
         place = place + columns*taken(s)%length
      end do
      place = 1
      do s = 1, size(given)
         if (given(s)%rank == communicator%rank) cycle
         messages = messages + 1
         call MPI_Isend(outbox(place), columns*given(s)%length, MPI_DOUBLE_PRECISION, &
                        given(s)%rank, given(s)%tag, communicator%mpi, requests(messages))
         place = place + columns*given(s)%length
      end do
      call MPI_Waitall(messages, requests, MPI_STATUSES_IGNORE)
   end subroutine swap

   !> Point-to-point exchange of runs of rows, straight from and to their place.
   subroutine swap_rows(communicator, given, taken, width, rows)
      type(communicator_type), intent(in) :: communicator
      type(segment_type), intent(in) :: given(:)
      type(segment_type), intent(in) :: taken(:)
      integer, intent(in) :: width
      real(wp), contiguous, intent(inout), asynchronous :: rows(:, :)
      type(MPI_Request) :: requests(size(given) + size(taken))
      integer :: messages
      integer :: s

      messages = 0
      do s = 1, size(taken)
         if (taken(s)%rank == communicator%rank .or. taken(s)%length == 0) cycle
         messages = messages + 1
         call MPI_Irecv(rows(1, taken(s)%halo_start), width*taken(s)%length, MPI_DOUBLE_PRECISION, &
                        taken(s)%rank, taken(s)%tag, communicator%mpi, requests(messages))
      end do
      do s = 1, size(given)
         if (given(s)%rank == communicator%rank .or. given(s)%length == 0) cycle
         messages = messages + 1
         call MPI_Isend(rows(1, given(s)%slab_start), width*given(s)%length, MPI_DOUBLE_PRECISION, &
                        given(s)%rank, given(s)%tag, communicator%mpi, requests(messages))
      end do
      call MPI_Waitall(messages, requests, MPI_STATUSES_IGNORE)
   end subroutine swap_rows

   !> A message buffer of at least this size; one element more, so that it can always be addressed.
   subroutine reserve(buffer, length)
      real(wp), allocatable, intent(inout) :: buffer(:)
      integer, intent(in) :: length

      if (size(buffer) > length) return
      deallocate (buffer)
      allocate (buffer(length + 1))
   end subroutine reserve
end module da_base_domain
