!> Scores of a fixed-lag smoother: how its states improve with each cycle that passes.
module da_cycle_lag_scores
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_smoother, only: carried_smoothed
   use da_cycle_past_truth, only: lag_errors
   use da_ensemble_type, only: ensemble_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: add_lag_table, score_lags

   character(len=*), parameter :: table_name = 'smoothed_rmse_by_lag'

contains

   !> A row a cycle, on an axis of 1 … `lags` cycles; without lags none.
   subroutine add_lag_table(lags, tables)
      integer, intent(in) :: lags
      type(tables_type), intent(inout) :: tables
      integer :: lag

      if (lags == 0) return
      call tables%add_axis('lag', 'lag', 'cycles from the smoothed state to the analysis', &
                           [(real(lag, wp), lag=1, lags)])
      call tables%add_table(table_name, 'root mean square over space of smoothed mean minus '// &
                            'truth', ['lag'], reported=.false.)
   end subroutine add_lag_table

   !> Of a cycle, before its truth is remembered.
   subroutine score_lags(lags, domain, cycle, ensemble, tables)
      integer, intent(in) :: lags
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(ensemble_type), intent(in) :: ensemble
      type(tables_type), intent(inout) :: tables

      if (lags == 0) return
      associate (smoothed => ensemble%carried(ensemble%place_of(carried_smoothed))%x)
         call tables%put(table_name, cycle, lag_errors(domain, cycle, smoothed, ensemble))
      end associate
   end subroutine score_lags
end module da_cycle_lag_scores
