!> Notices SIGTERM, so that a run can write a checkpoint before it ends, and lets a file that may
!> not grow any more be an error of its write, which names it, in place of the program's end.
!>
!> The one mutable module variable of dacycle: a signal handler has no other place to write to.
module da_base_interrupt
   use, intrinsic :: iso_c_binding, only: c_int, c_intptr_t, c_funptr, c_funloc
   implicit none
   private
   public :: watch_for_interrupt, interrupted, take_file_limit_as_error

   integer(c_int), parameter :: sigterm = 15
   !> Of Linux, on all but a few old processors.
   integer(c_int), parameter :: sigxfsz = 25
   integer(c_intptr_t), parameter :: sig_ign = 1
   integer(c_int), volatile :: received = 0

   interface
      function c_signal(number, handler) result(previous) bind(c, name='signal')
         import :: c_int, c_funptr
         integer(c_int), value :: number
         type(c_funptr), value :: handler
         type(c_funptr) :: previous
      end function c_signal
   end interface

contains

   subroutine watch_for_interrupt()
      type(c_funptr) :: previous

      previous = c_signal(sigterm, c_funloc(note))
   end subroutine watch_for_interrupt

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

   subroutine note(number) bind(c)
      integer(c_int), value :: number

      received = number
   end subroutine note
end module da_base_interrupt
