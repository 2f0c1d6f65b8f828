!> `&networks`: which files take which part in a run.
module da_roles_networks
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_network_file, only: network_file_type, device_type
   use da_network_metadata, only: file_role_type
   use da_roles_list, only: role_entry_type, list_roles, roles_of_files
   use da_roles_loader, only: load_for
   use da_roles_type, only: parts_type, not_used
   implicit none
   private
   public :: networks_config, read_networks, take_networks

   integer, parameter :: longest_key = 32

   type :: networks_config
      type(role_entry_type), allocatable :: roles(:)
      type(device_type) :: device
      !> Networks are loaded, which runs code of theirs, and not only read.
      logical :: loaded = .true.
   contains
      procedure :: wanted
   end type networks_config

contains

   subroutine read_networks(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(networks_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=longest_key), allocatable :: files(:)
      integer :: r

      call list_roles(config%roles)
      config%device%name = 'cpu'
      call namelists%open_group('networks', 'Networks in the cycle, from files that dacycle '// &
                                'export writes')
      do r = 1, size(config%roles)
         call config%roles(r)%role%read_file(namelists)
         call config%roles(r)%role%configure(namelists)
      end do
      call namelists%get('device', config%device%name, &
                         '''cpu'', ''cuda'' (one device after another over the ranks), ''cuda:1''')
      call namelists%get('threads', config%device%threads, 'of a rank', minimum=1)
      files = config%wanted()
      do r = 1, size(config%roles)
         call config%roles(r)%role%check(files, namelists)
      end do
      if (size(files) == 0) then
         if (config%device%name /= 'cpu') call namelists%reject('device', not_used)
         if (config%device%threads /= 1) call namelists%reject('threads', not_used)
      end if
      call namelists%close_group(error)
   end subroutine read_networks

   !> The keys that name a file.
   pure function wanted(self) result(keys)
      class(networks_config), intent(in) :: self
      character(len=longest_key), allocatable :: keys(:)
      character(len=longest_key) :: key
      integer :: r

      allocate (keys(0))
      do r = 1, size(self%roles)
         key = self%roles(r)%role%key
         if (self%roles(r)%role%wanted()) keys = [keys, key]
      end do
   end function wanted

   !> Put each network in its place in a run; `config` keeps what the files were. Collective.
   subroutine take_networks(config, domain, parts, error)
      type(networks_config), intent(inout) :: config
      type(domain_type), intent(in) :: domain
      type(parts_type), intent(inout) :: parts
      type(error_type), allocatable, intent(out) :: error
      type(file_role_type), allocatable :: known(:)
      type(network_file_type) :: network
      integer :: r

      known = roles_of_files()
      config%device%rank = domain%communicator%rank
      do r = 1, size(config%roles)
         associate (role => config%roles(r)%role)
            if (.not. role%wanted()) cycle
            call role%fit(parts, error)
            if (allocated(error)) return
            call load_for(role, known, config%device, config%loaded, domain, parts, network, error)
            if (allocated(error)) return
            call role%take(network, parts, error)
            if (allocated(error)) return
         end associate
      end do
   end subroutine take_networks
end module da_roles_networks
