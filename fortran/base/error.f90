!> What went wrong, in one line for the user, and the exit status that belongs to it.
module da_base_error
   implicit none
   private
   public :: error_type, input_error, run_error
   public :: status_failed, status_bad_input

   integer, parameter :: status_failed = 1
   integer, parameter :: status_bad_input = 2

   !> Unallocated means that all is well.
   type :: error_type
      character(len=:), allocatable :: message
      integer :: status = status_failed
   end type error_type

contains

   !> The user's input is wrong: say what, where, and what would be right.
   subroutine input_error(error, message)
      type(error_type), allocatable, intent(out) :: error
      character(len=*), intent(in) :: message

      allocate (error)
      error%message = message
      error%status = status_bad_input
   end subroutine input_error

   !> The run failed although its input was right (disk full, a matrix that cannot be decomposed).
   subroutine run_error(error, message)
      type(error_type), allocatable, intent(out) :: error
      character(len=*), intent(in) :: message

      allocate (error)
      error%message = message
      error%status = status_failed
   end subroutine run_error
end module da_base_error
