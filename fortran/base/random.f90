!> Counter-based random numbers: a number depends on its key alone, never on who draws it or when.
!>
!> Threefry-2x64-20 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3), keyed by
!> (seed, stream) and counted by (global index, cycle, member).
module da_base_random
   use da_base_kinds, only: wp, i8
   use da_base_random_kernels, only: lanes, threefry, gaussian_pairs, uniform
   implicit none
   private
   public :: random_key_type, normals, normals_of, uniforms
   public :: stream_truth, stream_ensemble, stream_observations, stream_perturbations
   public :: stream_rotation, stream_climatology, stream_inflation
   public :: stream_model_error, stream_truth_error

   integer, parameter :: stream_truth = 1
   integer, parameter :: stream_ensemble = 2
   integer, parameter :: stream_observations = 3
   integer, parameter :: stream_perturbations = 4
   integer, parameter :: stream_rotation = 5
   integer, parameter :: stream_climatology = 6
   integer, parameter :: stream_inflation = 7
   integer, parameter :: stream_model_error = 21
   integer, parameter :: stream_truth_error = 22

   !> Which sequence of numbers is meant.
   type :: random_key_type
      integer :: seed = 0
      integer :: stream = 0
      integer :: cycle = 0
      integer :: member = 0
   end type random_key_type

contains

   !> Standard normal numbers first, first + 1, … of a key (a pair of numbers a block).
   pure subroutine normals(key, first, z)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: first
      real(wp), intent(out) :: z(:)
      integer(i8), dimension(lanes) :: blocks, words1, words2
      real(wp), dimension(lanes) :: z1, z2
      integer(i8) :: block
      integer :: place
      integer :: i
      integer :: l

      do block = first/2, (first + size(z) - 1)/2, lanes
         blocks = [(block + l, l=0, lanes - 1)]
         call draw(key, lanes, blocks, words1, words2)
         call gaussian_pairs(words1, words2, z1, z2)
         place = int(2*block - first) + 1
         do l = 1, min(lanes, int((first + size(z) - 1)/2 - block) + 1)
            i = place + 2*(l - 1)
            if (i >= 1) z(i) = z1(l)
            if (i + 1 <= size(z)) z(i + 1) = z2(l)
         end do
      end do
   end subroutine normals

   !> Standard normal numbers with the given indices; runs of consecutive indices are drawn
   !> together.
   pure subroutine normals_of(key, indices, z)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: indices(:)
      real(wp), intent(out) :: z(:)
      integer :: start
      integer :: end

      start = 1
      do while (start <= size(indices))
         end = start
         do while (end < size(indices))
            if (indices(end + 1) /= indices(end) + 1) exit
            end = end + 1
         end do
         call normals(key, indices(start), z(start:end))
         start = end + 1
      end do
   end subroutine normals_of

   !> Uniform numbers in (0, 1): first, first + 1, … of a key.
   pure subroutine uniforms(key, first, u)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: first
      real(wp), intent(out) :: u(:)
      integer(i8), dimension(lanes) :: words1, words2
      integer :: start
      integer :: n
      integer :: l

      do start = 1, size(u), lanes
         n = min(lanes, size(u) - start + 1)
         call draw(key, n, [(first + start - 1 + l, l=0, n - 1)], words1, words2)
         u(start:start + n - 1) = uniform(words1(:n))
      end do
   end subroutine uniforms

   pure subroutine draw(key, n, indices, words1, words2)
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: n
      integer(i8), intent(in) :: indices(n)
      integer(i8), intent(out) :: words1(n)
      integer(i8), intent(out) :: words2(n)
      integer, parameter :: member_bits = 24

      call threefry(n, indices, ior(ishft(int(key%cycle, i8), member_bits), int(key%member, i8)), &
                    int(key%seed, i8), int(key%stream, i8), words1, words2)
   end subroutine draw
end module da_base_random
