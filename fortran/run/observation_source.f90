!> Where the observations of a cycle come from: made from the truth, or read from a file.
module da_run_observation_source
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type, name_length
   use da_base_text, only: to_text
   use da_base_timer, only: phase_observations
   use da_io_model_clock, only: model_clock_type
   use da_io_observation_file, only: observation_file_type, open_observation_file
   use da_observation_errors, only: error_config, read_errors, draw_errors
   use da_observation_factory, only: new_observation_operator
   use da_observation_kinds, only: kind_parameters_type, read_kind_parameters, known_kinds, &
      kind_names, kind_value, kind_average, codes_of
   use da_observation_network, only: network_type, network_config, read_network, new_network
   use da_observation_type, only: observations_type, new_observations, qc_assimilated
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: observation_source_type, observation_source_config, read_observation_source
   public :: new_observation_source

   character(len=4), parameter :: known_sources(2) = [character(len=4) :: 'twin', 'file']

   !> `&observations`
   type :: observation_source_config
      character(len=:), allocatable :: source
      character(len=:), allocatable :: file
      type(network_config) :: network
      !> A twin's kinds, dealt out by the observations' numbers.
      integer, allocatable :: kinds(:)
      type(kind_parameters_type) :: kind_parameters
      type(error_config) :: errors
      real(wp) :: bias = 0
      real(wp) :: gross_error_limit = 0
   end type observation_source_config

   type :: observation_source_type
      type(observation_source_config), private :: config
      type(observation_file_type), allocatable, private :: file
      type(network_type), private :: network
      integer, private :: seed = 0
      real(wp), private :: interval = 0
      !> What observations are taken for, where that is not their kind.
      class(operator_type), allocatable :: field
   contains
      procedure :: observe
      procedure :: rows_before
      procedure :: most_rows
   end type observation_source_type

contains

   subroutine read_observation_source(namelists, truth_source, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: truth_source
      type(observation_source_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=name_length), allocatable :: kinds(:)

      config%source = 'twin'
      config%file = ''
      kinds = [character(len=name_length) :: kind_names(kind_value)]
      call namelists%open_group('observations', 'The observations')
      call namelists%get('source', config%source, 'made from the truth, or read from a file', &
                         known_sources)
      call namelists%get('file', config%file, &
                         'with source = ''file'': netCDF file with time, position, '// &
                         'value, error_sd, kind, or a run''s output; ''@/…'' lies beside the '// &
                         'namelist')
      call read_network(namelists, config%network)
      call namelists%get('kinds', kinds, &
                         'twin: what is observed, dealt out in turn along the network', kind_names)
      config%kinds = codes_of(kinds)
      call read_kind_parameters(namelists, config%kind_parameters)
      call read_errors(namelists, config%errors)
      call namelists%get('bias', config%bias, 'twin: added to all observations')
      call namelists%get('gross_error_limit', config%gross_error_limit, &
                         'reject innovations beyond so many '// &
                         'expected standard deviations; 0: none', minimum=0.0_wp)
      if (config%source == 'file') then
         if (len(config%file) == 0) call namelists%reject('file', "is needed with source = 'file'")
         if (len(config%network%unused(file=.true.)) > 0) then
            call refuse(config%network%unused(file=.true.))
         end if
         if (any(config%kinds /= kind_value)) call refuse('kinds')
         if (len(config%errors%unused()) > 0) call refuse(config%errors%unused())
         if (abs(config%bias) > 0) call refuse('bias')
      else
         if (len(config%file) > 0) call refuse('file')
         if (truth_source == 'none') then
            call namelists%reject('source', &
                                  "= 'twin': &truth source = 'none' leaves nothing to observe")
         end if
         call check_network(namelists, config%network)
      end if
      call namelists%close_group(error)

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, "is not used with source = '"//config%source//"'")
      end subroutine refuse
   end subroutine read_observation_source

   subroutine check_network(namelists, network)
      type(namelists_type), intent(inout) :: namelists
      type(network_config), intent(in) :: network
      type(network_config) :: defaults

      if (len(network%unused(file=.false.)) > 0) then
         call namelists%reject(network%unused(file=.false.), &
                               "is not used with network = '"//network%name//"'")
      end if
      if (size(network%positions) == 0) return
      if (abs(network%stride - defaults%stride) > 0 .or. &
          abs(network%offset - defaults%offset) > 0) then
         call namelists%reject('positions', &
                               'are given beside stride or offset: give one or the other')
      end if
   end subroutine check_network

   !> Opens and checks the file, or lays out the observing network.
   subroutine new_observation_source(config, clock, domain, seed, cycles, interval, source, error)
      type(observation_source_config), intent(in) :: config
      type(model_clock_type), intent(in) :: clock
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: seed
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(observation_source_type), intent(out) :: source
      type(error_type), allocatable, intent(out) :: error

      source%config = config
      source%seed = seed
      source%interval = interval
      if (config%source == 'file') then
         allocate (source%file)
         call open_observation_file(config%file, clock, domain, cycles, interval, source%file, &
                                    error)
         if (allocated(error)) then
            error%message = 'file: '//error%message
            return
         end if
         call check_kinds(config, pack(known_kinds, source%file%of_kind > 0), domain, error)
      else
         call new_network(config%network, domain, seed, cycles, source%network, error)
         if (allocated(error)) return
         if (source%network%coincide() .and. config%errors%correlation_length > 0) then
            call input_error(error, 'positions: two are the same, and with '// &
                             'error_correlation_length > 0 would have the same error')
            return
         end if
         call check_kinds(config, config%kinds, domain, error)
      end if
   end subroutine new_observation_source

   !> The parameters of kinds must suit the circle, and be of use for the kinds that there are.
   subroutine check_kinds(config, kinds, domain, error)
      type(observation_source_config), intent(in) :: config
      integer, intent(in) :: kinds(:)
      type(domain_type), intent(in) :: domain
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: key

      key = config%kind_parameters%unused(kinds)
      if (len(key) > 0) then
         call input_error(error, key//' is not used: no observation is of its kind')
      else if (any(kinds == kind_average) .and. &
               2*config%kind_parameters%half_width > domain%total) then
         call input_error(error, 'average_half_width = '// &
                          to_text(config%kind_parameters%half_width)//': must be at most half '// &
                          'the number of grid points, '//to_text(domain%total))
      end if
   end subroutine check_kinds

   !> The observations of a cycle on this rank's slab.
   subroutine observe(self, domain, cycle, truth, observations, error)
      class(observation_source_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), contiguous, intent(in) :: truth(:, :, :)
      type(observations_type), intent(out) :: observations
      type(error_type), allocatable, intent(out) :: error

      call domain%timer%start(phase_observations)
      if (allocated(self%file)) then
         call self%file%read_observations(domain, cycle, self%interval, observations, error)
         observations%parameters = self%config%kind_parameters
         observations%correlation_length = self%config%errors%correlation_length
      else
         call make(self, domain, cycle, truth, observations)
      end if
      if (allocated(self%field)) observations%field = self%field
      call domain%timer%stop()
   end subroutine observe

   !> y = H(x_t) + bias + error_sd e
   subroutine make(self, domain, cycle, truth, observations)
      class(observation_source_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), contiguous, intent(in) :: truth(:, :, :)
      type(observations_type), intent(out) :: observations
      class(operator_type), allocatable :: operator
      real(wp), allocatable :: positions(:)
      real(wp), allocatable :: exact(:, :, :)
      integer(i8), allocatable :: numbers(:)
      integer :: j

      call self%network%lay_out(domain, cycle, positions, numbers)
      observations = new_observations(size(positions), cycle*self%interval)
      observations%position = positions
      observations%kind = self%config%kinds(mod(numbers, size(self%config%kinds, kind=i8)) + 1)
      observations%parameters = self%config%kind_parameters
      observations%error_sd = self%config%errors%sd
      observations%correlation_length = self%config%errors%correlation_length
      observations%qc = qc_assimilated
      call observations%count_ranks(domain)
      if (self%network%numbered) then
         observations%row = self%rows_before(cycle) + numbers
      else
         observations%row = self%rows_before(cycle) + observations%before &
                            + [(int(j, i8), j=0, observations%n - 1)]
      end if
      allocate (exact(observations%n, 1, 1))
      call new_observation_operator(observations, domain, operator)
      call operator%forward(domain, truth, exact)
      call draw_errors(self%config%errors, domain, self%seed, cycle, positions, numbers, &
                       observations%value)
      observations%value = exact(:, 1, 1) + self%config%bias &
                           + observations%error_sd*observations%value
   end subroutine make

   !> Observations on all ranks in the cycles before one (cycles + 1: those of the run).
   pure function rows_before(self, cycle) result(rows)
      class(observation_source_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer(i8) :: rows

      if (allocated(self%file)) then
         rows = self%file%first_row(cycle)
      else
         rows = self%network%rows_before(cycle)
      end if
   end function rows_before

   !> The most observations that a cycle of a run has, on all ranks.
   pure function most_rows(self, cycles) result(rows)
      class(observation_source_type), intent(in) :: self
      integer, intent(in) :: cycles
      integer(i8) :: rows
      integer :: cycle

      rows = 0
      do cycle = 1, cycles
         rows = max(rows, self%rows_before(cycle + 1) - self%rows_before(cycle))
      end do
   end function most_rows
end module da_run_observation_source
