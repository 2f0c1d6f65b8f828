!> Scores of what is estimated beside the state; only a run that estimates it has them.
module da_cycle_estimates
   use da_base_domain, only: domain_type
   use da_analysis_adaptive_inflation, only: carried_inflation
   use da_ensemble_type, only: ensemble_type
   use da_verification_record, only: record_type
   use da_verification_scores, only: scores_kept, inflation_mean
   implicit none
   private
   public :: scores_of_run, score_estimates

contains

   !> Which scores a run has.
   pure function scores_of_run(ensemble) result(has_score)
      type(ensemble_type), intent(in) :: ensemble
      logical :: has_score(scores_kept)

      has_score = .true.
      has_score(inflation_mean) = ensemble%place_of(carried_inflation) > 0
   end function scores_of_run

   !> Those scores of a cycle, after its analysis.
   subroutine score_estimates(domain, cycle, ensemble, record)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(ensemble_type), intent(in) :: ensemble
      type(record_type), intent(inout) :: record
      integer :: place

      place = ensemble%place_of(carried_inflation)
      if (place > 0) then
         record%series(cycle, inflation_mean:inflation_mean) = &
            domain%mean_of_points(ensemble%carried(place)%x(:, :, 1))
      end if
   end subroutine score_estimates
end module da_cycle_estimates
