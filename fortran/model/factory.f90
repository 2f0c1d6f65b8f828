!> Models by name.
module da_model_factory
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_lorenz96, only: lorenz96_config, new_lorenz96, read_lorenz96
   use da_model_lorenz96_cubic, only: lorenz96_cubic_config, new_lorenz96_cubic, read_lorenz96_cubic
   use da_model_lorenz96_forced, only: lorenz96_forced_config, new_lorenz96_forced, &
      read_lorenz96_forced
   use da_model_lorenz96_two_scale, only: lorenz96_two_scale_config, new_lorenz96_two_scale, &
      read_lorenz96_two_scale
   use da_model_type, only: model_type
   implicit none
   private
   public :: known_models, read_model, read_truth_model, document_models

   character(len=18), parameter :: known_models(4) = [character(len=18) :: &
      'lorenz96', 'lorenz96_cubic', 'lorenz96_two_scale', 'lorenz96_forced']
   character(len=*), parameter :: truth_prefix = 'truth_'

   !> Each model's settings, while they are read.
   type :: configs_type
      type(lorenz96_config) :: lorenz96
      type(lorenz96_cubic_config) :: lorenz96_cubic
      type(lorenz96_two_scale_config) :: lorenz96_two_scale
      type(lorenz96_forced_config) :: lorenz96_forced
   end type configs_type

contains

   !> The model of that name, set by its group; the name is one of `known_models`.
   subroutine read_model(name, namelists, model, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      class(model_type), allocatable, intent(out) :: model
      type(error_type), allocatable, intent(out) :: error
      type(configs_type) :: configs

      call read_group(name, namelists, configs, error)
      if (.not. allocated(error)) call new_model(name, configs, model)
   end subroutine read_model

   !> The truth's model: its own group `&truth_<name>` overrides what `&<name>` says, be that the
   !> forecast model's group, read before, or there for the truth alone.
   subroutine read_truth_model(name, namelists, model, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      class(model_type), allocatable, intent(out) :: model
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: shared
      type(configs_type) :: configs

      if (any(namelists%known_groups == name)) then
         shared = namelists
         call read_group(name, shared, configs, error)
      else
         call read_group(name, namelists, configs, error)
      end if
      if (allocated(error)) return
      namelists%prefix = truth_prefix
      call read_group(name, namelists, configs, error)
      namelists%prefix = ''
      if (.not. allocated(error)) call new_model(name, configs, model)
   end subroutine read_truth_model

   !> Every model's group, the default one active.
   subroutine document_models(namelists)
      type(namelists_type), intent(inout) :: namelists
      type(configs_type) :: configs
      type(error_type), allocatable :: error
      integer :: m

      do m = 1, size(known_models)
         namelists%alternative = m > 1
         call read_group(trim(known_models(m)), namelists, configs, error)
      end do
      namelists%alternative = .true.
      namelists%prefix = truth_prefix
      do m = 1, size(known_models)
         call read_group(trim(known_models(m)), namelists, configs, error)
      end do
      namelists%prefix = ''
      namelists%alternative = .false.
   end subroutine document_models

   subroutine read_group(name, namelists, configs, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      type(configs_type), intent(inout) :: configs
      type(error_type), allocatable, intent(out) :: error

      select case (name)
      case ('lorenz96')
         call read_lorenz96(namelists, configs%lorenz96, error)
      case ('lorenz96_cubic')
         call read_lorenz96_cubic(namelists, configs%lorenz96_cubic, error)
      case ('lorenz96_two_scale')
         call read_lorenz96_two_scale(namelists, configs%lorenz96_two_scale, error)
      case ('lorenz96_forced')
         call read_lorenz96_forced(namelists, configs%lorenz96_forced, error)
      end select
   end subroutine read_group

   subroutine new_model(name, configs, model)
      character(len=*), intent(in) :: name
      type(configs_type), intent(in) :: configs
      class(model_type), allocatable, intent(out) :: model

      select case (name)
      case ('lorenz96')
         model = new_lorenz96(configs%lorenz96)
      case ('lorenz96_cubic')
         model = new_lorenz96_cubic(configs%lorenz96_cubic)
      case ('lorenz96_two_scale')
         model = new_lorenz96_two_scale(configs%lorenz96_two_scale)
      case ('lorenz96_forced')
         model = new_lorenz96_forced(configs%lorenz96_forced)
      end select
   end subroutine new_model
end module da_model_factory
