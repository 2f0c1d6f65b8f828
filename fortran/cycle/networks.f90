!> `&networks`: which files take which part in a run.
module da_cycle_networks
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_sha256, only: digest_length
   use da_base_system, only: cores
   use da_base_text, only: lower, to_text
   use da_analysis_network_analysis, only: network_analysis_type, fallback_config
   use da_analysis_type, only: analysis_type
   use da_cycle_shared_tiles, only: about_tiles
   use da_cycle_trained_for, only: setting_type, departures
   use da_model_corrected, only: new_corrected
   use da_model_corrected_tendency, only: new_corrected_tendency
   use da_model_emulator, only: new_emulator
   use da_model_linearised, only: new_linearised
   use da_model_state_part, only: add_to_state
   use da_model_type, only: model_type
   use da_network_metadata, only: role_analysis, role_model, role_correction, &
      role_observation, form_tendency
   use da_network_network, only: network_type, device_type, read_network, &
      load_network, test_sample_of, check_device
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: networks_config, read_networks, take_network_model, take_network_analysis
   public :: take_network_observation

   character(len=1), parameter :: newline = achar(10)

   !> `&networks`; an empty path is no network, an empty digest demands none. Of a file that was
   !> read the digest is that of the bytes that run.
   type :: networks_config
      character(len=:), allocatable :: model
      character(len=:), allocatable :: model_sha256
      character(len=:), allocatable :: correction
      character(len=:), allocatable :: correction_sha256
      character(len=:), allocatable :: linear_model
      character(len=:), allocatable :: linear_model_sha256
      character(len=:), allocatable :: observation
      character(len=:), allocatable :: observation_sha256
      character(len=:), allocatable :: analysis
      character(len=:), allocatable :: analysis_sha256
      character(len=:), allocatable :: device
      integer :: threads = 1
      !> Networks are loaded, which runs code of theirs, and not only read.
      logical :: loaded = .true.
      !> Of observations, that an analysis of several members sees.
      character(len=:), allocatable :: departures
      type(fallback_config) :: fallback
   end type networks_config

   !> From the ensemble's mean for all members, or each member's from perturbed observations.
   character(len=*), parameter :: from_mean = 'mean'
   character(len=*), parameter :: perturbed = 'perturbed'
   character(len=9), parameter :: known_departures(2) = [character(len=9) :: from_mean, perturbed]

contains

   subroutine read_networks(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(networks_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(fallback_config) :: defaults

      config%departures = from_mean
      config%device = 'cpu'
      call namelists%open_group('networks', 'Networks in the cycle, from files that dacycle '// &
                                'export writes')
      call get_file('model', config%model, config%model_sha256, &
                    'emulator that makes the forecasts, in the place of model in &cycle')
      call get_file('correction', config%correction, config%correction_sha256, &
                    'correction added to the model of &cycle')
      call get_file('linear_model', config%linear_model, config%linear_model_sha256, &
                    'emulator whose tangent linear and adjoint stand for the model''s')
      call get_file('observation', config%observation, config%observation_sha256, &
                    'the field that the analysis takes the observations for, whatever their kind')
      call get_file('analysis', config%analysis, config%analysis_sha256, &
                    'network that makes the analyses; analysis in &cycle is what takes over '// &
                    'when it fails')
      call namelists%get('departures', config%departures, &
                         'with analysis and members above 1: the observations'' departures '// &
                         'from the ensemble''s mean, or each member''s own, of perturbed '// &
                         'observations', known_departures)
      call namelists%get('fallback_limit', config%fallback%limit, &
                         'with analysis: mean square of the innovations, in units of the '// &
                         'observations'' errors, that puts the network in doubt; 0: never', &
                         minimum=0.0_wp)
      call namelists%get('fallback_patience', config%fallback%patience, &
                         'cycles above that limit before analysis in &cycle takes over', minimum=1)
      call namelists%get('fallback_duration', config%fallback%duration, &
                         'cycles for which it does', minimum=1)
      call namelists%get('device', config%device, &
                         '''cpu'', ''cuda'' (one device after another over the ranks), ''cuda:1''')
      call namelists%get('threads', config%threads, 'of a rank', minimum=1)
      if (len(config%model) > 0 .and. len(config%correction) > 0) then
         call namelists%reject('correction', 'and model: a forecast is an emulator''s or a '// &
                               'corrected model''s')
      end if
      if (len(config%analysis) == 0) then
         if (config%departures /= from_mean) call refuse('departures')
         if (config%fallback%limit > 0) call refuse('fallback_limit')
      end if
      if (.not. config%fallback%limit > 0) then
         if (config%fallback%patience /= defaults%patience) call refuse('fallback_patience')
         if (config%fallback%duration /= defaults%duration) call refuse('fallback_duration')
      end if
      if (len(config%model//config%correction//config%linear_model//config%observation// &
              config%analysis) == 0) then
         if (config%device /= 'cpu') call refuse('device')
         if (config%threads /= 1) call refuse('threads')
      end if
      call namelists%close_group(error)

   contains

      !> A file, and what it must be: loading runs code that it holds.
      subroutine get_file(key, path, sha256, meaning)
         character(len=*), intent(in) :: key
         character(len=:), allocatable, intent(out) :: path
         character(len=:), allocatable, intent(out) :: sha256
         character(len=*), intent(in) :: meaning

         path = ''
         sha256 = ''
         call namelists%get(key, path, meaning)
         call namelists%get(key//'_sha256', sha256, 'that this file must have to be loaded; '// &
                            'empty: whatever it has')
         sha256 = lower(sha256)
         if (len(sha256) == 0) return
         if (len(path) == 0) then
            call namelists%reject(key//'_sha256', 'is not used: '//key//' names no file')
         else if (len(sha256) /= digest_length .or. verify(sha256, '0123456789abcdef') > 0) then
            call namelists%reject(key//'_sha256', "= '"//sha256//"': 64 hexadecimal digits are "// &
                                  'needed')
         end if
      end subroutine get_file

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, 'is not used: no network needs it')
      end subroutine refuse
   end subroutine read_networks

   !> Put networks into the place, or beside, or behind the forecast model; `steps` a cycle follow.
   subroutine take_network_model(config, file, domain, setting, model, steps, notes, error)
      type(networks_config), intent(inout) :: config
      character(len=*), intent(in) :: file
      type(domain_type), intent(in) :: domain
      type(setting_type), intent(in) :: setting
      class(model_type), allocatable, intent(inout) :: model
      integer, intent(inout) :: steps
      character(len=:), allocatable, intent(inout) :: notes
      type(error_type), allocatable, intent(out) :: error
      class(model_type), allocatable :: taken
      class(model_type), allocatable :: linear
      class(operator_type), allocatable :: physics
      class(operator_type), allocatable :: added
      type(network_type) :: network
      real(wp), parameter :: tolerance = 1.0e-9_wp
      integer :: inside

      if (len(config%model) > 0) then
         call load_for(config, file, 'model', config%model, config%model_sha256, role_model, &
                       domain, model, setting, network, notes, error)
         if (allocated(error)) return
         config%model_sha256 = network%sha256
         call add_to_state(network%operator, model, added)
         taken = new_emulator(model, added, network%metadata%trained%interval)
         call move_alloc(taken, model)
      else if (len(config%correction) > 0) then
         call load_for(config, file, 'correction', config%correction, config%correction_sha256, &
                       role_correction, domain, model, setting, network, notes, error)
         if (allocated(error)) return
         config%correction_sha256 = network%sha256
         call add_to_state(network%operator, model, added)
         if (network%metadata%form == form_tendency) then
            call correct_tendency()
         else
            call count_steps('correction', network%metadata%trained%interval, model%dt, inside)
            if (.not. allocated(error)) taken = new_corrected(model, added, inside)
         end if
         if (allocated(error)) return
         call move_alloc(taken, model)
      end if
      if (len(config%linear_model) > 0) then
         call load_for(config, file, 'linear_model', config%linear_model, &
                       config%linear_model_sha256, role_model, domain, model, setting, &
                       network, notes, error)
         if (allocated(error)) return
         config%linear_model_sha256 = network%sha256
         call count_steps('linear_model', network%metadata%trained%interval, model%dt, inside)
         if (allocated(error)) return
         call add_to_state(network%operator, model, added)
         linear = new_emulator(model, added, network%metadata%trained%interval)
         taken = new_linearised(model, linear, inside)
         call move_alloc(taken, model)
      end if
      call count_steps('model', setting%interval, model%dt, steps)

   contains

      !> A tendency is added in each stage of each step, however long.
      subroutine correct_tendency()
         call model%get_tendency(physics)
         if (.not. allocated(physics)) then
            call input_error(error, file//': &networks correction: '//config%correction// &
                             ": corrects a tendency, which model = '"//model%name// &
                             "' does not give; take model = 'lorenz96', or train the "// &
                             "correction with form = 'increment'")
            return
         end if
         if (abs(network%metadata%trained%interval - model%dt) > tolerance*model%dt) then
            notes = notes//file//': &networks correction: warning: '//config%correction// &
                    ' was trained in steps of '//to_text(network%metadata%trained%interval)// &
                    ', here they are '//to_text(model%dt)//newline
         end if
         taken = new_corrected_tendency(model, physics, added)
      end subroutine correct_tendency

      subroutine count_steps(key, whole, step, count)
         character(len=*), intent(in) :: key
         real(wp), intent(in) :: whole
         real(wp), intent(in) :: step
         integer, intent(out) :: count
         count = nint(whole/step)
         if (count < 1 .or. abs(count*step - whole) > tolerance*whole) then
            call input_error(error, file//': &networks '//key//': '//to_text(whole)// &
                             ' must be a whole multiple of the step of '//to_text(step))
         end if
      end subroutine count_steps
   end subroutine take_network_model

   !> Put a network into the place of the analysis, which stays as the one that takes over.
   subroutine take_network_analysis(config, file, domain, setting, members, gross_error_limit, &
                                    model, analysis, notes, error)
      type(networks_config), intent(inout) :: config
      character(len=*), intent(in) :: file
      type(domain_type), intent(in) :: domain
      type(setting_type), intent(in) :: setting
      integer, intent(in) :: members
      real(wp), intent(in) :: gross_error_limit
      class(model_type), intent(in) :: model
      class(analysis_type), allocatable, intent(inout) :: analysis
      character(len=:), allocatable, intent(inout) :: notes
      type(error_type), allocatable, intent(out) :: error
      type(network_analysis_type), allocatable :: taken
      type(network_type) :: network

      if (len(config%analysis) == 0) return
      if (config%fallback%limit > 0 .and. analysis%window > 0) then
         call input_error(error, file//': &networks fallback_limit: the scheme that takes over '// &
                          'must have no window; take a filter, or var3d')
         return
      end if
      call load_for(config, file, 'analysis', config%analysis, config%analysis_sha256, &
                    role_analysis, domain, model, setting, network, notes, error)
      if (allocated(error)) return
      config%analysis_sha256 = network%sha256
      call check_members(config, file, members, network%metadata%trained%members, error)
      if (allocated(error)) return
      allocate (taken)
      taken%name = 'network'
      taken%network = network%operator
      taken%memory = network%metadata%memory
      taken%perturbed = config%departures == perturbed
      taken%gross_error_limit = gross_error_limit
      taken%fallback = config%fallback
      taken%seed = analysis%seed
      taken%steps = analysis%steps
      if (config%fallback%limit > 0) call move_alloc(analysis, taken%other)
      call move_alloc(taken, analysis)
   end subroutine take_network_analysis

   !> Members that share their mean's departures stay together only if the network learned it.
   subroutine check_members(config, file, members, trained, error)
      type(networks_config), intent(in) :: config
      character(len=*), intent(in) :: file
      integer, intent(in) :: members
      integer, intent(in) :: trained
      type(error_type), allocatable, intent(out) :: error

      if (config%departures == perturbed) then
         if (members > 1) return
         call input_error(error, file//": &networks departures = '"//perturbed//"': needs "// &
                          'members above 1 in &ensemble; a single state takes the observations '// &
                          'as they are')
      else if (members > 1 .and. trained == 1) then
         call input_error(error, file//': &ensemble members = '//to_text(members)//': '// &
                          config%analysis//' learned with a single state, and members that '// &
                          "share their mean's departures would drift apart; set departures = '"// &
                          perturbed//"' in &networks, or members = 1")
      end if
   end subroutine check_members

   !> The field that observations are taken for, where a network gives it.
   subroutine take_network_observation(config, file, domain, setting, model, field, notes, error)
      type(networks_config), intent(inout) :: config
      character(len=*), intent(in) :: file
      type(domain_type), intent(in) :: domain
      type(setting_type), intent(in) :: setting
      class(model_type), intent(in) :: model
      class(operator_type), allocatable, intent(out) :: field
      character(len=:), allocatable, intent(inout) :: notes
      type(error_type), allocatable, intent(out) :: error
      type(network_type) :: network

      if (len(config%observation) == 0) return
      call load_for(config, file, 'observation', config%observation, config%observation_sha256, &
                    role_observation, domain, model, setting, network, notes, error)
      if (allocated(error)) return
      config%observation_sha256 = network%sha256
      field = network%operator
   end subroutine take_network_observation

   !> A network for a role, beside a model; `notes` is what the log should say of it.
   subroutine load_for(config, file, key, path, sha256, role, domain, model, setting, &
                       network, notes, error)
      type(networks_config), intent(in) :: config
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: sha256
      character(len=*), intent(in) :: role
      type(domain_type), intent(in) :: domain
      class(model_type), intent(in) :: model
      type(setting_type), intent(in) :: setting
      type(network_type), intent(out) :: network
      character(len=:), allocatable, intent(inout) :: notes
      type(error_type), allocatable, intent(out) :: error
      type(device_type) :: device
      !> Of a point's values, the last: what is added to states need not see parameters.
      integer :: hidden(2)

      hidden = [0, merge(model%parameters, 0, role == role_model .or. role == role_correction)]
      device%name = config%device
      device%rank = domain%communicator%rank
      device%threads = config%threads
      call read_network(domain%communicator, path, sha256, network, error)
      if (.not. allocated(error)) call check_device(path, device, error)
      if (.not. allocated(error)) then
         associate (metadata => network%metadata)
            if (metadata%role /= role) then
               call input_error(error, path//": is a network for the role '"//metadata%role// &
                                "', wanted is '"//role//"'")
            else if (.not. any(metadata%components == model%components_in - hidden)) then
               call input_error(error, path//': is for '//to_text(metadata%components)// &
                                ' values a point, the model has '//to_text(model%components_in))
            else if (all(metadata%points /= [0, domain%total])) then
               call input_error(error, path//': is for a circle of '//to_text(metadata%points)// &
                                ' points alone, this one has '//to_text(domain%total))
            else if (maxval(metadata%halo) > domain%total) then
               call input_error(error, path//': sees '//to_text(maxval(metadata%halo))// &
                                ' points to a side, the circle has only '//to_text(domain%total))
            end if
         end associate
      end if
      if (config%loaded .and. .not. allocated(error)) then
         call load_network(device, network, error)
         if (.not. allocated(error)) call test_sample_of(network, error)
      end if
      call domain%communicator%agree(error)
      if (allocated(error)) then
         error%message = file//': &networks '//key//': '//error%message
         return
      end if
      call note('warning: '//path//' was trained ', departures(network%metadata, setting))
      call note('', about_tiles(network, domain))
      if (config%threads > cores()) call note('', 'warning: threads = '//to_text(config%threads) &
                                              //', this machine has '//to_text(cores())//' cores')

   contains

      !> Of several lines each is a note.
      subroutine note(start, lines)
         character(len=*), intent(in) :: start
         character(len=*), intent(in) :: lines
         integer :: first
         integer :: length

         first = 1
         do while (first <= len(lines))
            length = index(lines(first:)//newline, newline) - 1
            notes = notes//file//': &networks '//key//': '//start// &
                    lines(first:first + length - 1)//newline
            first = first + length + 1
         end do
      end subroutine note
   end subroutine load_for
end module da_cycle_networks
