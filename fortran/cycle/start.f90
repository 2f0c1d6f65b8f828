!> How a run begins: its input checked and opened, its first state drawn or read from a checkpoint.
module da_cycle_start
   use da_base_kinds, only: i8
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type, input_error, status_bad_input
   use da_base_interrupt, only: wait_for_checkpoints
   use da_base_random, only: random_key_type, stream_ensemble
   use da_base_system, only: file_exists
   use da_base_text, only: to_text
   use da_cycle_background, only: hand_over_covariances
   use da_cycle_config, only: config_type
   use da_cycle_estimates, only: scores_of_run
   use da_cycle_history, only: history_type, new_history
   use da_cycle_impact, only: check_impact_lead
   use da_cycle_lead_times, only: check_leads
   use da_cycle_memory, only: check_memory
   use da_cycle_observation_source, only: observation_source_type, new_observation_source
   use da_cycle_past_truth, only: remember_truth
   use da_cycle_resume, only: head_of_run, identity_of, check_checkpoint, look_for_output
   use da_cycle_truth, only: truth_type, new_truth
   use da_ensemble_initialise, only: draw_from_attractor, perturb
   use da_ensemble_model_error, only: model_error_type, new_model_error
   use da_ensemble_parameters, only: parameters_type, new_parameters
   use da_ensemble_type, only: ensemble_type
   use da_io_checkpoint, only: read_checkpoint
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_io_recognition, only: remove_checkpoint
   use da_io_run_file, only: run_file_type, partial_name
   use da_io_run_layout, only: run_description_type
   use da_operator_type, only: operator_type
   use da_roles_networks, only: take_networks
   use da_roles_trained_for, only: new_setting
   use da_roles_type, only: parts_type
   use da_verification_record, only: record_type
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
      integer :: states

      run%config = config
      run%notes = ''
      call new_domain(config%model%points, communicator, run%domain, error)
      if (allocated(error)) return
      call check_memory(config, run%domain, 0_i8, error)
      call communicator%agree(error)
      if (allocated(error)) return
      call hand_over_covariances(run%config, error)
      call communicator%agree(error)
      if (allocated(error)) return
      call put_networks(run, observed_field, error)
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
      end if
      if (allocated(error)) return
      call check_memory(config, run%domain, run%source%most_rows(config%cycles), error)
      call communicator%agree(error)
   end subroutine start_run

   !> Networks in the places that they are given for.
   subroutine put_networks(run, observed_field, error)
      type(run_type), intent(inout) :: run
      class(operator_type), allocatable, intent(out) :: observed_field
      type(error_type), allocatable, intent(out) :: error
      type(parts_type) :: parts

      associate (config => run%config, observations => run%config%observations)
         parts%namelist = config%namelist
         parts%setting = new_setting(config%model, config%interval, observations%network, &
                                     observations%kinds, observations%errors%sd, &
                                     observations%source == 'file')
         parts%members = config%ensemble%members
         parts%gross_error_limit = observations%gross_error_limit
         parts%judged = config%impact%wanted()
         parts%steps = config%steps
         parts%notes = run%notes
         call move_alloc(config%model, parts%model)
         call move_alloc(config%analysis, parts%analysis)
         call take_networks(config%networks, run%domain, parts, error)
         call move_alloc(parts%model, config%model)
         call move_alloc(parts%analysis, config%analysis)
         call move_alloc(parts%observed_field, observed_field)
         config%steps = parts%steps
         run%notes = parts%notes
      end associate
   end subroutine put_networks

   !> The state after the cycle that `head` says, and the output file ready for the next: from
   !> nothing or a checkpoint. Nothing is written before all is ready.
   subroutine begin(run, start, version, command, ensemble, record, output, head, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: start
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      type(ensemble_type), intent(inout) :: ensemble
      type(record_type), intent(inout) :: record
      type(run_file_type), intent(inout) :: output
      type(checkpoint_head_type), intent(out) :: head
      type(error_type), allocatable, intent(out) :: error
      type(run_description_type) :: description
      type(checkpoint_head_type) :: checkpoint
      !> A checkpoint; the finished output of this very run; the cycle in which that was lost.
      integer :: found(3)
      logical :: complete
      logical :: removed

      associate (config => run%config, domain => run%domain)
         description%cycles = config%cycles
         description%interval = config%interval
         description%clock = config%clock
         description%burn_in = config%burn_in
         description%components = config%model%components_in
         description%members = ensemble%members
         description%has_truth = run%truth%exists
         description%lost_above = config%verification%lost_above
         description%observations = run%source%rows_before(config%cycles + 1)
         description%has_score = scores_of_run(ensemble, run%true_parameters)
         description%carried = pack(ensemble%carried%name, len_trim(ensemble%carried%meaning) > 0)
         description%carried_meanings = pack(ensemble%carried%meaning, &
                                             len_trim(ensemble%carried%meaning) > 0)
         description%version = version
         description%command = command
         description%namelist = config%effective
         description%title = config%title
         found = 0
         if (domain%communicator%is_root()) found(1) = merge(1, 0, file_exists(config%checkpoint))
         call domain%communicator%broadcast_integers(found, 0)
         if (found(1) == 1 .and. start == start_new) then
            call input_error(error, config%checkpoint// &
                             ' was left by an unfinished run: go on with '// &
                             '--restart, or begin anew with --fresh')
            return
         end if
         call head_of_run(config, domain, version, head, error)
         if (allocated(error)) return
         description%inputs = head%inputs
         description%identity = identity_of(head)
         if (start == start_from_checkpoint) then
            if (domain%communicator%is_root()) then
               call look_for_output(config%output%path, description%identity, complete, found(3))
               found(2) = merge(1, 0, complete)
            end if
            call domain%communicator%broadcast_integers(found, 0)
            if (found(1) == 1) call check_checkpoint(config, domain, head, checkpoint, error)
            if (.not. allocated(error) .and. found(2) == 1) then
               head%cycle = config%cycles
               record%lost_at = found(3)
               if (domain%communicator%is_root()) then
                  call remove_checkpoint(config%checkpoint, removed)
               end if
               return
            end if
            if (found(1) == 1) then
               if (.not. allocated(error)) then
                  call resume(run, checkpoint, description, ensemble, record, output, error)
               end if
               if (allocated(error)) error%status = status_bad_input
               head = checkpoint
               return
            end if
         end if
         call run%truth%begin(domain, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call first_ensemble(run, ensemble)
         call config%analysis%take_first(ensemble)
         if (run%truth%exists) call remember_truth(0, run%truth%x(:, :, 1), ensemble)
         call config%analysis%prepare(domain, config%model)
         call wait_for_checkpoints()
         if (domain%communicator%is_root()) then
            call remove_checkpoint(config%checkpoint, removed)
            if (.not. removed) call input_error(error, config%checkpoint//': is no checkpoint '// &
                                                'of da_cycle; remove it, or name another')
         end if
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call output%create(domain, config%output, description, record, error)
         if (allocated(error)) then
            error%message = config%namelist//': &output file: '//error%message
            error%status = status_bad_input
         end if
      end associate
   end subroutine begin

   !> Go on from a checkpoint of this run; all of it is verified, and the output so far.
   subroutine resume(run, checkpoint, description, ensemble, record, output, error)
      type(run_type), intent(inout) :: run
      type(checkpoint_head_type), intent(in) :: checkpoint
      type(run_description_type), intent(in) :: description
      type(ensemble_type), intent(inout) :: ensemble
      type(record_type), intent(inout) :: record
      type(run_file_type), intent(inout) :: output
      type(error_type), allocatable, intent(out) :: error
      integer :: kept

      associate (config => run%config, domain => run%domain)
         kept = merge(1, 0, run%truth%must_be_kept())
         call read_checkpoint(config%checkpoint, domain, ensemble%x, run%truth%x(:, :, :kept), &
                              ensemble%carried, error)
         if (allocated(error)) return
         call run%history%rebuild(run%source, domain, checkpoint%cycle, ensemble, error)
         if (allocated(error)) return
         call config%analysis%prepare(domain, config%model)
         call wait_for_checkpoints()
         call output%reopen(domain, config%output, description, checkpoint%cycle, &
                            checkpoint%output, record, error)
      end associate
   end subroutine resume

   !> The members at cycle 0, where the truth has begun, or of a new beginning at a later cycle.
   subroutine first_ensemble(run, ensemble, cycle)
      type(run_type), intent(inout) :: run
      type(ensemble_type), intent(inout) :: ensemble
      integer, intent(in), optional :: cycle
      type(random_key_type) :: key
      integer :: states

      states = ensemble%states()
      key = random_key_type(run%config%seed, stream_ensemble)
      if (present(cycle)) key%cycle = cycle
      associate (config => run%config%ensemble)
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
end module da_cycle_start
