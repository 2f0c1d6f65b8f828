!> The output of a run: one netCDF file, written by all ranks through PnetCDF, each its own part.
!>
!> All sizes are known at the start, so the file never changes its shape: a run that is killed
!> leaves every flushed cycle in place, and one that goes on overwrites what came after its
!> checkpoint. Until it is complete the file is called `<file>.part`.
module da_io_run_file
   use pnetcdf, only: nf90mpi_create, nf90mpi_open, nf90mpi_close, nf90mpi_enddef, nf90mpi_sync, &
      nf90mpi_inq_varid, &
      nf90mpi_put_var_all, nf90mpi_get_var_all, nf90_clobber, nf90_write
   use mpi_f08, only: MPI_OFFSET_KIND, MPI_INFO_NULL
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_checksum, only: checksum_type
   use da_base_durable, only: put_in_place
   use da_base_error, only: error_type, run_error
   use da_base_timer, only: phase_output
   use da_io_field_buffer, only: field_buffer_type, new_field_buffer
   use da_io_feedback_buffer, only: feedback_buffer_type, new_feedback_buffer
   use da_io_losses, only: write_losses
   use da_io_members, only: write_members
   use da_io_netcdf_status, only: expect_written
   use da_io_parallel_path, only: parallel_path
   use da_io_run_layout, only: run_file_config, run_description_type, define_layout, file_format, &
      write_coordinates, fields_of, field_names, statistic_names
   use da_io_seal, only: header_digest
   use da_io_table_file, only: write_axes, read_tables, write_tables, write_table_statistics
   use da_io_written, only: written_type, begin_written, check_header, verify_written
   use da_observation_type, only: observations_type
   use da_verification_record, only: record_type
   implicit none
   private
   public :: run_file_type, partial_name

   type :: run_file_type
      type(run_file_config) :: config
      integer, private :: id = -1
      integer, private :: cycles = 0
      integer, private :: fields = 0
      integer, private :: members_variable = -1
      !> Of the tables.
      integer, private :: cycles_written = 0
      !> By this rank, of the variables.
      type(written_type), private :: written
      type(field_buffer_type), private :: field_buffer
      type(field_buffer_type), private :: carried_buffer
      type(feedback_buffer_type), private :: feedback_buffer
   contains
      procedure :: create
      procedure :: reopen
      procedure :: add_fields
      procedure :: add_carried
      procedure :: add_members
      procedure :: add_feedback
      procedure :: flush => flush_run_file
      procedure :: tell_written
      procedure :: finish
      procedure :: abandon
   end type run_file_type

contains

   pure function partial_name(path) result(name)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: name

      name = path//'.part'
   end function partial_name

   !> Begin a new file.
   subroutine create(self, domain, config, run, record, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(out) :: error
      integer :: status
      integer :: format

      call domain%timer%start(phase_output)
      self%config = config
      format = file_format(domain, config, run, record%tables%largest())
      status = nf90mpi_create(domain%communicator%handle(), &
                              parallel_path(partial_name(config%path)), &
                              ior(nf90_clobber, format), MPI_INFO_NULL%MPI_VAL, self%id)
      call expect_written(status, partial_name(config%path), 'cannot be created', error)
      if (.not. allocated(error)) then
         call define_layout(self%id, format, domain, config, run, record, error)
         call write_losses(self%id, config%path, 0, record, error)
         call expect_written(nf90mpi_enddef(self%id), config%path, 'cannot be laid out', error)
         if (.not. allocated(error)) call begin_written(self%id, config%path, self%written, error)
         if (.not. allocated(error)) call prepare(self, domain, run, error)
         if (.not. allocated(error)) call write_axes_of_run(self, domain, run, record, error)
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine create

   !> Go on with the file of an interrupted run, if it is that which was `written`; the scores of
   !> its first `done` cycles are read back.
   subroutine reopen(self, domain, config, run, done, written, record, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      integer, intent(in) :: done
      type(written_type), intent(in) :: written
      type(record_type), intent(inout) :: record
      type(error_type), allocatable, intent(out) :: error
      integer :: status

      self%config = config
      self%written = written
      if (domain%communicator%is_root()) call check_header(partial_name(config%path), &
            written, statistic_names, .false., error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      status = nf90mpi_open(domain%communicator%handle(), &
                            parallel_path(partial_name(config%path)), nf90_write, &
                            MPI_INFO_NULL%MPI_VAL, self%id)
      call expect_written(status, partial_name(config%path), &
                          'cannot be opened to go on; begin anew with --fresh', error)
      if (.not. allocated(error)) then
         call verify_written(self%id, partial_name(config%path), domain, written, error)
      end if
      if (.not. allocated(error)) call prepare(self, domain, run, error)
      if (.not. allocated(error)) then
         call read_tables(self%id, config%path, done, record%tables, error)
         self%cycles_written = done
      end if
      if (.not. allocated(error)) call write_axes_of_run(self, domain, run, record, error)
      if (.not. domain%communicator%is_root()) self%written%variables = checksum_type()
      call domain%communicator%agree(error)
   end subroutine reopen

   !> The coordinates; after a restart again, so that they need not be looked at.
   subroutine write_axes_of_run(self, domain, run, record, error)
      class(run_file_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(run_description_type), intent(in) :: run
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(inout) :: error

      call write_coordinates(self%id, domain, self%config, run, error)
      if (allocated(error)) return
      call write_axes(self%id, self%config%path, record%tables, domain%communicator%is_root(), &
                      error)
   end subroutine write_axes_of_run

   !> Look up the variables and make the buffers.
   subroutine prepare(self, domain, run, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(inout) :: error

      self%cycles = run%cycles
      if (self%config%fields_every > 0) then
         self%fields = fields_of(run)
         call new_field_buffer(self%id, self%config%path, field_names(:self%fields), domain, &
                               run%components, self%field_buffer, error)
         call new_field_buffer(self%id, self%config%path, run%carried, domain, 1, &
                               self%carried_buffer, error)
      end if
      if (self%config%members_every > 0) then
         call expect_written(nf90mpi_inq_varid(self%id, 'analysis_members', &
                                               self%members_variable), &
                             self%config%path, 'has no variable analysis_members', error)
      end if
      if (self%config%feedback) then
         call new_feedback_buffer(self%id, self%config%path, self%config%weights, &
                                  self%config%impact, self%feedback_buffer, error)
      end if
   end subroutine prepare

   !> One of the fields of a cycle, x(n, components).
   subroutine add_fields(self, domain, cycle, field, x, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      integer, intent(in) :: field
      real(wp), intent(in) :: x(:, :)
      type(error_type), allocatable, intent(out) :: error

      if (self%config%fields_every <= 0 .or. field > self%fields) return
      if (mod(cycle, self%config%fields_every) /= 0) return
      call domain%timer%start(phase_output)
      call self%field_buffer%add(cycle/self%config%fields_every, field, x, &
                                 self%written%variables, error)
      call domain%timer%stop()
   end subroutine add_fields

   !> A field that is carried beside the states, the one of that number in the run's description.
   subroutine add_carried(self, domain, cycle, field, x, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      integer, intent(in) :: field
      real(wp), intent(in) :: x(:, :)
      type(error_type), allocatable, intent(out) :: error

      if (self%config%fields_every <= 0) return
      if (mod(cycle, self%config%fields_every) /= 0) return
      call domain%timer%start(phase_output)
      call self%carried_buffer%add(cycle/self%config%fields_every, field, x, &
                                   self%written%variables, error)
      call domain%timer%stop()
   end subroutine add_carried

   !> All members of a cycle, where they are asked for; written at once.
   subroutine add_members(self, domain, cycle, x, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(error_type), allocatable, intent(out) :: error

      if (self%config%members_every <= 0) return
      if (mod(cycle, self%config%members_every) /= 0) return
      call domain%timer%start(phase_output)
      call write_members(self%id, self%config%path, self%members_variable, domain, &
                         cycle/self%config%members_every, x, &
                         self%written%variables(self%members_variable), error)
      call domain%timer%stop()
   end subroutine add_members

   !> The observations of a cycle, after the analysis; `start` rows of all ranks stand before them.
   subroutine add_feedback(self, domain, start, observations, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer(i8), intent(in) :: start
      type(observations_type), intent(in) :: observations
      type(error_type), allocatable, intent(out) :: error

      if (.not. self%config%feedback) return
      call domain%timer%start(phase_output)
      call self%feedback_buffer%add(start, observations, self%written%variables, error)
      call domain%timer%stop()
   end subroutine add_feedback

   !> Bring all that was added to disk, and the scores of the first `done` cycles.
   subroutine flush_run_file(self, domain, done, record, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: done
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(out) :: error

      call domain%timer%start(phase_output)
      if (self%config%fields_every > 0) then
         call self%field_buffer%flush(self%written%variables, error)
         if (.not. allocated(error)) call self%carried_buffer%flush(self%written%variables, error)
      end if
      if (self%config%feedback .and. .not. allocated(error)) then
         call self%feedback_buffer%flush(self%written%variables, error)
      end if
      call write_tables(self%id, self%config%path, self%cycles_written, done, record%tables, &
                        domain%communicator%is_root(), self%written%variables, error)
      self%cycles_written = done
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine flush_run_file

   !> What was written up to the last flush, for a checkpoint; where that must be `durable`, so is
   !> this file.
   subroutine tell_written(self, domain, durable, written, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      logical, intent(in) :: durable
      type(written_type), intent(out) :: written
      type(error_type), allocatable, intent(out) :: error
      integer(i8) :: sums(2*size(self%written%variables))
      integer :: n

      call domain%timer%start(phase_output)
      n = size(self%written%variables)
      sums = [self%written%variables%count, self%written%variables%total]
      call domain%communicator%count_sums(sums)
      associate (first => len(self%written%header_sha256) == 0, &
                 ranks => domain%communicator%ranks)
         if (durable .or. (first .and. ranks > 1)) then
            call expect_written(nf90mpi_sync(self%id), self%config%path, 'cannot be brought to '// &
                                'the disk', error)
         end if
         if (first) then
            if (domain%communicator%is_root()) then
               self%written%header_sha256 = header_digest(partial_name(self%config%path), &
                                                          self%written%header_bytes, &
                                                          statistic_names, .false.)
            end if
            call domain%communicator%broadcast_text(self%written%header_sha256, 0)
         end if
      end associate
      written = self%written
      written%variables%count = sums(:n)
      written%variables%total = sums(n + 1:)
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine tell_written

   !> Write the statistics, close the file and give it its final name.
   subroutine finish(self, domain, record, durable, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(record_type), intent(in) :: record
      !> It must outlast a power cut.
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error
      logical :: renamed

      call self%flush(domain, self%cycles, record, error)
      if (allocated(error)) return
      call domain%timer%start(phase_output)
      call write_table_statistics(self%id, self%config%path, record, error)
      call write_losses(self%id, self%config%path, self%cycles, record, error)
      if (durable .and. domain%communicator%ranks > 1) then
         call expect_written(nf90mpi_sync(self%id), self%config%path, 'cannot be written', error)
      end if
      call expect_written(nf90mpi_close(self%id), self%config%path, 'cannot be closed', error)
      self%id = -1
      if (domain%communicator%is_root() .and. .not. allocated(error)) then
         call put_in_place(partial_name(self%config%path), self%config%path, durable, renamed)
         if (.not. renamed) then
            call run_error(error, partial_name(self%config%path)// &
                           ' is complete, but cannot be renamed to '//self%config%path)
         end if
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine finish

   !> Close the file unfinished; it keeps its provisional name.
   subroutine abandon(self)
      class(run_file_type), intent(inout) :: self
      integer :: status

      if (self%id >= 0) status = nf90mpi_close(self%id)
      self%id = -1
   end subroutine abandon
end module da_io_run_file
