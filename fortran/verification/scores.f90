!> The scores of one cycle.
module da_verification_scores
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   use da_observation_type, only: observations_type, qc_assimilated, qc_evaluated, qc_merged
   implicit none
   private
   public :: state_scores, observation_scores, score_names, score_meanings, scores_kept
   public :: background_rmse, analysis_rmse, background_spread, analysis_spread
   public :: background_bias, analysis_bias, innovation_chi2, observations_used, &
      observations_rejected, inflation_mean, parameter_mean, parameter_spread, parameter_rmse, &
      bias_mean, bias_spread, smoothed_rmse

   integer, parameter :: background_rmse = 1
   integer, parameter :: analysis_rmse = 2
   integer, parameter :: background_spread = 3
   integer, parameter :: analysis_spread = 4
   integer, parameter :: background_bias = 5
   integer, parameter :: analysis_bias = 6
   integer, parameter :: innovation_chi2 = 7
   integer, parameter :: observations_used = 8
   integer, parameter :: observations_rejected = 9
   integer, parameter :: inflation_mean = 10
   integer, parameter :: parameter_mean = 11
   integer, parameter :: parameter_spread = 12
   integer, parameter :: parameter_rmse = 13
   integer, parameter :: bias_mean = 14
   integer, parameter :: bias_spread = 15
   integer, parameter :: smoothed_rmse = 16
   integer, parameter :: scores_kept = 16

   character(len=21), parameter :: score_names(scores_kept) = [character(len=21) :: &
      'background_rmse', 'analysis_rmse', 'background_spread', 'analysis_spread', &
      'background_bias', &
      'analysis_bias', 'innovation_chi2', 'observations_used', 'observations_rejected', &
      'inflation_mean', 'parameter_mean', 'parameter_spread', 'parameter_rmse', &
      'bias_mean', 'bias_spread', 'smoothed_rmse']
   character(len=80), parameter :: score_meanings(scores_kept) = [character(len=80) :: &
      'root mean square over space of background mean minus truth', &
      'root mean square over space of analysis mean minus truth', &
      'root of the background ensemble variance averaged over space', &
      'root of the analysis ensemble variance averaged over space', &
      'mean over space of background mean minus truth', &
      'mean over space of analysis mean minus truth', &
      'mean of squared innovation over background plus observation error variance', &
      'number of observations assimilated, or evaluated where nothing is assimilated', &
      'number of observations not used: missing, rejected or thinned', &
      'mean over space of the adaptive inflation of the background variance', &
      'mean over space of the analysis mean of the model''s parameter', &
      'root of the analysis variance of that parameter averaged over space', &
      'root mean square over space of its analysis mean minus truth', &
      'analysis mean of the observations'' bias', &
      'analysis standard deviation of that bias', &
      'root mean square over space of the smoothed mean at the window''s start - truth']

contains

   !> RMSE, spread and bias of ensemble means and standard deviations against the truth, for each
   !> pair of columns; RMSE and bias are NaN where there is no truth.
   subroutine state_scores(domain, truth, means, sds, rmse, spread, bias)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in), optional :: truth(:)
      real(wp), intent(in) :: means(:, :)
      real(wp), intent(in) :: sds(:, :)
      real(wp), intent(out) :: rmse(:)
      real(wp), intent(out) :: spread(:)
      real(wp), intent(out) :: bias(:)
      real(wp) :: terms(domain%n, 3*size(means, 2))
      real(wp) :: averages(3*size(means, 2))
      integer :: columns
      integer :: c

      columns = size(means, 2)
      terms = 0
      do c = 1, columns
         terms(:, c) = sds(:, c)**2
         if (.not. present(truth)) cycle
         terms(:, columns + c) = (means(:, c) - truth)**2
         terms(:, 2*columns + c) = means(:, c) - truth
      end do
      averages = domain%mean_of_points(terms)
      spread = sqrt(averages(:columns))
      rmse = sqrt(averages(columns + 1:2*columns))
      bias = averages(2*columns + 1:)
      if (.not. present(truth)) then
         rmse = ieee_value(rmse, ieee_quiet_nan)
         bias = ieee_value(bias, ieee_quiet_nan)
      end if
   end subroutine state_scores

   !> Normalised innovations and the numbers of observations used and rejected.
   subroutine observation_scores(domain, observations, chi2, used, rejected)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), intent(out) :: chi2
      real(wp), intent(out) :: used
      real(wp), intent(out) :: rejected
      real(wp) :: terms(observations%n, 2)
      real(wp) :: sums(2)

      where (observations%qc == qc_assimilated .or. observations%qc == qc_evaluated .or. &
             observations%qc == qc_merged)
         terms(:, 1) = (observations%value - observations%background)**2 &
                       /(observations%background_sd**2 + observations%error_sd**2)
         terms(:, 2) = 1
      elsewhere
         terms(:, 1) = 0
         terms(:, 2) = 0
      end where
      call sum_columns(domain%communicator, max(observations%total, 1_i8), terms, sums)
      used = sums(2)
      rejected = observations%total - used
      chi2 = ieee_value(chi2, ieee_quiet_nan)
      if (used > 0) chi2 = sums(1)/used
   end subroutine observation_scores
end module da_verification_scores
