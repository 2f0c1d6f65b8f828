!> Processor time of networks in the place where the cycle calls them, on one rank.
!>
!> Reads the number of files and their paths, says one line when they are loaded, and then answers
!> each line `file points members calls` with the microseconds of a call: an ensemble forward, as
!> members of a whole circle. benchmarks/network_seam.py asks.
program network_seam
   use, intrinsic :: iso_fortran_env, only: error_unit, input_unit, output_unit
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp
   use da_base_system, only: keep_memory
   use da_network_network, only: device_type, load_network, network_type, read_network
   implicit none
   integer, parameter :: longest_path = 4096
   type(network_type), allocatable :: networks(:)
   type(error_type), allocatable :: error
   type(device_type) :: device
   type(domain_type) :: domain
   character(len=longest_path) :: path
   real(wp), allocatable, dimension(:, :, :) :: x, y
   real(wp) :: start
   real(wp) :: finish
   integer :: many
   integer :: file
   integer :: points
   integer :: members
   integer :: calls
   integer :: status
   integer :: i

   call keep_memory()
   device%name = 'cpu'
   read (input_unit, *) many
   allocate (networks(many))
   do i = 1, many
      read (input_unit, '(a)') path
      call read_network(alone(), trim(path), '', networks(i), error)
      if (.not. allocated(error)) call load_network(device, networks(i), error)
      if (allocated(error)) call fail()
   end do
   write (output_unit, '(a)') 'loaded'
   flush (output_unit)
   do
      read (input_unit, *, iostat=status) file, points, members, calls
      if (status /= 0) exit
      call new_domain(points, alone(), domain, error)
      if (allocated(error)) call fail()
      associate (operator => networks(file)%operator)
         allocate (x(points, operator%components_in, members))
         allocate (y(points, operator%components_out, members))
         call random_number(x)
         call operator%forward(domain, x, y)
         call cpu_time(start)
         do i = 1, calls
            call operator%forward(domain, x, y)
         end do
         call cpu_time(finish)
      end associate
      deallocate (x, y)
      write (output_unit, '(es12.5)') 1.0e6_wp*(finish - start)/calls
      flush (output_unit)
   end do

contains

   subroutine fail()
      write (error_unit, '(a)') error%message
      stop 1, quiet=.true.
   end subroutine fail
end program network_seam
