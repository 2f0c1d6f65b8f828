!> An exported network as FTorch sees it: the sample of the file, computed through FTorch.
!>
!> Arguments: the network's file, and a text file of the sample: three extents and the values, the
!> last index fastest, of the input and of the output. benchmarks/ftorch_parity.py writes it, and
!> builds and starts this. FTorch keeps the order of indices: arrays are (batch, channels, points).
program ftorch_parity
   use, intrinsic :: iso_fortran_env, only: output_unit, sp => real32
   use ftorch, only: torch_delete, torch_kcpu, torch_model, torch_model_forward, &
      torch_model_load, torch_tensor, torch_tensor_from_array
   implicit none
   integer, parameter :: longest_path = 4096
   character(len=longest_path) :: network
   character(len=longest_path) :: sample
   type(torch_model) :: model
   type(torch_tensor) :: input(1)
   type(torch_tensor) :: output(1)
   real(sp), allocatable, target, dimension(:, :, :) :: x, y, expected

   call get_command_argument(1, network)
   call get_command_argument(2, sample)
   call read_sample(trim(sample), x, expected)
   allocate (y, mold=expected)
   call torch_tensor_from_array(input(1), x, torch_kcpu)
   call torch_tensor_from_array(output(1), y, torch_kcpu)
   call torch_model_load(model, trim(network), torch_kcpu)
   call torch_model_forward(model, input, output)
   write (output_unit, '(2es12.3)') maxval(abs(y - expected)), maxval(abs(expected))
   call torch_delete(input)
   call torch_delete(output)
   call torch_delete(model)

contains

   subroutine read_sample(path, inward, outward)
      character(len=*), intent(in) :: path
      real(sp), allocatable, intent(out) :: inward(:, :, :)
      real(sp), allocatable, intent(out) :: outward(:, :, :)
      integer :: unit

      open (newunit=unit, file=path, status='old', action='read')
      call read_tensor(unit, inward)
      call read_tensor(unit, outward)
      close (unit)
   end subroutine read_sample

   subroutine read_tensor(unit, values)
      integer, intent(in) :: unit
      real(sp), allocatable, intent(out) :: values(:, :, :)
      real(sp), allocatable :: flat(:)
      integer :: extents(3)

      read (unit, *) extents
      allocate (flat(product(extents)))
      read (unit, *) flat
      values = reshape(flat, extents, order=[3, 2, 1])
   end subroutine read_tensor
end program ftorch_parity
