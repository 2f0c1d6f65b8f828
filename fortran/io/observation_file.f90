!> Observations read from a file, one row an observation, sorted by time; netCDF-4 or classic.
!>
!> The feedback of a run, in its output file, is such a file, too.
!>
!> Each rank reads a share of the rows of some cycles and sends every row to the rank on whose slab
!> it lies: no rank ever holds all of them.
module da_io_observation_file
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan, ieee_is_nan
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_io_input_file, only: input_file_type, input_variable_type, open_input_file
   use da_io_model_clock, only: model_clock_type
   use da_io_observation_columns, only: open_columns, columns, column_time, column_position, &
      column_value, column_error_sd, column_kind, column_qc
   use da_observation_kinds, only: known_kinds, kinds_listed, kind_value
   use da_observation_type, only: observations_type, new_observations, qc_assimilated, qc_missing
   implicit none
   private
   public :: observation_file_type, open_observation_file

   !> Routed beside the columns: the row's number and its cycle.
   integer, parameter :: column_row = size(columns) + 1
   integer, parameter :: column_cycle = size(columns) + 2
   !> Rows a rank reads at a time.
   integer, parameter :: rows_ahead = 8192

   type :: observation_file_type
      character(len=:), allocatable :: path
      !> Rows before the first of cycle k are first_row(k), k = 1 … cycles + 1.
      integer(i8), allocatable :: first_row(:)
      !> Rows of each known kind in these cycles.
      integer(i8) :: of_kind(size(known_kinds)) = 0
      !> Feedback has one more than other files, codes of quality control.
      type(input_variable_type), allocatable, private :: variables(:)
      !> This rank's rows of the cycles first_kept … last_kept, sorted by cycle and position.
      integer, private :: first_kept = 0
      integer, private :: last_kept = -1
      real(wp), allocatable, private :: kept(:, :)
   contains
      procedure :: read_observations
   end type observation_file_type

contains

   !> Open a file, check every row and find those of each cycle.
   subroutine open_observation_file(path, clock, domain, cycles, interval, file, error)
      character(len=*), intent(in) :: path
      type(model_clock_type), intent(in) :: clock
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(observation_file_type), intent(out) :: file
      type(error_type), allocatable, intent(out) :: error
      type(input_file_type) :: input

      file%path = path
      call open_input_file(path, input, error)
      if (.not. allocated(error)) call open_columns(input, clock, file%variables, error)
      if (allocated(error)) return
      call find_cycles(file, domain, file%variables(1)%lengths(1), cycles, interval, error)
      allocate (file%kept(column_cycle, 0))
   end subroutine open_observation_file

   !> The rows from number `first` on, a column a row of the table; where the value is missing, all
   !> else that a filter would need may be, too.
   subroutine read_rows(file, first, table, error)
      type(observation_file_type), intent(in) :: file
      integer, intent(in) :: first
      real(wp), contiguous, intent(out) :: table(:, :)
      type(error_type), allocatable, intent(inout) :: error
      logical :: missing(size(table, 1))
      integer :: c

      table(:, column_qc) = qc_assimilated
      do c = 1, size(file%variables)
         call file%variables(c)%read_column(first, table(:, c), error)
      end do
      if (allocated(error)) return
      missing = .not. abs(table(:, column_value)) <= huge(1.0_wp) &
                .or. abs(table(:, column_qc) - qc_missing) <= 0
      where (missing) table(:, column_value) = ieee_value(1.0_wp, ieee_quiet_nan)
      where (missing .and. ieee_is_nan(table(:, column_kind))) table(:, column_kind) = kind_value
   end subroutine read_rows

   !> Check the rows up to the last cycle, and count those of each; each rank looks at its share.
   subroutine find_cycles(file, domain, rows, cycles, interval, error)
      type(observation_file_type), intent(inout) :: file
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: rows
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance = 1.0e-6_wp
      real(wp), allocatable :: table(:, :)
      real(wp) :: previous
      real(wp) :: time
      integer(i8) :: counts(0:cycles + 1)
      integer :: first
      integer :: last
      integer :: start
      integer :: length
      integer :: cycle
      integer :: j

      call share(domain, rows, first, last)
      counts = 0
      previous = -huge(previous)
      if (first > 1 .and. first <= last) then
         allocate (table(1, size(columns)))
         call file%variables(column_time)%read_column(first - 1, table(:, column_time), error)
         previous = table(1, column_time)
         deallocate (table)
      end if
      blocks: do start = first, last, rows_ahead
         length = min(rows_ahead, last - start + 1)
         allocate (table(length, size(columns)))
         call read_rows(file, start, table, error)
         if (allocated(error)) exit blocks
         do j = 1, length
            time = table(j, column_time)
            if (.not. abs(time) <= huge(time)/2) then
               call input_error(error, file%path//': time of row '//to_text(start + j - 2)// &
                                ' is missing, or not a number')
               exit blocks
            end if
            if (time < previous) then
               call input_error(error, file%path//': row '//to_text(start + j - 2)// &
                                ' is at time '// &
                                to_text(time)// &
                                ', before the row above it: rows must be sorted by time')
               exit blocks
            end if
            previous = time
            cycle = nint(min(time/interval, cycles + 1.0_wp))
            if (cycle > cycles) then
               counts(cycles + 1) = counts(cycles + 1) + 1
            else if (cycle < 1 .or. abs(time &
                                        - cycle*interval) > tolerance*interval*max(cycle, 1)) then
               call input_error(error, file%path//': row '//to_text(start + j - 2)// &
                                ' is at time '// &
                                to_text(time)//', which is not that of a cycle (interval = '// &
                                to_text(interval)//' in &cycle, the first at '// &
                                to_text(interval)//')')
               exit blocks
            else
               counts(cycle) = counts(cycle) + 1
               call check_row(file%path, domain%total, start + j - 2, table(j, :), error)
               if (allocated(error)) exit blocks
               where (known_kinds == nint(table(j, column_kind))) file%of_kind = file%of_kind + 1
            end if
         end do
         deallocate (table)
      end do blocks
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call domain%communicator%count_sums(counts)
      call domain%communicator%count_sums(file%of_kind)
      allocate (file%first_row(cycles + 1))
      file%first_row(1) = 0
      do cycle = 1, cycles
         file%first_row(cycle + 1) = file%first_row(cycle) + counts(cycle)
      end do
      if (file%first_row(cycles + 1) == 0) then
         call input_error(error, file%path//': has no observation in the '//to_text(cycles)// &
                          ' cycles')
      end if
   end subroutine find_cycles

   !> The observations of a cycle on this rank's slab.
   subroutine read_observations(self, domain, cycle, interval, observations, error)
      class(observation_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(in) :: interval
      type(observations_type), intent(out) :: observations
      type(error_type), allocatable, intent(out) :: error
      integer :: first
      integer :: n

      if (cycle < self%first_kept .or. cycle > self%last_kept) then
         call read_ahead(self, domain, cycle, error)
         if (allocated(error)) return
      end if
      first = lower_bound(self%kept(column_cycle, :), real(cycle, wp))
      n = lower_bound(self%kept(column_cycle, :), real(cycle + 1, wp)) - first
      observations = new_observations(n, cycle*interval)
      associate (rows => self%kept(:, first:first + n - 1))
         observations%position = rows(column_position, :)
         observations%value = rows(column_value, :)
         observations%error_sd = rows(column_error_sd, :)
         observations%kind = nint(rows(column_kind, :))
         observations%row = nint(rows(column_row, :), i8)
      end associate
      observations%qc = qc_assimilated
      where (ieee_is_nan(observations%value)) observations%qc = qc_missing
      call observations%count_ranks(domain)
   end subroutine read_observations

   !> Index of the first of ascending values that is not below a bound.
   pure function lower_bound(values, bound) result(place)
      real(wp), intent(in) :: values(:)
      real(wp), intent(in) :: bound
      integer :: place
      integer :: end
      integer :: middle

      place = 1
      end = size(values) + 1
      do while (place < end)
         middle = (place + end)/2
         if (values(middle) < bound) then
            place = middle + 1
         else
            end = middle
         end if
      end do
   end function lower_bound

   !> Read as many cycles from `cycle` on as fit, at least one, and route them.
   subroutine read_ahead(self, domain, cycle, error)
      class(observation_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: table(:, :)
      real(wp), allocatable :: rows(:, :)
      integer, allocatable :: target(:)
      integer :: first
      integer :: last
      integer :: k
      integer :: j

      self%first_kept = cycle
      self%last_kept = cycle
      do while (self%last_kept + 1 < size(self%first_row))
         if (self%first_row(self%last_kept + 2) - self%first_row(cycle) &
             > int(rows_ahead, i8)*domain%communicator%ranks) exit
         self%last_kept = self%last_kept + 1
      end do
      call share(domain, int(self%first_row(self%last_kept + 1) - self%first_row(cycle)), first, &
                 last)
      allocate (table(last - first + 1, size(columns)), rows(column_cycle, last - first + 1), &
                target(last - first + 1))
      first = first + int(self%first_row(cycle))
      last = last + int(self%first_row(cycle))
      if (first <= last) call read_rows(self, first, table, error)
      rows(:size(columns), :) = transpose(table)
      k = cycle
      if (.not. allocated(error)) then
         do j = 1, size(target)
            rows(column_row, j) = first + j - 2
            do while (self%first_row(k + 1) <= first + j - 2)
               k = k + 1
            end do
            rows(column_cycle, j) = k
            target(j) = domain%owner(int(rows(column_position, j)) + 1)
         end do
      end if
      call domain%communicator%agree(error)
      if (allocated(error)) return
      deallocate (self%kept)
      call domain%communicator%route(rows, target, self%kept)
      call sort_rows(self%kept)
   end subroutine read_ahead

   subroutine check_row(path, points, number, row, error)
      character(len=*), intent(in) :: path
      integer, intent(in) :: points
      integer, intent(in) :: number
      real(wp), intent(in) :: row(:)
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: place

      place = path//': row '//to_text(number)//': '
      if (.not. (row(column_position) >= 0 .and. row(column_position) < points)) then
         call input_error(error, place//'position '//to_text(row(column_position))// &
                          ' is not on the circle, 0 … '//to_text(points)//' (exclusive)')
      else if (.not. (ieee_is_nan(row(column_value)) .or. &
                      (row(column_error_sd) > 0 .and. row(column_error_sd) < huge(1.0_wp)))) then
         call input_error(error, place//'error_sd '//to_text(row(column_error_sd))// &
                          ' must be above 0')
      else if (.not. any(abs(known_kinds - row(column_kind)) <= 0)) then
         call input_error(error, place//'kind '//to_text(row(column_kind))// &
                          ' is not known (known: '//kinds_listed()//')')
      end if
   end subroutine check_row

   !> Sort by cycle, position and row (merge sort; files are mostly sorted, and then nothing moves).
   recursive subroutine sort_rows(rows)
      real(wp), intent(inout) :: rows(:, :)
      real(wp), allocatable :: lower_half(:, :)
      integer :: half
      integer :: left
      integer :: right
      integer :: place

      if (size(rows, 2) < 2) return
      half = size(rows, 2)/2
      call sort_rows(rows(:, :half))
      call sort_rows(rows(:, half + 1:))
      if (.not. precedes(rows(:, half + 1), rows(:, half))) return
      lower_half = rows(:, :half)
      left = 1
      right = half + 1
      do place = 1, size(rows, 2)
         if (left > half) exit
         if (right <= size(rows, 2)) then
            if (precedes(rows(:, right), lower_half(:, left))) then
               rows(:, place) = rows(:, right)
               right = right + 1
               cycle
            end if
         end if
         rows(:, place) = lower_half(:, left)
         left = left + 1
      end do
   end subroutine sort_rows

   pure function precedes(a, b) result(yes)
      real(wp), intent(in) :: a(:)
      real(wp), intent(in) :: b(:)
      logical :: yes
      integer, parameter :: order(3) = [column_cycle, column_position, column_row]
      integer :: c

      yes = .false.
      do c = 1, size(order)
         if (a(order(c)) < b(order(c))) yes = .true.
         if (abs(a(order(c)) - b(order(c))) > 0) return
      end do
   end function precedes

   !> This rank's share first … last of rows 1 … rows.
   pure subroutine share(domain, rows, first, last)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: rows
      integer, intent(out) :: first
      integer, intent(out) :: last

      associate (rank => int(domain%communicator%rank, i8), ranks => domain%communicator%ranks)
         first = int(rank*rows/ranks) + 1
         last = int((rank + 1)*rows/ranks)
      end associate
   end subroutine share
end module da_io_observation_file
