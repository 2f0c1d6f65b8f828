!> Which process this is, and whether another one still lives.
module da_base_process
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_size_t, c_null_char
   use da_base_file_identity, only: inode_of
   use da_base_system, only: environment
   use da_base_text, only: to_text
   implicit none
   private
   public :: process_type, this_process, fate_of, wait_milliseconds
   public :: fate_runs, fate_ended, fate_unknown

   integer, parameter :: fate_runs = 1
   integer, parameter :: fate_ended = 2
   integer, parameter :: fate_unknown = 3

   !> A process, so that another one can tell whether it has ended. Texts are empty and numbers
   !> -1 where the system does not tell.
   type :: process_type
      character(len=:), allocatable :: host
      integer :: number = -1
      !> Clock ticks from the machine's start to the process's: numbers are used again.
      character(len=:), allocatable :: began
      !> Of the machine, since it was started; of the container, which counts processes anew.
      character(len=:), allocatable :: boot
      character(len=:), allocatable :: container
      !> Slurm's cluster and job; how often the job was started again.
      character(len=:), allocatable :: job
      integer :: job_restarts = -1
   end type process_type

   interface
      function c_getpid() result(number) bind(c, name='getpid')
         import :: c_int
         integer(c_int) :: number
      end function c_getpid
      function c_getpgid(process) result(group) bind(c, name='getpgid')
         import :: c_int
         integer(c_int), value :: process
         integer(c_int) :: group
      end function c_getpgid
      function c_gethostname(name, length) result(failed) bind(c, name='gethostname')
         import :: c_char, c_int, c_size_t
         character(kind=c_char), intent(out) :: name(*)
         integer(c_size_t), value :: length
         integer(c_int) :: failed
      end function c_gethostname
      function c_usleep(microseconds) result(failed) bind(c, name='usleep')
         import :: c_int
         integer(c_int), value :: microseconds
         integer(c_int) :: failed
      end function c_usleep
   end interface

contains

   function this_process() result(process)
      type(process_type) :: process
      character(len=:), allocatable :: restarts
      integer :: status

      process%host = host_name()
      process%number = c_getpid()
      process%began = start_of(process%number)
      process%boot = first_line('/proc/sys/kernel/random/boot_id')
      process%container = to_text(inode_of('/proc/self/ns/pid'))
      process%job = environment('SLURM_JOB_ID')
      if (len(process%job) == 0) return
      process%job = environment('SLURM_CLUSTER_NAME')//':'//process%job
      process%job_restarts = 0
      restarts = environment('SLURM_RESTART_COUNT')
      if (len(restarts) == 0) return
      read (restarts, *, iostat=status) process%job_restarts
      if (status /= 0) process%job_restarts = -1
   end function this_process

   !> Whether a process still runs, as far as it can be told from here.
   function fate_of(process) result(fate)
      type(process_type), intent(in) :: process
      integer :: fate
      type(process_type) :: here

      here = this_process()
      fate = fate_unknown
      if (process%boot == here%boot .and. process%container == here%container &
          .and. (len(here%boot) > 0 .or. process%host == here%host)) then
         fate = merge(fate_runs, fate_ended, lives(process))
      else if (process%host == here%host .and. process%boot /= here%boot) then
         ! The machine was started again since.
         fate = fate_ended
      else if (len(here%job) > 0 .and. process%job == here%job &
               .and. process%job_restarts < here%job_restarts) then
         ! Slurm starts a job again only after all that it had started before has ended.
         fate = fate_ended
      end if
   end function fate_of

   !> Of a process of this machine. One that has ended, and that its parent has not asked about yet,
   !> lives no more.
   function lives(process) result(yes)
      type(process_type), intent(in) :: process
      logical :: yes
      character(len=:), allocatable :: began

      yes = c_getpgid(int(process%number, c_int)) >= 0
      if (.not. yes) return
      began = start_of(process%number)
      if (len(began) > 0 .and. len(process%began) > 0) yes = began == process%began
   end function lives

   !> Clock ticks from the machine's start to the process's, empty where that cannot be told, and
   !> 'ended' for one that has ended.
   function start_of(number) result(ticks)
      integer, intent(in) :: number
      character(len=:), allocatable :: ticks
      integer, parameter :: longest = 1024
      !> Of the words behind the name: state, and starttime of proc(5).
      integer, parameter :: start_word = 20
      character(len=40) :: words(start_word)
      character(len=:), allocatable :: line
      integer :: status

      ticks = ''
      line = first_line('/proc/'//to_text(number)//'/stat')
      line = line(index(line, ')', back=.true.) + 1:)
      if (len(line) == 0 .or. len(line) > longest) return
      read (line, *, iostat=status) words
      if (status /= 0) return
      ticks = trim(words(start_word))
      if (scan(words(1), 'ZX') == 1) ticks = 'ended'
   end function start_of

   !> The first line of a small file, empty where it cannot be read.
   function first_line(path) result(line)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: line
      integer, parameter :: longest = 1024
      character(len=longest) :: buffer
      integer :: unit
      integer :: status

      line = ''
      open (newunit=unit, file=path, action='read', status='old', iostat=status)
      if (status /= 0) return
      read (unit, '(a)', iostat=status) buffer
      if (status == 0) line = trim(buffer)
      close (unit)
   end function first_line

   function host_name() result(name)
      character(len=:), allocatable :: name
      integer(c_size_t), parameter :: longest = 256
      character(kind=c_char) :: buffer(longest)
      integer :: i

      name = ''
      buffer = c_null_char
      if (c_gethostname(buffer, longest) /= 0) return
      do i = 1, findloc([buffer, c_null_char], c_null_char, dim=1) - 1
         name = name//buffer(i)
      end do
   end function host_name

   subroutine wait_milliseconds(milliseconds)
      integer, intent(in) :: milliseconds
      integer :: failed

      failed = c_usleep(int(1000*milliseconds, c_int))
   end subroutine wait_milliseconds
end module da_base_process
