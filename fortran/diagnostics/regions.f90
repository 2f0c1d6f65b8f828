!> Scores of arcs of the circle.
module da_diagnostics_regions
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_diagnostics_type, only: diagnostic_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_regions, only: region_type, get_regions, region_scores
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: regions_type

   character(len=10), parameter :: states(2) = [character(len=10) :: 'background', 'analysis']

   type, extends(diagnostic_type) :: regions_type
      private
      type(region_type), allocatable :: regions(:)
      !> Where the tables of background and analysis stand; 0: there is none.
      integer, dimension(2) :: rmse = 0, bias = 0, spread = 0
   contains
      procedure :: configure
      procedure :: declare
      procedure :: see_analysis
   end type regions_type

contains

   subroutine configure(self, namelists, setup)
      class(regions_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup

      call get_regions(namelists, setup%points, 'regions', &
                       'first and last point of regions with scores of their own: 0, 19, 20, 39', &
                       self%regions)
   end subroutine configure

   subroutine declare(self, run, tables)
      class(regions_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      character(len=:), allocatable :: state
      integer :: s

      if (size(self%regions) == 0) return
      call tables%add_axis('region_first', 'region', 'first point of the region', &
                           real(self%regions%first, wp))
      call tables%add_axis('region_last', 'region', 'last point of the region', &
                           real(self%regions%last, wp))
      do s = 1, size(states)
         state = trim(states(s))
         if (run%truth%exists) then
            call tables%add_table(self%rmse(s), state//'_region_rmse', 'root mean square over '// &
                                  'the region of '//state//' mean minus truth', ['region'])
            call tables%add_table(self%bias(s), state//'_region_bias', 'mean over the region '// &
                                  'of '//state//' mean minus truth', ['region'])
         end if
         call tables%add_table(self%spread(s), state//'_region_spread', 'root of the '//state// &
                               ' ensemble variance averaged over the region', ['region'])
      end do
   end subroutine declare

   subroutine see_analysis(self, domain, run, tables, error)
      class(regions_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(size(self%regions)) :: rmse, bias, spread
      integer :: s

      if (size(self%regions) == 0) return
      do s = 1, size(states)
         associate (mean => run%estimates(s)%mean(:, 1), sd => run%estimates(s)%sd(:, 1))
            if (run%truth%exists) then
               call region_scores(domain, self%regions, mean, sd, run%truth%x(:, 1, 1), rmse, &
                                  bias, spread)
            else
               call region_scores(domain, self%regions, mean, sd, rmse=rmse, bias=bias, &
                                  spread=spread)
            end if
         end associate
         call tables%put(self%rmse(s), rmse)
         call tables%put(self%bias(s), bias)
         call tables%put(self%spread(s), spread)
      end do
   end subroutine see_analysis
end module da_diagnostics_regions
