!> The forecast of a state with the covariance of its errors.
module da_analysis_kalman_forecast
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_timer, only: phase_forecast
   use da_analysis_kalman_bands, only: bands_type, reach_on
   use da_analysis_kalman_settings, only: kalman_config
   use da_model_type, only: model_type
   implicit none
   private
   public :: first_covariance, forecast_errors, forecast_cycle, standard_deviations

contains

   !> That of the first state: a diagonal, zero for the last `parameters` components.
   subroutine first_covariance(config, domain, components, parameters, covariance)
      type(kalman_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      integer, intent(in) :: parameters
      real(wp), allocatable, intent(out) :: covariance(:, :, :)

      allocate (covariance(domain%n, components, &
                           components*(reach_on(domain%total, config%reach) + 1)), source=0.0_wp)
      call add_to_variances(components - parameters, config%initial_sd**2, covariance)
   end subroutine first_covariance

   !> State and covariance a cycle later, with the model's error.
   subroutine forecast_cycle(config, bands, domain, model, steps, covariance, x)
      type(kalman_config), intent(in) :: config
      type(bands_type), intent(in) :: bands
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: steps
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)

      call forecast_errors(config, bands, domain, model, steps, covariance, x)
      covariance = config%inflation**2*covariance
      call add_to_variances(size(x, 2) - model%parameters, config%q, covariance)
   end subroutine forecast_cycle

   !> State and covariance some steps of a perfect model later.
   subroutine forecast_errors(config, bands, domain, model, steps, covariance, x)
      type(kalman_config), intent(in) :: config
      type(bands_type), intent(in) :: bands
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: steps
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      integer :: step

      call domain%timer%start(phase_forecast)
      do step = 1, steps
         call advance(bands, config%order, domain, model, covariance, x)
      end do
      call domain%timer%stop()
   end subroutine forecast_errors

   !> One step. Where the model tells what P adds to the tendency, that of the step is the mean of
   !> those at its ends.
   subroutine advance(bands, order, domain, model, covariance, x)
      type(bands_type), intent(in) :: bands
      integer, intent(in) :: order
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), allocatable :: before(:, :)
      real(wp), allocatable :: after(:, :)
      real(wp) :: shift(size(x, 1), size(x, 2))

      shift = 0
      if (order > 1) then
         call model%second_order(domain, covariance, before)
         if (.not. allocated(before)) then
            call bands%curvature(model, domain, x, covariance, shift)
         end if
      end if
      call bands%propagate(model, domain, x, covariance)
      if (allocated(before)) then
         call model%second_order(domain, covariance, after)
         shift = 0.5_wp*model%dt*(before + after)
      end if
      call model%advance(domain, 1, x)
      x(:, :, 1) = x(:, :, 1) + shift
   end subroutine advance

   !> Add to the variances of each point's first components, its state.
   pure subroutine add_to_variances(states, variance, covariance)
      integer, intent(in) :: states
      real(wp), intent(in) :: variance
      real(wp), intent(inout) :: covariance(:, :, :)
      integer :: c

      do c = 1, states
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
end module da_analysis_kalman_forecast
