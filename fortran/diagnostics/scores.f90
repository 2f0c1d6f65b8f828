!> The scores of every run: RMSE, spread and bias of the mean; innovations, and observations used.
module da_diagnostics_scores
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_diagnostics_type, only: diagnostic_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_scores, only: state_scores, observation_scores
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: scores_type

   type, extends(diagnostic_type) :: scores_type
      private
      real(wp) :: lost_above = 1
      !> Where the tables stand: of background and analysis, and of observations.
      integer, dimension(2) :: rmse = 0, spread = 0, bias = 0
      integer :: chi2 = 0
      integer :: used = 0
      integer :: rejected = 0
   contains
      procedure :: configure
      procedure :: declare
      procedure :: see_analysis
   end type scores_type

contains

   subroutine configure(self, namelists, setup)
      class(scores_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup

      call namelists%get('lost_above', self%lost_above, &
                         'analysis RMSE above which a cycle counts as lost, in the attribute '// &
                         'lost_fraction of analysis_rmse', above=0.0_wp)
   end subroutine configure

   subroutine declare(self, run, tables)
      class(scores_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      character(len=10), parameter :: states(2) = [character(len=10) :: 'background', 'analysis']
      character(len=:), allocatable :: state
      integer :: s

      do s = 1, size(states)
         state = trim(states(s))
         call tables%add_table(self%rmse(s), state//'_rmse', &
                               'root mean square over space of '//state//' mean minus truth', &
                               lost_above=merge(self%lost_above, 0.0_wp, &
                                                s == 2 .and. run%truth%exists))
         call tables%add_table(self%spread(s), state//'_spread', &
                               'root of the '//state//' ensemble variance averaged over space')
         call tables%add_table(self%bias(s), state//'_bias', &
                               'mean over space of '//state//' mean minus truth')
      end do
      call tables%add_table(self%chi2, 'innovation_chi2', &
                            'mean of squared innovation over background plus observation error '// &
                            'variance')
      call tables%add_table(self%used, 'observations_used', &
                            'number of observations assimilated, or evaluated where nothing is '// &
                            'assimilated')
      call tables%add_table(self%rejected, 'observations_rejected', &
                            'number of observations not used: missing, rejected or thinned')
   end subroutine declare

   subroutine see_analysis(self, domain, run, tables, error)
      class(scores_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(domain%n, 2) :: means, sds
      real(wp), dimension(2) :: rmse, spread, bias
      real(wp) :: chi2
      real(wp) :: used
      real(wp) :: rejected
      integer :: s

      do s = 1, 2
         means(:, s) = run%estimates(s)%mean(:, 1)
         sds(:, s) = run%estimates(s)%sd(:, 1)
      end do
      if (run%truth%exists) then
         call state_scores(domain, run%truth%x(:, 1, 1), means, sds, rmse, spread, bias)
      else
         call state_scores(domain, means=means, sds=sds, rmse=rmse, spread=spread, bias=bias)
      end if
      call observation_scores(domain, run%observations, chi2, used, rejected)
      do s = 1, 2
         call tables%put(self%rmse(s), rmse(s:s))
         call tables%put(self%spread(s), spread(s:s))
         call tables%put(self%bias(s), bias(s:s))
      end do
      call tables%put(self%chi2, [chi2])
      call tables%put(self%used, [used])
      call tables%put(self%rejected, [rejected])
   end subroutine see_analysis
end module da_diagnostics_scores
