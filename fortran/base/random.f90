!> Counter-based random numbers: a number depends on its key alone, never on who draws it or when.
!>
!> Threefry-2x64-20 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3), keyed by
!> (seed, stream) and counted by (global index, cycle, member).
module da_base_random
   use da_base_kinds, only: wp, i8
   use da_base_random_kernels, only: lanes, threefry, gaussian_pairs, uniform
   implicit none
   private
   public :: random_key_type, normals, normals_of, uniforms, heads, coins
   public :: tosses_a_block, coins_a_block
   public :: stream_truth, stream_ensemble, stream_observations, stream_perturbations
   public :: stream_rotation, stream_climatology, stream_inflation, stream_network
   public :: stream_gross_errors, stream_correlated_errors
   public :: stream_model_error, stream_truth_error, stream_first_parameters
   public :: stream_parameter_walk, stream_first_bias, stream_bias_walk, stream_resampling
   public :: stream_ranks, stream_checks, stream_hessian, stream_probes

   integer, parameter :: stream_truth = 1
   integer, parameter :: stream_ensemble = 2
   integer, parameter :: stream_observations = 3
   integer, parameter :: stream_perturbations = 4
   integer, parameter :: stream_rotation = 5
   integer, parameter :: stream_climatology = 6
   integer, parameter :: stream_inflation = 7
   integer, parameter :: stream_network = 8
   integer, parameter :: stream_gross_errors = 9
   integer, parameter :: stream_correlated_errors = 10
   integer, parameter :: stream_model_error = 11
   integer, parameter :: stream_truth_error = 12
   integer, parameter :: stream_first_parameters = 13
   integer, parameter :: stream_parameter_walk = 14
   integer, parameter :: stream_first_bias = 15
   integer, parameter :: stream_bias_walk = 16
   integer, parameter :: stream_resampling = 17
   integer, parameter :: stream_ranks = 18
   integer, parameter :: stream_checks = 19
   integer, parameter :: stream_hessian = 20
   integer, parameter :: stream_probes = 21

   !> Which sequence of numbers is meant.
   type :: random_key_type
      integer :: seed = 0
      integer :: stream = 0
      integer :: cycle = 0
      integer :: member = 0
   end type random_key_type

   !> Coins in the two words of a block; coins whose words one call draws.
   integer, parameter :: tosses_a_block = 128
   integer, parameter :: coins_a_block = 64

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

   !> How many of `tosses` fair coins fall on heads; they are the bits of the blocks first, first +
   !> 1, … of a key.
   pure function heads(key, first, tosses) result(count)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: first
      integer(i8), intent(in) :: tosses
      integer(i8) :: count
      integer(i8) :: words(2)
      integer(i8) :: thrown
      integer :: half
      integer :: w

      half = bit_size(words)
      count = 0
      do thrown = 0, tosses - 1, tosses_a_block
         call draw_block(key, first + thrown/tosses_a_block, words)
         do w = 1, 2
            count = count + popcnt(iand(words(w), maskr(bits(tosses - thrown - (w - 1)*half), i8)))
         end do
      end do

   contains

      pure integer function bits(left)
         integer(i8), intent(in) :: left

         bits = int(min(max(left, 0_i8), int(half, i8)))
      end function bits
   end function heads

   !> A word each of whose bits is set with the given probability.
   !>
   !> A bit is set where a uniform number lies below the probability; both are compared digit by
   !> digit, for all bits at a time, and seldom beyond the tenth.
   pure function coins(key, block, probability) result(set)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: block
      real(wp), intent(in) :: probability
      integer(i8) :: set
      !> Digits of a real number in binary, leading zeros included, are fewer than twice this.
      integer(i8), parameter :: draws_a_block = 1024
      integer(i8) :: undecided
      integer(i8) :: words(2)
      integer(i8) :: digit
      real(wp) :: rest

      set = 0
      undecided = not(0_i8)
      rest = probability
      digit = 0
      do while (undecided /= 0 .and. rest > 0)
         if (mod(digit, 2_i8) == 0) call draw_block(key, block*draws_a_block + digit/2, words)
         rest = 2*rest
         if (rest >= 1) then
            rest = rest - 1
            set = ior(set, iand(undecided, not(words(mod(digit, 2_i8) + 1))))
            undecided = iand(undecided, words(mod(digit, 2_i8) + 1))
         else
            undecided = iand(undecided, not(words(mod(digit, 2_i8) + 1)))
         end if
         digit = digit + 1
      end do
   end function coins

   !> The two words of a block.
   pure subroutine draw_block(key, block, words)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: block
      integer(i8), intent(out) :: words(2)

      call draw(key, 1, [block], words(1:1), words(2:2))
   end subroutine draw_block

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
