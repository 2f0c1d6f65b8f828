!> A truth read from a file: `state(time, x)` with its `time(time)`, netCDF-4 or classic.
!>
!> Which dimension of the state is that of time, the variable `time` tells.
module da_io_state_file
   use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_io_input_file, only: input_file_type, input_variable_type, open_input_file
   use da_io_model_clock, only: model_clock_type
   implicit none
   private
   public :: state_file_type, open_state_file

   !> Every rank reads the points of its slab, some records ahead.
   type :: state_file_type
      character(len=:), allocatable :: path
      !> The last cycle whose state can be read.
      integer :: last = 0
      type(input_variable_type), private :: state
      integer, private :: first_kept = 1
      real(wp), allocatable, private :: kept(:, :)
   contains
      procedure :: read_state
      procedure :: peek
   end type state_file_type

   integer, parameter :: values_ahead = 100000
   !> Names of dimensions that are no points of the circle.
   character(len=11), parameter :: no_points(5) = [character(len=11) :: 'time', 'component', &
      'member', 'observation', 'cycle']

contains

   !> Open and check a file: `x` must have the domain's points, record k the time k × interval, and
   !> all values must be there, for all cycles and as many as `ahead` of them beyond.
   subroutine open_state_file(path, clock, domain, cycles, ahead, interval, file, error)
      character(len=*), intent(in) :: path
      type(model_clock_type), intent(in) :: clock
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycles
      integer, intent(in) :: ahead
      real(wp), intent(in) :: interval
      type(state_file_type), intent(out) :: file
      type(error_type), allocatable, intent(out) :: error
      type(input_file_type) :: input
      type(input_variable_type) :: time
      integer :: points
      integer :: records
      integer :: k
      real(wp) :: state(domain%n)

      file%path = path
      call open_input_file(path, input, error)
      if (allocated(error)) return
      call input%open_variable('state', 'state(time, x)', 2, file%state, error)
      if (allocated(error)) return
      call input%open_variable('time', 'time(time)', 1, time, error, clock)
      if (allocated(error)) return
      if (file%state%dimensions(1) == time%dimensions(1)) call file%state%transpose()
      associate (names => file%state%dimensions)
         if (names(2) /= time%dimensions(1)) then
            call input_error(error, path//': state('//trim(names(2))//', '//trim(names(1))// &
                             ') has not the dimension of time('//trim(time%dimensions(1))// &
                             '): state(time, x) is needed')
            return
         else if (any(names(1) == no_points)) then
            call input_error(error, path//': state('//trim(names(2))//', '//trim(names(1))// &
                             '): state(time, x) is needed')
            return
         end if
         call check_order(input, trim(names(1)), error)
         if (allocated(error)) return
      end associate
      points = file%state%lengths(1)
      records = file%state%lengths(2)
      if (points /= domain%total) then
         call input_error(error, path//': state has '//to_text(points)//' points, the model '// &
                          to_text(domain%total)//': set n = '//to_text(points)// &
                          ' in the model''s group')
         return
      end if
      if (records < cycles + 1) then
         call input_error(error, path//': state has '//to_text(records)//' records, '// &
                          to_text(cycles + 1)//' are needed: set cycles = '// &
                          to_text(records - 1)//' or fewer in &cycle')
         return
      end if
      file%last = min(records - 1, cycles + ahead)
      call check_times(file, time, file%last, interval, error)
      if (allocated(error)) return
      allocate (file%kept(domain%n, min(file%last + 1, max(1, values_ahead/domain%n))))
      file%first_kept = -size(file%kept, 2)
      do k = 0, file%last
         call file%read_state(domain, k, state, error)
         if (allocated(error)) return
      end do
   end subroutine open_state_file

   !> Where points have coordinates, these must ascend: round the circle from the first on.
   subroutine check_order(input, name, error)
      type(input_file_type), intent(in) :: input
      character(len=*), intent(in) :: name
      type(error_type), allocatable, intent(out) :: error
      type(input_variable_type) :: x
      real(wp), allocatable :: values(:)

      if (.not. input%has(name)) return
      call input%open_variable(name, name, 1, x, error, with_units=.true.)
      if (allocated(error)) return
      allocate (values(x%lengths(1)))
      call x%read_column(1, values, error)
      if (allocated(error) .or. size(values) < 2) return
      if (.not. all(values(2:) > values(:size(values) - 1))) then
         call input_error(error, x%place//' does not ascend: the points must be in their order '// &
                          'round the circle')
      end if
   end subroutine check_order

   subroutine check_times(file, time, cycles, interval, error)
      type(state_file_type), intent(in) :: file
      type(input_variable_type), intent(in) :: time
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance = 1.0e-6_wp
      real(wp) :: times(0:cycles)
      integer :: k

      call time%read_column(1, times, error)
      if (allocated(error)) return
      do k = 0, cycles
         if (abs(times(k) - k*interval) <= tolerance*interval*max(k, 1)) cycle
         call input_error(error, file%path//': record '//to_text(k)//' is at time '// &
                          to_text(times(k))// &
                          ', cycle '//to_text(k)//' at '//to_text(k*interval)// &
                          ': does interval in &cycle agree with the file?')
         return
      end do
   end subroutine check_times

   !> The state of cycle k (0: the initial one) on this rank's slab; some that follow are read with
   !> it and kept.
   subroutine read_state(self, domain, cycle, x, error)
      class(state_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(out) :: x(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: records

      if (.not. holds(self, cycle)) then
         records = min(size(self%kept, 2), self%state%lengths(2) - cycle)
         call self%state%read_matrix([domain%first, cycle + 1], self%kept(:, :records), error)
         if (allocated(error)) return
         self%first_kept = cycle
      end if
      call self%peek(domain, cycle, x, error)
   end subroutine read_state

   !> The state of any cycle; what is kept stays as it is.
   subroutine peek(self, domain, cycle, x, error)
      class(state_file_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(out) :: x(:)
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: record(size(x), 1)

      if (holds(self, cycle)) then
         x = self%kept(:, cycle - self%first_kept + 1)
      else
         call self%state%read_matrix([domain%first, cycle + 1], record, error)
         if (allocated(error)) return
         x = record(:, 1)
      end if
      if (.not. all(ieee_is_finite(x))) then
         call input_error(error, self%path//': state has missing values, or some that are not '// &
                          'finite, at record '//to_text(cycle)//': all are needed')
      end if
   end subroutine peek

   pure function holds(self, cycle) result(yes)
      class(state_file_type), intent(in) :: self
      integer, intent(in) :: cycle
      logical :: yes

      yes = cycle >= self%first_kept .and. cycle < self%first_kept + size(self%kept, 2)
   end function holds
end module da_io_state_file
