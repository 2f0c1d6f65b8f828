!> Networks from files: loaded, checked against what is wanted of them and against themselves.
module da_network_network
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_network_metadata, only: metadata_type, read_metadata
   use da_network_operator, only: network_operator_type, new_network_operator
   use da_network_torch, only: torch_type, new_torch
   implicit none
   private
   public :: network_type, device_type, load_network, check_sample

   !> Where networks run.
   type :: device_type
      character(len=:), allocatable :: name
      integer :: rank = 0
      integer :: threads = 1
   end type device_type

   type :: network_type
      character(len=:), allocatable :: path
      type(metadata_type) :: metadata
      type(network_operator_type) :: operator
      type(torch_type) :: torch
   end type network_type

contains

   !> The network of a file; it reproduces the sample that it holds.
   subroutine load_network(path, device, network, error)
      character(len=*), intent(in) :: path
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
      call new_torch(path, device%name, device%rank, device%threads, network%torch, error)
      if (allocated(error)) return
      call read_metadata(path, network%torch%metadata, network%metadata, error)
      if (allocated(error)) return
      associate (metadata => network%metadata)
         network%operator = new_network_operator(network%torch, metadata%halo, metadata%width, &
                                                 metadata%channels_in(), metadata%channels_out())
      end associate
      call check_sample(network, error)
   end subroutine load_network

   !> The file's sample input must give its sample output: in channels, halo and numbers.
   subroutine check_sample(network, error)
      type(network_type), intent(in) :: network
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance(2) = [1.0e-10_wp, 1.0e-4_wp]
      real(wp), allocatable, dimension(:, :, :) :: x, expected, y
      character(len=:), allocatable :: message
      real(wp) :: difference

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
         end if
      end associate
      if (allocated(error)) return
      allocate (y, mold=expected)
      call network%operator%evaluate(x, y, message)
      if (allocated(message)) then
         call input_error(error, network%path//': '//message)
         return
      end if
      difference = maxval(abs(y - expected))/max(maxval(abs(expected)), tiny(1.0_wp))
      if (difference > merge(tolerance(2), tolerance(1), network%torch%single)) then
         call input_error(error, network%path//': does not reproduce the sample that it holds '// &
                          '(relative difference '//to_text(difference)// &
                          '): the file is damaged, or this torch computes something else')
      end if

   contains

      subroutine differ(what, found, said)
         character(len=*), intent(in) :: what
         integer, intent(in) :: found
         integer, intent(in) :: said

         call input_error(error, network%path//': its sample has '//to_text(found)//' '//what// &
                          ', its metadata say '//to_text(said))
      end subroutine differ
   end subroutine check_sample
end module da_network_network
