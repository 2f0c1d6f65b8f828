!> da_cycle: arguments, settings, run, message and exit status.
program da_cycle
   use, intrinsic :: iso_fortran_env, only: error_unit, output_unit
   use da_app_arguments, only: arguments_type, read_arguments, help_text
   use da_app_input, only: read_input
   use da_app_version, only: version
   use da_base_communicator, only: communicator_type, start_communication, stop_communication
   use da_base_error, only: error_type
   use da_base_interrupt, only: watch_for_interrupt, take_file_limit_as_error, status_terminated
   use da_base_system, only: keep_memory, one_thread, output_is_watched
   use da_cycle_begin, only: start_from_checkpoint
   use da_cycle_checks, only: check_adjoint
   use da_cycle_config, only: config_type, default_namelist
   use da_cycle_driver, only: run_cycles
   use da_cycle_locks, only: locks_type
   use da_cycle_network_checks, only: check_network
   use da_cycle_places, only: check_files, check_owners
   use da_cycle_type, only: cycle_type
   implicit none
   type(communicator_type) :: communicator
   type(arguments_type) :: arguments
   type(config_type) :: config
   type(cycle_type) :: cycle
   type(locks_type) :: locks
   type(error_type), allocatable :: error
   logical :: stopped
   integer :: status

   stopped = .false.
   call one_thread()
   call keep_memory()
   call take_file_limit_as_error()
   call start_communication(communicator, error)
   call watch_for_interrupt(communicator%is_root())
   if (.not. allocated(error)) call read_arguments(arguments, error)
   if (.not. allocated(error)) then
      if (arguments%help) then
         call say(help_text())
      else if (arguments%version) then
         call say('da_cycle '//version)
      else if (arguments%defaults) then
         call say(default_namelist())
      else if (arguments%check_network) then
         call check_network(communicator, arguments%file, error)
      else
         call read_input(communicator, arguments%file, config, error)
         if (.not. allocated(error)) call check_files(communicator, config, error)
         if (.not. (allocated(error) .or. arguments%check .or. arguments%check_adjoint)) then
            call locks%take(communicator, config, error)
         end if
         if (.not. allocated(error) .and. arguments%start /= start_from_checkpoint) then
            call check_owners(communicator, config, error)
         end if
         config%networks%loaded = arguments%with_networks .or. arguments%check_adjoint .or. &
                                  .not. arguments%check
         if (.not. allocated(error)) call cycle%open(communicator, config, error)
         if (.not. allocated(error)) then
            if (len(cycle%notes) > 0) call say(cycle%notes(:len(cycle%notes) - 1))
            if (arguments%check_adjoint) then
               call check_adjoint(cycle, config, error)
            else if (arguments%check) then
               call say(arguments%file//': right, and so are the files it names')
            else
               call run_cycles(cycle, arguments%start, version, 'da_cycle '//arguments%file, &
                               progress_style(arguments%progress), stopped, error)
               if (stopped) call say('stopped by SIGTERM; go on with da_cycle --restart '// &
                                     arguments%file)
            end if
         end if
      end if
   end if

   status = 0
   if (stopped) status = status_terminated
   if (allocated(error)) then
      status = error%status
      if (communicator%is_root()) write (error_unit, '(a)') 'da_cycle: error: '//error%message
   end if
   flush (output_unit)
   flush (error_unit)
   call locks%release()
   call stop_communication()
   if (status /= 0) stop status, quiet=.true.

contains

   subroutine say(text)
      character(len=*), intent(in) :: text

      if (communicator%is_root()) write (output_unit, '(a)') text
   end subroutine say

   function progress_style(wanted) result(style)
      character(len=*), intent(in) :: wanted
      character(len=5) :: style

      style = wanted
      if (wanted == 'auto') style = merge('bar  ', 'plain', output_is_watched())
   end function progress_style
end program da_cycle
