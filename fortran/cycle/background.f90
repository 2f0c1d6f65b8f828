!> The background covariances that an analysis is given from a file.
module da_cycle_background
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_analysis_type, only: analysis_type
   use da_cycle_config, only: config_type
   use da_io_covariance_file, only: read_covariance_file
   implicit none
   private
   public :: hand_over_covariances

contains

   !> Read the file that the analysis wants, if it wants one.
   subroutine hand_over_covariances(config, analysis, error)
      type(config_type), intent(in) :: config
      class(analysis_type), intent(inout) :: analysis
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: path
      real(wp), allocatable :: covariances(:, :)

      path = analysis%covariance_file()
      if (len(path) == 0) return
      call read_covariance_file(path, config%model_name, config%model%points, &
                                config%model%components_in, covariances, error)
      if (allocated(error)) then
         error%message = config%namelist//': &background file: '//error%message
         return
      end if
      call analysis%take_covariances(covariances)
   end subroutine hand_over_covariances
end module da_cycle_background
