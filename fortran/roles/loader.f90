!> The network for a role, read, checked against the run and loaded.
module da_roles_loader
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_system, only: cores
   use da_base_text, only: to_text
   use da_network_file, only: network_file_type, device_type, read_network_file, &
      load_network_file, test_sample_of, check_device
   use da_network_metadata, only: file_role_type, metadata_type
   use da_roles_trained_for, only: departures
   use da_roles_type, only: network_role_type, parts_type
   implicit none
   private
   public :: load_for

contains

   !> Collective. A file may have any of `known` roles, and must have this one; only where `loaded`
   !> is any of its code run.
   subroutine load_for(role, known, device, loaded, domain, parts, network, error)
      class(network_role_type), intent(inout) :: role
      type(file_role_type), intent(in) :: known(:)
      type(device_type), intent(in) :: device
      logical, intent(in) :: loaded
      type(domain_type), intent(in) :: domain
      type(parts_type), intent(inout) :: parts
      type(network_file_type), intent(out) :: network
      type(error_type), allocatable, intent(out) :: error

      call read_network_file(domain%communicator, role%path, role%sha256, known, network, error)
      if (.not. allocated(error)) call check_device(role%path, device, error)
      if (.not. allocated(error)) call check_fit(role, network%metadata, domain, parts, error)
      if (loaded .and. .not. allocated(error)) then
         call load_network_file(device, network, error)
         if (.not. allocated(error)) call test_sample_of(network, error)
      end if
      call domain%communicator%agree(error)
      if (allocated(error)) then
         error%message = parts%namelist//': &networks '//role%key//': '//error%message
         return
      end if
      role%sha256 = network%sha256
      call parts%note(role%key, 'warning: '//role%path//' was trained ', &
                      departures(network%metadata, parts%setting))
      call parts%note(role%key, '', about_tiles(network, domain))
      if (device%threads > cores()) then
         call parts%note(role%key, '', 'warning: threads = '//to_text(device%threads)// &
                         ', this machine has '//to_text(cores())//' cores')
      end if
   end subroutine load_for

   !> A network must be for the role, for the model's values at a point, and for the circle.
   subroutine check_fit(role, metadata, domain, parts, error)
      class(network_role_type), intent(in) :: role
      type(metadata_type), intent(in) :: metadata
      type(domain_type), intent(in) :: domain
      type(parts_type), intent(in) :: parts
      type(error_type), allocatable, intent(out) :: error
      !> Of a point's values, the last: what is added to states need not see parameters.
      integer :: hidden(2)

      hidden = [0, merge(parts%model%parameters, 0, role%adds_to_state)]
      associate (values => parts%model%components_in, path => role%path)
         if (metadata%role%name /= role%file_role%name) then
            call input_error(error, path//": is a network for the role '"// &
                             trim(metadata%role%name)//"', wanted is '"// &
                             trim(role%file_role%name)//"'")
         else if (.not. any(metadata%components == values - hidden)) then
            call input_error(error, path//': is for '//to_text(metadata%components)// &
                             ' values a point, the model has '//to_text(values))
         else if (all(metadata%points /= [0, domain%total])) then
            call input_error(error, path//': is for a circle of '//to_text(metadata%points)// &
                             ' points alone, this one has '//to_text(domain%total))
         else if (maxval(metadata%halo) > domain%total) then
            call input_error(error, path//': sees '//to_text(maxval(metadata%halo))// &
                             ' points to a side, the circle has only '//to_text(domain%total))
         end if
      end associate
   end subroutine check_fit

   !> What ranks do twice; nothing where they do not.
   function about_tiles(network, domain) result(text)
      type(network_file_type), intent(in) :: network
      type(domain_type), intent(in) :: domain
      character(len=:), allocatable :: text
      real(wp), parameter :: percent = 100
      integer :: most
      integer :: all

      text = ''
      associate (ranks => domain%communicator%ranks)
         call network%operator%count_tiles(domain, most, all)
         if (most*ranks <= all) return
         text = 'of the '//to_text(all)//trim(merge(' tile ', ' tiles', all == 1))// &
                ' of the circle a rank evaluates up to '//to_text(most)//': '// &
                to_text(nint(percent*(real(most, wp)*ranks/all - 1)))//' % more than its share'
      end associate
   end function about_tiles
end module da_roles_loader
