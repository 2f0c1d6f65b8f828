!> Models by name.
module da_model_factory
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_lorenz96, only: lorenz96_config, new_lorenz96, read_lorenz96
   use da_model_type, only: model_type
   implicit none
   private
   public :: known_models, read_model, read_truth_model, document_models

   character(len=16), parameter :: known_models(1) = [character(len=16) :: 'lorenz96']
   character(len=*), parameter :: truth_prefix = 'truth_'

contains

   !> The model of that name, set by its group; the name is one of `known_models`.
   subroutine read_model(name, namelists, model, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      class(model_type), allocatable, intent(out) :: model
      type(error_type), allocatable, intent(out) :: error
      type(lorenz96_config) :: lorenz96

      select case (name)
      case ('lorenz96')
         call read_lorenz96(namelists, lorenz96, error)
         if (.not. allocated(error)) model = new_lorenz96(lorenz96)
      end select
   end subroutine read_model

   !> The truth's model: its own group `&truth_<name>` overrides what `&<name>` says.
   subroutine read_truth_model(name, namelists, model, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      class(model_type), allocatable, intent(out) :: model
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: shared
      type(lorenz96_config) :: lorenz96

      shared = namelists
      select case (name)
      case ('lorenz96')
         call read_lorenz96(shared, lorenz96, error)
         if (allocated(error)) return
         namelists%prefix = truth_prefix
         call read_lorenz96(namelists, lorenz96, error)
         namelists%prefix = ''
         if (.not. allocated(error)) model = new_lorenz96(lorenz96)
      end select
   end subroutine read_truth_model

   !> Every model's group, the default one active.
   subroutine document_models(namelists)
      type(namelists_type), intent(inout) :: namelists
      type(lorenz96_config) :: lorenz96
      type(error_type), allocatable :: error

      call read_lorenz96(namelists, lorenz96, error)
      namelists%alternative = .true.
      namelists%prefix = truth_prefix
      call read_lorenz96(namelists, lorenz96, error)
      namelists%prefix = ''
      namelists%alternative = .false.
   end subroutine document_models
end module da_model_factory
