!> Files that must outlast a power cut: on the disk before they take a name, then the name, too.
module da_base_durable
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_null_char
   use da_base_kinds, only: wp, i8
   use da_base_system, only: rename_file, directory_of
   implicit none
   private
   public :: durability_type, new_durability, put_in_place, synchronise

   !> Seconds of work that may be lost: what took less to make is not waited for.
   real(wp), parameter :: patience = 1

   !> When something was last brought to the disk.
   type :: durability_type
      integer(i8) :: last = 0
   contains
      procedure :: is_due
   end type durability_type

   interface
      function c_open(path, flags) result(descriptor) bind(c, name='open')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int), value :: flags
         integer(c_int) :: descriptor
      end function c_open
      function c_fsync(descriptor) result(status) bind(c, name='fsync')
         import :: c_int
         integer(c_int), value :: descriptor
         integer(c_int) :: status
      end function c_fsync
      function c_close(descriptor) result(status) bind(c, name='close')
         import :: c_int
         integer(c_int), value :: descriptor
         integer(c_int) :: status
      end function c_close
   end interface

contains

   !> The clock starts.
   function new_durability() result(self)
      type(durability_type) :: self

      call system_clock(self%last)
   end function new_durability

   !> Whether there is a second's work to lose; if so, the clock starts anew.
   function is_due(self) result(yes)
      class(durability_type), intent(inout) :: self
      logical :: yes
      integer(i8) :: now
      integer(i8) :: rate

      call system_clock(now, rate)
      yes = now - self%last >= patience*rate
      if (yes) self%last = now
   end function is_due

   !> Give a whole file its final name, in one step; where it must be `durable`, its bytes reach the
   !> disk before, and the name after.
   subroutine put_in_place(from, to, durable, ok)
      character(len=*), intent(in) :: from
      character(len=*), intent(in) :: to
      logical, intent(in) :: durable
      logical, intent(out) :: ok
      !> Not every file system can bring a directory to the disk.
      logical :: named

      ok = .true.
      if (durable) call synchronise(from, ok)
      if (ok) call rename_file(from, to, ok)
      if (ok .and. durable) call synchronise(directory_of(to), named)
   end subroutine put_in_place

   !> Wait until a file, or a directory's names, are on the disk.
   subroutine synchronise(path, ok)
      character(len=*), intent(in) :: path
      logical, intent(out) :: ok
      integer(c_int), parameter :: read_only = 0
      integer(c_int) :: descriptor
      integer(c_int) :: status

      descriptor = c_open(path//c_null_char, read_only)
      ok = descriptor >= 0
      if (.not. ok) return
      ok = c_fsync(descriptor) == 0
      status = c_close(descriptor)
   end subroutine synchronise
end module da_base_durable
