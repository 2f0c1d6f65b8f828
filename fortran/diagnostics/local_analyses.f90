!> The study of local analyses in a run: worked out where they are due, gathered, and written to a
!> file of its own.
module da_diagnostics_local_analyses
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error, status_bad_input
   use da_base_text, only: to_text
   use da_base_timer, only: phase_analysis, phase_output
   use da_analysis_study, only: local_analysis_type, gather_studies
   use da_diagnostics_type, only: diagnostic_type
   use da_io_study_file, only: study_file_type
   use da_io_written, only: written_type, share
   use da_run_type, only: run_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: local_analyses_type

   !> The analysis itself has its settings, `&study`.
   type, extends(diagnostic_type) :: local_analyses_type
      private
      logical :: wanted = .false.
      type(study_file_type) :: file
   contains
      procedure :: check
      procedure :: declare
      procedure :: begin
      procedure :: see_background
      procedure :: keep
      procedure :: finish
      procedure :: abandon
   end type local_analyses_type

contains

   !> Points and cycles of a study must be among the run's.
   subroutine check(self, run, error)
      class(local_analyses_type), intent(in) :: self
      type(run_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error

      associate (studied => run%analysis%studied, file => run%setup%namelist, &
                 cycles => run%setup%cycles)
         if (.not. studied%wanted()) return
         if (maxval(studied%points) >= run%setup%points) then
            call input_error(error, file//': &study points = '//to_text(maxval(studied%points))// &
                             ': the last point is '//to_text(run%setup%points - 1))
         else if (studied%number_before(cycles + 1) == 0 .or. studied%every > cycles) then
            call input_error(error, file//': &study: none of its cycles is among the run''s '// &
                             to_text(cycles))
         else if (size(studied%cycles) > 0) then
            if (maxval(studied%cycles) > cycles .or. minval(studied%cycles) < 1) then
               call input_error(error, file//': &study cycles: they must lie between 1 and '// &
                                'cycles = '//to_text(cycles)//' in &cycle')
            end if
         end if
      end associate
   end subroutine check

   !> All is in the file of its own.
   subroutine declare(self, run, tables)
      class(local_analyses_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables

      self%wanted = run%analysis%studied%wanted()
   end subroutine declare

   !> A new file, or after a restart the one that was left. One that holds analyses of later cycles
   !> is written over, with the same.
   subroutine begin(self, domain, run, version, done, written, error)
      class(local_analyses_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_type), intent(in) :: run
      character(len=*), intent(in) :: version
      integer, intent(in) :: done
      type(written_type), intent(in) :: written
      type(error_type), allocatable, intent(out) :: error

      if (.not. self%wanted) return
      associate (studied => run%analysis%studied)
         if (domain%communicator%is_root()) then
            if (done > 0) then
               call self%file%reopen(studied%file, studied%number_before(done + 1), written, error)
            else
               call self%file%create(studied%file, 'dacycle '//version, &
                                     studied%number_before(run%setup%cycles + 1), &
                                     run%model%components_in, run%setup%members, error)
            end if
         end if
      end associate
      if (allocated(error)) then
         error%message = run%setup%namelist//': &study file: '//error%message
         error%status = status_bad_input
      end if
      call domain%communicator%agree(error)
   end subroutine begin

   !> Study a cycle's analysis, where that is asked for, before it is made.
   subroutine see_background(self, domain, run, tables, error)
      class(local_analyses_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      type(local_analysis_type), allocatable :: own(:)
      type(local_analysis_type), allocatable :: all(:)

      if (.not. self%wanted) return
      if (.not. run%analysis%studied%is_due(run%cycle)) return
      call domain%timer%start(phase_analysis)
      call run%analysis%study(domain, run%cycle, run%observations, run%ensemble, own, error)
      call domain%timer%stop()
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call domain%timer%start(phase_output)
      call gather_studies(domain%communicator, run%setup%members, size(run%ensemble%x, 2), own, &
                          all)
      if (domain%communicator%is_root()) then
         call self%file%add(run%cycle, run%cycle*run%setup%interval, all, error)
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine see_background

   !> The root alone knows what was written.
   subroutine keep(self, domain, durable, written, error)
      class(local_analyses_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(written_type), intent(inout) :: written
      type(error_type), allocatable, intent(out) :: error

      if (.not. self%wanted) return
      if (domain%communicator%is_root()) call self%file%tell_written(durable, written, error)
      call domain%communicator%agree(error)
      if (.not. allocated(error)) call share(domain%communicator, written)
   end subroutine keep

   subroutine finish(self, domain, durable, error)
      class(local_analyses_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error

      if (.not. self%wanted) return
      if (domain%communicator%is_root()) call self%file%finish(durable, error)
      call domain%communicator%agree(error)
   end subroutine finish

   subroutine abandon(self, domain, resumable)
      class(local_analyses_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: resumable

      if (domain%communicator%is_root()) call self%file%abandon(resumable)
   end subroutine abandon
end module da_diagnostics_local_analyses
