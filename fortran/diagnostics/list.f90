!> The diagnostics of a run, one a line.
module da_diagnostics_list
   use da_diagnostics_ensemble_scores, only: ensemble_scores_type
   use da_diagnostics_estimates, only: estimates_type
   use da_diagnostics_fallback, only: fallback_type
   use da_diagnostics_forecasts, only: forecasts_type
   use da_diagnostics_impact, only: impact_type
   use da_diagnostics_local_analyses, only: local_analyses_type
   use da_diagnostics_minimisation, only: minimisation_type
   use da_diagnostics_regions, only: regions_type
   use da_diagnostics_scores, only: scores_type
   use da_diagnostics_smoothing, only: smoothing_type
   use da_diagnostics_type, only: diagnostic_type
   implicit none
   private
   public :: entry_type, all_diagnostics

   type :: entry_type
      class(diagnostic_type), allocatable :: one
   end type entry_type

contains

   !> In the order in which they read their keys and see a run.
   function all_diagnostics() result(list)
      type(entry_type), allocatable :: list(:)

      allocate (list(0))
      call add(scores_type(group='verification', title='What is verified beside the scores '// &
                           'of every run'))
      call add(ensemble_scores_type(group='verification'))
      call add(regions_type(group='verification'))
      call add(forecasts_type(group='verification'))
      call add(smoothing_type())
      call add(estimates_type())
      call add(impact_type(group='impact', title='What each observation does to forecasts, '// &
                           'used by analysis = ''var3d'' and ''var4d'''))
      call add(minimisation_type())
      call add(fallback_type())
      call add(local_analyses_type())

   contains

      subroutine add(one)
         class(diagnostic_type), intent(in) :: one
         type(entry_type) :: entry

         entry%one = one
         list = [list, entry]
      end subroutine add
   end function all_diagnostics
end module da_diagnostics_list
