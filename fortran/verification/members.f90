!> Verification of an ensemble's distribution against the truth.
module da_verification_members
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_verification_crps_kernels, only: crps_of_points
   use da_verification_settings, only: verification_config
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: verify_members

contains

   !> Of the `state` 'background' or 'analysis', x(n, members), all that is asked for. Collective.
   subroutine verify_members(config, domain, cycle, state, truth, x, tables)
      type(verification_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: state
      real(wp), contiguous, intent(in) :: truth(:)
      real(wp), contiguous, intent(in) :: x(:, :)
      type(tables_type), intent(inout) :: tables

      if (config%crps) call score_distribution(domain, cycle, state, truth, x, tables)
   end subroutine verify_members

   subroutine score_distribution(domain, cycle, state, truth, x, tables)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: state
      real(wp), contiguous, intent(in) :: truth(:)
      real(wp), contiguous, intent(in) :: x(:, :)
      type(tables_type), intent(inout) :: tables
      real(wp) :: terms(domain%n, 2)
      real(wp) :: means(2)

      call crps_of_points(domain%n, size(x, 2), x, truth, terms(:, 1), terms(:, 2))
      means = domain%mean_of_points(terms)
      call tables%put(state//'_crps', cycle, means(1:1))
      call tables%put(state//'_fair_crps', cycle, means(2:2))
   end subroutine score_distribution
end module da_verification_members
