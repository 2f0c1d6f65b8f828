!> A file beside another one that says which process writes that: one run at a time.
!>
!> It is made by `open` with O_EXCL, which is atomic on NFS too, and tells host and process. The
!> lock of a process that has ended is taken over; where that cannot be told (another host), it is
!> for the user to remove it.
module da_base_lock_file
   use da_base_error, only: error_type, input_error
   use da_base_process, only: process_type, this_process, fate_of, wait_milliseconds, fate_runs, &
      fate_ended
   use da_base_system, only: file_exists, remove_file
   use da_base_text, only: to_text
   implicit none
   private
   public :: lock_file_type, lock_name, takeover_name

   character(len=*), parameter :: heading = 'lock of da_cycle'
   integer, parameter :: line_length = 512
   character(len=9), parameter :: keys(8) = [character(len=9) :: &
      'host', 'process', 'began', 'boot', 'container', 'job', 'restarts', 'since']

   type :: lock_file_type
      character(len=:), allocatable, private :: path
      !> When it was taken.
      character(len=:), allocatable, private :: since
      type(process_type), private :: owner
   contains
      procedure :: take
      procedure :: release
   end type lock_file_type

contains

   pure function lock_name(path) result(name)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: name

      name = path//'.lock'
   end function lock_name

   !> The lock of those who take a lock over.
   pure function takeover_name(path) result(name)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: name

      name = lock_name(path)//'.stale'
   end function takeover_name

   !> Take the lock of `path`, or say who has it.
   subroutine take(self, path, error)
      class(lock_file_type), intent(inout) :: self
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: patience = 5
      integer, parameter :: pause = 100
      type(lock_file_type) :: found
      logical :: made
      integer :: attempt

      self%owner = this_process()
      self%since = now()
      do attempt = 1, patience
         call create(self, lock_name(path), made)
         if (made) then
            self%path = lock_name(path)
            return
         end if
         if (.not. file_exists(lock_name(path))) then
            ! Perhaps it went this very moment.
            if (attempt < patience) cycle
            call input_error(error, 'no file can be created there ('//lock_name(path)//')')
            return
         end if
         call read_lock(lock_name(path), found)
         if (allocated(found%path)) then
            if (fate_of(found%owner) == fate_ended) then
               call remove_stale(self, path, found)
               cycle
            end if
         end if
         ! A process that is being killed is gone in a moment; one that takes a lock has written it.
         if (attempt < patience) call wait_milliseconds(pause)
      end do
      call refuse(path, found, error)
   end subroutine take

   !> Remove the lock, if it is still this one.
   subroutine release(self)
      class(lock_file_type), intent(inout) :: self
      type(lock_file_type) :: found

      if (.not. allocated(self%path)) return
      call read_lock(self%path, found)
      if (is_same(self, found)) call remove_file(self%path)
      deallocate (self%path)
   end subroutine release

   !> Remove a lock whose owner has ended. Of several that find it, one at a time looks again and
   !> removes it, so that none removes the lock that another one has put there since.
   subroutine remove_stale(self, path, stale)
      type(lock_file_type), intent(in) :: self
      character(len=*), intent(in) :: path
      type(lock_file_type), intent(in) :: stale
      type(lock_file_type) :: found
      logical :: made

      call create(self, takeover_name(path), made)
      if (.not. made) return
      call read_lock(lock_name(path), found)
      if (is_same(found, stale)) call remove_file(lock_name(path))
      call remove_file(takeover_name(path))
   end subroutine remove_stale

   subroutine refuse(path, found, error)
      character(len=*), intent(in) :: path
      type(lock_file_type), intent(in) :: found
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: owner

      if (.not. allocated(found%path)) then
         call input_error(error, lock_name(path)//' is there and is no lock of da_cycle; if no '// &
                          'run writes '//path//', remove it: '//removal())
         return
      end if
      owner = 'process '//to_text(found%owner%number)//' on host '//found%owner%host//' since '// &
              found%since
      select case (fate_of(found%owner))
      case (fate_runs)
         call input_error(error, 'is being written by another run, '//owner// &
                          '; wait for it, or name another file')
      case (fate_ended)
         call input_error(error, 'was being written by '//owner//', which has ended, and its '// &
                          'lock cannot be taken over; remove it: '//removal())
      case default
         call input_error(error, 'is being written by another run, '//owner// &
                          '; if that has ended, remove its lock: '//removal())
      end select

   contains

      function removal() result(command)
         character(len=:), allocatable :: command

         command = "rm -f '"//lock_name(path)//"'"
         if (file_exists(takeover_name(path))) command = command//" '"//takeover_name(path)//"'"
      end function removal
   end subroutine refuse

   !> A new file with the owner's description, unless there is one of that name.
   subroutine create(lock, path, made)
      type(lock_file_type), intent(in) :: lock
      character(len=*), intent(in) :: path
      logical, intent(out) :: made
      integer :: unit
      integer :: status
      integer :: closed

      open (newunit=unit, file=path, status='new', action='write', iostat=status)
      made = status == 0
      if (.not. made) return
      associate (owner => lock%owner)
         write (unit, '(a)', iostat=status) heading
         call put('host', owner%host)
         call put('process', to_text(owner%number))
         call put('began', owner%began)
         call put('boot', owner%boot)
         call put('container', owner%container)
         call put('job', owner%job)
         call put('restarts', to_text(owner%job_restarts))
         call put('since', lock%since)
      end associate
      close (unit, iostat=closed)
      made = status == 0 .and. closed == 0
      if (.not. made) call remove_file(path)

   contains

      subroutine put(key, value)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: value

         if (status == 0) write (unit, '(a)', iostat=status) key//' '//value
      end subroutine put
   end subroutine create

   !> `found%path` stays unallocated where the file is no complete lock.
   subroutine read_lock(path, found)
      character(len=*), intent(in) :: path
      type(lock_file_type), intent(out) :: found
      character(len=line_length) :: line
      character(len=line_length) :: values(size(keys))
      integer :: unit
      integer :: status
      integer :: k

      open (newunit=unit, file=path, status='old', action='read', iostat=status)
      if (status /= 0) return
      read (unit, '(a)', iostat=status) line
      if (status == 0 .and. line /= heading) status = 1
      do k = 1, size(keys)
         if (status == 0) read (unit, '(a)', iostat=status) line
         if (status /= 0) exit
         values(k) = line(len_trim(keys(k)) + 2:)
         if (line(:len_trim(keys(k)) + 1) /= keys(k)) status = 1
      end do
      if (status == 0) read (values(2), *, iostat=status) found%owner%number
      if (status == 0) read (values(7), *, iostat=status) found%owner%job_restarts
      close (unit)
      if (status /= 0) return
      found%owner%host = trim(values(1))
      found%owner%began = trim(values(3))
      found%owner%boot = trim(values(4))
      found%owner%container = trim(values(5))
      found%owner%job = trim(values(6))
      found%since = trim(values(8))
      found%path = path
   end subroutine read_lock

   !> The same owner; a file that could not be read is nobody's.
   pure function is_same(lock, other) result(yes)
      type(lock_file_type), intent(in) :: lock
      type(lock_file_type), intent(in) :: other
      logical :: yes

      yes = .false.
      if (.not. (allocated(lock%path) .and. allocated(other%path))) return
      associate (a => lock%owner, b => other%owner)
         yes = a%host == b%host .and. a%number == b%number .and. a%began == b%began &
               .and. a%boot == b%boot .and. a%container == b%container &
               .and. lock%since == other%since
      end associate
   end function is_same

   !> '2026-01-31 23:59:59'.
   function now() result(text)
      character(len=:), allocatable :: text
      integer :: at(8)
      character(len=19) :: buffer

      call date_and_time(values=at)
      write (buffer, '(i4.4,2("-",i2.2)," ",i2.2,2(":",i2.2))') at(1:3), at(5:7)
      text = buffer
   end function now
end module da_base_lock_file
