!> What `&kalman_second_order` says.
module da_analysis_kalman_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   implicit none
   private
   public :: kalman_config, read_kalman

   !> `&kalman_second_order`
   type :: kalman_config
      integer :: order = 2
      real(wp) :: q = 1.0e-4_wp
      real(wp) :: inflation = 1
      integer :: reach = 24
      real(wp) :: doubt = 8
      real(wp) :: initial_sd = 1
      integer :: window = 0
      integer :: iterations = 5
      real(wp) :: tolerance = 1.0e-3_wp
   end type kalman_config

contains

   subroutine read_kalman(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(kalman_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest_window = 1000
      type(kalman_config) :: defaults

      call namelists%open_group('kalman_second_order', 'Kalman filter of one state, used by '// &
                                'analysis = ''kalman_second_order''')
      call namelists%get('order', config%order, &
                         'of what the mean''s forecast knows of its errors: 1 (the extended '// &
                         'Kalman filter) or 2', minimum=1, maximum=2)
      call namelists%get('q', config%q, &
                         'model error: variance added to each variable in a cycle', minimum=0.0_wp)
      call namelists%get('inflation', config%inflation, &
                         'factor of the forecast''s error standard deviations; 1: none', &
                         above=0.0_wp)
      call namelists%get('reach', config%reach, &
                         'points over which errors covary, tapered in the last third; 0, or '// &
                         'half the circle: all, as they are', minimum=0)
      call namelists%get('doubt', config%doubt, &
                         'by how many standard deviations the squared innovations around a '// &
                         'point may exceed what is expected of them, before its variance grows '// &
                         'to what they say; 0: any', minimum=0.0_wp)
      call namelists%get('initial_sd', config%initial_sd, 'of the first state''s errors', &
                         above=0.0_wp)
      call namelists%get('window', config%window, &
                         'cycles from the state that is analysed, with its covariance, to the '// &
                         'newest observations; 0: a filter', minimum=0, maximum=longest_window)
      call namelists%get('iterations', config%iterations, &
                         'with a window: most Gauss-Newton steps', minimum=1)
      call namelists%get('tolerance', config%tolerance, &
                         'with a window: the last step''s largest change of a variable', &
                         above=0.0_wp)
      if (config%window == 0 .and. config%iterations /= defaults%iterations) then
         call namelists%reject('iterations', 'is not used with window = 0')
      else if (config%window == 0 .and. abs(config%tolerance - defaults%tolerance) > 0) then
         call namelists%reject('tolerance', 'is not used with window = 0')
      end if
      call namelists%close_group(error)
   end subroutine read_kalman
end module da_analysis_kalman_settings
