!> Local analyses in a netCDF file of their own, written by the root.
!>
!> Analyses have all the same shape but for their observations, which follow one another along one
!> dimension (a contiguous ragged array of the CF conventions). Until the run is complete the file
!> is called `<file>.part`.
module da_io_study_file
   use netcdf, only: nf90_create, nf90_open, nf90_close, nf90_enddef, nf90_sync, nf90_def_dim, &
      nf90_def_var, nf90_put_att, nf90_put_var, nf90_get_var, nf90_inq_varid, nf90_inquire, &
      nf90_strerror, nf90_clobber, nf90_64bit_data, nf90_write, nf90_unlimited, nf90_double, &
      nf90_int, nf90_int64, nf90_global, nf90_noerr
   use da_base_kinds, only: wp, i8
   use da_base_durable, only: put_in_place, synchronise
   use da_base_error, only: error_type, run_error
   use da_base_system, only: file_exists, remove_file, rename_file
   use da_analysis_study, only: local_analysis_type
   use da_io_classic_header, only: header_length
   use da_io_seal, only: header_digest, put_records
   use da_io_study_check, only: check_studies, nothing_rewritten
   use da_io_written, only: written_type, new_written
   implicit none
   private
   public :: study_file_type

   type :: study_file_type
      character(len=:), allocatable, private :: path
      integer, private :: id = -1
      !> Analyses and observations written.
      integer, private :: analyses = 0
      integer, private :: observations = 0
      type(written_type), private :: written
   contains
      procedure :: create
      procedure :: reopen
      procedure :: add
      procedure :: tell_written
      procedure :: finish
      procedure :: abandon
      procedure, private :: expect
      procedure, private :: define
      procedure, private :: put
      procedure, private :: partial
   end type study_file_type

contains

   pure function partial(self) result(name)
      class(study_file_type), intent(in) :: self
      character(len=:), allocatable :: name

      name = self%path//'.part'
   end function partial

   !> A new file for so many analyses.
   subroutine create(self, path, source, analyses, components, members, error)
      class(study_file_type), intent(inout) :: self
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: source
      integer, intent(in) :: analyses
      integer, intent(in) :: components
      integer, intent(in) :: members
      type(error_type), allocatable, intent(out) :: error
      integer :: study
      integer :: component
      integer :: member
      integer :: background_member
      integer :: observation
      integer :: variables

      self%path = path
      call self%expect(nf90_create(self%partial(), ior(nf90_clobber, nf90_64bit_data), self%id), &
                       'cannot be created', error)
      if (allocated(error)) return
      call self%expect(nf90_put_att(self%id, nf90_global, 'Conventions', 'CF-1.10'), 'text', error)
      call self%expect(nf90_put_att(self%id, nf90_global, 'source', source), 'text', error)
      call add_dimension('study', analyses, study)
      call add_dimension('component', components, component)
      call add_dimension('member', members, member)
      call add_dimension('background_member', members, background_member)
      call add_dimension('observation', nf90_unlimited, observation)
      call self%define('cycle', nf90_int, [study], 'cycle of the analysis', error)
      call self%define('time', nf90_double, [study], 'model time of the analysis', error)
      call self%define('point', nf90_int, [study], 'grid point, counted from 0', error)
      call self%define('first_observation', nf90_int, [study], &
                       'index of its first observation, from 0', error)
      call self%define('observations', nf90_int, [study], 'observations within its reach', error)
      call self%define('effective_observations', nf90_double, [study], 'sum of their tapers', error)
      call self%define('signal_freedom', nf90_double, [study], &
                       'degrees of freedom for signal: trace of the influence matrix', error)
      call self%define('difference', nf90_double, [study], &
                       'largest difference of a member by eigen-decomposition from the filter''s', &
                       error)
      call self%define('eigenvalues', nf90_double, [member, study], 'eigenvalues of S', error)
      call self%define('mean_weights', nf90_double, [background_member, study], &
                       'weights of the background anomalies in the mean''s increment', error)
      call self%define('transform', nf90_double, [background_member, member, study], &
                       'weights of the background anomalies in the analysis anomalies', error)
      call self%define('background_members', nf90_double, [component, background_member, study], &
                       'background ensemble at the point, after prior inflation', error)
      call self%define('analysis_members', nf90_double, [component, member, study], &
                       'analysis ensemble at the point, before posterior inflation', error)
      call self%define('increment', nf90_double, [component, study], &
                       'change of the ensemble mean', error)
      call self%define('obs_row', nf90_int64, [observation], &
                       'row in the source of the observations, from 0', error)
      call self%define('obs_position', nf90_double, [observation], 'grid coordinate', error)
      call self%define('obs_distance', nf90_double, [observation], &
                       'how far it lies to the right of the point', error)
      call self%define('obs_value', nf90_double, [observation], 'observed value', error)
      call self%define('obs_background', nf90_double, [observation], &
                       'background ensemble mean at the observation', error)
      call self%define('obs_error_sd', nf90_double, [observation], &
                       'standard deviation of the observation error', error)
      call self%define('obs_taper', nf90_double, [observation], &
                       'factor of its precision in this analysis', error)
      call self%define('obs_innovation', nf90_double, [observation], &
                       'observed value less background', error)
      call self%define('obs_anomalies', nf90_double, [background_member, observation], &
                       'members at the observation less their mean', error)
      call self%expect(nf90_inquire(self%id, nvariables=variables), 'cannot be laid out', error)
      self%written = new_written(variables)
      call self%expect(nf90_enddef(self%id), 'cannot be laid out', error)

   contains

      subroutine add_dimension(name, length, dimension)
         character(len=*), intent(in) :: name
         integer, intent(in) :: length
         integer, intent(out) :: dimension

         call self%expect(nf90_def_dim(self%id, name, length, dimension), 'dimension '//name, error)
      end subroutine add_dimension
   end subroutine create

   subroutine define(self, name, kind, dimensions, meaning, error)
      class(study_file_type), intent(in) :: self
      character(len=*), intent(in) :: name
      integer, intent(in) :: kind
      integer, intent(in) :: dimensions(:)
      character(len=*), intent(in) :: meaning
      type(error_type), allocatable, intent(inout) :: error
      integer :: variable

      call self%expect(nf90_def_var(self%id, name, kind, dimensions, variable), &
                       'variable '//name, error)
      call self%expect(nf90_put_att(self%id, variable, 'long_name', meaning), 'long_name', error)
      call self%expect(nf90_put_att(self%id, variable, 'units', '1'), 'units', error)
      if (name == 'observations') then
         call self%expect(nf90_put_att(self%id, variable, 'sample_dimension', 'observation'), &
                          'sample_dimension', error)
      end if
   end subroutine define

   !> Go on behind the first `analyses` analyses of an interrupted run's file, if it is that which
   !> was `written`.
   subroutine reopen(self, path, analyses, written, error)
      class(study_file_type), intent(inout) :: self
      character(len=*), intent(in) :: path
      integer, intent(in) :: analyses
      type(written_type), intent(in) :: written
      type(error_type), allocatable, intent(out) :: error
      integer :: counts(analyses)
      integer :: variable
      logical :: done

      self%path = path
      self%written = written
      if (file_exists(self%partial())) then
         call check_studies(self%partial(), written, error)
      else
         call check_studies(path, written, error)
         if (.not. allocated(error)) call rename_file(path, self%partial(), done)
      end if
      if (allocated(error)) return
      call self%expect(nf90_open(self%partial(), nf90_write, self%id), &
                       'cannot be opened to go on; begin anew with --fresh', error)
      if (allocated(error)) return
      call self%expect(nf90_inq_varid(self%id, 'observations', variable), 'observations', error)
      call self%expect(nf90_get_var(self%id, variable, counts), 'cannot be read', error)
      call self%expect(nf90_close(self%id), 'cannot be closed', error)
      self%id = -1
      if (allocated(error)) return
      self%analyses = analyses
      self%observations = sum(counts)
      call put_records(self%partial(), self%observations, done)
      if (.not. done) call run_error(error, self%partial()//': cannot be written')
      if (allocated(error)) return
      call self%expect(nf90_open(self%partial(), nf90_write, self%id), &
                       'cannot be opened to go on; begin anew with --fresh', error)
   end subroutine reopen

   !> The local analyses of a cycle; they are on disk on return.
   subroutine add(self, cycle, time, studies, error)
      class(study_file_type), intent(inout) :: self
      integer, intent(in) :: cycle
      real(wp), intent(in) :: time
      type(local_analysis_type), intent(in) :: studies(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: counts(2)
      integer :: k
      integer :: n

      do k = 1, size(studies)
         n = size(studies(k)%row)
         self%analyses = self%analyses + 1
         associate (study => studies(k), at => [self%analyses], from => [self%observations + 1])
            call put_integer('cycle', cycle, self%analyses)
            call put_integer('point', study%point, self%analyses)
            call put_integer('first_observation', self%observations, self%analyses)
            call put_integer('observations', n, self%analyses)
            call self%put('time', [time], at, [1], error)
            call self%put('effective_observations', [study%effective_observations], at, [1], error)
            call self%put('signal_freedom', [study%signal_freedom], at, [1], error)
            call self%put('difference', [study%difference], at, [1], error)
            counts = shape(study%background)
            call self%put('eigenvalues', study%eigenvalues, [1, at], [counts(2), 1], error)
            call self%put('mean_weights', study%mean_weights, [1, at], [counts(2), 1], error)
            call self%put('transform', reshape(study%transform, [size(study%transform)]), &
                          [1, 1, at], [counts(2), counts(2), 1], error)
            call self%put('background_members', &
                          reshape(study%background, [size(study%background)]), [1, 1, at], &
                          [counts, 1], error)
            call self%put('analysis_members', reshape(study%analysis, [size(study%analysis)]), &
                          [1, 1, at], [counts, 1], error)
            call self%put('increment', (sum(study%analysis, 2) - sum(study%background, 2)) &
                          /counts(2), [1, at], [counts(1), 1], error)
            if (n > 0) then
               call put_rows()
               call self%put('obs_position', study%position, from, [n], error)
               call self%put('obs_distance', study%distance, from, [n], error)
               call self%put('obs_value', study%value, from, [n], error)
               call self%put('obs_background', study%expected, from, [n], error)
               call self%put('obs_error_sd', study%error_sd, from, [n], error)
               call self%put('obs_taper', study%taper, from, [n], error)
               call self%put('obs_innovation', study%value - study%expected, from, [n], error)
               call self%put('obs_anomalies', reshape(study%anomalies, [size(study%anomalies)]), &
                             [1, from], [counts(2), n], error)
            end if
         end associate
         self%observations = self%observations + n
      end do
      call self%expect(nf90_sync(self%id), 'cannot be written', error)

   contains

      subroutine put_integer(name, value, place)
         character(len=*), intent(in) :: name
         integer, intent(in) :: value
         integer, intent(in) :: place
         integer :: variable

         call self%expect(nf90_inq_varid(self%id, name, variable), 'variable '//name, error)
         call self%expect(nf90_put_var(self%id, variable, [value], start=[place]), name, error)
         if (allocated(error)) return
         call self%written%variables(variable)%add([int(value, i8)], int(place, i8))
      end subroutine put_integer

      subroutine put_rows()
         integer :: variable

         call self%expect(nf90_inq_varid(self%id, 'obs_row', variable), 'obs_row', error)
         call self%expect(nf90_put_var(self%id, variable, studies(k)%row, &
                                       start=[self%observations + 1]), 'obs_row', error)
         if (allocated(error)) return
         call self%written%variables(variable)%add(int(studies(k)%row, i8), &
               self%observations + 1_i8)
      end subroutine put_rows
   end subroutine add

   subroutine put(self, name, values, start, counts, error)
      class(study_file_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      real(wp), contiguous, intent(in) :: values(:)
      integer, intent(in) :: start(:)
      integer, intent(in) :: counts(:)
      type(error_type), allocatable, intent(inout) :: error
      integer(i8) :: before
      integer :: variable
      integer :: n

      call self%expect(nf90_inq_varid(self%id, name, variable), 'variable '//name, error)
      call self%expect(nf90_put_var(self%id, variable, values, start=start, count=counts), name, &
                       error)
      if (allocated(error)) return
      n = size(counts)
      before = int(start(n) - 1, i8)*product(counts(:n - 1))
      call self%written%variables(variable)%add(values, before + 1)
   end subroutine put

   !> What was written so far, for a checkpoint; where that must be `durable`, so is this file.
   subroutine tell_written(self, durable, written, error)
      class(study_file_type), intent(inout) :: self
      logical, intent(in) :: durable
      type(written_type), intent(out) :: written
      type(error_type), allocatable, intent(out) :: error
      logical :: done

      call self%expect(nf90_sync(self%id), 'cannot be written', error)
      if (allocated(error)) return
      done = .true.
      if (durable) call synchronise(self%partial(), done)
      if (.not. done) call run_error(error, self%partial()//': cannot be brought to the disk')
      if (self%written%header_bytes == 0) then
         self%written%header_bytes = header_length(self%partial())
         self%written%header_sha256 = header_digest(self%partial(), self%written%header_bytes, &
                                                    nothing_rewritten, .true.)
      end if
      written = self%written
   end subroutine tell_written

   !> Close the file and give it its final name.
   subroutine finish(self, durable, error)
      class(study_file_type), intent(inout) :: self
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error
      logical :: renamed

      call self%expect(nf90_close(self%id), 'cannot be closed', error)
      self%id = -1
      if (allocated(error)) return
      call put_in_place(self%partial(), self%path, durable, renamed)
      if (.not. renamed) call run_error(error, self%partial()//' cannot be renamed to '//self%path)
   end subroutine finish

   !> Close the file unfinished; it goes, unless the run may go on.
   subroutine abandon(self, keep)
      class(study_file_type), intent(inout) :: self
      logical, intent(in) :: keep
      integer :: status

      if (self%id < 0) return
      status = nf90_close(self%id)
      self%id = -1
      if (.not. keep) call remove_file(self%partial())
   end subroutine abandon

   !> The first error is kept.
   subroutine expect(self, status, what, error)
      class(study_file_type), intent(in) :: self
      integer, intent(in) :: status
      character(len=*), intent(in) :: what
      type(error_type), allocatable, intent(inout) :: error

      if (allocated(error) .or. status == nf90_noerr) return
      call run_error(error, self%partial()//': '//what//' ('//trim(nf90_strerror(status))//')')
   end subroutine expect
end module da_io_study_file
