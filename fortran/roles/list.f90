!> The roles that networks may have in a run, in the order of `&networks`: a line each.
module da_roles_list
   use da_network_metadata, only: file_role_type
   use da_roles_as_analysis, only: new_as_analysis
   use da_roles_as_correction, only: new_as_correction
   use da_roles_as_linear_model, only: new_as_linear_model
   use da_roles_as_model, only: new_as_model
   use da_roles_as_observation, only: new_as_observation
   use da_roles_type, only: network_role_type
   implicit none
   private
   public :: role_entry_type, list_roles, roles_of_files

   type :: role_entry_type
      class(network_role_type), allocatable :: role
   end type role_entry_type

contains

   subroutine list_roles(roles)
      type(role_entry_type), allocatable, intent(out) :: roles(:)

      allocate (roles(0))
      call add(new_as_model())
      call add(new_as_correction())
      call add(new_as_linear_model())
      call add(new_as_observation())
      call add(new_as_analysis())

   contains

      subroutine add(role)
         class(network_role_type), intent(in) :: role
         type(role_entry_type), allocatable :: longer(:)
         integer :: r

         allocate (longer(size(roles) + 1))
         do r = 1, size(roles)
            call move_alloc(roles(r)%role, longer(r)%role)
         end do
         ! A plain assignment crashes with gfortran 12.
         allocate (longer(size(longer))%role, source=role)
         call move_alloc(longer, roles)
      end subroutine add
   end subroutine list_roles

   !> What a network file may say that it is.
   function roles_of_files() result(names)
      type(file_role_type), allocatable :: names(:)
      type(role_entry_type), allocatable :: roles(:)
      integer :: r

      call list_roles(roles)
      allocate (names(0))
      do r = 1, size(roles)
         associate (file_role => roles(r)%role%file_role)
            if (.not. any(names%name == file_role%name)) names = [names, file_role]
         end associate
      end do
   end function roles_of_files
end module da_roles_list
