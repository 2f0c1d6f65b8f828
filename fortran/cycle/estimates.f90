!> Scores of what is estimated beside the state; only a run that estimates it has them.
module da_cycle_estimates
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_adaptive_inflation, only: carried_inflation
   use da_analysis_observation_bias, only: carried_bias
   use da_analysis_smoother, only: carried_smoothed
   use da_cycle_past_truth, only: smoothed_error, carried_truth
   use da_ensemble_type, only: ensemble_type, mean_of_members, spread_of_members
   use da_verification_record, only: record_type
   use da_verification_scores, only: state_scores, scores_kept, inflation_mean, parameter_mean, &
      parameter_spread, parameter_rmse, bias_mean, bias_spread, smoothed_rmse
   implicit none
   private
   public :: scores_of_run, score_estimates

contains

   !> Which scores a run has; the truth's parameters may be known or not.
   pure function scores_of_run(ensemble, true_parameters) result(has_score)
      type(ensemble_type), intent(in) :: ensemble
      logical, intent(in) :: true_parameters
      logical :: has_score(scores_kept)

      has_score = .true.
      has_score(inflation_mean) = ensemble%place_of(carried_inflation) > 0
      has_score(smoothed_rmse) = ensemble%place_of(carried_truth) > 0 .and. &
                                 ensemble%place_of(carried_smoothed) > 0
      has_score([bias_mean, bias_spread]) = ensemble%place_of(carried_bias) > 0
      has_score([parameter_mean, parameter_spread]) = ensemble%parameters > 0
      has_score(parameter_rmse) = ensemble%parameters > 0 .and. true_parameters
   end function scores_of_run

   !> Those scores of a cycle, from its analysis' means(n, components) and standard deviations; of
   !> several parameters, the first. Between analyses (`due` is false) the start of a window stands
   !> with the score that it had.
   subroutine score_estimates(domain, cycle, due, ensemble, means, sds, truth, true_parameters, &
                              record)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      logical, intent(in) :: due
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(in) :: means(:, :)
      real(wp), intent(in) :: sds(:, :)
      real(wp), intent(in) :: truth(:, :, :)
      logical, intent(in) :: true_parameters
      type(record_type), intent(inout) :: record
      real(wp), dimension(1) :: rmse, spread, bias, average
      integer :: place
      integer :: p

      place = ensemble%place_of(carried_inflation)
      if (place > 0) then
         record%series(cycle, inflation_mean:inflation_mean) = &
            domain%mean_of_points(ensemble%carried(place)%x(:, :, 1))
      end if
      place = ensemble%place_of(carried_bias)
      if (place > 0) then
         call mean_of_members(1, ensemble%members, ensemble%carried(place)%x, average)
         call spread_of_members(1, ensemble%members, ensemble%carried(place)%x, average, spread)
         record%series(cycle, bias_mean) = average(1)
         record%series(cycle, bias_spread) = spread(1)
      end if
      place = ensemble%place_of(carried_smoothed)
      if (ensemble%place_of(carried_truth) > 0 .and. place > 0) then
         if (due .or. cycle == 1) then
            record%series(cycle, smoothed_rmse:smoothed_rmse) = &
               smoothed_error(domain, cycle, ensemble%carried(place)%x, ensemble)
         else
            record%series(cycle, smoothed_rmse) = record%series(cycle - 1, smoothed_rmse)
         end if
      end if
      if (ensemble%parameters == 0) return
      p = ensemble%states() + 1
      record%series(cycle, parameter_mean:parameter_mean) = domain%mean_of_points(means(:, p:p))
      if (true_parameters) then
         call state_scores(domain, truth(:, p, 1), means(:, p:p), sds(:, p:p), rmse, spread, bias)
         record%series(cycle, parameter_rmse) = rmse(1)
      else
         call state_scores(domain, means=means(:, p:p), sds=sds(:, p:p), rmse=rmse, &
                           spread=spread, bias=bias)
      end if
      record%series(cycle, parameter_spread) = spread(1)
   end subroutine score_estimates
end module da_cycle_estimates
