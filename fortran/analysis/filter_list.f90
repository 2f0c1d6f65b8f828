!> The ensemble filters, one a line.
module da_analysis_filter_list
   use da_analysis_filter_denkf, only: new_denkf
   use da_analysis_serial_eakf, only: new_eakf
   use da_analysis_filter_enkf_n, only: new_enkf_n
   use da_analysis_serial_ensrf, only: new_ensrf
   use da_analysis_filter_etkf, only: new_etkf
   use da_analysis_local_letkf, only: new_letkf
   use da_analysis_serial_local_particle_filter, only: new_local_particle_filter
   use da_analysis_filter_stochastic_enkf, only: new_stochastic_enkf
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   implicit none
   private
   public :: filter_entry_type, all_filters, new_filter

   type :: filter_entry_type
      class(ensemble_filter_type), allocatable :: filter
   end type filter_entry_type

contains

   !> With their default settings; the first is the default.
   function all_filters() result(list)
      type(filter_entry_type), allocatable :: list(:)

      allocate (list(0))
      call add(new_letkf())
      call add(new_etkf())
      call add(new_enkf_n())
      call add(new_denkf())
      call add(new_stochastic_enkf())
      call add(new_ensrf())
      call add(new_eakf())
      call add(new_local_particle_filter())

   contains

      subroutine add(filter)
         class(ensemble_filter_type), intent(in) :: filter
         type(filter_entry_type) :: entry

         entry%filter = filter
         list = [list, entry]
      end subroutine add
   end function all_filters

   !> The filter of that name, one of those in the list.
   subroutine new_filter(name, filter)
      character(len=*), intent(in) :: name
      class(ensemble_filter_type), allocatable, intent(out) :: filter
      type(filter_entry_type), allocatable :: list(:)
      integer :: f

      list = all_filters()
      do f = 1, size(list)
         if (list(f)%filter%name == name) filter = list(f)%filter
      end do
   end subroutine new_filter
end module da_analysis_filter_list
