!> Observations of some cycles with their background, analysis and QC, gathered until they are
!> written.
module da_io_feedback_buffer
   use, intrinsic :: iso_fortran_env, only: int8
   use mpi_f08, only: MPI_OFFSET_KIND
   use pnetcdf, only: nf90mpi_inq_varid, nf90mpi_put_varn_all
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: feedback_buffer_type, new_feedback_buffer, feedback_buffer_memory

   !> The last two are there only where they are asked for.
   integer, parameter :: column_weight = 8
   integer, parameter :: column_impact = 9
   integer, parameter :: most_reals = 9
   character(len=17), parameter :: real_names(most_reals) = [character(len=17) :: &
      'obs_time', 'obs_position', 'obs_value', 'obs_error_sd', 'obs_background', &
      'obs_background_sd', 'obs_analysis', 'obs_weight', 'obs_impact']
   !> Observations and runs of them that are kept before a write, counted over all ranks.
   integer(i8), parameter :: rows_kept = 200000
   integer, parameter :: runs_kept = 1000

   type :: feedback_buffer_type
      character(len=:), allocatable :: path
      integer :: id = -1
      !> Which of the numbers this file has.
      logical :: has(most_reals) = .true.
      integer :: real_variables(most_reals) = -1
      integer :: kind_variable = -1
      integer :: row_variable = -1
      integer :: qc_variable = -1
      integer :: rows = 0
      integer :: runs = 0
      integer(i8) :: total = 0
      real(wp), allocatable :: values(:, :)
      integer, allocatable :: kind(:)
      integer(i8), allocatable :: row(:)
      integer(int8), allocatable :: qc(:)
      integer(MPI_OFFSET_KIND) :: start(1, runs_kept) = 0
      integer(MPI_OFFSET_KIND) :: length(1, runs_kept) = 0
   contains
      procedure :: add
      procedure :: flush => flush_feedback
   end type feedback_buffer_type

contains

   subroutine new_feedback_buffer(id, path, weights, impact, buffer, error)
      integer, intent(in) :: id
      character(len=*), intent(in) :: path
      logical, intent(in) :: weights
      logical, intent(in) :: impact
      type(feedback_buffer_type), intent(out) :: buffer
      type(error_type), allocatable, intent(inout) :: error
      integer :: c

      buffer%path = path
      buffer%id = id
      buffer%has(column_weight) = weights
      buffer%has(column_impact) = impact
      do c = 1, most_reals
         if (.not. buffer%has(c)) cycle
         call look_up(trim(real_names(c)), buffer%real_variables(c))
      end do
      call look_up('obs_kind', buffer%kind_variable)
      call look_up('obs_row', buffer%row_variable)
      call look_up('obs_qc', buffer%qc_variable)
      allocate (buffer%values(0, most_reals), buffer%kind(0), buffer%row(0), buffer%qc(0))

   contains

      subroutine look_up(name, variable)
         character(len=*), intent(in) :: name
         integer, intent(out) :: variable

         call expect_written(nf90mpi_inq_varid(id, name, variable), path, 'has no variable '// &
                             name, error)
      end subroutine look_up
   end subroutine new_feedback_buffer

   !> Bytes, at least, with so many observations a cycle on all ranks, in a number of cycles.
   pure function feedback_buffer_memory(ranks, observations, cycles) result(bytes)
      integer, intent(in) :: ranks
      real(wp), intent(in) :: observations
      integer, intent(in) :: cycles
      real(wp) :: bytes
      integer, parameter :: bytes_a_row = 8*(column_weight - 1) + 4 + 8 + 1

      bytes = bytes_a_row*max(observations, min(observations*cycles, 0.5_wp*rows_kept))/ranks
   end function feedback_buffer_memory

   !> A cycle's observations; those of all ranks stand behind the first `before_cycle` rows of the
   !> file.
   subroutine add(self, before_cycle, observations, checksums, error)
      class(feedback_buffer_type), intent(inout) :: self
      integer(i8), intent(in) :: before_cycle
      type(observations_type), intent(in) :: observations
      type(checksum_type), intent(inout) :: checksums(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: first
      integer :: last

      if (self%runs == runs_kept .or. self%total + observations%total > rows_kept) then
         call self%flush(checksums, error)
      end if
      first = self%rows + 1
      last = self%rows + observations%n
      call reserve(self, last)
      self%values(first:last, 1) = observations%time
      self%values(first:last, 2) = observations%position
      self%values(first:last, 3) = observations%value
      self%values(first:last, 4) = observations%error_sd
      self%values(first:last, 5) = observations%background
      self%values(first:last, 6) = observations%background_sd
      self%values(first:last, 7) = observations%analysis
      if (self%has(column_weight)) self%values(first:last, column_weight) = observations%weight
      if (self%has(column_impact)) self%values(first:last, column_impact) = observations%impact
      self%kind(first:last) = observations%kind
      self%row(first:last) = observations%row
      self%qc(first:last) = int(observations%qc, int8)
      self%rows = last
      self%total = self%total + observations%total
      self%runs = self%runs + 1
      self%start(1, self%runs) = before_cycle + observations%before + 1
      self%length(1, self%runs) = observations%n
   end subroutine add

   subroutine reserve(self, rows)
      class(feedback_buffer_type), intent(inout) :: self
      integer, intent(in) :: rows
      real(wp), allocatable :: values(:, :)
      integer, allocatable :: kind(:)
      integer(i8), allocatable :: row(:)
      integer(int8), allocatable :: qc(:)
      integer :: room
      integer :: c

      if (rows <= size(self%kind)) return
      room = max(rows, 2*size(self%kind))
      allocate (values(room, most_reals), kind(room), row(room), qc(room))
      do c = 1, most_reals
         if (self%has(c)) values(:self%rows, c) = self%values(:self%rows, c)
      end do
      kind(:self%rows) = self%kind(:self%rows)
      row(:self%rows) = self%row(:self%rows)
      qc(:self%rows) = self%qc(:self%rows)
      call move_alloc(values, self%values)
      call move_alloc(kind, self%kind)
      call move_alloc(row, self%row)
      call move_alloc(qc, self%qc)
   end subroutine reserve

   !> Collective: write what is kept, a run a cycle, and add it to the checksums of the file's
   !> variables.
   subroutine flush_feedback(self, checksums, error)
      class(feedback_buffer_type), intent(inout) :: self
      type(checksum_type), intent(inout) :: checksums(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: c

      if (self%runs == 0) return
      call add_runs()
      do c = 1, most_reals
         if (.not. self%has(c)) cycle
         call expect(nf90mpi_put_varn_all(self%id, self%real_variables(c), &
                                          self%values(:self%rows, c), &
                                          self%runs, self%start, self%length))
      end do
      call expect(nf90mpi_put_varn_all(self%id, self%kind_variable, self%kind(:self%rows), &
                                       self%runs, self%start, self%length))
      call expect(nf90mpi_put_varn_all(self%id, self%row_variable, self%row(:self%rows), &
                                       self%runs, self%start, self%length))
      call expect(nf90mpi_put_varn_all(self%id, self%qc_variable, self%qc(:self%rows), self%runs, &
                                       self%start, self%length))
      self%rows = 0
      self%runs = 0
      self%total = 0

   contains

      subroutine add_runs()
         integer(i8) :: start
         integer :: first
         integer :: last
         integer :: r

         last = 0
         do r = 1, self%runs
            first = last + 1
            last = last + int(self%length(1, r))
            start = self%start(1, r)
            do c = 1, most_reals
               if (.not. self%has(c)) cycle
               call checksums(self%real_variables(c))%add(self%values(first:last, c), start)
            end do
            call checksums(self%kind_variable)%add(int(self%kind(first:last), i8), start)
            call checksums(self%row_variable)%add(self%row(first:last), start)
            call checksums(self%qc_variable)%add(int(self%qc(first:last), i8), start)
         end do
      end subroutine add_runs

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, self%path, 'feedback cannot be written', error)
      end subroutine expect
   end subroutine flush_feedback
end module da_io_feedback_buffer
