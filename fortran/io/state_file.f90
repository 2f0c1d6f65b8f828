!> A truth read from a file: `state(time, x)` with its `time(time)`, netCDF-4 or classic.
module da_io_state_file
   use netcdf, only: nf90_open, nf90_inq_varid, nf90_inquire_variable, &
      nf90_inquire_dimension, nf90_get_var, nf90_get_att, nf90_nowrite, nf90_noerr, &
      nf90_fill_double, nf90_max_name
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_io_classic_header, only: check_complete
   use da_io_netcdf_status, only: expect_read
   implicit none
   private
   public :: state_file_type, open_state_file

   !> Every rank reads the points of its slab, some records ahead.
   type :: state_file_type
      character(len=:), allocatable :: path
      !> The last cycle whose state can be read.
      integer :: last = 0
      integer, private :: id = -1
      integer, private :: variable = -1
      real(wp), private :: fill_value = nf90_fill_double
      integer, private :: first_kept = 1
      real(wp), allocatable, private :: kept(:, :)
   contains
      procedure :: read_state
   end type state_file_type

   integer, parameter :: values_ahead = 100000

contains

   !> Open and check a file: `x` must have the domain's points, record k the time k × interval, and
   !> all values must be there, for all cycles and as many as `ahead` of them beyond.
   subroutine open_state_file(path, domain, cycles, ahead, interval, file, error)
      character(len=*), intent(in) :: path
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycles
      integer, intent(in) :: ahead
      real(wp), intent(in) :: interval
      type(state_file_type), intent(out) :: file
      type(error_type), allocatable, intent(out) :: error
      integer :: dimensions(2)
      integer :: rank
      integer :: points
      integer :: records
      integer :: k
      character(len=nf90_max_name) :: names(2)
      real(wp) :: state(domain%n)

      file%path = path
      call expect_read(nf90_open(path, nf90_nowrite, file%id), path, &
                       'cannot be opened as netCDF: is it there, and whole?', error)
      if (.not. allocated(error)) call check_complete(path, error)
      if (allocated(error)) return
      call expect_read(nf90_inq_varid(file%id, 'state', file%variable), path, &
                       'has no variable state(time, x)', error)
      if (allocated(error)) return
      call expect_read(nf90_inquire_variable(file%id, file%variable, ndims=rank), path, &
                       'state cannot be inquired', error)
      if (allocated(error)) return
      if (rank /= 2) then
         call input_error(error, path//': state has '//to_text(rank)// &
                          ' dimensions: 2 are needed, '//'state(time, x)')
         return
      end if
      call expect_read(nf90_inquire_variable(file%id, file%variable, dimids=dimensions), path, &
                       'state cannot be inquired', error)
      call expect_read(nf90_inquire_dimension(file%id, dimensions(1), names(1), points), path, &
                       'dimension x cannot be inquired', error)
      call expect_read(nf90_inquire_dimension(file%id, dimensions(2), names(2), records), path, &
                       'dimension time cannot be inquired', error)
      if (allocated(error)) return
      if (points /= domain%total .and. records == domain%total) then
         call input_error(error, path//': state('//trim(names(2))//', '//trim(names(1))// &
                          ') is the wrong way round: state(time, x) is needed, x varying fastest')
         return
      end if
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
      call check_times(file, file%last, interval, error)
      if (allocated(error)) return
      allocate (file%kept(domain%n, min(file%last + 1, max(1, values_ahead/domain%n))))
      file%first_kept = -size(file%kept, 2)
      if (nf90_get_att(file%id, file%variable, '_FillValue', file%fill_value) /= nf90_noerr) then
         file%fill_value = nf90_fill_double
      end if
      do k = 0, file%last
         call file%read_state(domain, k, state, error)
         if (allocated(error)) return
      end do
   end subroutine open_state_file

   subroutine check_times(file, cycles, interval, error)
      type(state_file_type), intent(in) :: file
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance = 1.0e-6_wp
      real(wp) :: times(0:cycles)
      integer :: variable
      integer :: k

      call expect_read(nf90_inq_varid(file%id, 'time', variable), file%path, &
                       'has no variable time(time)', error)
      if (allocated(error)) return
      call expect_read(nf90_get_var(file%id, variable, times), file%path, 'time cannot be read', &
                       error)
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

   !> The state of cycle k (0: the initial one) on this rank's slab.
   subroutine read_state(self, domain, cycle, x, error)
      class(state_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(out) :: x(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: records
      integer :: total
      integer :: dimensions(2)

      if (cycle < self%first_kept .or. cycle >= self%first_kept + size(self%kept, 2)) then
         call expect_read(nf90_inquire_variable(self%id, self%variable, dimids=dimensions), &
                          self%path, 'state cannot be inquired', error)
         call expect_read(nf90_inquire_dimension(self%id, dimensions(2), len=total), self%path, &
                          'dimension time cannot be inquired', error)
         records = min(size(self%kept, 2), total - cycle)
         call expect_read(nf90_get_var(self%id, self%variable, self%kept(:, :records), &
                                       start=[domain%first, cycle + 1], count=[domain%n, &
                                       records]), &
                          self%path, 'state cannot be read at record '//to_text(cycle), error)
         if (allocated(error)) return
         self%first_kept = cycle
      end if
      x = self%kept(:, cycle - self%first_kept + 1)
      if (any(.not. abs(x) <= huge(x) .or. abs(x - self%fill_value) <= 0)) then
         call input_error(error, self%path//': state has missing values, or some that are not '// &
                          'finite, at record '//to_text(cycle)//': all are needed')
      end if
   end subroutine read_state
end module da_io_state_file
