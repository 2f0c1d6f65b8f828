!> The command line of da_cycle.
module da_app_arguments
   use da_base_error, only: error_type, input_error
   use da_base_text, only: join
   use da_cycle_begin, only: start_new, start_afresh, start_from_checkpoint
   use da_cycle_progress, only: known_progress
   implicit none
   private
   public :: arguments_type, read_arguments, help_text

   character(len=1), parameter :: newline = achar(10)

   type :: arguments_type
      !> The namelist, or the network to check.
      character(len=:), allocatable :: file
      character(len=:), allocatable :: progress
      integer :: start = start_new
      logical :: help = .false.
      logical :: version = .false.
      logical :: defaults = .false.
      logical :: check = .false.
      !> Networks are loaded and tried, too, which runs code of theirs.
      logical :: with_networks = .false.
      logical :: check_adjoint = .false.
      logical :: check_network = .false.
   end type arguments_type

contains

   subroutine read_arguments(arguments, error)
      type(arguments_type), intent(out) :: arguments
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: word
      integer :: i

      arguments%file = ''
      arguments%progress = 'auto'
      i = 1
      do while (i <= command_argument_count())
         word = argument(i)
         select case (word)
         case ('-h', '--help')
            arguments%help = .true.
         case ('--version')
            arguments%version = .true.
         case ('--defaults')
            arguments%defaults = .true.
         case ('--check')
            arguments%check = .true.
         case ('--with-networks')
            arguments%with_networks = .true.
         case ('--check-adjoint')
            arguments%check_adjoint = .true.
         case ('--check-network')
            arguments%check_network = .true.
         case ('--restart', '--fresh')
            if (arguments%start /= start_new) then
               call input_error(error, 'one of --restart and --fresh can be given')
               return
            end if
            arguments%start = merge(start_from_checkpoint, start_afresh, word == '--restart')
         case ('--progress')
            i = i + 1
            arguments%progress = argument(i)
            if (.not. any(known_progress == arguments%progress)) then
               call input_error(error, "--progress '"//arguments%progress// &
                                "' is not known (known: "//join(known_progress)//')')
               return
            end if
         case default
            if (word(1:min(1, len(word))) == '-') then
               call input_error(error, "option '"//word//"' is not known (see da_cycle --help)")
               return
            else if (len(arguments%file) > 0) then
               call input_error(error, "one file is needed, '"//arguments%file// &
                                "' and '"//word//"' are given")
               return
            end if
            arguments%file = word
         end select
         i = i + 1
      end do
      if (arguments%help .or. arguments%version .or. arguments%defaults) return
      if (arguments%check_network .and. &
          (arguments%check .or. arguments%check_adjoint .or. arguments%start /= start_new)) then
         call input_error(error, '--check-network takes a network file and no other option')
      else if (arguments%with_networks .and. .not. arguments%check) then
         call input_error(error, '--with-networks is for --check: all else runs them anyway')
      else if (len(arguments%file) > 0) then
         return
      else if (arguments%check_network) then
         call input_error(error, 'no network is given (usage: da_cycle --check-network FILE.pt)')
      else
         call input_error(error, &
               'no namelist file is given (usage: da_cycle run.nml; see da_cycle --help)')
      end if
   end subroutine read_arguments

   function argument(i) result(word)
      integer, intent(in) :: i
      character(len=:), allocatable :: word
      integer :: length

      call get_command_argument(i, length=length)
      allocate (character(len=length) :: word)
      if (length > 0) call get_command_argument(i, word)
   end function argument

   pure function help_text() result(text)
      character(len=:), allocatable :: text

      text = 'da_cycle: cycled data assimilation on a periodic domain, on MPI ranks'//newline// &
             newline// &
             'usage:  da_cycle [options] run.nml'//newline// &
             '        mpirun -n 4 da_cycle run.nml'//newline// &
             '        da_cycle --check-network FILE.pt'//newline// &
             newline// &
             'options'//newline// &
             '  --check         check the namelist and every file it names, run nothing'// &
             newline// &
             '  --with-networks with --check: load its networks, too, which runs their code'// &
             newline// &
             '  --check-adjoint test the tangent linears and adjoints that a run would use'// &
             newline// &
             '  --check-network test a network file: derivatives, halo, layouts, its sample'// &
             newline// &
             '  --defaults      print a namelist of all keys with their meaning'//newline// &
             '  --restart       go on from the checkpoint of an unfinished run, if there is one'// &
             newline// &
             '  --fresh         begin anew although an unfinished run left a checkpoint'// &
             newline// &
             '  --progress HOW  bar (a redrawn line), plain (some lines), none; auto: bar on a '// &
             'terminal'//newline// &
             '  --version       print the version'//newline// &
             '  -h, --help      print this'//newline// &
             newline// &
             'exit status'//newline// &
             '  0 done   1 the run or a check failed   2 the input is wrong'//newline// &
             '  3 the ensemble was lost: not finite any more; the output is complete'//newline// &
             '  143 stopped by SIGTERM after a checkpoint'
   end function help_text
end module da_app_arguments
