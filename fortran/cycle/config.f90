!> A run's settings: everything that a namelist says, checked.
module da_cycle_config
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type, new_documentation, name_length
   use da_base_system, only: directory_of
   use da_base_text, only: to_text
   use da_analysis_list, only: known_analyses, read_analysis, document_analyses
   use da_analysis_type, only: analysis_type
   use da_run_observation_source, only: observation_source_config, read_observation_source
   use da_cycle_output_name, only: default_output
   use da_run_setup, only: setup_type
   use da_run_truth, only: truth_config, read_truth
   use da_diagnostics_all, only: diagnostics_type
   use da_ensemble_initialise, only: ensemble_config, read_ensemble
   use da_ensemble_model_error, only: model_error_config, read_model_error
   use da_ensemble_parameters, only: parameters_config, read_parameters
   use da_io_model_clock, only: model_clock_type, new_model_clock
   use da_io_run_layout, only: run_file_config
   use da_model_list, only: known_models, read_model, read_truth_model, document_models
   use da_model_type, only: model_type
   use da_roles_networks, only: networks_config, read_networks
   implicit none
   private
   public :: config_type, read_config, default_namelist, setup_of

   character(len=7), parameter :: known_ends(2) = [character(len=7) :: 'end', 'restart']

   !> `&cycle`, `&output` and `&checkpoint`, and the objects that the other groups describe.
   type :: config_type
      character(len=:), allocatable :: namelist
      character(len=:), allocatable :: title
      integer :: cycles = 1000
      real(wp) :: interval = 0.05_wp
      integer :: burn_in = 400
      integer :: seed = 1
      !> What follows when the ensemble is not finite any more.
      character(len=:), allocatable :: on_loss
      type(model_clock_type) :: clock
      character(len=:), allocatable :: model_name
      character(len=:), allocatable :: analysis_name
      integer :: steps = 1
      integer :: truth_steps = 1
      type(truth_config) :: truth
      type(observation_source_config) :: observations
      type(ensemble_config) :: ensemble
      type(model_error_config) :: model_error
      type(parameters_config) :: parameters
      type(networks_config) :: networks
      type(run_file_config) :: output
      type(diagnostics_type) :: diagnostics
      integer :: checkpoint_every = 1000
      character(len=:), allocatable :: checkpoint
      class(model_type), allocatable :: model
      class(model_type), allocatable :: truth_model
      class(analysis_type), allocatable :: analysis
      !> The effective namelist; of it, what a restart must agree with.
      character(len=:), allocatable :: effective
      character(len=:), allocatable :: binding
   end type config_type

contains

   !> All settings of a namelist file; the first mistake ends the reading.
   subroutine read_config(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(config_type), intent(out) :: config
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: documentation
      type(setup_type) :: setup
      integer :: r

      call document(documentation)
      call namelists%check_known(documentation%known_groups, error)
      if (allocated(error)) return
      call read_cycle(namelists, config, error)
      if (allocated(error)) return
      call read_model(config%model_name, namelists, config%model, error)
      if (allocated(error)) return
      call read_truth(namelists, config%model_name, config%truth, error)
      if (allocated(error)) return
      if (config%truth%source == 'twin') then
         call read_truth_model(config%truth%model, namelists, config%truth_model, error)
         if (allocated(error)) return
      end if
      call read_observation_source(namelists, config%truth%source, config%observations, error)
      if (allocated(error)) return
      call read_ensemble(namelists, config%ensemble, error)
      if (allocated(error)) return
      call read_model_error(namelists, config%truth%source, config%model_error, error)
      if (allocated(error)) return
      if (config%model%parameters > 0) call read_parameters(namelists, config%parameters, error)
      if (allocated(error)) return
      setup = setup_of(config)
      call read_analysis(config%analysis_name, namelists, setup%analysis_setup_type, &
                         config%analysis, error)
      if (allocated(error)) return
      call read_networks(namelists, config%networks, error)
      if (allocated(error)) return
      call config%diagnostics%configure(namelists, setup_of(config), .false., error)
      if (allocated(error)) return
      call read_output(namelists, config, error)
      if (allocated(error)) return
      config%output%impact = config%diagnostics%judges()
      config%output%weights = config%analysis%weighs_observations()
      config%binding = namelists%effective
      call read_checkpointing(namelists, config, error)
      if (allocated(error)) return
      call namelists%check_used(error)
      if (allocated(error)) return
      config%effective = namelists%effective
      config%namelist = namelists%file
      call resolve(namelists%file, config%truth%file)
      call resolve(namelists%file, config%observations%file)
      do r = 1, size(config%networks%roles)
         call resolve(namelists%file, config%networks%roles(r)%role%path)
      end do
      call check_consistency(namelists%file, config, error)
   end subroutine read_config

   !> The complete namelist with its defaults, commented.
   function default_namelist() result(text)
      character(len=:), allocatable :: text
      type(namelists_type) :: documentation

      call document(documentation)
      text = documentation%documentation
   end function default_namelist

   subroutine document(namelists)
      type(namelists_type), intent(out) :: namelists
      type(config_type) :: config
      type(error_type), allocatable :: error

      call new_documentation(namelists)
      call read_cycle(namelists, config, error)
      call read_truth(namelists, config%model_name, config%truth, error)
      call document_models(namelists)
      call read_observation_source(namelists, 'twin', config%observations, error)
      call read_ensemble(namelists, config%ensemble, error)
      call read_model_error(namelists, 'twin', config%model_error, error)
      namelists%alternative = .true.
      call read_parameters(namelists, config%parameters, error)
      namelists%alternative = .false.
      call document_analyses(namelists)
      call read_networks(namelists, config%networks, error)
      call config%diagnostics%configure(namelists, setup_of(config), .true., error)
      call read_output(namelists, config, error)
      call read_checkpointing(namelists, config, error)
   end subroutine document

   subroutine read_cycle(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(config_type), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=name_length), allocatable :: models(:)
      character(len=name_length), allocatable :: analyses(:)
      character(len=:), allocatable :: unit_length
      character(len=:), allocatable :: origin
      character(len=:), allocatable :: key
      character(len=:), allocatable :: reason

      config%title = 'dacycle run'
      models = known_models()
      config%model_name = trim(models(1))
      analyses = known_analyses()
      config%analysis_name = trim(analyses(1))
      call namelists%open_group('cycle', 'The run: forecast and analysis in turn')
      call namelists%get('title', config%title, 'goes into the output')
      call namelists%get('model', config%model_name, 'forecast model', models)
      call namelists%get('analysis', config%analysis_name, 'how observations are assimilated', &
                         analyses)
      call namelists%get('cycles', config%cycles, 'number of analyses', minimum=1)
      call namelists%get('interval', config%interval, &
                         'model time between analyses, a multiple of the '// &
                         'model''s dt', above=0.0_wp)
      config%burn_in = min(config%burn_in, config%cycles/2)
      call namelists%get('burn_in', config%burn_in, &
                         'first cycles that mean scores leave out; by default 400, at most half', &
                         minimum=0)
      call namelists%get('seed', config%seed, 'of all random numbers', minimum=0, &
                         maximum=huge(config%seed))
      config%on_loss = trim(known_ends(1))
      call namelists%get('on_loss', config%on_loss, &
                         'when the ensemble is not finite any more: end the filter (status 3), '// &
                         'or restart it from a new first ensemble', known_ends)
      unit_length = ''
      origin = ''
      call namelists%get('time_unit_length', unit_length, 'of model time, as ''5 days'': '// &
                         'converts input files whose time has units; empty: these are '// &
                         'refused, and the output''s dates take 5 days (Lorenz 1996)')
      call namelists%get('time_origin', origin, 'date of model time 0, as ''2020-01-01'', for '// &
                         'input files that have dates; empty: these are refused, and the '// &
                         'output''s dates take 2000-01-01')
      call new_model_clock(unit_length, origin, config%clock, key, reason)
      if (len(reason) > 0) call namelists%reject(key, reason)
      call namelists%close_group(error)
   end subroutine read_cycle

   !> What the parts of a run must agree with.
   pure function setup_of(config) result(setup)
      type(config_type), intent(in) :: config
      type(setup_type) :: setup

      if (allocated(config%namelist)) setup%namelist = config%namelist
      setup%truth_file = config%truth%file
      setup%has_truth = config%truth%source /= 'none'
      setup%seed = config%seed
      setup%members = config%ensemble%members
      setup%gross_error_limit = config%observations%gross_error_limit
      setup%error_correlation_length = config%observations%errors%correlation_length
      if (allocated(config%model)) setup%points = config%model%points
      setup%cycles = config%cycles
      setup%burn_in = config%burn_in
      setup%interval = config%interval
      setup%steps = config%steps
      if (allocated(config%analysis)) setup%tells_impact = config%analysis%tells_impact
   end function setup_of

   subroutine read_output(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(config_type), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      config%output%path = default_output(namelists%file)
      call namelists%open_group('output', 'The output file')
      call namelists%get('file', config%output%path, &
                         'netCDF file; <file>.part until it is complete; empty: in the '// &
                         'current folder, NAME.nc of the namelist NAME.nml')
      if (len(config%output%path) == 0) config%output%path = default_output(namelists%file)
      call namelists%get('fields_every', config%output%fields_every, &
                         'cycles between fields of mean, spread and truth; 0: none', minimum=0)
      call namelists%get('members_every', config%output%members_every, &
                         'cycles between dumps of all members; 0: none', minimum=0)
      call namelists%get('feedback', config%output%feedback, &
                         'each observation with its background, analysis and quality control')
      if (config%output%fields_every > config%cycles) then
         call namelists%reject('fields_every', '= '//to_text(config%output%fields_every)// &
                               ': the run has only '//to_text(config%cycles)//' cycles')
      end if
      if (config%output%members_every > config%cycles) then
         call namelists%reject('members_every', '= '//to_text(config%output%members_every)// &
                               ': the run has only '//to_text(config%cycles)//' cycles')
      end if
      call namelists%close_group(error)
   end subroutine read_output

   subroutine read_checkpointing(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(config_type), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      config%checkpoint = ''
      call namelists%open_group('checkpoint', 'Checkpoints, from which --restart goes on')
      call namelists%get('every', config%checkpoint_every, &
                         'cycles between checkpoints; 0: only on SIGTERM', minimum=0)
      call namelists%get('file', config%checkpoint, &
                         'where; empty: beside the output, <file>.checkpoint')
      call namelists%close_group(error)
      if (len(config%checkpoint) == 0) config%checkpoint = config%output%path//'.checkpoint'
   end subroutine read_checkpointing

   !> '@/path' lies beside the namelist file.
   subroutine resolve(namelist_file, path)
      character(len=*), intent(in) :: namelist_file
      character(len=:), allocatable, intent(inout) :: path

      if (index(path, '@/') == 1) path = directory_of(namelist_file)//path(2:)
   end subroutine resolve

   !> What groups must agree on.
   subroutine check_consistency(file, config, error)
      character(len=*), intent(in) :: file
      type(config_type), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: reason

      if (config%burn_in >= config%cycles) then
         call input_error(error, file//': &cycle burn_in = '//to_text(config%burn_in)// &
                          ': must be less than cycles = '//to_text(config%cycles))
         return
      end if
      call check_restart(file, config, error)
      if (allocated(error)) return
      call count_steps(file, config%interval, config%model, config%model%name, config%steps, error)
      if (allocated(error)) return
      config%analysis%steps = config%steps
      if (mod(config%cycles, config%analysis%shift) /= 0) then
         call input_error(error, file//': &cycle cycles = '//to_text(config%cycles)// &
                          ': must be a multiple of the window''s shift = '// &
                          to_text(config%analysis%shift)//', so that all are assimilated')
         return
      end if
      reason = config%analysis%against_noise(config%ensemble%members)
      if (config%model_error%sd > 0 .and. len(reason) > 0) then
         call input_error(error, file//': &model_error sd = '//to_text(config%model_error%sd)// &
                          ": analysis = '"//config%analysis_name//"' "//reason)
         return
      end if
      if (allocated(config%truth_model)) then
         call count_steps(file, config%interval, config%truth_model, 'truth_'//config%truth%model, &
                          config%truth_steps, error)
         if (allocated(error)) return
         if (config%truth_model%points /= config%model%points) then
            call input_error(error, file//': &truth_'//config%truth%model//' n = '// &
                             to_text(config%truth_model%points)// &
                             ': must be the forecast model''s n = '//to_text(config%model%points))
            return
         end if
      end if
      if (config%parameters%estimate .and. .not. config%analysis%augments) then
         call input_error(error, file//': &parameters estimate = .true.: analysis = '''// &
                          config%analysis_name//''' corrects no parameters; take a filter')
         return
      end if
      if (config%ensemble%initial == 'truth' .and. config%truth%source == 'none') then
         call input_error(error, file//": &ensemble initial = 'truth': there is no truth "// &
                          "(source = 'none' in &truth); use 'climatology'")
      end if
   end subroutine check_consistency

   !> A new first ensemble can stand in the middle of a run, but not in that of a window.
   subroutine check_restart(file, config, error)
      character(len=*), intent(in) :: file
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error

      if (config%on_loss /= 'restart') return
      if (config%analysis%window > 0 .or. config%analysis%shift > 1 .or. &
          config%analysis%lags() > 0) then
         call input_error(error, file//": &cycle on_loss = 'restart': analysis = '"// &
                          config%analysis_name//"' works on windows of several cycles, which "// &
                          "would reach beyond the restart; leave it at 'end'")
      end if
   end subroutine check_restart

   subroutine count_steps(file, interval, model, group, steps, error)
      character(len=*), intent(in) :: file
      real(wp), intent(in) :: interval
      class(model_type), intent(in) :: model
      character(len=*), intent(in) :: group
      integer, intent(out) :: steps
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance = 1.0e-9_wp

      steps = nint(interval/model%dt)
      if (steps < 1 .or. abs(steps*model%dt - interval) > tolerance*interval) then
         call input_error(error, file//': &cycle interval = '//to_text(interval)// &
                          ': must be a whole '// &
                          'multiple of dt = '//to_text(model%dt)//' in &'//group)
      end if
   end subroutine count_steps
end module da_cycle_config
