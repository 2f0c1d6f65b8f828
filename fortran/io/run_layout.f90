!> The shape of a run's output file: its dimensions, variables, attributes and coordinates.
!>
!> By the CF conventions times are dates: `time` and its like are hours since one, and beside each
!> stands the model time that it is of.
module da_io_run_layout
   use, intrinsic :: iso_fortran_env, only: int8
   use mpi_f08, only: MPI_OFFSET_KIND
   use pnetcdf, only: nf90mpi_def_dim, nf90mpi_def_var, nf90mpi_put_att, nf90mpi_inq_varid, &
      nf90mpi_put_var_all, nf90_double, nf90_byte, nf90_int, nf90_int64, nf90_global, &
      nf90_64bit_offset, nf90_64bit_data
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_ensemble_carried, only: name_length, meaning_length
   use da_io_model_clock, only: model_clock_type, written_calendar
   use da_io_netcdf_status, only: expect_written
   use da_io_seal, only: format_version
   use da_observation_kinds, only: kinds_listed, known_kinds, kind_names
   use da_observation_type, only: qc_codes, qc_meanings
   use da_io_table_file, only: define_tables
   use da_verification_record, only: record_type
   implicit none
   private
   public :: run_file_config, run_description_type
   public :: define_layout, file_format, write_coordinates, fields_of, field_names
   public :: statistic_names
   public :: field_background_mean, field_background_sd, field_analysis_mean, field_analysis_sd, &
      field_truth

   !> Attributes whose values change when a run ends; all else stays as it was at the start.
   character(len=14), parameter :: statistic_names(6) = [character(len=14) :: 'time_mean', &
      'standard_error', 'maximum', 'lost_fraction', 'lost_at_cycle', 'restarts']

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
      !> Feedback tells the weights of robust quality control.
      logical :: weights = .false.
      !> Feedback tells the observations' impact on forecasts.
      logical :: impact = .false.
   end type run_file_config

   !> What a run is, for the file's shape and attributes.
   type :: run_description_type
      integer :: cycles = 0
      real(wp) :: interval = 0
      type(model_clock_type) :: clock
      integer :: burn_in = 0
      integer :: components = 1
      integer :: members = 1
      logical :: has_truth = .false.
      integer(i8) :: observations = 0
      !> Fields of one component that are carried beside the states, and what they mean.
      character(len=name_length), allocatable :: carried(:)
      character(len=meaning_length), allocatable :: carried_meanings(:)
      character(len=:), allocatable :: version
      character(len=:), allocatable :: command
      character(len=:), allocatable :: namelist
      character(len=:), allocatable :: title
      !> Digests of the files that are read, a line each; and of all that makes the run what it is.
      character(len=:), allocatable :: inputs
      character(len=:), allocatable :: identity
   end type run_description_type

contains

   !> The classic format with 64-bit offsets, which every netCDF reader knows, where no variable
   !> takes 4 GiB and no number is beyond 32 bits; else CDF-5. `table_values` are those of the
   !> largest table.
   pure function file_format(domain, config, run, table_values) result(format)
      type(domain_type), intent(in) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      integer(i8), intent(in) :: table_values
      integer :: format
      integer(i8), parameter :: most_values = 2_i8**32/8 - 1
      integer(i8) :: values

      values = max(table_values, int(run%cycles, i8), int(domain%total, i8))
      if (config%fields_every > 0) then
         values = max(values, int(run%cycles/config%fields_every, i8)*domain%total*run%components)
      end if
      if (config%members_every > 0) then
         values = max(values, int(run%cycles/config%members_every, i8)*domain%total &
                      *run%components*run%members)
      end if
      if (config%feedback) values = max(values, run%observations)
      format = merge(nf90_64bit_offset, nf90_64bit_data, values <= most_values)
   end function file_format

   !> Dimensions, variables and attributes of a new file of this format.
   subroutine define_layout(file, format, domain, config, run, record, error)
      integer, intent(in) :: file
      integer, intent(in) :: format
      type(domain_type), intent(in) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(inout) :: error
      integer :: time
      integer :: x
      integer :: member
      integer :: field_time
      integer :: member_time
      integer :: component
      integer :: row
      integer :: f

      call put_text(nf90_global, 'Conventions', 'CF-1.10')
      call put_text(nf90_global, 'title', run%title)
      call put_text(nf90_global, 'source', 'dacycle '//run%version)
      !> Without a date: the same run shall give the same bytes.
      call put_text(nf90_global, 'history', run%command)
      call put_text(nf90_global, 'command', run%command)
      call put_text(nf90_global, 'namelist', run%namelist)
      call put_text(nf90_global, 'inputs', run%inputs)
      call put_text(nf90_global, 'run_sha256', run%identity)
      call expect_written(nf90mpi_put_att(file, nf90_global, 'format_version', format_version), &
                          config%path, 'attribute format_version', error)

      time = dimension('time', run%cycles)
      x = dimension('x', domain%total)
      call dates('', time, 'of the analysis')
      call coordinate('x', [x], 'grid point, counted from 0 round the periodic circle', '1', 'X')
      call define_tables(file, config%path, record, error)
      component = -1
      if (run%components > 1) component = dimension('component', run%components)
      if (config%fields_every > 0) then
         field_time = dimension('field_time', run%cycles/config%fields_every)
         call dates('field_', field_time, 'of the fields')
         do f = 1, fields_of(run)
            call variable(trim(field_names(f)), with_component([x, field_time]), &
                          trim(field_meanings(f)))
         end do
         do f = 1, size(run%carried)
            call variable(trim(run%carried(f)), [x, field_time], trim(run%carried_meanings(f)))
         end do
      end if
      if (config%members_every > 0) then
         member_time = dimension('member_time', run%cycles/config%members_every)
         member = dimension('member', run%members)
         call dates('member_', member_time, 'of the members')
         call variable('analysis_members', with_component([x, member, member_time]), &
                       'analysis ensemble')
      end if
      if (config%feedback) then
         row = dimension_long('observation', run%observations)
         call variable('obs_time', [row], 'model time of the observation')
         call variable('obs_position', [row], 'grid coordinate of the observation')
         call variable('obs_kind', [row], 'kind of the observation: '//kinds_listed(), nf90_int)
         call put_kind_meanings()
         call variable('obs_row', [row], 'row in the source of the observations, from 0', &
                       merge(nf90_int, nf90_int64, format == nf90_64bit_offset))
         call variable('obs_value', [row], 'observed value')
         call variable('obs_error_sd', [row], 'standard deviation of the observation error')
         call variable('obs_background', [row], 'background ensemble mean at the observation')
         call variable('obs_background_sd', [row], 'background ensemble spread at the observation')
         call variable('obs_analysis', [row], 'analysis ensemble mean at the observation')
         if (config%weights) then
            call variable('obs_weight', [row], 'weight of the observation''s precision in the '// &
                          'analysis')
         end if
         if (config%impact) then
            call variable('obs_impact', [row], 'what the observation adds to a forecast''s '// &
                          'mean square error; below 0: it helps')
         end if
         call variable('obs_qc', [row], 'quality control code', nf90_byte)
         call put_qc_meanings()
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
         call expect_written(nf90mpi_def_dim(file, name, int(length, MPI_OFFSET_KIND), id), &
                             config%path, 'dimension '//name, error)
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
         call expect_written(nf90mpi_def_var(file, name, type_code, dimensions, id), &
                             config%path, 'variable '//name, error)
         call put_text(id, 'long_name', meaning)
         call put_text(id, 'units', '1')
         if (index(name, 'obs_') == 1 .and. name /= 'obs_time' .and. name /= 'obs_position') then
            call put_text(id, 'coordinates', 'obs_time obs_position')
         end if
      end subroutine variable

      !> Dates as the conventions have them, and the model time that they stand for.
      subroutine dates(prefix, dimension, meaning)
         character(len=*), intent(in) :: prefix
         integer, intent(in) :: dimension
         character(len=*), intent(in) :: meaning
         integer :: id

         call coordinate(prefix//'time', [dimension], 'date '//meaning, &
                         run%clock%written_units(), 'T')
         call expect_written(nf90mpi_inq_varid(file, prefix//'time', id), config%path, 'time', &
                             error)
         call put_text(id, 'standard_name', 'time')
         call put_text(id, 'calendar', written_calendar)
         call variable(prefix//'model_time', [dimension], 'model time '//meaning)
      end subroutine dates

      subroutine coordinate(name, dimensions, meaning, units, axis)
         character(len=*), intent(in) :: name
         integer, intent(in) :: dimensions(:)
         character(len=*), intent(in) :: meaning
         character(len=*), intent(in) :: units
         character(len=*), intent(in) :: axis
         integer :: id

         call expect_written(nf90mpi_def_var(file, name, nf90_double, dimensions, id), &
                             config%path, 'variable '//name, error)
         call put_text(id, 'long_name', meaning)
         call put_text(id, 'units', units)
         call put_text(id, 'axis', axis)
      end subroutine coordinate

      subroutine put_text(id, name, text)
         integer, intent(in) :: id
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: text

         call expect_written(nf90mpi_put_att(file, id, name, text), config%path, &
                             'attribute '//name, error)
      end subroutine put_text

      subroutine put_qc_meanings()
         integer :: id

         call expect_written(nf90mpi_inq_varid(file, 'obs_qc', id), config%path, 'obs_qc', error)
         call expect_written(nf90mpi_put_att(file, id, 'flag_values', int(qc_codes, int8)), &
                             config%path, 'attribute flag_values', error)
         call put_text(id, 'flag_meanings', qc_meanings)
         call put_text(id, 'standard_name', 'quality_flag')
      end subroutine put_qc_meanings

      subroutine put_kind_meanings()
         character(len=:), allocatable :: meanings
         integer :: id
         integer :: k

         meanings = trim(kind_names(1))
         do k = 2, size(kind_names)
            meanings = meanings//' '//trim(kind_names(k))
         end do
         call expect_written(nf90mpi_inq_varid(file, 'obs_kind', id), config%path, 'obs_kind', &
                             error)
         call expect_written(nf90mpi_put_att(file, id, 'flag_values', known_kinds), config%path, &
                             'attribute flag_values', error)
         call put_text(id, 'flag_meanings', meanings)
      end subroutine put_kind_meanings

      pure function with_component(dimensions) result(all_dimensions)
         integer, intent(in) :: dimensions(:)
         integer, allocatable :: all_dimensions(:)

         if (component < 0) then
            all_dimensions = dimensions
         else
            all_dimensions = [dimensions(1), component, dimensions(2:)]
         end if
      end function with_component
   end subroutine define_layout

   !> How many of the fields a run has: the truth is the last.
   pure function fields_of(run) result(fields)
      type(run_description_type), intent(in) :: run
      integer :: fields

      fields = merge(most_fields, most_fields - 1, run%has_truth)
   end function fields_of

   !> The values of times and x.
   subroutine write_coordinates(file, domain, config, run, error)
      integer, intent(in) :: file
      type(domain_type), intent(in) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(inout) :: error
      integer :: i

      call sampled('', 1)
      call axis('x', [(real(i - 1, wp), i=domain%first, domain%last)], domain%first)
      call sampled('field_', config%fields_every)
      call sampled('member_', config%members_every)

   contains

      subroutine sampled(prefix, every)
         character(len=*), intent(in) :: prefix
         integer, intent(in) :: every
         integer :: records

         if (every <= 0) return
         records = merge(run%cycles/every, 0, domain%communicator%is_root())
         call axis(prefix//'time', [(i*every*run%clock%hours(run%interval), i=1, records)], 1)
         call axis(prefix//'model_time', [(i*every*run%interval, i=1, records)], 1)
      end subroutine sampled

      subroutine axis(name, values, start)
         character(len=*), intent(in) :: name
         real(wp), intent(in) :: values(:)
         integer, intent(in) :: start
         real(wp) :: written(size(values))
         integer :: id

         written = values
         call expect_written(nf90mpi_inq_varid(file, name, id), config%path, name, error)
         call expect_written(nf90mpi_put_var_all(file, id, written, &
                                                 start=[int(start, MPI_OFFSET_KIND)], &
                                                 count=[size(values, kind=MPI_OFFSET_KIND)]), &
                             config%path, name//' cannot be written', error)
      end subroutine axis
   end subroutine write_coordinates
end module da_io_run_layout
