!> The study of local analyses in a run: worked out where they are due, gathered, and written.
module da_cycle_study
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, status_bad_input
   use da_base_timer, only: phase_analysis, phase_output
   use da_analysis_study, only: local_analysis_type, gather_studies
   use da_cycle_config, only: config_type
   use da_ensemble_type, only: ensemble_type
   use da_io_study_file, only: study_file_type
   use da_io_written, only: written_type, share
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: begin_study, study_cycle, tell_studies, finish_study, abandon_study

contains

   !> A new file, or after a restart at cycle `done` + 1 the one that was left. One that holds
   !> analyses of later cycles is written over, with the same.
   subroutine begin_study(config, domain, version, done, written, file, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      character(len=*), intent(in) :: version
      integer, intent(in) :: done
      !> What a checkpoint tells of the file that was left.
      type(written_type), intent(in) :: written
      type(study_file_type), intent(inout) :: file
      type(error_type), allocatable, intent(out) :: error

      associate (studied => config%analysis%studied)
         if (.not. studied%wanted()) return
         if (domain%communicator%is_root()) then
            if (done > 0) then
               call file%reopen(studied%file, studied%number_before(done + 1), written, &
                                error)
            else
               call file%create(studied%file, 'dacycle '//version, &
                                studied%number_before(config%cycles + 1), &
                                config%model%components_in, config%ensemble%members, error)
            end if
         end if
         if (allocated(error)) then
            error%message = config%namelist//': &study file: '//error%message
            error%status = status_bad_input
         end if
         call domain%communicator%agree(error)
      end associate
   end subroutine begin_study

   !> Study a cycle's analysis, where that is asked for, before it is made.
   subroutine study_cycle(config, domain, cycle, observations, ensemble, file, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(study_file_type), intent(inout) :: file
      type(error_type), allocatable, intent(out) :: error
      type(local_analysis_type), allocatable :: own(:)
      type(local_analysis_type), allocatable :: all(:)

      if (.not. config%analysis%studied%is_due(cycle)) return
      call domain%timer%start(phase_analysis)
      call config%analysis%study(domain, cycle, observations, ensemble, own, error)
      call domain%timer%stop()
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call domain%timer%start(phase_output)
      call gather_studies(domain%communicator, ensemble%members, size(ensemble%x, 2), own, all)
      if (domain%communicator%is_root()) then
         call file%add(cycle, cycle*config%interval, all, error)
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()
   end subroutine study_cycle

   !> What a checkpoint should tell of the file, which the root alone knows.
   subroutine tell_studies(config, domain, durable, file, written, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(study_file_type), intent(inout) :: file
      type(written_type), intent(inout) :: written
      type(error_type), allocatable, intent(out) :: error

      if (.not. config%analysis%studied%wanted()) return
      if (domain%communicator%is_root()) call file%tell_written(durable, written, error)
      call domain%communicator%agree(error)
      if (.not. allocated(error)) call share(domain%communicator, written)
   end subroutine tell_studies

   subroutine finish_study(config, domain, durable, file, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(study_file_type), intent(inout) :: file
      type(error_type), allocatable, intent(out) :: error

      if (.not. config%analysis%studied%wanted()) return
      if (domain%communicator%is_root()) call file%finish(durable, error)
      call domain%communicator%agree(error)
   end subroutine finish_study

   !> After an error or SIGTERM; `keep` where a checkpoint lets the run go on.
   subroutine abandon_study(domain, keep, file)
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: keep
      type(study_file_type), intent(inout) :: file

      if (domain%communicator%is_root()) call file%abandon(keep)
   end subroutine abandon_study
end module da_cycle_study
