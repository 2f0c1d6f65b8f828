!> Counter-based random numbers: a number depends on its key alone, never on who draws it or when.
!>
!> Threefry-2x64-20 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3), keyed by
!> (seed, stream) and counted by (global index, cycle, member).
module da_base_random
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: random_key_type, threefry, normals, normals_of, uniforms
   public :: stream_truth, stream_ensemble, stream_observations, stream_perturbations
   public :: stream_rotation, stream_climatology, stream_inflation
   public :: stream_ranks

   integer, parameter :: stream_truth = 1
   integer, parameter :: stream_ensemble = 2
   integer, parameter :: stream_observations = 3
   integer, parameter :: stream_perturbations = 4
   integer, parameter :: stream_rotation = 5
   integer, parameter :: stream_climatology = 6
   integer, parameter :: stream_inflation = 7
   integer, parameter :: stream_ranks = 20

   !> Which sequence of numbers is meant.
   type :: random_key_type
      integer :: seed = 0
      integer :: stream = 0
      integer :: cycle = 0
      integer :: member = 0
   end type random_key_type

   integer, parameter :: rounds = 20
   integer, parameter :: rotations(0:7) = [16, 42, 12, 31, 16, 32, 24, 21]
   integer(i8), parameter :: parity = int(z'1BD11BDAA9FC1A22', i8)
   real(wp), parameter :: two_pi = 6.283185307179586_wp
   !> 2^-53: the top 53 bits of a word, centred in their interval, give a uniform in (0, 1).
   real(wp), parameter :: unit_53 = 2.0_wp**(-53)

contains

   !> Two random words from a counter and a key.
   pure subroutine threefry(counter, key, words)
      integer(i8), intent(in) :: counter(2)
      integer(i8), intent(in) :: key(2)
      integer(i8), intent(out) :: words(2)
      integer(i8) :: schedule(0:2)
      integer :: round
      integer :: injection

      schedule(0:1) = key
      schedule(2) = ieor(ieor(parity, key(1)), key(2))
      words = counter + schedule(0:1)
      do round = 0, rounds - 1
         words(1) = words(1) + words(2)
         words(2) = ieor(ishftc(words(2), rotations(mod(round, 8))), words(1))
         if (mod(round, 4) == 3) then
            injection = round/4 + 1
            words(1) = words(1) + schedule(mod(injection, 3))
            words(2) = words(2) + schedule(mod(injection + 1, 3)) + injection
         end if
      end do
   end subroutine threefry

   !> Standard normal numbers first, first + 1, … of a key (Box and Muller 1958; a pair of numbers a
   !> block).
   pure subroutine normals(key, first, z)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: first
      real(wp), intent(out) :: z(:)
      integer(i8) :: words(2)
      integer(i8) :: block
      integer(i8) :: i
      real(wp) :: radius
      real(wp) :: angle

      do block = first/2, (first + size(z) - 1)/2
         call draw(key, block, words)
         radius = sqrt(-2*log(uniform(words(1))))
         angle = two_pi*uniform(words(2))
         i = 2*block - first + 1
         if (i >= 1) z(i) = radius*cos(angle)
         if (i + 1 <= size(z)) z(i + 1) = radius*sin(angle)
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
      integer(i8) :: words(2)
      integer :: i

      do i = 1, size(u)
         call draw(key, first + i - 1, words)
         u(i) = uniform(words(1))
      end do
   end subroutine uniforms

   pure subroutine draw(key, index, words)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: index
      integer(i8), intent(out) :: words(2)
      integer, parameter :: member_bits = 24

      call threefry([index, ior(ishft(int(key%cycle, i8), member_bits), int(key%member, i8))], &
                    [int(key%seed, i8), int(key%stream, i8)], words)
   end subroutine draw

   elemental function uniform(word) result(u)
      integer(i8), intent(in) :: word
      real(wp) :: u

      u = (real(ishft(word, -11), wp) + 0.5_wp)*unit_53
   end function uniform
end module da_base_random
