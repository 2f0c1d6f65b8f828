!> Scores of states that are smoothed: the start of a window, and the lags of a fixed-lag smoother.
module da_diagnostics_smoothing
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_analysis_smoother_type, only: carried_smoothed
   use da_diagnostics_type, only: diagnostic_type
   use da_run_past_truth, only: smoothed_error, lag_errors, carried_truth
   use da_run_type, only: run_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: smoothing_type

   !> Where the tables stand; 0: there is none.
   type, extends(diagnostic_type) :: smoothing_type
      private
      integer :: rmse = 0
      integer :: by_lag = 0
   contains
      procedure :: declare
      procedure :: see_analysis
   end type smoothing_type

contains

   subroutine declare(self, run, tables)
      class(smoothing_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      integer :: lag

      if (run%ensemble%place_of(carried_truth) > 0 .and. &
          run%ensemble%place_of(carried_smoothed) > 0) then
         call tables%add_table(self%rmse, 'smoothed_rmse', &
                               'root mean square over space of the smoothed mean at the '// &
                               'window''s start - truth')
      end if
      if (.not. run%truth%exists .or. run%analysis%lags() == 0) return
      call tables%add_axis('lag', 'lag', 'cycles from the smoothed state to the analysis', &
                           [(real(lag, wp), lag=1, run%analysis%lags())])
      call tables%add_table(self%by_lag, 'smoothed_rmse_by_lag', &
                            'root mean square over space of smoothed mean minus truth', ['lag'], &
                            reported=.false.)
   end subroutine declare

   !> Between analyses the start of a window stands with the score that it had.
   subroutine see_analysis(self, domain, run, tables, error)
      class(smoothing_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error

      if (max(self%rmse, self%by_lag) == 0) return
      associate (smoothed => run%ensemble%carried(run%ensemble%place_of(carried_smoothed))%x)
         if (self%rmse > 0) then
            if (run%analysis%is_due(run%cycle) .or. run%cycle == 1) then
               call tables%put(self%rmse, smoothed_error(domain, run%cycle, smoothed, run%ensemble))
            else
               call tables%put(self%rmse, [tables%value(self%rmse, run%cycle - 1)])
            end if
         end if
         if (self%by_lag > 0) then
            call tables%put(self%by_lag, lag_errors(domain, run%cycle, smoothed, run%ensemble))
         end if
      end associate
   end subroutine see_analysis
end module da_diagnostics_smoothing
