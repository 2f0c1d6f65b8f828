!> The output of a run: one CDF-5 file, written by all ranks through PnetCDF, each its own part.
!>
!> All sizes are known at the start, so the file never changes its shape: a run that is killed leaves every
!> flushed cycle in place, and one that goes on overwrites what came after its checkpoint. Until it is
!> complete the file is called `<file>.part`.
module da_io_run_file
   use pnetcdf, only: nf90mpi_create, nf90mpi_open, nf90mpi_close, nf90mpi_def_dim, nf90mpi_def_var, &
      nf90mpi_put_att, nf90mpi_enddef, nf90mpi_inq_varid, nf90mpi_put_var_all, nf90mpi_get_var_all, &
      nf90_clobber, nf90_64bit_data, nf90_write, nf90_double, nf90_byte, nf90_int, nf90_int64, nf90_global
   use mpi_f08, only: MPI_OFFSET_KIND, MPI_INFO_NULL
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error
   use da_base_system, only: rename_file
   use da_base_timer, only: phase_output
   use da_io_field_buffer, only: field_buffer_type, new_field_buffer
   use da_io_feedback_buffer, only: feedback_buffer_type, new_feedback_buffer
   use da_io_netcdf_status, only: expect_written
   use da_observation_type, only: observations_type
   use da_verification_record, only: record_type, statistics_type
   use da_verification_scores, only: scores_kept, score_names, score_meanings
   implicit none
   private
   public :: run_file_type, run_file_config, run_description_type, partial_name
   public :: field_background_mean, field_background_sd, field_analysis_mean, field_analysis_sd, field_truth

   integer, parameter :: field_background_mean = 1
   integer, parameter :: field_background_sd = 2
   integer, parameter :: field_analysis_mean = 3
   integer, parameter :: field_analysis_sd = 4
   integer, parameter :: field_truth = 5
   integer, parameter :: most_fields = 5
   character(len=15), parameter :: field_names(most_fields) = [character(len=15) :: &
      'background_mean', 'background_sd', 'analysis_mean', 'analysis_sd', 'truth']
   character(len=40), parameter :: field_meanings(most_fields) = [character(len=40) :: &
      'background ensemble mean', 'background ensemble standard deviation', &
      'analysis ensemble mean', 'analysis ensemble standard deviation', 'true state']

   !> What is written, of `&output`.
   type :: run_file_config
      character(len=:), allocatable :: path
      integer :: fields_every = 1
      integer :: members_every = 0
      logical :: feedback = .true.
   end type run_file_config

   !> What a run is, for the file's shape and attributes.
   type :: run_description_type
      integer :: cycles = 0
      real(wp) :: interval = 0
      integer :: burn_in = 0
      integer :: components = 1
      integer :: members = 1
      logical :: has_truth = .false.
      integer(i8) :: observations = 0
      character(len=:), allocatable :: version
      character(len=:), allocatable :: command
      character(len=:), allocatable :: namelist
      character(len=:), allocatable :: title
   end type run_description_type

   type :: run_file_type
      type(run_file_config) :: config
      integer, private :: id = -1
      integer, private :: cycles = 0
      integer, private :: fields = 0
      integer, private :: score_variables(scores_kept) = -1
      integer, private :: members_variable = -1
      integer, private :: scores_written = 0
      type(field_buffer_type), private :: field_buffer
      type(feedback_buffer_type), private :: feedback_buffer
   contains
      procedure :: create
      procedure :: reopen
      procedure :: add_fields
      procedure :: add_members
      procedure :: add_feedback
      procedure :: flush => flush_run_file
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
   subroutine create(self, domain, config, run, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error
      integer :: status

      call domain%timer%start(phase_output)
      self%config = config
      status = nf90mpi_create(domain%communicator%handle(), partial_name(config%path), &
                              ior(nf90_clobber, nf90_64bit_data), MPI_INFO_NULL%MPI_VAL, self%id)
      call expect_written(status, partial_name(config%path), 'cannot be created', error)
      if (.not. allocated(error)) then
         call define(self, domain, run, error)
         call expect_written(nf90mpi_enddef(self%id), config%path, 'cannot be laid out', error)
         if (.not. allocated(error)) call prepare(self, domain, run, error)
         if (.not. allocated(error)) call write_coordinates(self, domain, run, error)
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine create

   !> Go on with the file of an interrupted run; the scores of its first `done` cycles are read back.
   subroutine reopen(self, domain, config, run, done, record, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      integer, intent(in) :: done
      type(record_type), intent(inout) :: record
      type(error_type), allocatable, intent(out) :: error
      integer :: status
      integer :: score

      self%config = config
      status = nf90mpi_open(domain%communicator%handle(), partial_name(config%path), nf90_write, &
                            MPI_INFO_NULL%MPI_VAL, self%id)
      call expect_written(status, partial_name(config%path), 'cannot be opened to go on', error)
      if (.not. allocated(error)) call prepare(self, domain, run, error)
      if (.not. allocated(error)) then
         do score = 1, scores_kept
            call expect_written(nf90mpi_get_var_all(self%id, self%score_variables(score), &
                                                    record%series(:done, score), &
                                                    start=[1_MPI_OFFSET_KIND], &
                                                    count=[int(done, MPI_OFFSET_KIND)]), &
                                config%path, 'the scores so far cannot be read', error)
         end do
         self%scores_written = done
      end if
      call domain%communicator%agree(error)
   end subroutine reopen

   !> Dimensions, variables and attributes.
   subroutine define(self, domain, run, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(inout) :: error
      integer :: time
      integer :: x
      integer :: member
      integer :: field_time
      integer :: member_time
      integer :: component
      integer :: row
      integer :: f
      integer :: score

      call put_text(nf90_global, 'Conventions', 'CF-1.10')
      call put_text(nf90_global, 'title', run%title)
      call put_text(nf90_global, 'source', 'dacycle '//run%version)
      call put_text(nf90_global, 'command', run%command)
      call put_text(nf90_global, 'namelist', run%namelist)

      time = dimension('time', run%cycles)
      x = dimension('x', domain%total)
      call coordinate('time', [time], 'model time of the analysis', '1', 'T')
      call coordinate('x', [x], 'grid point, counted from 0 round the periodic circle', '1', 'X')
      do score = 1, scores_kept
         call variable(trim(score_names(score)), [time], trim(score_meanings(score)))
         call put_statistics(score_names(score), statistics_type(), run%burn_in)
      end do
      component = -1
      if (run%components > 1) component = dimension('component', run%components)
      if (self%config%fields_every > 0) then
         field_time = dimension('field_time', run%cycles/self%config%fields_every)
         call coordinate('field_time', [field_time], 'model time of the fields', '1', 'T')
         do f = 1, fields_of(run)
            call variable(trim(field_names(f)), with_component([x, field_time]), trim(field_meanings(f)))
         end do
      end if
      if (self%config%members_every > 0) then
         member_time = dimension('member_time', run%cycles/self%config%members_every)
         member = dimension('member', run%members)
         call coordinate('member_time', [member_time], 'model time of the members', '1', 'T')
         call variable('analysis_members', with_component([x, member, member_time]), 'analysis ensemble')
      end if
      if (self%config%feedback) then
         row = dimension_long('observation', run%observations)
         call variable('obs_time', [row], 'model time of the observation')
         call variable('obs_position', [row], 'grid coordinate of the observation')
         call variable('obs_kind', [row], 'kind of the observation (1: value of the state)', nf90_int)
         call variable('obs_row', [row], 'row in the source of the observations, from 0', nf90_int64)
         call variable('obs_value', [row], 'observed value')
         call variable('obs_error_sd', [row], 'standard deviation of the observation error')
         call variable('obs_background', [row], 'background ensemble mean at the observation')
         call variable('obs_background_sd', [row], 'background ensemble spread at the observation')
         call variable('obs_analysis', [row], 'analysis ensemble mean at the observation')
         call variable('obs_qc', [row], 'quality control: 0 assimilated, 1 evaluated only, 4 operator '// &
                       'failed, 6 missing, 7 gross error', nf90_byte)
      end if

   contains

      function dimension(name, length) result(id)
         character(len=*), intent(in) :: name
         integer, intent(in) :: length
         integer :: id

         id = dimension_long(name, int(length, i8))
      end function dimension

      function dimension_long(name, length) result(id)
         character(len=*), intent(in) :: name
         integer(i8), intent(in) :: length
         integer :: id

         id = -1
         call expect_written(nf90mpi_def_dim(self%id, name, int(length, MPI_OFFSET_KIND), id), &
                             self%config%path, 'dimension '//name, error)
      end function dimension_long

      subroutine variable(name, dimensions, meaning, kind)
         character(len=*), intent(in) :: name
         integer, intent(in) :: dimensions(:)
         character(len=*), intent(in) :: meaning
         integer, intent(in), optional :: kind
         integer :: id
         integer :: type_code

         type_code = nf90_double
         if (present(kind)) type_code = kind
         call expect_written(nf90mpi_def_var(self%id, name, type_code, dimensions, id), &
                             self%config%path, 'variable '//name, error)
         call put_text(id, 'long_name', meaning)
         call put_text(id, 'units', '1')
      end subroutine variable

      subroutine coordinate(name, dimensions, meaning, units, axis)
         character(len=*), intent(in) :: name
         integer, intent(in) :: dimensions(:)
         character(len=*), intent(in) :: meaning
         character(len=*), intent(in) :: units
         character(len=*), intent(in) :: axis
         integer :: id

         call expect_written(nf90mpi_def_var(self%id, name, nf90_double, dimensions, id), &
                             self%config%path, 'variable '//name, error)
         call put_text(id, 'long_name', meaning)
         call put_text(id, 'units', units)
         call put_text(id, 'axis', axis)
      end subroutine coordinate

      subroutine put_text(id, name, text)
         integer, intent(in) :: id
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: text

         call expect_written(nf90mpi_put_att(self%id, id, name, text), self%config%path, &
                             'attribute '//name, error)
      end subroutine put_text

      pure function with_component(dimensions) result(all_dimensions)
         integer, intent(in) :: dimensions(:)
         integer, allocatable :: all_dimensions(:)

         if (component < 0) then
            all_dimensions = dimensions
         else
            all_dimensions = [dimensions(1), component, dimensions(2:)]
         end if
      end function with_component

      subroutine put_statistics(name, statistics, burn_in)
         character(len=*), intent(in) :: name
         type(statistics_type), intent(in) :: statistics
         integer, intent(in) :: burn_in
         integer :: id

         call expect_written(nf90mpi_inq_varid(self%id, trim(name), id), self%config%path, name, error)
         call write_statistics(self%id, id, statistics, self%config%path, error)
         call expect_written(nf90mpi_put_att(self%id, id, 'burn_in', burn_in), self%config%path, &
                             'attribute burn_in', error)
      end subroutine put_statistics
   end subroutine define

   pure function fields_of(run) result(fields)
      type(run_description_type), intent(in) :: run
      integer :: fields

      fields = merge(most_fields, most_fields - 1, run%has_truth)
   end function fields_of

   subroutine write_statistics(id, variable, statistics, path, error)
      integer, intent(in) :: id
      integer, intent(in) :: variable
      type(statistics_type), intent(in) :: statistics
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(inout) :: error

      call expect_written(nf90mpi_put_att(id, variable, 'time_mean', statistics%mean), path, &
                          'attribute time_mean', error)
      call expect_written(nf90mpi_put_att(id, variable, 'standard_error', statistics%standard_error), path, &
                          'attribute standard_error', error)
      call expect_written(nf90mpi_put_att(id, variable, 'maximum', statistics%maximum), path, &
                          'attribute maximum', error)
   end subroutine write_statistics

   !> Look up the variables and make the buffers.
   subroutine prepare(self, domain, run, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(inout) :: error
      integer :: score

      self%cycles = run%cycles
      do score = 1, scores_kept
         call expect_written(nf90mpi_inq_varid(self%id, trim(score_names(score)), &
                                               self%score_variables(score)), self%config%path, &
                             'has no variable '//trim(score_names(score)), error)
      end do
      if (self%config%fields_every > 0) then
         self%fields = fields_of(run)
         call new_field_buffer(self%id, self%config%path, field_names(:self%fields), domain, &
                               run%components, self%field_buffer, error)
      end if
      if (self%config%members_every > 0) then
         call expect_written(nf90mpi_inq_varid(self%id, 'analysis_members', self%members_variable), &
                             self%config%path, 'has no variable analysis_members', error)
      end if
      if (self%config%feedback) then
         call new_feedback_buffer(self%id, self%config%path, self%feedback_buffer, error)
      end if
   end subroutine prepare

   subroutine write_coordinates(self, domain, run, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(inout) :: error
      integer :: i

      call axis('time', [(i*run%interval, i=1, merge(run%cycles, 0, domain%communicator%is_root()))], 1)
      call axis('x', [(real(i - 1, wp), i=domain%first, domain%last)], domain%first)
      call sampled('field_time', self%config%fields_every)
      call sampled('member_time', self%config%members_every)

   contains

      subroutine sampled(name, every)
         character(len=*), intent(in) :: name
         integer, intent(in) :: every

         if (every <= 0) return
         call axis(name, [(i*every*run%interval, &
                           i=1, merge(run%cycles/every, 0, domain%communicator%is_root()))], 1)
      end subroutine sampled

      subroutine axis(name, values, start)
         character(len=*), intent(in) :: name
         real(wp), intent(in) :: values(:)
         integer, intent(in) :: start
         real(wp) :: written(size(values))
         integer :: id

         written = values
         call expect_written(nf90mpi_inq_varid(self%id, name, id), self%config%path, name, error)
         call expect_written(nf90mpi_put_var_all(self%id, id, written, &
                                                 start=[int(start, MPI_OFFSET_KIND)], &
                                                 count=[size(values, kind=MPI_OFFSET_KIND)]), &
                             self%config%path, name//' cannot be written', error)
      end subroutine axis
   end subroutine write_coordinates

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
      call self%field_buffer%add(cycle/self%config%fields_every, field, x, error)
      call domain%timer%stop()
   end subroutine add_fields

   !> All members of a cycle, where they are asked for; written at once.
   subroutine add_members(self, domain, cycle, x, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: values(:, :, :)
      integer(MPI_OFFSET_KIND) :: place
      integer :: status

      if (self%config%members_every <= 0) return
      if (mod(cycle, self%config%members_every) /= 0) return
      call domain%timer%start(phase_output)
      place = cycle/self%config%members_every
      values = x
      if (size(x, 2) == 1) then
         status = nf90mpi_put_var_all(self%id, self%members_variable, values(:, 1, :), &
                                      start=[int(domain%first, MPI_OFFSET_KIND), 1_MPI_OFFSET_KIND, place], &
                                      count=[int([domain%n, size(x, 3), 1], MPI_OFFSET_KIND)])
      else
         status = nf90mpi_put_var_all(self%id, self%members_variable, values, &
                                      start=[int([domain%first, 1, 1], MPI_OFFSET_KIND), place], &
                                      count=[int([shape(x), 1], MPI_OFFSET_KIND)])
      end if
      call expect_written(status, self%config%path, 'members cannot be written', error)
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
      call self%feedback_buffer%add(start, observations, error)
      call domain%timer%stop()
   end subroutine add_feedback

   !> Bring all that was added to disk, and the scores of the first `done` cycles.
   subroutine flush_run_file(self, domain, done, record, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: done
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: series(:)
      integer(MPI_OFFSET_KIND) :: count
      integer :: last
      integer :: score

      call domain%timer%start(phase_output)
      if (self%config%fields_every > 0) call self%field_buffer%flush(error)
      if (self%config%feedback .and. .not. allocated(error)) call self%feedback_buffer%flush(error)
      last = merge(done, self%scores_written, domain%communicator%is_root())
      count = last - self%scores_written
      do score = 1, scores_kept
         series = record%series(self%scores_written + 1:last, score)
         call expect_written(nf90mpi_put_var_all(self%id, self%score_variables(score), series, &
                                                 start=[self%scores_written + 1_MPI_OFFSET_KIND], &
                                                 count=[count]), &
                             self%config%path, 'scores cannot be written', error)
      end do
      self%scores_written = done
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine flush_run_file

   !> Write the statistics, close the file and give it its final name.
   subroutine finish(self, domain, record, error)
      class(run_file_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(out) :: error
      integer :: score
      logical :: renamed

      call self%flush(domain, self%cycles, record, error)
      if (allocated(error)) return
      call domain%timer%start(phase_output)
      do score = 1, scores_kept
         call write_statistics(self%id, self%score_variables(score), record%statistics(score, self%cycles), &
                               self%config%path, error)
      end do
      call expect_written(nf90mpi_close(self%id), self%config%path, 'cannot be closed', error)
      self%id = -1
      if (domain%communicator%is_root() .and. .not. allocated(error)) then
         call rename_file(partial_name(self%config%path), self%config%path, renamed)
         if (.not. renamed) then
            call run_error(error, partial_name(self%config%path)//' is complete, but cannot be renamed to '// &
                           self%config%path)
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
