!> Networks from files: loaded, checked against what is wanted of them and against themselves.
module da_network_network
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_sha256, only: digest_length, file_sha256
   use da_base_text, only: to_text
   use da_network_metadata, only: metadata_type, read_metadata
   use da_network_operator, only: network_operator_type, new_network_operator
   use da_network_torch, only: torch_type, new_torch
   implicit none
   private
   public :: network_type, device_type, load_network, open_network
   public :: sample_difference, allowed_difference, relative_difference

   !> Where networks run.
   type :: device_type
      character(len=:), allocatable :: name
      integer :: rank = 0
      integer :: threads = 1
   end type device_type

   type :: network_type
      character(len=:), allocatable :: path
      character(len=digest_length) :: sha256 = ''
      type(metadata_type) :: metadata
      type(network_operator_type) :: operator
      type(torch_type) :: torch
   end type network_type

   !> Roundings that sums of some hundred terms, layer upon layer, may differ by when their order is
   !> another: 1e-4 in single precision.
   real(wp), parameter :: roundings = 840

contains

   !> The network of a file; it reproduces the sample that it holds. `sha256` is what the file must
   !> have; empty: anything.
   subroutine load_network(path, sha256, device, network, error)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: sha256
      type(device_type), intent(in) :: device
      type(network_type), intent(out) :: network
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: difference

      call open_network(path, sha256, device, network, error)
      if (.not. allocated(error)) call sample_difference(network, difference, error)
      if (allocated(error)) return
      if (.not. difference <= allowed_difference(network)) then
         call input_error(error, path//': does not reproduce the sample that it holds '// &
                          '(relative difference '//to_text(difference)// &
                          '): the file is damaged, or this torch computes something else')
      end if
   end subroutine load_network

   !> Relative to the largest value.
   pure function allowed_difference(network) result(allowed)
      type(network_type), intent(in) :: network
      real(wp) :: allowed

      allowed = roundings*network%operator%rounding
   end function allowed_difference

   !> The network of a file; what it computes is not looked at.
   subroutine open_network(path, sha256, device, network, error)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: sha256
      type(device_type), intent(in) :: device
      type(network_type), intent(out) :: network
      type(error_type), allocatable, intent(out) :: error
      logical :: exists

      inquire (file=path, exist=exists)
      if (.not. exists) then
         call input_error(error, path//': there is no such file')
         return
      end if
      network%path = path
      ! Before it is loaded, which runs code that it holds.
      call file_sha256(path, network%sha256, error)
      if (allocated(error)) return
      if (len(sha256) > 0 .and. network%sha256 /= sha256) then
         call input_error(error, path//': its sha256 is '//network%sha256//', wanted is '//sha256)
         return
      end if
      call new_torch(path, device%name, device%rank, device%threads, network%torch, error)
      if (allocated(error)) return
      call read_metadata(path, network%torch%metadata, network%metadata, error)
      if (allocated(error)) return
      associate (metadata => network%metadata)
         network%operator = new_network_operator(network%torch, metadata%halo, &
                                                 metadata%points > 0, metadata%width, &
                                                 metadata%channels_in(), metadata%channels_out())
      end associate
   end subroutine open_network

   !> The file's sample input must give its sample output: in channels and halo; how far the numbers
   !> are apart, relative to the largest.
   subroutine sample_difference(network, difference, error)
      type(network_type), intent(in) :: network
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
end module da_network_network
