!> The scores of one cycle.
module da_verification_scores
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   use da_observation_type, only: observations_type, qc_assimilated, qc_evaluated, qc_merged
   implicit none
   private
   public :: state_scores, observation_scores

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
