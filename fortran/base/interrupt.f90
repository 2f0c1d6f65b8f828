!> Signals: SIGTERM ends a run at once as long as it has nothing to lose, and later after a
!> checkpoint. A file that may not grow any more (SIGXFSZ) is an error of its write, which names it.
!>
!> With the mutable module variables of dacycle: a signal handler has no other place to look at.
module da_base_interrupt
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_intptr_t, c_null_char, c_size_t, &
      c_funptr, c_funloc
   implicit none
   private
   public :: watch_for_interrupt, wait_for_checkpoints, interrupted, remove_when_interrupted
   public :: take_file_limit_as_error, status_terminated

   integer(c_int), parameter :: sigterm = 15
   !> Of Linux, on all but a few old processors.
   integer(c_int), parameter :: sigxfsz = 25
   integer(c_intptr_t), parameter :: sig_ign = 1
   !> As shells report a process that this signal ended.
   integer, parameter :: status_terminated = 128 + 15
   character(len=*), parameter :: farewell = 'stopped by SIGTERM; nothing was written'//achar(10)
   integer(c_int), volatile :: received = 0
   logical, volatile :: patient = .false.
   logical, volatile :: speaks = .false.
   !> Files to take away before an end at once, each with a zero byte after its path.
   integer, parameter :: longest_path = 4096
   integer, parameter :: most_files = 8
   character(kind=c_char), volatile :: doomed(longest_path, most_files)
   integer, volatile :: doomed_files = 0

   interface
      function c_signal(number, handler) result(previous) bind(c, name='signal')
         import :: c_int, c_funptr
         integer(c_int), value :: number
         type(c_funptr), value :: handler
         type(c_funptr) :: previous
      end function c_signal
      function c_write(descriptor, text, length) result(written) bind(c, name='write')
         import :: c_char, c_int, c_size_t
         integer(c_int), value :: descriptor
         character(kind=c_char), intent(in) :: text(*)
         integer(c_size_t), value :: length
         integer(c_size_t) :: written
      end function c_write
      function c_unlink(path) result(status) bind(c, name='unlink')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int) :: status
      end function c_unlink
      subroutine c_exit(status) bind(c, name='_exit')
         import :: c_int
         integer(c_int), value :: status
      end subroutine c_exit
   end interface

contains

   !> From now on SIGTERM ends the program at once, whatever it is doing; one rank says so.
   subroutine watch_for_interrupt(speaker)
      logical, intent(in) :: speaker
      type(c_funptr) :: previous

      speaks = speaker
      previous = c_signal(sigterm, c_funloc(note))
   end subroutine watch_for_interrupt

   !> From now on SIGTERM is only noted: files are being written, and a checkpoint will follow.
   subroutine wait_for_checkpoints()

      patient = .true.
   end subroutine wait_for_checkpoints

   !> A file, such as a lock, that must not outlive an end at once.
   subroutine remove_when_interrupted(path)
      character(len=*), intent(in) :: path
      integer :: i

      if (doomed_files == most_files .or. len(path) >= longest_path) return
      do i = 1, len(path)
         doomed(i, doomed_files + 1) = path(i:i)
      end do
      doomed(len(path) + 1, doomed_files + 1) = c_null_char
      doomed_files = doomed_files + 1
   end subroutine remove_when_interrupted

   !> With SIGXFSZ ignored a write beyond `ulimit -f` fails with EFBIG.
   subroutine take_file_limit_as_error()
      type(c_funptr) :: previous

      previous = c_signal(sigxfsz, transfer(sig_ign, previous))
   end subroutine take_file_limit_as_error

   !> True once SIGTERM has arrived on this rank.
   function interrupted() result(yes)
      logical :: yes

      yes = received /= 0
   end function interrupted

   !> Calls nothing that a signal handler may not (signal-safety(7)).
   subroutine note(number) bind(c)
      integer(c_int), value :: number
      integer(c_int), parameter :: standard_output = 1
      integer(c_size_t) :: written
      integer(c_int) :: status
      integer :: f

      received = number
      if (patient) return
      do f = 1, doomed_files
         status = c_unlink(doomed(:, f))
      end do
      if (speaks) written = c_write(standard_output, farewell, len(farewell, c_size_t))
      call c_exit(int(status_terminated, c_int))
   end subroutine note
end module da_base_interrupt
