!> What went wrong, in one line for the user, and the exit status that belongs to it.
module da_base_error
   implicit none
   private
   public :: error_type, input_error, run_error, lost_error
   public :: status_failed, status_bad_input, status_lost

   integer, parameter :: status_failed = 1
   integer, parameter :: status_bad_input = 2
   integer, parameter :: status_lost = 3

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

   !> The ensemble is not finite any more: what became of the filter, and no fault of the run.
   subroutine lost_error(error)
      type(error_type), allocatable, intent(out) :: error

      allocate (error)
      error%message = 'the ensemble is not finite any more (is the model''s dt too long, or '// &
                      'has the filter diverged?)'
      error%status = status_lost
   end subroutine lost_error
end module da_base_error
