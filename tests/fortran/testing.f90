!> Checks that are counted, each with what it holds.
module testing
   use da_base_communicator, only: communicator_type
   use da_base_kinds, only: wp
   implicit none
   private
   public :: testing_type

   type :: testing_type
      type(communicator_type) :: communicator
      integer :: passed = 0
      integer :: failed = 0
   contains
      procedure :: check
      procedure :: check_small
   end type testing_type

contains

   !> The condition must hold on every rank.
   subroutine check(self, condition, what)
      class(testing_type), intent(inout) :: self
      logical, intent(in) :: condition
      character(len=*), intent(in) :: what

      if (self%communicator%largest(merge(0, 1, condition)) == 0) then
         self%passed = self%passed + 1
      else
         self%failed = self%failed + 1
         if (.not. condition) print '(a,i0,a)', 'rank ', self%communicator%rank, ' FAILED: '//what
      end if
   end subroutine check

   !> The value must not exceed the bound, on every rank.
   subroutine check_small(self, value, bound, what)
      class(testing_type), intent(inout) :: self
      real(wp), intent(in) :: value
      real(wp), intent(in) :: bound
      character(len=*), intent(in) :: what
      character(len=40) :: numbers

      write (numbers, '(es10.3," > ",es10.3)') value, bound
      call self%check(value <= bound, what//': '//trim(numbers))
   end subroutine check_small
end module testing
