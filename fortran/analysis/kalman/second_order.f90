!> The Kalman filter of one state that carries its covariance, with the second-order term of the
!> mean (Jazwinski 1970, section 9.3); without it, the extended Kalman filter.
!>
!> x_f = M(x_a) + ½ tr(M'' P_a), P_f = α² M P_a M^T + q I, M the tangent linear model;
!> K = P_f H^T (H P_f H^T + R)^{-1}, x_a = x_f + K (y - H(x_f)), P_a = (I - K H) P_f.
!>
!> No ensemble, so no sampling errors: P needs no localisation but the reach of its bands. The
!> additive q, not α, stands for what the second-order equations leave out: directions that the
!> model damps need it, those that grow do not.
module da_analysis_kalman_second_order
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_base_timer, only: phase_forecast
   use da_analysis_kalman_bands, only: bands_type, new_bands, reach_on
   use da_analysis_kalman_consistency, only: widen
   use da_analysis_kalman_observations, only: rows_type, linearise_rows
   use da_analysis_kalman_update, only: observe_spread, update_covariance
   use da_analysis_setup, only: analysis_setup_type
   use da_analysis_type, only: analysis_type, observe_background
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: kalman_type, kalman_config, new_kalman, carried_covariance

   character(len=*), parameter :: carried_covariance = 'error_covariance'

   !> `&kalman_second_order`
   type :: kalman_config
      integer :: order = 2
      real(wp) :: q = 1.0e-4_wp
      real(wp) :: inflation = 1
      integer :: reach = 24
      real(wp) :: doubt = 8
      real(wp) :: initial_sd = 1
   end type kalman_config

   type, extends(analysis_type) :: kalman_type
      type(kalman_config) :: config
      type(bands_type) :: bands
      real(wp) :: gross_error_limit = 0
   contains
      procedure :: configure
      procedure :: prepare
      procedure :: carry_along
      procedure :: take_first
      procedure :: forecast
      procedure :: update
   end type kalman_type

contains

   subroutine configure(self, namelists, setup, error)
      class(kalman_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('kalman_second_order', 'Kalman filter of one state, used by '// &
                                'analysis = ''kalman_second_order''')
      call namelists%get('order', self%config%order, &
                         'of what the mean''s forecast knows of its errors: 1 (the extended '// &
                         'Kalman filter) or 2', minimum=1, maximum=2)
      call namelists%get('q', self%config%q, &
                         'model error: variance added to each variable in a cycle', minimum=0.0_wp)
      call namelists%get('inflation', self%config%inflation, &
                         'factor of the forecast''s error standard deviations; 1: none', &
                         above=0.0_wp)
      call namelists%get('reach', self%config%reach, &
                         'points over which errors covary, tapered in the last third; 0, or '// &
                         'half the circle: all, as they are', minimum=0)
      call namelists%get('doubt', self%config%doubt, &
                         'by how many standard deviations the squared innovations around a '// &
                         'point may exceed what is expected of them, before its variance grows '// &
                         'to what they say; 0: any', minimum=0.0_wp)
      call namelists%get('initial_sd', self%config%initial_sd, 'of the first state''s errors', &
                         above=0.0_wp)
      call namelists%close_group(error)
      if (allocated(error)) return
      self%copies = copies_of(self%config)
      self%gross_error_limit = setup%gross_error_limit
      if (setup%members > 1) then
         call input_error(error, namelists%file//': &ensemble members = '// &
                          to_text(setup%members)//": analysis = '"//self%name// &
                          "' has one state: members = 1")
      else if (setup%error_correlation_length > 0) then
         call input_error(error, namelists%file//': &observations error_correlation_length is '// &
                          "not used with analysis = '"//self%name//"', whose R is diagonal")
      end if
   end subroutine configure

   function new_kalman(config) result(self)
      type(kalman_config), intent(in), optional :: config
      type(kalman_type) :: self

      self%name = 'kalman_second_order'
      if (present(config)) self%config = config
      self%copies = copies_of(self%config)
   end function new_kalman

   !> Bands with their halo, and columns of them in a comb.
   pure integer function copies_of(config)
      type(kalman_config), intent(in) :: config

      copies_of = 4*config%reach
   end function copies_of

   subroutine prepare(self, domain, model)
      class(kalman_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model

      call new_bands(domain, model, self%config%reach, self%bands)
   end subroutine prepare

   subroutine carry_along(self, domain, ensemble)
      class(kalman_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: covariance(:, :, :)

      associate (components => size(ensemble%x, 2))
         allocate (covariance(domain%n, components, &
                              components*(reach_on(domain%total, self%config%reach) + 1)), &
                   source=0.0_wp)
      end associate
      call add_to_variances(covariance, self%config%initial_sd**2)
      call ensemble%carry(carried_covariance, '', .false., covariance)
   end subroutine carry_along

   subroutine take_first(self, ensemble)
      class(kalman_type), intent(in) :: self
      type(ensemble_type), intent(inout) :: ensemble

      ensemble%sd = standard_deviations(ensemble%carried(ensemble%place_of(carried_covariance))%x)
   end subroutine take_first

   !> The state and its covariance, step by step.
   subroutine forecast(self, domain, model, cycle, ensemble)
      class(kalman_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      integer :: step

      call domain%timer%start(phase_forecast)
      associate (covariance => ensemble%carried(ensemble%place_of(carried_covariance))%x)
         do step = 1, self%steps
            call advance(self, domain, model, covariance, ensemble%x)
         end do
         covariance = self%config%inflation**2*covariance
         call add_to_variances(covariance, self%config%q)
         ensemble%sd = standard_deviations(covariance)
      end associate
      call domain%timer%stop()
   end subroutine forecast

   !> One step. Where the model tells what P adds to the tendency, that of the step is the mean of
   !> those at its ends.
   subroutine advance(self, domain, model, covariance, x)
      class(kalman_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), allocatable :: before(:, :)
      real(wp), allocatable :: after(:, :)
      real(wp) :: shift(size(x, 1), size(x, 2))

      shift = 0
      if (self%config%order > 1) then
         call model%second_order(domain, covariance, before)
         if (.not. allocated(before)) then
            call self%bands%curvature(model, domain, x, covariance, shift)
         end if
      end if
      call self%bands%propagate(model, domain, x, covariance)
      if (allocated(before)) then
         call model%second_order(domain, covariance, after)
         shift = 0.5_wp*model%dt*(before + after)
      end if
      call model%advance(domain, 1, x)
      x(:, :, 1) = x(:, :, 1) + shift
   end subroutine advance

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(kalman_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: hx(:, :)
      type(rows_type) :: rows

      associate (covariance => ensemble%carried(ensemble%place_of(carried_covariance))%x)
         call observe_background(domain, ensemble, observations, hx)
         call linearise_rows(domain, observations, [self%bands%behind, self%bands%ahead], &
                             ensemble%x, rows)
         call observe_spread(self%bands, domain, rows, covariance, observations)
         call check_gross_errors(self%gross_error_limit, observations)
         if (self%config%doubt > 0) then
            call widen(self%config%doubt, domain, observations, rows, covariance)
         end if
         call update_covariance(self%bands, domain, observations, rows, covariance, &
                                ensemble%x(:, :, 1))
         ensemble%sd = standard_deviations(covariance)
      end associate
   end subroutine update

   !> Add to the variances of each point's components.
   pure subroutine add_to_variances(covariance, variance)
      real(wp), intent(inout) :: covariance(:, :, :)
      real(wp), intent(in) :: variance
      integer :: c

      do c = 1, size(covariance, 2)
         covariance(:, c, c) = covariance(:, c, c) + variance
      end do
   end subroutine add_to_variances

   !> sd(n, components)
   pure function standard_deviations(covariance) result(sd)
      real(wp), intent(in) :: covariance(:, :, :)
      real(wp) :: sd(size(covariance, 1), size(covariance, 2))
      integer :: c

      do c = 1, size(sd, 2)
         sd(:, c) = sqrt(covariance(:, c, c))
      end do
   end function standard_deviations
end module da_analysis_kalman_second_order
