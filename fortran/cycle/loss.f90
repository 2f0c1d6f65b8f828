!> What follows when the ensemble is not finite any more: a run goes on with its truth and its
!> observations alone, or the filter with a new first ensemble.
module da_cycle_loss
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan, ieee_is_nan
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error, status_lost
   use da_base_text, only: to_text
   use da_cycle_config, only: config_type
   use da_cycle_past_truth, only: carried_truth
   use da_cycle_progress, only: progress_type
   use da_cycle_start, only: run_type, first_ensemble
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type, qc_assimilated, qc_operator_failed
   use da_verification_record, only: record_type
   use da_verification_scores, only: analysis_spread
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: add_restart_table, is_finite, check_truth, begin_again, lose, lost_before, &
      report_loss, end_lost

   character(len=*), parameter :: table_restarted = 'restarted'

contains

   !> A run that restarts its filter tells in which cycles.
   subroutine add_restart_table(config, tables)
      type(config_type), intent(in) :: config
      type(tables_type), intent(inout) :: tables

      if (config%on_loss /= 'restart') return
      call tables%add_table(table_restarted, 'whether the ensemble was drawn anew, as it was '// &
                            'not finite any more: 1 or 0')
      tables%tables(size(tables%tables))%rows = 0
   end subroutine add_restart_table

   !> Whether mean or spread mean anything: what lies beyond all bounds of a climate is on its way
   !> to infinity, and would leave no mean score to a filter that goes on.
   pure function is_finite(values) result(yes)
      real(wp), intent(in) :: values(:, :)
      logical :: yes
      real(wp), parameter :: farthest = 1.0e6_wp

      yes = all(abs(values) <= farthest)
   end function is_finite

   !> A truth that is not finite is no filter's fault: this rank's error.
   subroutine check_truth(run, cycle, error)
      type(run_type), intent(in) :: run
      integer, intent(in) :: cycle
      type(error_type), allocatable, intent(inout) :: error
      integer :: i

      if (allocated(error)) return
      do i = 1, size(run%truth%x, 3)
         if (is_finite(run%truth%x(:, :, i))) cycle
         call run_error(error, 'cycle '//to_text(cycle)//': the truth is not finite any more '// &
                        '(is its model''s dt too long?)')
         return
      end do
   end subroutine check_truth

   !> A first ensemble in place of the background of `cycle`, drawn with numbers of its own, around
   !> the truth of now where the first one stood around that of cycle 0; what the scheme carries
   !> begins anew as well.
   subroutine begin_again(run, cycle, ensemble, tables)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      type(tables_type), intent(inout) :: tables

      call forget_analysis(ensemble)
      deallocate (ensemble%carried)
      allocate (ensemble%carried(0))
      call run%config%analysis%carry_along(run%domain, ensemble)
      call first_ensemble(run, ensemble, cycle)
      call run%config%analysis%take_first(ensemble)
      call tables%put(table_restarted, cycle, [1.0_wp])
   end subroutine begin_again

   !> From the cycle in which the ensemble is lost on: no number of it is known.
   subroutine lose(cycle, ensemble, means, sds, past, observations, record)
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(inout) :: means(:, :, :)
      real(wp), intent(inout) :: sds(:, :, :)
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(record_type), intent(inout) :: record
      real(wp) :: unknown
      integer :: t
      integer :: f
      integer :: k

      unknown = ieee_value(unknown, ieee_quiet_nan)
      if (record%lost_at == 0) record%lost_at = cycle
      call forget_analysis(ensemble)
      ensemble%x = unknown
      means = unknown
      sds = unknown
      do f = 1, size(ensemble%carried)
         if (ensemble%carried(f)%name /= carried_truth) ensemble%carried(f)%x = unknown
      end do
      do k = 1, size(past)
         call lose_observations(past(k))
      end do
      call lose_observations(observations)
      record%series(cycle, :) = unknown
      do t = 1, size(record%tables%tables)
         associate (table => record%tables%tables(t))
            if (mod(cycle, table%every) == 0) table%rows(:, cycle/table%every) = unknown
         end associate
      end do
   end subroutine lose

   !> Observations that met no ensemble: H failed.
   pure subroutine lose_observations(observations)
      type(observations_type), intent(inout) :: observations
      real(wp) :: unknown(observations%n)

      unknown = ieee_value(1.0_wp, ieee_quiet_nan)
      observations%background = unknown
      observations%background_sd = unknown
      observations%analysis = unknown
      observations%weight = unknown
      observations%impact = unknown
      where (observations%qc == qc_assimilated) observations%qc = qc_operator_failed
   end subroutine lose_observations

   !> What a scheme left to be taken up after its analysis.
   pure subroutine forget_analysis(ensemble)
      type(ensemble_type), intent(inout) :: ensemble

      if (allocated(ensemble%notes)) deallocate (ensemble%notes)
      if (allocated(ensemble%sd)) deallocate (ensemble%sd)
   end subroutine forget_analysis

   !> The cycle up to `done` in which the ensemble was lost, as the scores tell; 0: in none.
   pure function lost_before(record, done) result(cycle)
      type(record_type), intent(in) :: record
      integer, intent(in) :: done
      integer :: cycle

      cycle = findloc(ieee_is_nan(record%series(:done, analysis_spread)), .true., dim=1)
   end function lost_before

   !> A line for people where the ensemble was lost, or drawn anew for the first time.
   subroutine report_loss(domain, cycle, record, progress)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(record_type), intent(in) :: record
      type(progress_type), intent(in) :: progress

      if (.not. domain%communicator%is_root()) return
      if (record%lost_at == cycle) then
         call say('the truth and its observations go on alone')
      else if (record%restarts(cycle) == 1 .and. record%restarts(cycle - 1) == 0) then
         call say('the filter goes on from a new first ensemble, as after any other loss')
      end if

   contains

      subroutine say(what)
         character(len=*), intent(in) :: what

         call progress%end_line()
         write (output_unit, '(a)') 'cycle '//to_text(cycle)//': the ensemble is not finite '// &
            'any more; '//what
         flush (output_unit)
      end subroutine say
   end subroutine report_loss

   !> How a run ends whose ensemble was lost: its file is whole, and its status tells.
   subroutine end_lost(config, record, error)
      type(config_type), intent(in) :: config
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(out) :: error

      if (record%lost_at == 0) return
      allocate (error)
      error%status = status_lost
      error%message = config%namelist//': cycle '//to_text(record%lost_at)//': the ensemble is '// &
                      'not finite any more (is the model''s dt too long, or has the filter '// &
                      'diverged?); '//config%output%path//' is complete, without it from there on'
   end subroutine end_lost
end module da_cycle_loss
