!> What a run is, as far as its parts must agree with it.
module da_run_setup
   use da_base_kinds, only: wp
   use da_analysis_setup, only: analysis_setup_type
   implicit none
   private
   public :: setup_type

   type, extends(analysis_setup_type) :: setup_type
      !> Names of files, for messages.
      character(len=:), allocatable :: namelist
      character(len=:), allocatable :: truth_file
      integer :: cycles = 1
      integer :: burn_in = 0
      !> Model time from analysis to analysis, and how many steps of the model that is.
      real(wp) :: interval = 1
      integer :: steps = 1
      logical :: has_truth = .true.
      !> Whether the scheme tells the observations' impact on forecasts.
      logical :: tells_impact = .false.
   end type setup_type
end module da_run_setup
