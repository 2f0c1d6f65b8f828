!> Scores of what is estimated beside the state; only a run that estimates it has them.
module da_diagnostics_estimates
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_analysis_filter_adaptive_inflation, only: carried_inflation
   use da_analysis_filter_observation_bias, only: carried_bias
   use da_diagnostics_type, only: diagnostic_type
   use da_ensemble_type, only: mean_of_members, spread_of_members
   use da_run_type, only: run_type
   use da_verification_scores, only: state_scores
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: estimates_type

   !> Where the tables stand; 0: there is none.
   type, extends(diagnostic_type) :: estimates_type
      private
      integer :: inflation = 0
      integer :: parameter_mean = 0
      integer :: parameter_spread = 0
      integer :: parameter_rmse = 0
      integer :: bias_mean = 0
      integer :: bias_spread = 0
   contains
      procedure :: declare
      procedure :: see_analysis
   end type estimates_type

contains

   subroutine declare(self, run, tables)
      class(estimates_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables

      if (run%ensemble%place_of(carried_inflation) > 0) then
         call tables%add_table(self%inflation, 'inflation_mean', &
                               'mean over space of the adaptive inflation of the background '// &
                               'variance')
      end if
      if (run%ensemble%parameters > 0) then
         call tables%add_table(self%parameter_mean, 'parameter_mean', &
                               'mean over space of the analysis mean of the model''s parameter')
         call tables%add_table(self%parameter_spread, 'parameter_spread', &
                               'root of the analysis variance of that parameter averaged over '// &
                               'space')
      end if
      if (run%ensemble%parameters > 0 .and. run%true_parameters) then
         call tables%add_table(self%parameter_rmse, 'parameter_rmse', &
                               'root mean square over space of its analysis mean minus truth')
      end if
      if (run%ensemble%place_of(carried_bias) > 0) then
         call tables%add_table(self%bias_mean, 'bias_mean', &
                               'analysis mean of the observations'' bias')
         call tables%add_table(self%bias_spread, 'bias_spread', &
                               'analysis standard deviation of that bias')
      end if
   end subroutine declare

   !> Of several parameters, the first.
   subroutine see_analysis(self, domain, run, tables, error)
      class(estimates_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(1) :: rmse, spread, bias, average
      integer :: p

      if (self%inflation > 0) then
         associate (inflation => run%ensemble%carried(run%ensemble%place_of(carried_inflation))%x)
            call tables%put(self%inflation, domain%mean_of_points(inflation(:, :, 1)))
         end associate
      end if
      if (self%bias_mean > 0) then
         associate (carried => run%ensemble%carried(run%ensemble%place_of(carried_bias))%x)
            call mean_of_members(1, run%ensemble%members, carried, average)
            call spread_of_members(1, run%ensemble%members, carried, average, spread)
         end associate
         call tables%put(self%bias_mean, average)
         call tables%put(self%bias_spread, spread)
      end if
      if (self%parameter_mean == 0) return
      p = run%ensemble%states() + 1
      associate (means => run%estimates(2)%mean(:, p:p), sds => run%estimates(2)%sd(:, p:p))
         call tables%put(self%parameter_mean, domain%mean_of_points(means))
         if (run%true_parameters) then
            call state_scores(domain, run%truth%x(:, p, 1), means, sds, rmse, spread, bias)
         else
            call state_scores(domain, means=means, sds=sds, rmse=rmse, spread=spread, bias=bias)
         end if
      end associate
      call tables%put(self%parameter_rmse, rmse)
      call tables%put(self%parameter_spread, spread)
   end subroutine see_analysis
end module da_diagnostics_estimates
