!> The shape of a run's output file: its dimensions, variables, attributes and coordinates.
module da_io_run_layout
   use, intrinsic :: iso_fortran_env, only: int8
   use mpi_f08, only: MPI_OFFSET_KIND
   use pnetcdf, only: nf90mpi_def_dim, nf90mpi_def_var, nf90mpi_put_att, nf90mpi_inq_varid, &
      nf90mpi_put_var_all, nf90_double, nf90_byte, nf90_int, nf90_int64, nf90_global
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_ensemble_carried, only: name_length, meaning_length
   use da_io_netcdf_status, only: expect_written
   use da_io_seal, only: format_version
   use da_observation_kinds, only: kinds_listed
   use da_observation_type, only: qc_codes, qc_meanings
   use da_verification_record, only: statistics_type
   use da_verification_scores, only: scores_kept, score_names, score_meanings
   implicit none
   private
   public :: run_file_config, run_description_type
   public :: define_layout, write_coordinates, write_statistics, fields_of, field_names
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
      integer :: burn_in = 0
      integer :: components = 1
      integer :: members = 1
      logical :: has_truth = .false.
      !> Of the analysis RMSE: where a cycle counts as lost.
      real(wp) :: lost_above = 1
      integer(i8) :: observations = 0
      !> Fields of one component that are carried beside the states, and what they mean.
      character(len=name_length), allocatable :: carried(:)
      character(len=meaning_length), allocatable :: carried_meanings(:)
      logical :: has_score(scores_kept) = .true.
      character(len=:), allocatable :: version
      character(len=:), allocatable :: command
      character(len=:), allocatable :: namelist
      character(len=:), allocatable :: title
      !> Digests of the files that are read, a line each; and of all that makes the run what it is.
      character(len=:), allocatable :: inputs
      character(len=:), allocatable :: identity
   end type run_description_type

contains

   !> Dimensions, variables and attributes of a new file.
   subroutine define_layout(file, domain, config, run, error)
      integer, intent(in) :: file
      type(domain_type), intent(in) :: domain
      type(run_file_config), intent(in) :: config
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
      call put_text(nf90_global, 'inputs', run%inputs)
      call put_text(nf90_global, 'run_sha256', run%identity)
      call expect_written(nf90mpi_put_att(file, nf90_global, 'format_version', format_version), &
                          config%path, 'attribute format_version', error)

      time = dimension('time', run%cycles)
      x = dimension('x', domain%total)
      call coordinate('time', [time], 'model time of the analysis', '1', 'T')
      call coordinate('x', [x], 'grid point, counted from 0 round the periodic circle', '1', 'X')
      do score = 1, scores_kept
         if (.not. run%has_score(score)) cycle
         call variable(trim(score_names(score)), [time], trim(score_meanings(score)))
         call put_statistics(score_names(score), statistics_type(), run%burn_in)
      end do
      component = -1
      if (run%components > 1) component = dimension('component', run%components)
      if (config%fields_every > 0) then
         field_time = dimension('field_time', run%cycles/config%fields_every)
         call coordinate('field_time', [field_time], 'model time of the fields', '1', 'T')
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
         call coordinate('member_time', [member_time], 'model time of the members', '1', 'T')
         call variable('analysis_members', with_component([x, member, member_time]), &
                       'analysis ensemble')
      end if
      if (config%feedback) then
         row = dimension_long('observation', run%observations)
         call variable('obs_time', [row], 'model time of the observation')
         call variable('obs_position', [row], 'grid coordinate of the observation')
         call variable('obs_kind', [row], 'kind of the observation: '//kinds_listed(), nf90_int)
         call variable('obs_row', [row], 'row in the source of the observations, from 0', &
                       nf90_int64)
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
      end subroutine variable

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
      end subroutine put_qc_meanings

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

         call expect_written(nf90mpi_inq_varid(file, trim(name), id), config%path, name, error)
         call write_statistics(file, id, statistics, config%path, error)
         call expect_written(nf90mpi_put_att(file, id, 'burn_in', burn_in), config%path, &
                             'attribute burn_in', error)
      end subroutine put_statistics
   end subroutine define_layout

   !> How many of the fields a run has: the truth is the last.
   pure function fields_of(run) result(fields)
      type(run_description_type), intent(in) :: run
      integer :: fields

      fields = merge(most_fields, most_fields - 1, run%has_truth)
   end function fields_of

   !> A score's statistics over time, as attributes; they keep their size, so they can be written
   !> again.
   subroutine write_statistics(file, variable, statistics, path, error)
      integer, intent(in) :: file
      integer, intent(in) :: variable
      type(statistics_type), intent(in) :: statistics
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(inout) :: error

      call expect_written(nf90mpi_put_att(file, variable, 'time_mean', statistics%mean), path, &
                          'attribute time_mean', error)
      call expect_written(nf90mpi_put_att(file, variable, 'standard_error', &
                                          statistics%standard_error), path, &
                          'attribute standard_error', error)
      call expect_written(nf90mpi_put_att(file, variable, 'maximum', statistics%maximum), path, &
                          'attribute maximum', error)
   end subroutine write_statistics

   !> The values of time and x.
   subroutine write_coordinates(file, domain, config, run, error)
      integer, intent(in) :: file
      type(domain_type), intent(in) :: domain
      type(run_file_config), intent(in) :: config
      type(run_description_type), intent(in) :: run
      type(error_type), allocatable, intent(inout) :: error
      integer :: i

      call axis('time', [(i*run%interval, i=1, merge(run%cycles, 0, &
                                                     domain%communicator%is_root()))], 1)
      call axis('x', [(real(i - 1, wp), i=domain%first, domain%last)], domain%first)
      call sampled('field_time', config%fields_every)
      call sampled('member_time', config%members_every)

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
         call expect_written(nf90mpi_inq_varid(file, name, id), config%path, name, error)
         call expect_written(nf90mpi_put_var_all(file, id, written, &
                                                 start=[int(start, MPI_OFFSET_KIND)], &
                                                 count=[size(values, kind=MPI_OFFSET_KIND)]), &
                             config%path, name//' cannot be written', error)
      end subroutine axis
   end subroutine write_coordinates
end module da_io_run_layout
