!> The models, one a line.
module da_model_list
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type, name_length
   use da_model_lorenz96, only: new_lorenz96
   use da_model_lorenz96_cubic, only: new_lorenz96_cubic
   use da_model_lorenz96_forced, only: new_lorenz96_forced
   use da_model_lorenz96_two_scale, only: new_lorenz96_two_scale
   use da_model_type, only: model_type
   implicit none
   private
   public :: known_models, read_model, read_truth_model, document_models

   character(len=*), parameter :: truth_prefix = 'truth_'

   type :: entry_type
      class(model_type), allocatable :: model
   end type entry_type

contains

   !> With their default settings; the first is the default.
   function all_models() result(list)
      type(entry_type), allocatable :: list(:)

      allocate (list(0))
      call add(new_lorenz96())
      call add(new_lorenz96_cubic())
      call add(new_lorenz96_two_scale())
      call add(new_lorenz96_forced())

   contains

      subroutine add(model)
         class(model_type), intent(in) :: model
         type(entry_type) :: entry

         entry%model = model
         list = [list, entry]
      end subroutine add
   end function all_models

   !> Their names.
   function known_models() result(names)
      character(len=name_length), allocatable :: names(:)
      type(entry_type), allocatable :: list(:)
      integer :: m

      list = all_models()
      allocate (names(size(list)))
      do m = 1, size(list)
         names(m) = list(m)%model%name
      end do
   end function known_models

   !> The model of that name, one of those known, with its default settings.
   subroutine new_model(name, model)
      character(len=*), intent(in) :: name
      class(model_type), allocatable, intent(out) :: model
      type(entry_type), allocatable :: list(:)

      list = all_models()
      model = list(findloc(known_models(), name, dim=1))%model
   end subroutine new_model

   !> The model of that name, set by its group.
   subroutine read_model(name, namelists, model, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      class(model_type), allocatable, intent(out) :: model
      type(error_type), allocatable, intent(out) :: error

      call new_model(name, model)
      call model%configure(namelists, error)
   end subroutine read_model

   !> The truth's model: its own group `&truth_<name>` overrides what `&<name>` says, be that the
   !> forecast model's group, read before, or there for the truth alone.
   subroutine read_truth_model(name, namelists, model, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      class(model_type), allocatable, intent(out) :: model
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: shared

      call new_model(name, model)
      if (any(namelists%known_groups == name)) then
         shared = namelists
         call model%configure(shared, error)
      else
         call model%configure(namelists, error)
      end if
      if (allocated(error)) return
      namelists%prefix = truth_prefix
      call model%configure(namelists, error)
      namelists%prefix = ''
   end subroutine read_truth_model

   !> Every model's group, the default one active, and those of the truth.
   subroutine document_models(namelists)
      type(namelists_type), intent(inout) :: namelists
      type(entry_type), allocatable :: list(:)
      type(error_type), allocatable :: error
      integer :: m

      list = all_models()
      do m = 1, size(list)
         namelists%alternative = m > 1
         call list(m)%model%configure(namelists, error)
      end do
      namelists%alternative = .true.
      namelists%prefix = truth_prefix
      do m = 1, size(list)
         call list(m)%model%configure(namelists, error)
      end do
      namelists%prefix = ''
      namelists%alternative = .false.
   end subroutine document_models
end module da_model_list
