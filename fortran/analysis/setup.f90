!> What an analysis must agree with.
module da_analysis_setup
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   implicit none
   private
   public :: analysis_setup_type, need_ensemble

   type :: analysis_setup_type
      integer :: seed = 0
      integer :: members = 2
      integer :: points = 1
      real(wp) :: gross_error_limit = 0
      real(wp) :: error_correlation_length = 0
   end type analysis_setup_type

contains

   !> An error where a scheme of that name has but one member.
   subroutine need_ensemble(setup, file, name, error)
      type(analysis_setup_type), intent(in) :: setup
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: name
      type(error_type), allocatable, intent(out) :: error

      if (setup%members > 1) return
      call input_error(error, file//': &ensemble members = '//to_text(setup%members)// &
                       ": analysis = '"//name//"' needs at least 2")
   end subroutine need_ensemble
end module da_analysis_setup
