!> The cycle: forecast, observations, analysis, verification, output, again and again.
module da_cycle_driver
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp, i8
   use da_base_durable, only: durability_type, new_durability
   use da_base_error, only: error_type, lost_error, status_lost
   use da_base_interrupt, only: interrupted
   use da_base_system, only: file_exists, remove_file
   use da_base_text, only: to_text
   use da_base_timer, only: phase_analysis, phase_observations, phase_verification
   use da_analysis_observation_impact, only: impact_type
   use da_analysis_type, only: observe_analysis
   use da_cycle_checkpoints, only: is_checkpoint, is_due, keep
   use da_cycle_diagnostics, only: add_diagnostic_tables, take_notes
   use da_cycle_estimates, only: scores_of_run, score_estimates
   use da_cycle_fallback, only: add_fallback_table, report_fallback
   use da_cycle_impact, only: judge_observations, keep_impact
   use da_cycle_lag_scores, only: add_lag_table, score_lags
   use da_cycle_lead_times, only: verify_forecasts
   use da_cycle_loss, only: add_restart_table, is_finite, check_truth, begin_again, lose, &
      lost_before, report_loss, end_lost
   use da_cycle_past_truth, only: carry_past_truth, remember_truth
   use da_cycle_progress, only: progress_type, new_progress
   use da_cycle_report, only: report_start, report_end
   use da_cycle_start, only: run_type, begin
   use da_cycle_verify, only: verify_distribution, verify_regions, score
   use da_cycle_study, only: begin_study, study_cycle, finish_study, abandon_study
   use da_ensemble_type, only: ensemble_type
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_io_recognition, only: remove_checkpoint
   use da_io_run_file, only: run_file_type, partial_name
   use da_io_study_file, only: study_file_type
   use da_io_run_layout, only: field_background_mean, field_background_sd, field_analysis_mean, &
      field_analysis_sd, field_truth
   use da_observation_type, only: observations_type
   use da_verification_impact, only: add_impact_tables
   use da_verification_layout, only: new_tables
   use da_verification_record, only: record_type, new_record
   use da_verification_scores, only: analysis_rmse, analysis_spread
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: run_cycles

contains

   !> The whole run. `stopped` is true where SIGTERM ended it after a checkpoint.
   subroutine run_cycles(run, start, version, command, progress_style, stopped, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: start
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      character(len=*), intent(in) :: progress_style
      logical, intent(out) :: stopped
      type(error_type), allocatable, intent(out) :: error
      type(ensemble_type) :: ensemble
      type(record_type) :: record
      type(tables_type) :: tables
      type(run_file_type) :: output
      type(study_file_type) :: studies
      type(progress_type) :: progress
      integer(i8) :: began
      integer(i8) :: ended
      integer(i8) :: rate
      type(checkpoint_head_type) :: head
      type(durability_type) :: durability
      integer :: done
      integer :: cycle
      logical :: durable
      logical :: removed

      stopped = .false.
      durability = new_durability()
      associate (config => run%config, domain => run%domain)
         call system_clock(began)
         call new_tables(config%verification, run%truth%exists, config%cycles, config%interval, &
                         run%truth%last, tables)
         if (run%truth%exists) call add_lag_table(config%analysis%lags(), tables)
         call add_impact_tables(config%impact, config%cycles, config%interval, run%truth%last, &
                                tables)
         call add_diagnostic_tables(config%analysis%diagnosed, config%analysis%window, &
                                    config%cycles, config%interval, tables)
         call add_fallback_table(config%analysis, tables)
         call add_restart_table(config, tables)
         call new_record(config%cycles, config%burn_in, tables, record)
         ensemble%members = config%ensemble%members
         allocate (ensemble%x(domain%n, config%model%components_in, ensemble%members))
         ensemble%parameters = config%model%parameters
         allocate (ensemble%carried(0))
         call config%analysis%carry_along(domain, ensemble)
         if (run%truth%exists) then
            call carry_past_truth(max(config%analysis%window, config%analysis%lags()), &
                                  run%truth%x(:, :, 1), ensemble)
         end if
         call begin(run, start, version, command, ensemble, record, output, head, error)
         if (allocated(error)) return
         done = head%cycle
         if (done == config%cycles) then
            if (domain%communicator%is_root()) then
               write (output_unit, '(a)') config%output%path//' is complete already'
            end if
            call end_lost(config, record, error)
            return
         end if
         record%lost_at = lost_before(record, done)
         call begin_study(config, domain, version, done, head%studies, studies, error)
         if (allocated(error)) return
         call report_start(domain, config, done + 1)
         progress = new_progress(merge(progress_style, 'none ', domain%communicator%is_root()), &
                                 done + 1, config%cycles)
         do cycle = done + 1, config%cycles
            call one_cycle(run, cycle, ensemble, record, output, studies, error)
            call domain%communicator%agree(error)
            if (allocated(error)) exit
            call report_fallback(domain, config, cycle, record%tables, progress)
            call report_loss(domain, cycle, record, progress)
            call progress%say(cycle, watched(), record%series(cycle, watched_score()))
            if (cycle < config%cycles) stopped = domain%communicator%largest(merge(1, 0, &
                  interrupted())) > 0
            if (stopped .or. is_checkpoint(config, cycle)) then
               call keep(run, cycle, is_due(domain, durability), ensemble, record, output, &
                         studies, head, error)
               if (allocated(error)) exit
            end if
            if (stopped) exit
         end do
         call progress%end_line()
         if (allocated(error) .or. stopped) then
            call output%abandon()
            call abandon_study(domain, file_exists(config%checkpoint), studies)
            if (.not. file_exists(config%checkpoint)) then
               if (domain%communicator%is_root()) call remove_file(partial_name(config%output%path))
            end if
            return
         end if
         durable = is_due(domain, durability)
         call finish_study(config, domain, durable, studies, error)
         if (allocated(error)) return
         call output%finish(domain, record, durable, error)
         if (allocated(error)) return
         if (domain%communicator%is_root()) call remove_checkpoint(config%checkpoint, removed)
         call system_clock(ended, rate)
         call report_end(domain, config, record, scores_of_run(ensemble, run%true_parameters), &
                         config%cycles - done, real(ended - began, wp)/rate)
         call end_lost(config, record, error)
      end associate

   contains

      !> Without a truth the spread is what can be watched.
      function watched_score() result(score)
         integer :: score

         score = merge(analysis_rmse, analysis_spread, run%truth%exists)
      end function watched_score

      function watched() result(name)
         character(len=:), allocatable :: name

         name = trim(merge('RMSE  ', 'spread', run%truth%exists))
      end function watched
   end subroutine run_cycles

   !> From the analysis before to the analysis of `cycle`; with an ensemble that is lost, the truth
   !> and its observations alone.
   subroutine one_cycle(run, cycle, ensemble, record, output, studies, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      type(record_type), intent(inout) :: record
      type(run_file_type), intent(inout) :: output
      type(study_file_type), intent(inout) :: studies
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: observations
      type(impact_type) :: impact
      type(observations_type), allocatable :: past(:)
      real(wp), allocatable, dimension(:, :, :) :: means, sds
      logical :: lost
      logical :: again

      associate (config => run%config, domain => run%domain)
         lost = record%lost_at > 0
         if (.not. lost) then
            call config%analysis%forecast(domain, config%model, cycle, ensemble)
            call run%model_error%disturb_members(domain, cycle, ensemble%x)
            call run%parameters%walk(domain, cycle, ensemble%x)
         end if
         call run%truth%advance(domain, cycle, error)
         call check_truth(run, cycle, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call run%model_error%disturb_truth(domain, cycle, run%truth%x)
         call run%source%observe(domain, cycle, run%truth%x, observations, error)
         if (allocated(error)) return
         call run%history%recall(cycle, past)
         call run%history%remember(cycle, observations)

         again = config%on_loss == 'restart'
         do while (.not. lost)
            call analyse(run, cycle, ensemble, past, observations, studies, means, sds, impact, &
                         record, error)
            if (.not. allocated(error)) exit
            if (error%status /= status_lost) return
            deallocate (error)
            lost = .not. again
            again = .false.
            if (.not. lost) call begin_again(run, cycle, ensemble, record%tables)
         end do

         call domain%timer%start(phase_verification)
         if (lost) then
            if (allocated(means)) deallocate (means, sds)
            allocate (means(domain%n, size(ensemble%x, 2), 2), &
                      sds(domain%n, size(ensemble%x, 2), 2))
            call lose(cycle, ensemble, means, sds, past, observations, record)
         else
            call take_notes(cycle, ensemble, record%tables)
            call verify_distribution(run, cycle, 'analysis', ensemble, record)
            call score(run, cycle, means(:, 1, :), sds(:, 1, :), observations, record)
            call score_estimates(domain, cycle, config%analysis%is_due(cycle), ensemble, &
                                 means(:, :, 2), sds(:, :, 2), run%truth%x, run%true_parameters, &
                                 record)
            if (run%truth%exists) then
               call score_lags(config%analysis%lags(), domain, cycle, ensemble, record%tables)
            end if
            call verify_regions(run, cycle, means(:, 1, :), sds(:, 1, :), record)
         end if
         if (run%truth%exists) call remember_truth(cycle, run%truth%x(:, :, 1), ensemble)
         call domain%timer%stop()
         if (.not. lost) then
            call keep_impact(config, domain, cycle, observations, impact, record%tables)
            call verify_forecasts(config, domain, run%truth, run%model_error, cycle, ensemble, &
                                  record%tables, error)
            if (allocated(error)) return
            if (config%output%feedback .and. config%analysis%is_due(cycle)) then
               call domain%timer%start(phase_observations)
               call observe_analysis(domain, ensemble, observations)
               call domain%timer%stop()
               if (allocated(impact%of_observation)) observations%impact = impact%of_observation
            end if
         end if
      end associate
      call write_cycle(run, cycle, means, sds, ensemble, past, observations, output, error)
   end subroutine one_cycle

   !> The background, and its analysis; mean and spread of both. The error of an ensemble that is
   !> not finite is that of its loss.
   subroutine analyse(run, cycle, ensemble, past, observations, studies, means, sds, impact, &
                      record, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(study_file_type), intent(inout) :: studies
      real(wp), allocatable, intent(out) :: means(:, :, :)
      real(wp), allocatable, intent(out) :: sds(:, :, :)
      type(impact_type), intent(out) :: impact
      type(record_type), intent(inout) :: record
      type(error_type), allocatable, intent(out) :: error

      associate (config => run%config, domain => run%domain)
         call domain%timer%start(phase_verification)
         allocate (means(domain%n, size(ensemble%x, 2), 1), sds(domain%n, size(ensemble%x, 2), 1))
         call ensemble%mean(means(:, :, 1))
         call ensemble%spread(means(:, :, 1), sds(:, :, 1))
         if (.not. (is_finite(means(:, :, 1)) .and. is_finite(sds(:, :, 1)))) then
            call lost_error(error)
         end if
         call domain%communicator%agree(error)
         if (.not. allocated(error)) call verify_distribution(run, cycle, 'background', ensemble, &
                                                              record)
         call domain%timer%stop()
         if (allocated(error)) return

         call study_cycle(config, domain, cycle, observations, ensemble, studies, error)
         if (.not. allocated(error)) then
            call judge_observations(config, domain, run%truth, run%model_error, cycle, &
                                    observations, ensemble, impact, error)
            if (allocated(error)) return
            call domain%timer%start(phase_analysis)
            call config%analysis%update_window(domain, cycle, past, observations, ensemble, error)
            call run%parameters%settle(domain, ensemble%x)
            call domain%timer%stop()
            call domain%timer%start(phase_verification)
            call add_field(means)
            call add_field(sds)
            call ensemble%mean(means(:, :, 2))
            call ensemble%spread(means(:, :, 2), sds(:, :, 2))
            if (.not. (allocated(error) .or. (is_finite(means(:, :, 2)) .and. &
                                              is_finite(sds(:, :, 2))))) call lost_error(error)
            call domain%communicator%agree(error)
            call domain%timer%stop()
         end if
         if (allocated(error)) error%message = 'cycle '//to_text(cycle)//': '//error%message
      end associate
   end subroutine analyse

   !> Room for one field more; not before it is needed: the analysis wants the memory.
   pure subroutine add_field(fields)
      real(wp), allocatable, intent(inout) :: fields(:, :, :)
      real(wp), allocatable :: more(:, :, :)

      allocate (more(size(fields, 1), size(fields, 2), size(fields, 3) + 1))
      more(:, :, :size(fields, 3)) = fields
      call move_alloc(more, fields)
   end subroutine add_field

   !> Feedback of all observations since the analysis before is written when this one has met them.
   subroutine write_cycle(run, cycle, means, sds, ensemble, past, observations, output, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      real(wp), intent(in) :: means(:, :, :)
      real(wp), intent(in) :: sds(:, :, :)
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(in) :: past(:)
      type(observations_type), intent(in) :: observations
      type(run_file_type), intent(inout) :: output
      type(error_type), allocatable, intent(out) :: error
      integer :: field
      integer :: f
      integer :: back

      associate (domain => run%domain)
         call output%add_fields(domain, cycle, field_background_mean, means(:, :, 1), error)
         if (.not. allocated(error)) then
            call output%add_fields(domain, cycle, field_background_sd, sds(:, :, 1), error)
            call output%add_fields(domain, cycle, field_analysis_mean, means(:, :, 2), error)
            call output%add_fields(domain, cycle, field_analysis_sd, sds(:, :, 2), error)
            if (run%truth%exists) then
               call output%add_fields(domain, cycle, field_truth, truth_as_model(), error)
            end if
         end if
         field = 0
         do f = 1, size(ensemble%carried)
            if (len_trim(ensemble%carried(f)%meaning) == 0 .or. allocated(error)) cycle
            field = field + 1
            call output%add_carried(domain, cycle, field, ensemble%carried(f)%x(:, :1, 1), error)
         end do
         if (.not. allocated(error)) call output%add_members(domain, cycle, ensemble%x, error)
         if (allocated(error) .or. .not. run%config%analysis%is_due(cycle)) return
         do back = run%config%analysis%shift - 1, 1, -1
            call output%add_feedback(domain, run%source%rows_before(cycle - back), &
                                     past(size(past) - back + 1), error)
            if (allocated(error)) return
         end do
         call output%add_feedback(domain, run%source%rows_before(cycle), observations, error)
      end associate

   contains

      !> The truth in the model's components; parameters that it does not have are not known.
      function truth_as_model() result(x)
         real(wp) :: x(size(means, 1), size(means, 2))
         integer :: known

         known = ensemble%states()
         if (run%true_parameters) known = size(means, 2)
         x(:, :known) = run%truth%x(:, :known, 1)
         x(:, known + 1:) = ieee_value(1.0_wp, ieee_quiet_nan)
      end function truth_as_model
   end subroutine write_cycle
end module da_cycle_driver
