!> The memory that a run will need, at least, and what there is of it.
module da_cycle_memory
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_memory, only: available_memory, own_limit
   use da_base_text, only: to_text
   use da_cycle_config, only: config_type
   use da_io_run_memory, only: run_file_memory
   implicit none
   private
   public :: check_memory

   real(wp), parameter :: bytes_a_value = 8
   real(wp), parameter :: gibibyte = 1024.0_wp**3

contains

   !> A rank's ensemble must be countable, and what the rank needs find room in memory; `rows` are
   !> the most observations of a cycle, on all ranks, `scores` the values of all tables.
   subroutine check_memory(config, domain, scores, rows, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: scores
      integer(i8), intent(in) :: rows
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: needed
      real(wp) :: left
      real(wp) :: values
      real(wp) :: observations
      character(len=60) :: numbers

      left = min(available_memory()/domain%communicator%ranks_of_node(), own_limit())
      values = real(domain%n, wp)*config%model%components_in*config%ensemble%members
      observations = real(rows, wp)/domain%communicator%ranks
      if (values*max(1, config%analysis%lags()) > huge(domain%n)) then
         call input_error(error, config%namelist//': '//to_text(domain%n)//' points with '// &
                          to_text(config%ensemble%members)//' members are more than a rank can '// &
                          'count: use more ranks')
         return
      else if (observations*config%ensemble%members > huge(domain%n)) then
         call input_error(error, config%namelist//': '//to_text(rows)// &
                          ' observations of a cycle with '//to_text(config%ensemble%members)// &
                          ' members are more than a rank can count: use more ranks')
         return
      end if
      needed = bytes_needed(config, domain, scores, values, observations)
      if (needed <= left) return
      write (numbers, '(f0.2," GiB; ",f0.2)') needed/gibibyte, left/gibibyte
      call input_error(error, config%namelist//': ensemble, observations and scores of a rank '// &
                       'need at least '//trim(numbers)//' GiB are available to it: take fewer '// &
                       'points, members, observations or cycles, or more nodes')
   end subroutine check_memory

   !> A lower bound for this rank, of which it comes close where it is large.
   function bytes_needed(config, domain, scores, values, observations) result(bytes)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: scores
      real(wp), intent(in) :: values
      real(wp), intent(in) :: observations
      real(wp) :: bytes
      !> What an observation is, its background and its innovation.
      integer, parameter :: numbers_an_observation = 8
      !> Mean and spread of background and analysis.
      integer, parameter :: fields = 4
      real(wp) :: held
      real(wp) :: during_cycle
      real(wp) :: during_output

      held = values*(1 + carried_ensembles(config)) + scores &
             + observations*numbers_an_observation*config%analysis%history
      during_cycle = values*(config%analysis%copies + config%diagnostics%copies()) &
                     + fields*values/config%ensemble%members &
                     + observations*(numbers_an_observation + config%ensemble%members)
      during_output = 0
      if (config%checkpoint_every > 0 .and. config%checkpoint_every < config%cycles) then
         during_output = values
      end if
      bytes = bytes_a_value*(held + max(during_cycle, during_output)) &
              + run_file_memory(config%output, domain, config%model%components_in, &
                                observations*domain%communicator%ranks, config%cycles)
   end function bytes_needed

   !> Ensembles that go on from cycle to cycle beside that of the state.
   pure function carried_ensembles(config) result(number)
      type(config_type), intent(in) :: config
      integer :: number

      number = 2*config%analysis%lags()
      if (config%analysis%window > 0) number = number + 1
      if (config%analysis%shift > 1) number = number + 1
   end function carried_ensembles
end module da_cycle_memory
