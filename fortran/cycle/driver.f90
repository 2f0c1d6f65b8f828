!> The cycle: forecast, observations, analysis, verification, output, again and again.
module da_cycle_driver
   use da_base_kinds, only: wp, i8
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type, input_error, run_error, status_bad_input
   use da_base_interrupt, only: watch_for_interrupt, interrupted
   use da_base_random, only: random_key_type, stream_ensemble
   use da_base_system, only: file_exists, remove_file, same_file, writable_directory, directory_of
   use da_base_text, only: to_text
   use da_base_timer, only: phase_analysis, phase_observations, phase_verification
   use da_analysis_type, only: observe_analysis
   use da_cycle_config, only: config_type
   use da_cycle_observation_source, only: observation_source_type, new_observation_source
   use da_cycle_progress, only: progress_type, new_progress
   use da_cycle_report, only: report_start, report_end
   use da_cycle_truth, only: truth_type, new_truth
   use da_ensemble_initialise, only: draw_from_attractor, perturb
   use da_ensemble_type, only: ensemble_type
   use da_io_checkpoint, only: write_checkpoint, read_checkpoint
   use da_io_run_file, only: run_file_type, partial_name
   use da_io_run_layout, only: run_description_type, field_background_mean, field_background_sd, &
      field_analysis_mean, field_analysis_sd, field_truth
   use da_observation_type, only: observations_type
   use da_verification_record, only: record_type, new_record
   use da_verification_scores, only: state_scores, observation_scores, background_rmse, &
      analysis_rmse, &
      background_spread, analysis_spread, background_bias, analysis_bias, innovation_chi2, &
      observations_used, observations_rejected
   implicit none
   private
   public :: run_type, start_run, run_cycles, start_afresh, start_from_checkpoint, start_new

   !> How a run begins: new (refused where an unfinished one left a checkpoint), afresh, or from
   !> that.
   integer, parameter :: start_new = 1
   integer, parameter :: start_afresh = 2
   integer, parameter :: start_from_checkpoint = 3

   !> All that moves in a run.
   type :: run_type
      type(config_type) :: config
      type(domain_type) :: domain
      type(truth_type) :: truth
      type(observation_source_type) :: source
   end type run_type

contains

   !> Check everything that a run needs, files included, and open its input; nothing is written.
   subroutine start_run(communicator, config, run, error)
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(run_type), intent(out) :: run
      type(error_type), allocatable, intent(out) :: error

      run%config = config
      call new_domain(config%model%points, communicator, run%domain, error)
      if (allocated(error)) return
      call new_truth(config%truth, config%truth_model, config%truth_steps, run%domain, &
                     config%seed, config%cycles, config%interval, run%truth, error)
      call communicator%agree(error)
      if (allocated(error)) then
         error%message = config%namelist//': &truth file: '//error%message
         return
      end if
      if (run%truth%exists .and. size(run%truth%x, 2) < config%model%components_in) then
         call input_error(error, config%namelist//": &cycle model = '"//config%model_name// &
                          "' has "//to_text(config%model%components_in)//' values a point, the '// &
                          'truth only '//to_text(size(run%truth%x, 2)))
         return
      end if
      call new_observation_source(config%observations, run%domain, config%seed, config%cycles, &
                                  config%interval, run%source, error)
      call communicator%agree(error)
      if (allocated(error)) then
         error%message = config%namelist//': &observations '//error%message
         return
      end if
      if (communicator%is_root()) then
         call check_place(config, config%output%path, '&output', error)
         if (.not. allocated(error)) then
            call check_place(config, config%checkpoint, '&checkpoint', error)
         end if
         if (.not. allocated(error) .and. &
             (config%checkpoint == config%output%path .or. &
              config%checkpoint == partial_name(config%output%path))) then
            call input_error(error, config%namelist//": &checkpoint file = '"//config%checkpoint// &
                             "': is the output file; name another")
         end if
      end if
      call communicator%agree(error)
   end subroutine start_run

   !> A file must be one that can be written, and none of those that are read.
   subroutine check_place(config, path, group, error)
      type(config_type), intent(in) :: config
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: group
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: place

      place = config%namelist//': '//group//" file = '"//path//"': "
      if (writable_directory(path)) then
         call input_error(error, place//'is a directory; name a file')
      else if (.not. writable_directory(directory_of(path))) then
         call input_error(error, place//"no file can be written in '"//directory_of(path)// &
                          "' (does it exist, and may you write there?)")
      else if (any([same_file(path, config%namelist), same_file(path, config%truth%file), &
                    same_file(path, config%observations%file)])) then
         call input_error(error, place// &
                          'is read by this run and would be overwritten; name another')
      end if
   end subroutine check_place

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
      type(run_file_type) :: output
      type(progress_type) :: progress
      integer(i8) :: began
      integer(i8) :: ended
      integer(i8) :: rate
      integer :: done
      integer :: cycle

      stopped = .false.
      call watch_for_interrupt()
      associate (config => run%config, domain => run%domain)
         call system_clock(began)
         record = new_record(config%cycles, config%burn_in)
         ensemble%members = config%ensemble%members
         allocate (ensemble%x(domain%n, config%model%components_in, ensemble%members))
         call begin(run, start, version, command, ensemble, record, output, done, error)
         if (allocated(error)) return
         call config%analysis%prepare(domain, config%model)
         call report_start(domain, config, done + 1)
         progress = new_progress(merge(progress_style, 'none ', domain%communicator%is_root()), &
                                 done + 1, config%cycles)
         do cycle = done + 1, config%cycles
            call one_cycle(run, cycle, ensemble, record, output, error)
            call domain%communicator%agree(error)
            if (allocated(error)) exit
            call progress%say(cycle, watched(), record%series(cycle, watched_score()))
            if (cycle < config%cycles) stopped = domain%communicator%largest(merge(1, 0, &
                  interrupted())) > 0
            if (stopped .or. is_checkpoint(config, cycle)) then
               call keep(run, cycle, ensemble, record, output, error)
               if (allocated(error)) exit
            end if
            if (stopped) exit
         end do
         call progress%end_line()
         if (allocated(error) .or. stopped) then
            call output%abandon()
            if (.not. file_exists(config%checkpoint)) then
               if (domain%communicator%is_root()) call remove_file(partial_name(config%output%path))
            end if
            return
         end if
         call output%finish(domain, record, error)
         if (allocated(error)) return
         if (domain%communicator%is_root()) call remove_file(config%checkpoint)
         call system_clock(ended, rate)
         call report_end(domain, config, record, config%cycles - done, &
                         real(ended - began, wp)/rate)
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

   pure function is_checkpoint(config, cycle) result(yes)
      type(config_type), intent(in) :: config
      integer, intent(in) :: cycle
      logical :: yes

      yes = .false.
      if (config%checkpoint_every > 0) yes = mod(cycle, config%checkpoint_every) == 0
      yes = yes .and. cycle < config%cycles
   end function is_checkpoint

   !> The state after cycle `done`, and the output file ready for the next: from nothing or a
   !> checkpoint.
   subroutine begin(run, start, version, command, ensemble, record, output, done, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: start
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      type(ensemble_type), intent(inout) :: ensemble
      type(record_type), intent(inout) :: record
      type(run_file_type), intent(inout) :: output
      integer, intent(out) :: done
      type(error_type), allocatable, intent(out) :: error
      type(run_description_type) :: description
      integer :: found(1)

      associate (config => run%config, domain => run%domain)
         description%cycles = config%cycles
         description%interval = config%interval
         description%burn_in = config%burn_in
         description%components = config%model%components_in
         description%members = ensemble%members
         description%has_truth = run%truth%exists
         description%observations = run%source%rows_before(config%cycles + 1)
         description%version = version
         description%command = command
         description%namelist = config%effective
         description%title = config%title
         done = 0
         found = 0
         if (domain%communicator%is_root()) found = merge(1, 0, file_exists(config%checkpoint))
         call domain%communicator%broadcast_integers(found, 0)
         if (found(1) == 1 .and. start == start_new) then
            call input_error(error, config%checkpoint// &
                             ' was left by an unfinished run: go on with '// &
                             '--restart, or begin anew with --fresh')
            return
         end if
         if (found(1) == 1 .and. start == start_from_checkpoint) then
            call resume(run, ensemble, done, error)
            if (allocated(error)) return
            call output%reopen(domain, config%output, description, done, record, error)
            return
         end if
         if (domain%communicator%is_root()) call remove_file(config%checkpoint)
         call run%truth%begin(domain, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call first_ensemble(run, ensemble)
         call output%create(domain, config%output, description, error)
         if (allocated(error)) then
            error%message = config%namelist//': &output file: '//error%message
            error%status = status_bad_input
         end if
      end associate
   end subroutine begin

   subroutine first_ensemble(run, ensemble)
      type(run_type), intent(inout) :: run
      type(ensemble_type), intent(inout) :: ensemble

      associate (config => run%config%ensemble, key => random_key_type(run%config%seed, &
                                                                       stream_ensemble))
         if (config%initial == 'truth') then
            call perturb(run%domain, key, run%truth%x(:, :size(ensemble%x, 2), 1), &
                         config%initial_sd, ensemble%x)
         else
            call draw_from_attractor(run%config%model, run%domain, key, config%spin_up, ensemble%x)
         end if
      end associate
   end subroutine first_ensemble

   !> Read the checkpoint; it must come from the same settings.
   subroutine resume(run, ensemble, done, error)
      type(run_type), intent(inout) :: run
      type(ensemble_type), intent(inout) :: ensemble
      integer, intent(out) :: done
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: binding

      associate (config => run%config, domain => run%domain)
         if (run%truth%must_be_kept()) then
            call read_checkpoint(config%checkpoint, domain, done, binding, ensemble%x, &
                                 run%truth%x, error)
         else
            call read_checkpoint(config%checkpoint, domain, done, binding, ensemble%x, &
                                 run%truth%x(:, :, :0), error)
         end if
         if (allocated(binding)) then
            if (binding /= config%binding) then
               call input_error(error, config%checkpoint//' comes from other settings: '// &
                                first_difference(binding, config%binding)// &
                                '; restore them, or begin anew with --fresh')
            end if
         end if
      end associate
   end subroutine resume

   !> The first line in which two namelists differ.
   pure function first_difference(before, now) result(text)
      character(len=*), intent(in) :: before
      character(len=*), intent(in) :: now
      character(len=:), allocatable :: text
      character(len=1), parameter :: newline = achar(10)
      integer :: group
      integer :: start
      integer :: i

      group = 1
      start = 1
      do i = 1, min(len(before), len(now))
         if (before(i:i) /= now(i:i)) exit
         if (before(i:i) == '&') group = i
         if (before(i:i) == newline) start = i + 1
      end do
      text = before(group:group + scan(before(group:), newline) - 2)//" has '"//line(before)// &
             "' there, '"//line(now)//"' now"

   contains

      pure function line(namelist)
         character(len=*), intent(in) :: namelist
         character(len=:), allocatable :: line

         line = trim(adjustl(namelist(min(start, len(namelist) + 1):)))
         if (index(line, newline) > 0) line = line(:index(line, newline) - 1)
      end function line
   end function first_difference

   !> From the analysis before to the analysis of `cycle`.
   subroutine one_cycle(run, cycle, ensemble, record, output, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      type(record_type), intent(inout) :: record
      type(run_file_type), intent(inout) :: output
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: observations
      real(wp), dimension(size(ensemble%x, 1), size(ensemble%x, 2), 2) :: means, sds

      associate (config => run%config, domain => run%domain)
         call config%model%forecast(domain, config%steps, ensemble%x)
         call run%truth%advance(domain, cycle, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call run%source%observe(domain, cycle, run%truth%x, observations, error)
         if (allocated(error)) return

         call domain%timer%start(phase_verification)
         call ensemble%mean(means(:, :, 1))
         call ensemble%spread(means(:, :, 1), sds(:, :, 1))
         call domain%timer%stop()

         call domain%timer%start(phase_analysis)
         call config%analysis%update(domain, cycle, observations, ensemble, error)
         call domain%timer%stop()
         call domain%communicator%agree(error)
         if (allocated(error)) then
            error%message = 'cycle '//to_text(cycle)//': '//error%message
            return
         end if

         call domain%timer%start(phase_verification)
         call ensemble%mean(means(:, :, 2))
         call ensemble%spread(means(:, :, 2), sds(:, :, 2))
         call score(run, cycle, means(:, 1, :), sds(:, 1, :), observations, record, error)
         call domain%timer%stop()
         if (allocated(error)) return
         if (config%output%feedback) then
            call domain%timer%start(phase_observations)
            call observe_analysis(domain, ensemble, observations)
            call domain%timer%stop()
         end if
      end associate
      call write_cycle(run, cycle, means, sds, ensemble, observations, output, error)
   end subroutine one_cycle

   !> The cycle's scores; a state that is not finite ends the run.
   subroutine score(run, cycle, means, sds, observations, record, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      real(wp), intent(in) :: means(:, :)
      real(wp), intent(in) :: sds(:, :)
      type(observations_type), intent(in) :: observations
      type(record_type), intent(inout) :: record
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(2) :: rmse, spread, bias

      if (run%truth%exists) then
         call state_scores(run%domain, run%truth%x(:, 1, 1), means, sds, rmse, spread, bias)
      else
         call state_scores(run%domain, means=means, sds=sds, rmse=rmse, spread=spread, bias=bias)
      end if
      record%series(cycle, [background_rmse, analysis_rmse]) = rmse
      record%series(cycle, [background_spread, analysis_spread]) = spread
      record%series(cycle, [background_bias, analysis_bias]) = bias
      call observation_scores(run%domain, observations, record%series(cycle, innovation_chi2), &
                              record%series(cycle, observations_used), &
                              record%series(cycle, observations_rejected))
      if (.not. all(abs(spread) <= huge(1.0_wp))) then
         call run_error(error, 'cycle '//to_text(cycle)// &
                        ': the ensemble is not finite any more (is the '// &
                        'model''s dt too long, or has the filter diverged?)')
      end if
   end subroutine score

   subroutine write_cycle(run, cycle, means, sds, ensemble, observations, output, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      real(wp), intent(in) :: means(:, :, :)
      real(wp), intent(in) :: sds(:, :, :)
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(in) :: observations
      type(run_file_type), intent(inout) :: output
      type(error_type), allocatable, intent(out) :: error

      associate (domain => run%domain)
         call output%add_fields(domain, cycle, field_background_mean, means(:, :, 1), error)
         if (.not. allocated(error)) then
            call output%add_fields(domain, cycle, field_background_sd, sds(:, :, 1), error)
            call output%add_fields(domain, cycle, field_analysis_mean, means(:, :, 2), error)
            call output%add_fields(domain, cycle, field_analysis_sd, sds(:, :, 2), error)
            if (run%truth%exists) then
               call output%add_fields(domain, cycle, field_truth, &
                                      run%truth%x(:, :size(means, 2), 1), error)
            end if
         end if
         if (.not. allocated(error)) call output%add_members(domain, cycle, ensemble%x, error)
         if (.not. allocated(error)) then
            call output%add_feedback(domain, run%source%rows_before(cycle), observations, error)
         end if
      end associate
   end subroutine write_cycle

   !> Bring the output up to date, then write a checkpoint.
   subroutine keep(run, cycle, ensemble, record, output, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      type(ensemble_type), intent(in) :: ensemble
      type(record_type), intent(in) :: record
      type(run_file_type), intent(inout) :: output
      type(error_type), allocatable, intent(out) :: error
      integer :: kept

      call output%flush(run%domain, cycle, record, error)
      if (allocated(error)) return
      kept = merge(1, 0, run%truth%must_be_kept())
      call write_checkpoint(run%config%checkpoint, run%domain, cycle, run%config%binding, &
                            ensemble%x, run%truth%x(:, :, :kept), error)
   end subroutine keep
end module da_cycle_driver
