!> How a run is opened: its settings become objects, its input is opened and checked.
module da_cycle_open
   use da_base_kinds, only: i8
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: new_domain
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_cycle_background, only: hand_over_covariances
   use da_cycle_config, only: config_type, setup_of
   use da_cycle_memory, only: check_memory
   use da_cycle_state, only: cycle_state_type
   use da_ensemble_model_error, only: new_model_error
   use da_ensemble_parameters, only: new_parameters
   use da_operator_type, only: operator_type
   use da_roles_networks, only: take_networks
   use da_roles_trained_for, only: new_setting
   use da_roles_type, only: parts_type
   use da_run_history, only: new_history
   use da_run_observation_source, only: new_observation_source
   use da_run_truth, only: new_truth
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: open_run

contains

   !> Check everything that a run needs, files included, and open its input; nothing is written.
   subroutine open_run(self, communicator, config, error)
      class(cycle_state_type), intent(inout) :: self
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error
      class(operator_type), allocatable :: observed_field

      self%config = config
      self%diagnostics = config%diagnostics
      self%notes = ''
      self%run%setup = setup_of(config)
      self%run%first = config%ensemble
      self%run%model = config%model
      self%run%analysis = config%analysis
      call new_domain(config%model%points, communicator, self%domain, error)
      if (allocated(error)) return
      call check_room(self, 0_i8, error)
      if (allocated(error)) return
      call hand_over_covariances(config, self%run%analysis, error)
      call communicator%agree(error)
      if (allocated(error)) return
      call put_networks(self, observed_field, error)
      if (allocated(error)) return
      associate (run => self%run)
         run%model_error = new_model_error(config%model_error, config%model%points, &
                                           config%interval, config%seed)
         run%parameters = new_parameters(config%parameters, config%model%parameters, &
                                         config%model%points, config%seed)
         call open_truth(self, error)
         if (allocated(error)) return
         call self%diagnostics%check(run, error)
         if (allocated(error)) return
         call new_observation_source(config%observations, config%clock, self%domain, &
                                     config%seed, config%cycles, config%interval, run%source, error)
         call move_alloc(observed_field, run%source%field)
         run%history = new_history(run%analysis%history)
      end associate
      call communicator%agree(error)
      if (allocated(error)) then
         error%message = config%namelist//': &observations '//error%message
         return
      end if
      call check_room(self, self%run%source%most_rows(config%cycles), error)
   end subroutine open_run

   !> What a rank needs must find room in its memory, with at most so many observations of a cycle.
   subroutine check_room(self, rows, error)
      class(cycle_state_type), intent(inout) :: self
      integer(i8), intent(in) :: rows
      type(error_type), allocatable, intent(out) :: error
      type(tables_type) :: tables

      call self%diagnostics%declare(self%run, tables)
      call check_memory(self%config, self%domain, tables%total(), rows, error)
      call self%domain%communicator%agree(error)
   end subroutine check_room

   !> Networks in the places that they are given for.
   subroutine put_networks(self, observed_field, error)
      class(cycle_state_type), intent(inout) :: self
      class(operator_type), allocatable, intent(out) :: observed_field
      type(error_type), allocatable, intent(out) :: error
      type(parts_type) :: parts

      associate (config => self%config, run => self%run, observations => self%config%observations)
         parts%namelist = config%namelist
         parts%setting = new_setting(config%model, config%interval, observations%network, &
                                     observations%kinds, observations%errors%sd, &
                                     observations%source == 'file')
         parts%members = config%ensemble%members
         parts%gross_error_limit = observations%gross_error_limit
         parts%judged = self%diagnostics%judges()
         parts%steps = run%setup%steps
         parts%notes = self%notes
         call move_alloc(run%model, parts%model)
         call move_alloc(run%analysis, parts%analysis)
         call take_networks(self%config%networks, self%domain, parts, error)
         call move_alloc(parts%model, run%model)
         call move_alloc(parts%analysis, run%analysis)
         call move_alloc(parts%observed_field, observed_field)
         run%setup%steps = parts%steps
         self%notes = parts%notes
      end associate
   end subroutine put_networks

   subroutine open_truth(self, error)
      class(cycle_state_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      integer :: states

      associate (config => self%config, run => self%run)
         call new_truth(config%truth, config%clock, config%truth_model, config%truth_steps, &
                        self%domain, config%seed, config%cycles, self%diagnostics%ahead(), &
                        config%interval, run%truth, error)
         call self%domain%communicator%agree(error)
         if (allocated(error)) then
            error%message = config%namelist//': &truth file: '//error%message
            return
         end if
         if (allocated(config%truth_model)) then
            run%true_parameters = config%truth_model%name == config%model%name
         end if
         states = config%model%components_in - config%model%parameters
         if (run%truth%exists .and. size(run%truth%x, 2) < states) then
            call input_error(error, config%namelist//": &cycle model = '"//config%model_name// &
                             "' has "//to_text(states)//' values a point, the '// &
                             'truth only '//to_text(size(run%truth%x, 2)))
         end if
      end associate
   end subroutine open_truth
end module da_cycle_open
