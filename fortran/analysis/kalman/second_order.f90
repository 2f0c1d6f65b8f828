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
   use da_analysis_kalman_bands, only: bands_type, new_bands, reach_on
   use da_analysis_kalman_consistency, only: widen
   use da_analysis_kalman_forecast, only: first_covariance, forecast_cycle, standard_deviations
   use da_analysis_kalman_observations, only: rows_type, span_of, linearise_rows
   use da_analysis_kalman_settings, only: kalman_config, read_kalman
   use da_analysis_kalman_update, only: observe_spread, update_covariance
   use da_analysis_setup, only: analysis_setup_type
   use da_analysis_type, only: analysis_type, observe_background
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: kalman_type, new_kalman, observe_rows, carried_covariance

   character(len=*), parameter :: carried_covariance = 'error_covariance'

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

      call read_kalman(namelists, self%config, error)
      if (allocated(error)) return
      self%copies = copies_of(reach_on(setup%points, self%config%reach))
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
      self%copies = copies_of(self%config%reach)
   end function new_kalman

   !> Bands with their halo, and columns of them in a comb.
   pure integer function copies_of(reach)
      integer, intent(in) :: reach

      copies_of = 4*reach
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

      call first_covariance(self%config, domain, size(ensemble%x, 2), ensemble%parameters, &
                            covariance)
      call ensemble%carry(carried_covariance, '', .false., covariance)
   end subroutine carry_along

   subroutine take_first(self, ensemble)
      class(kalman_type), intent(in) :: self
      type(ensemble_type), intent(inout) :: ensemble

      ensemble%sd = standard_deviations(ensemble%carried(ensemble%place_of(carried_covariance))%x)
   end subroutine take_first

   subroutine forecast(self, domain, model, cycle, ensemble)
      class(kalman_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble

      associate (covariance => ensemble%carried(ensemble%place_of(carried_covariance))%x)
         call forecast_cycle(self%config, self%bands, domain, model, self%steps, covariance, &
                             ensemble%x)
         ensemble%sd = standard_deviations(covariance)
      end associate
   end subroutine forecast

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(kalman_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(rows_type) :: rows

      associate (covariance => ensemble%carried(ensemble%place_of(carried_covariance))%x)
         call observe_rows(self%bands, self%gross_error_limit, domain, ensemble, covariance, &
                              observations, rows)
         call widen(self%config%doubt, domain, observations, rows, covariance)
         call update_covariance(self%bands, domain, observations, &
                                observations%value - observations%background, rows, covariance, &
                                ensemble%x(:, :, 1))
         ensemble%sd = standard_deviations(covariance)
      end associate
   end subroutine update

   !> What observations make of the background, their rows about it, and quality control.
   subroutine observe_rows(bands, gross_error_limit, domain, ensemble, covariance, &
                              observations, rows)
      type(bands_type), intent(in) :: bands
      real(wp), intent(in) :: gross_error_limit
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      real(wp), contiguous, intent(in) :: covariance(:, :, :)
      type(observations_type), intent(inout) :: observations
      type(rows_type), intent(out) :: rows
      class(operator_type), allocatable :: operator
      real(wp), allocatable :: hx(:, :)

      call observe_background(domain, ensemble, observations, hx)
      call new_observation_operator(observations, domain, operator)
      call linearise_rows(domain, operator, observations, &
                          span_of(domain, observations, [bands%behind, bands%ahead]), ensemble%x, &
                          rows)
      call observe_spread(bands, domain, rows, covariance, observations)
      call check_gross_errors(gross_error_limit, observations)
   end subroutine observe_rows
end module da_analysis_kalman_second_order
