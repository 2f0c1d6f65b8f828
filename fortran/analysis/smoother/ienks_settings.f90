!> `&ienks`: the window of the iterative smoother and its iterations.
module da_analysis_smoother_ienks_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   implicit none
   private
   public :: ienks_config, read_ienks

   character(len=9), parameter :: known_variants(2) = [character(len=9) :: 'transform', 'bundle']

   !> `&ienks`
   type :: ienks_config
      integer :: window = 10
      integer :: shift = 1
      logical :: multiple = .false.
      logical :: bundle = .false.
      logical :: rotation = .true.
      logical :: finite_size = .false.
      real(wp) :: hyperprior = 1
      real(wp) :: inflation = 1.02_wp
      integer :: iterations = 10
      real(wp) :: tolerance = 1.0e-3_wp
      real(wp) :: bundle_size = 1.0e-4_wp
   end type ienks_config

contains

   subroutine read_ienks(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(ienks_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest_window = 1000
      type(ienks_config) :: defaults
      character(len=:), allocatable :: variant

      variant = trim(known_variants(1))
      call namelists%open_group('ienks', 'Iterative ensemble Kalman smoother, used by '// &
                                'analysis = ''ienks''')
      call namelists%get('window', config%window, &
                         'lag: cycles from the window''s start to its end, the analysis', &
                         minimum=1, maximum=longest_window)
      call namelists%get('shift', config%shift, &
                         'cycles from analysis to analysis, which takes the observations of '// &
                         'all of them; at most the window', minimum=1)
      call namelists%get('multiple', config%multiple, &
                         'assimilate observations in all windows that they fall in, with '// &
                         'weights that sum to one')
      if (config%shift > config%window) then
         call namelists%reject('shift', '= '//to_text(config%shift)//': must be at most window '// &
                               '= '//to_text(config%window))
      end if
      call namelists%get('variant', variant, &
                         'how the model is linearised: over the spread of the posterior, or '// &
                         'about a point', known_variants)
      call namelists%get('rotation', config%rotation, 'turn the analysis anomalies at random')
      call namelists%get('finite_size', config%finite_size, &
                         'IEnKS-N: the prior of Bocquet & Sakov (2012), which needs no inflation')
      call namelists%get('hyperprior', config%hyperprior, &
                         'with finite_size: certainty of that prior about the ensemble''s spread', &
                         above=0.0_wp)
      if (config%finite_size) config%inflation = 1
      if (.not. config%finite_size .and. abs(config%hyperprior - defaults%hyperprior) > 0) then
         call namelists%reject('hyperprior', 'is not used with finite_size = .false.')
      end if
      call namelists%get('inflation', config%inflation, &
                         'factor of the anomalies at the window''s start after the analysis; '// &
                         '1: none (the default with finite_size)', above=0.0_wp)
      call namelists%get('iterations', config%iterations, 'most Gauss-Newton steps', minimum=1)
      call namelists%get('tolerance', config%tolerance, &
                         'the last step''s length, a member', above=0.0_wp)
      call namelists%get('bundle_size', config%bundle_size, &
                         'with variant = ''bundle'': anomalies in units of the prior''s', &
                         above=0.0_wp)
      config%bundle = variant == 'bundle'
      if (.not. config%bundle .and. abs(config%bundle_size - defaults%bundle_size) > 0) then
         call namelists%reject('bundle_size', "is not used with variant = '"//variant//"'")
      end if
      call namelists%close_group(error)
   end subroutine read_ienks
end module da_analysis_smoother_ienks_settings
