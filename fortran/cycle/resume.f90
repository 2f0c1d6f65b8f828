!> Whether a checkpoint is of the run that is to go on, and whether that is complete already.
module da_cycle_resume
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_sha256, only: sha256
   use da_base_system, only: file_exists
   use da_cycle_config, only: config_type
   use da_cycle_inputs, only: digests_of, check_inputs
   use da_io_checkpoint, only: read_checkpoint_head
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_io_finished, only: finished_run
   use da_io_run_file, only: partial_name
   implicit none
   private
   public :: head_of_run, identity_of, check_checkpoint, look_for_output

   character(len=1), parameter :: newline = achar(10)

contains

   !> What checkpoints of this run say in any cycle.
   subroutine head_of_run(config, domain, version, head, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      character(len=*), intent(in) :: version
      type(checkpoint_head_type), intent(out) :: head
      type(error_type), allocatable, intent(out) :: error

      head%version = 'dacycle '//version
      head%namelist = config%binding
      call digests_of(config, domain%communicator, head%inputs, error)
      if (allocated(error)) error%message = config%namelist//': '//error%message
   end subroutine head_of_run

   !> The digest of all that makes a run what it is: program, settings and files.
   pure function identity_of(head) result(identity)
      type(checkpoint_head_type), intent(in) :: head
      character(len=:), allocatable :: identity

      identity = sha256(head%version//newline//head%namelist//newline//head%inputs)
   end function identity_of

   !> The run must be that which left the checkpoint; `found` is what it says.
   subroutine check_checkpoint(config, domain, head, found, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      type(checkpoint_head_type), intent(in) :: head
      type(checkpoint_head_type), intent(out) :: found
      type(error_type), allocatable, intent(out) :: error

      call read_checkpoint_head(config%checkpoint, domain%communicator, found, error)
      if (allocated(error)) return
      if (found%version /= head%version) then
         call input_error(error, config%checkpoint//' is of '//found%version//', this is '// &
                          head%version//': go on with that, or begin anew with --fresh')
      else if (found%namelist /= head%namelist) then
         call input_error(error, config%checkpoint//' comes from other settings: '// &
                          first_difference(found%namelist, head%namelist)// &
                          '; restore them, or begin anew with --fresh')
      else
         call check_inputs(config, found%inputs, head%inputs, error)
      end if
   end subroutine check_checkpoint

   !> Whether the output of just this run is there, whole; the cycle in which its ensemble was lost.
   subroutine look_for_output(path, identity, complete, lost_at)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: identity
      logical, intent(out) :: complete
      integer, intent(out) :: lost_at
      character(len=:), allocatable :: found

      complete = .false.
      lost_at = 0
      if (.not. file_exists(path)) return
      if (file_exists(partial_name(path))) return
      call finished_run(path, found, lost_at)
      complete = found == identity
   end subroutine look_for_output

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
end module da_cycle_resume
