!> Forecasts from analyses, verified at several lead times. The cycle itself does not see them.
module da_cycle_lead_times
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_base_timer, only: phase_verification
   use da_cycle_config, only: config_type
   use da_cycle_truth, only: truth_type
   use da_ensemble_model_error, only: model_error_type
   use da_ensemble_type, only: ensemble_type
   use da_verification_forecast_scores, only: forecast_scores_type, score_forecast
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: check_leads, verify_forecasts

contains

   !> A truth from a file must go on for long enough to verify some forecast at every lead time.
   subroutine check_leads(config, truth, error)
      type(config_type), intent(in) :: config
      type(truth_type), intent(in) :: truth
      type(error_type), allocatable, intent(out) :: error
      integer :: first

      associate (verification => config%verification)
         if (size(verification%leads) == 0) return
         first = (config%burn_in/verification%forecasts_every + 1)*verification%forecasts_every
         if (first + verification%longest_lead() <= truth%last) return
         call input_error(error, config%namelist//': &verification lead_times: the forecast '// &
                          'from cycle '//to_text(first)//', the first after burn_in, to '// &
                          to_text(verification%longest_lead()*config%interval)// &
                          ' ahead cannot be verified: '//config%truth%file// &
                          ' ends at cycle '//to_text(truth%last))
      end associate
   end subroutine check_leads

   !> From the analysis of this cycle, if its turn has come, to each lead time that the truth
   !> reaches.
   subroutine verify_forecasts(config, domain, truth, model_error, cycle, ensemble, tables, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      type(truth_type), intent(inout) :: truth
      type(model_error_type), intent(in) :: model_error
      integer, intent(in) :: cycle
      type(ensemble_type), intent(in) :: ensemble
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      type(forecast_scores_type) :: scores(size(config%verification%leads))
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: reality(:, :, :)
      integer :: known
      integer :: now
      integer :: next
      integer :: lead

      associate (verification => config%verification)
         if (size(verification%leads) == 0) return
         if (mod(cycle, verification%forecasts_every) /= 0) return
         call domain%timer%start(phase_verification)
         if (verification%copies_ensemble()) then
            x = ensemble%x
         else
            allocate (x(size(ensemble%x, 1), size(ensemble%x, 2), 1))
            call ensemble%mean(x(:, :, 1))
         end if
         reality = truth%x
         known = count(cycle + verification%leads <= truth%last)
         now = cycle
         do lead = 1, known
            associate (then => cycle + verification%leads(lead))
               do while (now < then)
                  next = then
                  if (model_error%acts()) next = now + 1
                  call config%model%forecast(domain, (next - now)*config%steps, x)
                  if (verification%copies_ensemble()) then
                     call model_error%disturb_members(domain, next, x)
                  end if
                  call truth%look_ahead(domain, now, next, reality, error)
                  call domain%communicator%agree(error)
                  if (allocated(error)) exit
                  call model_error%disturb_truth(domain, next, reality)
                  now = next
               end do
               if (allocated(error)) exit
            end associate
            call score_forecast(domain, size(x, 2), size(x, 3), reality(:, 1, 1), x, scores(lead))
         end do
         call domain%timer%stop()
      end associate
      if (allocated(error)) return
      call tables%put('forecast_rmse', cycle, scores(:known)%rmse)
      call tables%put('forecast_spread', cycle, scores(:known)%spread)
      call tables%put('forecast_correlation', cycle, scores(:known)%correlation)
      call tables%put('forecast_truth_sd', cycle, scores(:known)%truth_sd)
   end subroutine verify_forecasts
end module da_cycle_lead_times
