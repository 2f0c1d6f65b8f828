!> Observations as a global filter sees them: projected onto the ensemble's members.
module da_analysis_filter_ensemble_space
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_products
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: project_observations

contains

   !> Y^T Y and Y^T d over all ranks, of scaled anomalies Y and innovations d; the same bits on any
   !> layout.
   subroutine project_observations(domain, observations, anomalies, innovations, gram, projected)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), contiguous, intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      real(wp), intent(out) :: gram(:, :)
      real(wp), intent(out) :: projected(:)
      real(wp) :: column(size(projected), 1)

      call sum_products(domain%communicator, observations%total, anomalies, anomalies, .true., gram)
      call sum_products(domain%communicator, observations%total, anomalies, &
                        reshape(innovations, [observations%n, 1]), .false., column)
      projected = column(:, 1)
   end subroutine project_observations
end module da_analysis_filter_ensemble_space
