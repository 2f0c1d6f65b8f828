!> The Kalman filter of one state, iterated over a window: the state at the window's start is
!> analysed, with its covariance, by Gauss-Newton steps with the model inside, and both are carried
!> from there. It is 4D-Var whose B is the covariance that earlier analyses have left (the Kalman
!> smoother's fixed lag; Bell 1994), with the newest observations alone in each window.
!>
!> With G = H M' … M' about the latest x_i, H over L cycles of the model:
!> x_{i+1} = x_b + K (y - H(M(x_i)) + G (x_i - x_b)), K = P G^T (G P G^T + R)^{-1},
!> P_a = (I - K G) P. The next window starts a cycle later: x_b, P by the filter's forecast.
module da_analysis_kalman_window
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_analysis_kalman_bands, only: bands_type, new_bands
   use da_analysis_kalman_consistency, only: widen
   use da_analysis_kalman_forecast, only: first_covariance, forecast_errors, forecast_cycle, &
      standard_deviations
   use da_analysis_kalman_observations, only: rows_type, linearise_rows
   use da_analysis_kalman_second_order, only: observe_rows, carried_covariance
   use da_analysis_kalman_settings, only: kalman_config
   use da_analysis_kalman_update, only: update_covariance
   use da_analysis_smoother_type, only: smoother_type, carry_window, carried_start
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_catalogue, only: catalogue_type
   use da_operator_composition, only: composition_type, new_composition
   use da_operator_repetition, only: new_repetition
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: kalman_window_type, new_kalman_window

   !> Of the state at the window's end; `carried_covariance` is that at its start.
   character(len=*), parameter :: carried_end_covariance = 'end_error_covariance'

   type, extends(smoother_type) :: kalman_window_type
      type(kalman_config) :: config
      type(bands_type) :: bands
   contains
      procedure :: prepare
      procedure :: carry_along
      procedure :: list_operators
      procedure :: forecast
      procedure :: update_window
   end type kalman_window_type

contains

   function new_kalman_window(config) result(self)
      type(kalman_config), intent(in) :: config
      type(kalman_window_type) :: self

      self%name = 'kalman_second_order'
      self%config = config
      call self%set_window(config%window, 1, .false.)
      self%copies = 6*config%reach
   end function new_kalman_window

   subroutine prepare(self, domain, model)
      class(kalman_window_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model

      self%model = model
      call new_bands(domain, model, self%config%reach, self%bands)
   end subroutine prepare

   subroutine carry_along(self, domain, ensemble)
      class(kalman_window_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: covariance(:, :, :)

      call carry_window(self, domain, ensemble)
      call first_covariance(self%config, domain, size(ensemble%x, 2), ensemble%parameters, &
                            covariance)
      call ensemble%carry(carried_covariance, '', .false., covariance)
      call ensemble%carry(carried_end_covariance, '', .false., covariance)
   end subroutine carry_along

   !> What the newest observations see of the window's start.
   subroutine list_operators(self, domain, cycle, past, observations, ensemble, catalogue)
      class(kalman_window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: past(:)
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(catalogue_type), intent(inout) :: catalogue
      integer :: steps

      steps = (cycle - self%start_of(cycle))*self%steps
      call catalogue%add('H at the window''s end', &
                         across_window(self, domain, steps, observations), &
                         ensemble%carried(ensemble%place_of(carried_start))%x, steps)
   end subroutine list_operators

   !> The observation operator after so many steps of the model.
   function across_window(self, domain, steps, observations) result(operator)
      class(kalman_window_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      type(composition_type) :: operator
      class(operator_type), allocatable :: observe

      call new_observation_operator(observations, domain, observe)
      operator = new_composition(new_repetition(self%model, steps), observe)
   end function across_window

   !> From the end of the window before to the background of its new end.
   subroutine forecast(self, domain, model, cycle, ensemble)
      class(kalman_window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble

      associate (covariance => ensemble%carried(ensemble%place_of(carried_end_covariance))%x)
         call forecast_cycle(self%config, self%bands, domain, model, self%steps, covariance, &
                             ensemble%x)
         ensemble%sd = standard_deviations(covariance)
      end associate
   end subroutine forecast

   subroutine update_window(self, domain, cycle, past, observations, ensemble, error)
      class(kalman_window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(rows_type) :: rows

      associate (start => ensemble%carried(ensemble%place_of(carried_start))%x, &
                 covariance => ensemble%carried(ensemble%place_of(carried_covariance))%x, &
                 at_end => ensemble%carried(ensemble%place_of(carried_end_covariance))%x)
         call observe_rows(self%bands, self%gross_error_limit, domain, ensemble, at_end, &
                              observations, rows)
         if (self%start_of(cycle) > self%start_of(cycle - 1)) then
            call forecast_cycle(self%config, self%bands, domain, self%model, self%steps, &
                                covariance, start)
         end if
         call widen(self%config%doubt, domain, observations, rows, covariance)
         call analyse_start(self, domain, (cycle - self%start_of(cycle))*self%steps, &
                            observations, covariance, start)
         call self%keep_smoothed(start, ensemble)
         ensemble%x = start
         at_end = covariance
         call forecast_errors(self%config, self%bands, domain, self%model, &
                              (cycle - self%start_of(cycle))*self%steps, at_end, ensemble%x)
         ensemble%sd = standard_deviations(at_end)
      end associate
   end subroutine update_window

   !> Gauss-Newton steps from the background at the window's start, x, to the analysis there.
   subroutine analyse_start(self, domain, steps, observations, covariance, x)
      class(kalman_window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      type(composition_type) :: operator
      type(rows_type) :: rows
      real(wp), allocatable, dimension(:, :, :) :: background, before, latest
      real(wp), dimension(observations%n, 1, 1) :: hx, moved
      real(wp) :: change(1)
      integer :: iteration

      operator = across_window(self, domain, steps, observations)
      background = x
      before = covariance
      do iteration = 1, self%config%iterations
         latest = x
         call operator%forward(domain, latest, hx)
         call operator%tl(domain, latest, latest - background, moved)
         call linearise_rows(domain, operator, observations, &
                             [self%bands%behind, self%bands%ahead], latest, rows)
         covariance = before
         x = background
         call update_covariance(self%bands, domain, observations, &
                                observations%value - hx(:, 1, 1) + moved(:, 1, 1), rows, &
                                covariance, x(:, :, 1))
         change = maxval(abs(x - latest))
         call domain%communicator%maxima(change)
         if (.not. change(1) > self%config%tolerance) exit
      end do
   end subroutine analyse_start
end module da_analysis_kalman_window
