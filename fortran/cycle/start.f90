!> How a run begins: its input checked and opened, its first state drawn or read from a checkpoint.
module da_cycle_start
   use da_base_kinds, only: wp
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type, input_error, status_bad_input
   use da_base_random, only: random_key_type, stream_ensemble
   use da_base_system, only: available_memory, file_exists, remove_file, same_file, &
      writable_directory, directory_of
   use da_base_text, only: to_text
   use da_cycle_background, only: hand_over_covariances
   use da_cycle_config, only: config_type
   use da_cycle_estimates, only: scores_of_run
   use da_cycle_history, only: history_type, new_history
   use da_cycle_impact, only: check_impact_lead
   use da_cycle_lead_times, only: check_leads
   use da_cycle_networks, only: take_network_model, take_network_analysis, &
      take_network_observation
   use da_cycle_observation_source, only: observation_source_type, new_observation_source
   use da_cycle_past_truth, only: remember_truth
   use da_cycle_trained_for, only: setting_type, new_setting
   use da_cycle_truth, only: truth_type, new_truth
   use da_ensemble_initialise, only: draw_from_attractor, perturb
   use da_ensemble_model_error, only: model_error_type, new_model_error
   use da_ensemble_parameters, only: parameters_type, new_parameters
   use da_ensemble_type, only: ensemble_type
   use da_io_checkpoint, only: read_checkpoint
   use da_io_run_file, only: run_file_type, partial_name
   use da_io_run_layout, only: run_description_type
   use da_operator_type, only: operator_type
   use da_verification_record, only: record_type
   use da_verification_scores, only: scores_kept
   implicit none
   private
   public :: run_type, start_run, begin, first_ensemble
   public :: start_new, start_afresh, start_from_checkpoint

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
      type(history_type) :: history
      type(model_error_type) :: model_error
      type(parameters_type) :: parameters
      !> For the log, a line each.
      character(len=:), allocatable :: notes
      !> The truth's last components are the parameters that the model's are.
      logical :: true_parameters = .false.
   end type run_type

contains

   !> Check everything that a run needs, files included, and open its input; nothing is written.
   subroutine start_run(communicator, config, run, error)
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(run_type), intent(out) :: run
      type(error_type), allocatable, intent(out) :: error
      class(operator_type), allocatable :: observed_field
      type(setting_type) :: setting
      integer :: states

      run%config = config
      run%notes = ''
      call new_domain(config%model%points, communicator, run%domain, error)
      if (allocated(error)) return
      call check_size(config, run%domain, error)
      call communicator%agree(error)
      if (allocated(error)) return
      call hand_over_covariances(run%config, error)
      call communicator%agree(error)
      if (allocated(error)) return
      if (len(config%networks%analysis) > 0 .and. &
          (config%impact%wanted() .or. config%analysis%diagnosed%asks())) then
         call input_error(error, config%namelist//': &networks analysis: a network tells '// &
                          'nothing that &impact and &diagnostics ask for: leave them out')
         return
      end if
      setting = new_setting(config%model, config%interval, config%observations)
      call take_network_model(config%networks, config%namelist, run%domain, setting, &
                              run%config%model, run%config%steps, run%notes, error)
      if (allocated(error)) return
      run%config%analysis%steps = run%config%steps
      call take_network_analysis(config%networks, config%namelist, run%domain, setting, &
                                 config%ensemble%members, &
                                 config%observations%gross_error_limit, run%config%model, &
                                 run%config%analysis, run%notes, error)
      if (allocated(error)) return
      call take_network_observation(config%networks, config%namelist, run%domain, setting, &
                                    run%config%model, observed_field, run%notes, error)
      if (allocated(error)) return
      run%model_error = new_model_error(config%model_error, config%model%points, config%interval, &
                                        config%seed)
      run%parameters = new_parameters(config%parameters, config%model%parameters, &
                                      config%model%points, config%seed)
      call new_truth(config%truth, config%clock, config%truth_model, config%truth_steps, &
                     run%domain, config%seed, config%cycles, &
                     max(config%verification%longest_lead(), config%impact%lead_cycles), &
                     config%interval, run%truth, error)
      call communicator%agree(error)
      if (allocated(error)) then
         error%message = config%namelist//': &truth file: '//error%message
         return
      end if
      call check_leads(config, run%truth, error)
      if (allocated(error)) return
      call check_impact_lead(config, run%truth, error)
      if (allocated(error)) return
      if (allocated(config%truth_model)) then
         run%true_parameters = config%truth_model%name == config%model%name
      end if
      states = config%model%components_in - config%model%parameters
      if (run%truth%exists .and. size(run%truth%x, 2) < states) then
         call input_error(error, config%namelist//": &cycle model = '"//config%model_name// &
                          "' has "//to_text(states)//' values a point, the '// &
                          'truth only '//to_text(size(run%truth%x, 2)))
         return
      end if
      call new_observation_source(config%observations, config%clock, run%domain, config%seed, &
                                  config%cycles, config%interval, run%source, error)
      call move_alloc(observed_field, run%source%field)
      run%history = new_history(config%analysis%history)
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
         if (.not. allocated(error) .and. config%analysis%studied%wanted()) then
            call check_study_place(config, config%analysis%studied%file, error)
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

   !> A rank's ensemble must be countable, and it and the scores must find room in memory.
   subroutine check_size(config, domain, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: bytes_a_value = 8
      real(wp), parameter :: gibibyte = 1024.0_wp**3
      real(wp) :: values
      real(wp) :: needed
      character(len=40) :: numbers

      values = real(domain%n, wp)*config%model%components_in*config%ensemble%members
      needed = bytes_a_value*(values + real(config%cycles, wp) &
                              *(scores_kept + config%verification%numbers_a_cycle() &
                                + config%impact%numbers_a_cycle() &
                                + config%analysis%diagnosed%numbers_a_cycle()))
      if (config%verification%copies_ensemble()) needed = needed + bytes_a_value*values
      needed = needed + 2*bytes_a_value*values*config%analysis%lags()
      values = values*max(1, config%analysis%lags())
      if (values > huge(domain%n)) then
         call input_error(error, config%namelist//': '//to_text(domain%n)//' points with '// &
                          to_text(config%ensemble%members)//' members are more than a rank can '// &
                          'count: use more ranks')
      else if (needed > available_memory()) then
         write (numbers, '(f0.1," GiB; ",f0.1)') needed/gibibyte, available_memory()/gibibyte
         call input_error(error, config%namelist//': ensemble and scores of a rank need at '// &
                          'least '//trim(numbers)//' GiB are available: take fewer points, '// &
                          'members or cycles, or more nodes')
      end if
   end subroutine check_size

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
                    same_file(path, config%observations%file), &
                    same_file(path, config%analysis%covariance_file())])) then
         call input_error(error, place// &
                          'is read by this run and would be overwritten; name another')
      end if
   end subroutine check_place

   !> A study's file must be none of those that a run writes besides.
   subroutine check_study_place(config, path, error)
      type(config_type), intent(in) :: config
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(out) :: error
      logical :: taken

      call check_place(config, path, '&study', error)
      taken = path == config%output%path .or. path == config%checkpoint &
              .or. path == partial_name(config%output%path)
      if (taken .and. .not. allocated(error)) then
         call input_error(error, config%namelist//": &study file = '"//path// &
                          "': is the output file or the checkpoint; name another")
      end if
   end subroutine check_study_place

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
      !> A checkpoint; an output file that was finished just before its checkpoint was to go.
      integer :: found(2)

      associate (config => run%config, domain => run%domain)
         description%cycles = config%cycles
         description%interval = config%interval
         description%clock = config%clock
         description%burn_in = config%burn_in
         description%components = config%model%components_in
         description%members = ensemble%members
         description%has_truth = run%truth%exists
         description%observations = run%source%rows_before(config%cycles + 1)
         description%has_score = scores_of_run(ensemble, run%true_parameters)
         description%carried = pack(ensemble%carried%name, len_trim(ensemble%carried%meaning) > 0)
         description%carried_meanings = pack(ensemble%carried%meaning, &
                                             len_trim(ensemble%carried%meaning) > 0)
         description%version = version
         description%command = command
         description%namelist = config%effective
         description%title = config%title
         done = 0
         found = 0
         if (domain%communicator%is_root()) then
            found = merge(1, 0, [file_exists(config%checkpoint), is_complete(config%output%path)])
         end if
         call domain%communicator%broadcast_integers(found, 0)
         if (found(1) == 1 .and. start == start_new) then
            call input_error(error, config%checkpoint// &
                             ' was left by an unfinished run: go on with '// &
                             '--restart, or begin anew with --fresh')
            return
         end if
         if (found(1) == 1 .and. start == start_from_checkpoint) then
            if (found(2) == 1) then
               done = config%cycles
               if (domain%communicator%is_root()) call remove_file(config%checkpoint)
               return
            end if
            call resume(run, ensemble, done, error)
            if (.not. allocated(error)) then
               call run%history%rebuild(run%source, domain, done, ensemble, error)
            end if
            if (.not. allocated(error)) then
               call output%reopen(domain, config%output, description, done, record, error)
            end if
            if (allocated(error)) error%status = status_bad_input
            return
         end if
         if (domain%communicator%is_root()) call remove_file(config%checkpoint)
         call run%truth%begin(domain, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call first_ensemble(run, ensemble)
         call config%analysis%take_first(ensemble)
         if (run%truth%exists) call remember_truth(0, run%truth%x(:, :, 1), ensemble)
         call output%create(domain, config%output, description, record, error)
         if (allocated(error)) then
            error%message = config%namelist//': &output file: '//error%message
            error%status = status_bad_input
         end if
      end associate
   end subroutine begin

   function is_complete(path) result(yes)
      character(len=*), intent(in) :: path
      logical :: yes

      yes = .false.
      if (file_exists(path)) yes = .not. file_exists(partial_name(path))
   end function is_complete

   !> The members at cycle 0, where the truth has begun.
   subroutine first_ensemble(run, ensemble)
      type(run_type), intent(inout) :: run
      type(ensemble_type), intent(inout) :: ensemble
      integer :: states

      states = ensemble%states()
      associate (config => run%config%ensemble, key => random_key_type(run%config%seed, &
                                                                       stream_ensemble))
         if (config%initial == 'truth') then
            call perturb(run%domain, key, run%truth%x(:, :states, 1), config%initial_sd, &
                         ensemble%x(:, :states, :))
            call run%config%model%set_parameters(run%domain, ensemble%x)
            call run%parameters%begin(run%domain, ensemble%x)
         else
            call draw_from_attractor(run%config%model, run%domain, key, config%spin_up, &
                                     ensemble%x, run%parameters)
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
                                 run%truth%x, ensemble%carried, error)
         else
            call read_checkpoint(config%checkpoint, domain, done, binding, ensemble%x, &
                                 run%truth%x(:, :, :0), ensemble%carried, error)
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
end module da_cycle_start
