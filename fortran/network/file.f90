!> Networks from files: read once, checked against what is wanted of them and against themselves,
!> and loaded from the bytes that were checked.
module da_network_file
   use da_base_kinds, only: wp
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type, input_error
   use da_base_sha256, only: digest_length, sha256
   use da_base_text, only: to_text
   use da_base_whole_file, only: read_whole_file
   use da_network_archive, only: archive_type, read_archive
   use da_network_metadata, only: metadata_type, file_role_type, read_metadata
   use da_network_operator, only: network_operator_type, new_network_operator
   use da_network_torch, only: torch_type, new_torch
   implicit none
   private
   public :: network_file_type, device_type, read_network_file, load_network_file
   public :: test_sample_of, check_device
   public :: sample_difference, allowed_difference, relative_difference

   !> Where networks run.
   type :: device_type
      character(len=:), allocatable :: name
      integer :: rank = 0
      integer :: threads = 1
   end type device_type

   type :: network_file_type
      character(len=:), allocatable :: path
      character(len=digest_length) :: sha256 = ''
      !> What the file holds; given back once the network is loaded.
      type(archive_type) :: archive
      type(metadata_type) :: metadata
      type(network_operator_type) :: operator
      type(torch_type) :: torch
   end type network_file_type

   !> Roundings that sums of some hundred terms, layer upon layer, may differ by when their order is
   !> another: 1e-4 in single precision.
   real(wp), parameter :: roundings = 840

contains

   !> What a file says of its network, the file being whole by its own checksums; nothing that it
   !> holds is run. `wanted` is the sha256 that it must have; empty: any. `roles` are those
   !> that it may have. Collective: one rank reads, so that all have the same.
   subroutine read_network_file(communicator, path, wanted, roles, network, error)
      type(communicator_type), intent(in) :: communicator
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: wanted
      type(file_role_type), intent(in) :: roles(:)
      type(network_file_type), intent(out) :: network
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: bytes
      logical :: exists

      network%path = path
      bytes = ''
      if (communicator%is_root()) then
         inquire (file=path, exist=exists)
         if (exists) then
            call read_whole_file(path, bytes, error)
         else
            call input_error(error, path//': there is no such file')
         end if
      end if
      call communicator%agree(error)
      if (allocated(error)) return
      call communicator%broadcast_text(bytes, 0)
      network%sha256 = sha256(bytes)
      if (len(wanted) > 0 .and. network%sha256 /= wanted) then
         call input_error(error, path//': its sha256 is '//network%sha256//', wanted is '//wanted)
         return
      end if
      call read_archive(path, bytes, network%archive, error)
      if (allocated(error)) return
      call read_metadata(path, network%archive%text('dacycle.nml'), roles, network%metadata, error)
      if (.not. allocated(error)) call wire(network)
   end subroutine read_network_file

   !> Make it ready to compute, which runs code that the file holds.
   subroutine load_network_file(device, network, error)
      type(device_type), intent(in) :: device
      type(network_file_type), intent(inout) :: network
      type(error_type), allocatable, intent(out) :: error

      call new_torch(network%path, network%archive%bytes, device%name, device%rank, &
                     device%threads, network%torch, error)
      deallocate (network%archive%bytes)
      if (.not. allocated(error)) call wire(network)
   end subroutine load_network_file

   !> Its name; whether it is there, libtorch says when a network is loaded.
   subroutine check_device(path, device, error)
      character(len=*), intent(in) :: path
      type(device_type), intent(in) :: device
      type(error_type), allocatable, intent(out) :: error
      character(len=*), parameter :: numbered = 'cuda:'
      logical :: known

      associate (name => device%name)
         known = name == 'cpu' .or. name == 'cuda'
         if (.not. known .and. len(name) > len(numbered)) then
            known = name(:len(numbered)) == numbered .and. &
                    verify(name(len(numbered) + 1:), '0123456789') == 0
         end if
         if (.not. known) call input_error(error, path//": device '"//name// &
                                           "' is not known (known: cpu, cuda, cuda:1)")
      end associate
   end subroutine check_device

   subroutine wire(network)
      type(network_file_type), intent(inout) :: network

      associate (metadata => network%metadata)
         network%operator = new_network_operator(network%torch, metadata%halo, &
                                                 metadata%points > 0, metadata%width, &
                                                 metadata%channels_in(), metadata%channels_out())
      end associate
   end subroutine wire

   !> It must reproduce the sample that its file holds.
   subroutine test_sample_of(network, error)
      type(network_file_type), intent(in) :: network
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: difference

      call sample_difference(network, difference, error)
      if (allocated(error)) return
      if (.not. difference <= allowed_difference(network)) then
         call input_error(error, network%path//': does not reproduce the sample that it holds '// &
                          '(relative difference '//to_text(difference)// &
                          '): the file is damaged, or this torch computes something else')
      end if
   end subroutine test_sample_of

   !> Relative to the largest value.
   pure function allowed_difference(network) result(allowed)
      type(network_file_type), intent(in) :: network
      real(wp) :: allowed

      allowed = roundings*network%operator%rounding
   end function allowed_difference

   !> The file's sample input must give its sample output: in channels and halo; how far the numbers
   !> are apart, relative to the largest.
   subroutine sample_difference(network, difference, error)
      type(network_file_type), intent(in) :: network
      real(wp), intent(out) :: difference
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable, dimension(:, :, :) :: x, expected, y
      character(len=:), allocatable :: message

      difference = 0
      call network%torch%tensor('sample_input', x, error)
      if (.not. allocated(error)) call network%torch%tensor('sample_output', expected, error)
      if (allocated(error)) then
         error%message = network%path//': '//error%message
         return
      end if
      associate (metadata => network%metadata)
         if (size(x, 2) /= metadata%channels_in()) then
            call differ('channels in', size(x, 2), metadata%channels_in())
         else if (size(expected, 2) /= metadata%channels_out()) then
            call differ('channels out', size(expected, 2), metadata%channels_out())
         else if (size(x, 1) - size(expected, 1) /= sum(metadata%halo)) then
            call differ('points of halo', size(x, 1) - size(expected, 1), sum(metadata%halo))
         else if (metadata%points > 0 .and. size(x, 1) /= metadata%points) then
            call differ('points', size(x, 1), metadata%points)
         end if
      end associate
      if (allocated(error)) return
      allocate (y, mold=expected)
      call network%operator%evaluate(x, y, message)
      if (allocated(message)) then
         call input_error(error, network%path//': '//message)
         return
      end if
      difference = relative_difference(y, expected)

   contains

      subroutine differ(what, found, said)
         character(len=*), intent(in) :: what
         integer, intent(in) :: found
         integer, intent(in) :: said

         call input_error(error, network%path//': its sample has '//to_text(found)//' '//what// &
                          ', its metadata say '//to_text(said))
      end subroutine differ
   end subroutine sample_difference

   !> Relative to the largest value expected; infinite where a value is no number.
   pure function relative_difference(y, expected) result(difference)
      real(wp), intent(in) :: y(:, :, :)
      real(wp), intent(in) :: expected(:, :, :)
      real(wp) :: difference

      difference = huge(difference)
      if (.not. all(abs(y) <= huge(y))) return
      difference = maxval(abs(y - expected))/max(maxval(abs(expected)), tiny(1.0_wp))
   end function relative_difference
end module da_network_file
