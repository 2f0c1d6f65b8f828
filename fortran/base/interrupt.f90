!> SIGTERM: ends a run at once as long as it has nothing to lose, and later after a checkpoint.
!>
!> With the mutable module variables of dacycle: a signal handler has no other place to look at.
module da_base_interrupt
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_size_t, c_funptr, c_funloc
   implicit none
   private
   public :: watch_for_interrupt, wait_for_checkpoints, interrupted
   public :: status_terminated

   integer(c_int), parameter :: sigterm = 15
   !> As shells report a process that this signal ended.
   integer, parameter :: status_terminated = 128 + 15
   character(len=*), parameter :: farewell = 'stopped by SIGTERM; nothing was written'//achar(10)
   integer(c_int), volatile :: received = 0
   logical, volatile :: patient = .false.
   logical, volatile :: speaks = .false.

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

      received = number
      if (patient) return
      if (speaks) written = c_write(standard_output, farewell, len(farewell, c_size_t))
      call c_exit(int(status_terminated, c_int))
   end subroutine note
end module da_base_interrupt
