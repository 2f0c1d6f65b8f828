!> The analysis schemes, one a line; ensemble filters have a list of their own.
module da_analysis_list
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type, name_length
   use da_analysis_baseline, only: new_climatology, new_free_run
   use da_analysis_filter_list, only: filter_entry_type, all_filters
   use da_analysis_hybrid_coupled, only: coupled_type
   use da_analysis_hybrid_envar, only: envar_type
   use da_analysis_smoother_ienks, only: new_ienks
   use da_analysis_variational_impact, only: variational_impact_type
   use da_analysis_kalman_scheme, only: new_kalman_scheme
   use da_analysis_setup, only: analysis_setup_type
   use da_analysis_type, only: analysis_type
   implicit none
   private
   public :: known_analyses, read_analysis, document_analyses

   type :: entry_type
      class(analysis_type), allocatable :: analysis
   end type entry_type

contains

   !> With their default settings; the first is the default.
   function all_analyses() result(list)
      type(entry_type), allocatable :: list(:)
      type(filter_entry_type), allocatable :: filters(:)
      integer :: f

      allocate (list(0))
      filters = all_filters()
      do f = 1, size(filters)
         call add(filters(f)%filter%name, filters(f)%filter)
      end do
      call add('e4dvar', coupled_type())
      call add('e3dvar', coupled_type())
      call add('4denvar', envar_type())
      call add('var4d', variational_impact_type())
      call add('var3d', variational_impact_type())
      call add('ienks', new_ienks())
      call add('kalman_second_order', new_kalman_scheme())
      call add('none', new_free_run())
      call add('climatology', new_climatology())

   contains

      subroutine add(name, analysis)
         character(len=*), intent(in) :: name
         class(analysis_type), intent(in) :: analysis
         type(entry_type) :: entry

         entry%analysis = analysis
         entry%analysis%name = name
         list = [list, entry]
      end subroutine add
   end function all_analyses

   !> Their names.
   function known_analyses() result(names)
      character(len=name_length), allocatable :: names(:)
      type(entry_type), allocatable :: list(:)
      integer :: a

      list = all_analyses()
      allocate (names(size(list)))
      do a = 1, size(list)
         names(a) = list(a)%analysis%name
      end do
   end function known_analyses

   !> The scheme of that name, one of those known, set by its groups.
   subroutine read_analysis(name, namelists, setup, analysis, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      class(analysis_type), allocatable, intent(out) :: analysis
      type(error_type), allocatable, intent(out) :: error
      type(entry_type), allocatable :: list(:)
      class(analysis_type), allocatable :: special

      list = all_analyses()
      analysis = list(findloc(known_analyses(), name, dim=1))%analysis
      analysis%seed = setup%seed
      call analysis%configure(namelists, setup, error)
      if (allocated(error)) return
      call analysis%specialise(special)
      if (allocated(special)) call move_alloc(special, analysis)
   end subroutine read_analysis

   !> Every scheme's groups, those of the default one active.
   subroutine document_analyses(namelists)
      type(namelists_type), intent(inout) :: namelists
      type(entry_type), allocatable :: list(:)
      type(error_type), allocatable :: error
      integer :: a

      list = all_analyses()
      do a = 1, size(list)
         namelists%alternative = a > 1
         call list(a)%analysis%configure(namelists, analysis_setup_type(), error)
      end do
      namelists%alternative = .false.
   end subroutine document_analyses
end module da_analysis_list
