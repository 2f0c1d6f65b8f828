!> What is verified of each cycle: its members, its regions, its scores.
module da_cycle_verify
   use da_base_kinds, only: wp
   use da_cycle_start, only: run_type
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   use da_verification_members, only: verify_members
   use da_verification_record, only: record_type
   use da_verification_regions, only: region_scores
   use da_verification_scores, only: state_scores, observation_scores, background_rmse, &
      analysis_rmse, background_spread, analysis_spread, background_bias, analysis_bias, &
      innovation_chi2, observations_used, observations_rejected
   implicit none
   private
   public :: verify_distribution, verify_regions, score

contains

   !> What is verified of the members, of a model with several values a point of the first.
   subroutine verify_distribution(run, cycle, state, ensemble, record)
      type(run_type), intent(in) :: run
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: state
      type(ensemble_type), intent(in) :: ensemble
      type(record_type), intent(inout) :: record

      if (.not. run%config%verification%of_members()) return
      call verify_members(run%config%verification, run%domain, cycle, state, &
                          size(ensemble%x, 2), run%truth%x(:, 1, 1), ensemble%x, record%tables)
   end subroutine verify_distribution

   !> Of background and analysis, in this order.
   subroutine verify_regions(run, cycle, means, sds, record)
      type(run_type), intent(in) :: run
      integer, intent(in) :: cycle
      real(wp), intent(in) :: means(:, :)
      real(wp), intent(in) :: sds(:, :)
      type(record_type), intent(inout) :: record
      character(len=10), parameter :: states(2) = [character(len=10) :: 'background', 'analysis']
      real(wp), dimension(size(run%config%verification%regions)) :: rmse, bias, spread
      integer :: s

      associate (regions => run%config%verification%regions)
         if (size(regions) == 0) return
         do s = 1, size(states)
            if (run%truth%exists) then
               call region_scores(run%domain, regions, means(:, s), sds(:, s), &
                                  run%truth%x(:, 1, 1), rmse, bias, spread)
            else
               call region_scores(run%domain, regions, means(:, s), sds(:, s), rmse=rmse, &
                                  bias=bias, spread=spread)
            end if
            call record%tables%put(trim(states(s))//'_region_rmse', cycle, rmse)
            call record%tables%put(trim(states(s))//'_region_bias', cycle, bias)
            call record%tables%put(trim(states(s))//'_region_spread', cycle, spread)
         end do
      end associate
   end subroutine verify_regions

   !> The cycle's scores, of background and analysis in this order.
   subroutine score(run, cycle, means, sds, observations, record)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      real(wp), intent(in) :: means(:, :)
      real(wp), intent(in) :: sds(:, :)
      type(observations_type), intent(in) :: observations
      type(record_type), intent(inout) :: record
      real(wp), dimension(2) :: rmse, spread, bias

      if (run%truth%exists) then
         call state_scores(run%domain, run%truth%x(:, 1, 1), means, sds, rmse, spread, bias)
      else
         call state_scores(run%domain, means=means, sds=sds, rmse=rmse, spread=spread, bias=bias)
      end if
      record%series(cycle, [background_rmse, analysis_rmse]) = rmse
      record%series(cycle, [background_spread, analysis_spread]) = spread
      record%series(cycle, [background_bias, analysis_bias]) = bias
      call observation_scores(run%domain, observations, record%series(cycle, innovation_chi2), &
                              record%series(cycle, observations_used), &
                              record%series(cycle, observations_rejected))
   end subroutine score
end module da_cycle_verify
