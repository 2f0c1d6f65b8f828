!> One state that carries its covariance: the filter, or with a window the iterated smoother.
module da_analysis_kalman_scheme
   use da_analysis_kalman_second_order, only: kalman_type, new_kalman
   use da_analysis_kalman_window, only: kalman_window_type, new_kalman_window
   use da_analysis_type, only: analysis_type
   implicit none
   private
   public :: kalman_scheme_type, new_kalman_scheme

   type, extends(kalman_type) :: kalman_scheme_type
   contains
      procedure :: specialise
   end type kalman_scheme_type

contains

   function new_kalman_scheme() result(self)
      type(kalman_scheme_type) :: self

      self%kalman_type = new_kalman()
   end function new_kalman_scheme

   subroutine specialise(self, other)
      class(kalman_scheme_type), intent(in) :: self
      class(analysis_type), allocatable, intent(out) :: other
      type(kalman_window_type), allocatable :: smoother

      if (self%config%window == 0) return
      smoother = new_kalman_window(self%config)
      smoother%seed = self%seed
      smoother%gross_error_limit = self%gross_error_limit
      smoother%copies = max(smoother%copies, self%copies)
      call move_alloc(smoother, other)
   end subroutine specialise
end module da_analysis_kalman_scheme
