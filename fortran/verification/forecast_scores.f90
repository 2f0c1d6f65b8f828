!> Scores of one forecast, the mean of its ensemble, against the truth of its time.
module da_verification_forecast_scores
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_ensemble_type, only: mean_of_members, spread_of_members
   use da_verification_scores, only: state_scores
   implicit none
   private
   public :: forecast_scores_type, score_forecast

   type :: forecast_scores_type
      real(wp) :: rmse = 0
      real(wp) :: spread = 0
      !> Of forecast and truth over space, each about its mean over space.
      real(wp) :: correlation = 0
      !> Standard deviation of the truth over space.
      real(wp) :: truth_sd = 0
   end type forecast_scores_type

contains

   !> Of the members; of several values a point the first is scored. Collective.
   subroutine score_forecast(domain, components, members, truth, x, scores)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      integer, intent(in) :: members
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, members)
      type(forecast_scores_type), intent(out) :: scores
      real(wp), dimension(domain%n, components) :: mean, sd
      real(wp) :: terms(domain%n, 3)
      real(wp), dimension(1) :: rmse, spread, bias
      real(wp) :: averages(2)
      real(wp) :: moments(3)

      call mean_of_members(size(mean), members, x, mean)
      call spread_of_members(size(mean), members, x, mean, sd)
      call state_scores(domain, truth, mean(:, :1), sd(:, :1), rmse, spread, bias)
      terms(:, 1) = mean(:, 1)
      terms(:, 2) = truth
      averages = domain%mean_of_points(terms(:, :2))
      terms(:, 1) = mean(:, 1) - averages(1)
      terms(:, 2) = truth - averages(2)
      terms(:, 3) = terms(:, 1)*terms(:, 2)
      terms(:, :2) = terms(:, :2)**2
      moments = domain%mean_of_points(terms)
      scores%rmse = rmse(1)
      scores%spread = spread(1)
      scores%correlation = moments(3)/sqrt(moments(1)*moments(2))
      scores%truth_sd = sqrt(moments(2))
   end subroutine score_forecast
end module da_verification_forecast_scores
