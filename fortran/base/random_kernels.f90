!> Random words and normal numbers, some counters side by side.
!>
!> Logarithm, sine and cosine are series of fixed length in IEEE operations, so that the numbers
!> have the same bits on every processor; those of the C library differ with the instruction set.
module da_base_random_kernels
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: lanes, threefry, gaussian_pairs, uniform, circle

   !> Counters a call.
   integer, parameter :: lanes = 16

   integer, parameter :: rounds = 20
   integer, parameter :: rotations(0:7) = [16, 42, 12, 31, 16, 32, 24, 21]
   integer(i8), parameter :: parity = int(z'1BD11BDAA9FC1A22', i8)
   real(wp), parameter :: two_pi = 6.283185307179586_wp
   !> 2^-53: the top 53 bits of a word, centred in their interval, give a uniform in (0, 1).
   real(wp), parameter :: unit_53 = 2.0_wp**(-53)
   !> ln 2 in two parts: the first has trailing zeros, so that its multiples are exact.
   real(wp), parameter :: ln2_high = int(0.6931471805599453_wp*2.0_wp**32, i8)/2.0_wp**32
   real(wp), parameter :: ln2_low = 1.9082149292705877e-10_wp

contains

   !> Two random words from each counter and a key: Threefry-2x64-20 (Salmon et al. 2011).
   pure subroutine threefry(n, counter1, counter2, key1, key2, words1, words2)
      integer, intent(in) :: n
      integer(i8), intent(in) :: counter1(n)
      integer(i8), intent(in) :: counter2
      integer(i8), intent(in) :: key1
      integer(i8), intent(in) :: key2
      integer(i8), intent(out) :: words1(n)
      integer(i8), intent(out) :: words2(n)
      integer(i8) :: schedule(0:2)
      integer(i8) :: add1
      integer(i8) :: add2
      integer :: round
      integer :: turn
      integer :: injection
      integer :: i

      schedule(0) = key1
      schedule(1) = key2
      schedule(2) = ieor(ieor(parity, key1), key2)
      do i = 1, n
         words1(i) = counter1(i) + key1
         words2(i) = counter2 + key2
      end do
      do round = 0, rounds - 1
         turn = rotations(mod(round, 8))
         do i = 1, n
            words1(i) = words1(i) + words2(i)
            words2(i) = ieor(ior(shiftl(words2(i), turn), shiftr(words2(i), 64 - turn)), words1(i))
         end do
         if (mod(round, 4) == 3) then
            injection = round/4 + 1
            add1 = schedule(mod(injection, 3))
            add2 = schedule(mod(injection + 1, 3)) + injection
            do i = 1, n
               words1(i) = words1(i) + add1
               words2(i) = words2(i) + add2
            end do
         end if
      end do
   end subroutine threefry

   elemental function uniform(word) result(u)
      integer(i8), intent(in) :: word
      real(wp) :: u

      u = (real(shiftr(word, 11), wp) + 0.5_wp)*unit_53
   end function uniform

   !> Two independent standard normal numbers from each pair of words (Box and Muller 1958).
   pure subroutine gaussian_pairs(words1, words2, z1, z2)
      integer(i8), intent(in) :: words1(lanes)
      integer(i8), intent(in) :: words2(lanes)
      real(wp), intent(out) :: z1(lanes)
      real(wp), intent(out) :: z2(lanes)
      real(wp) :: radius
      real(wp) :: sine
      real(wp) :: cosine
      integer :: i

      do i = 1, lanes
         radius = sqrt(-2*logarithm(uniform(words1(i))))
         call circle(uniform(words2(i)), sine, cosine)
         z1(i) = radius*cosine
         z2(i) = radius*sine
      end do
   end subroutine gaussian_pairs

   !> ln u for a normalised u, to the last place or two: ln m + e ln 2 with m in [1/√2, √2), and ln
   !> m = 2 artanh((m - 1) / (m + 1)) by its Taylor series.
   elemental function logarithm(u) result(ln)
      real(wp), intent(in) :: u
      real(wp) :: ln
      integer(i8), parameter :: mantissa = int(z'000FFFFFFFFFFFFF', i8)
      integer(i8), parameter :: one = int(z'3FF0000000000000', i8)
      integer, parameter :: mantissa_bits = 52
      integer, parameter :: bias = 1023
      real(wp), parameter :: root_two = 1.4142135623730951_wp
      integer(i8) :: bits
      real(wp) :: m
      real(wp) :: e
      real(wp) :: s
      real(wp) :: t
      real(wp) :: series

      bits = transfer(u, bits)
      e = real(shiftr(bits, mantissa_bits) - bias, wp)
      m = transfer(ior(iand(bits, mantissa), one), m)
      e = merge(e + 1, e, m >= root_two)
      m = merge(0.5_wp*m, m, m >= root_two)
      s = (m - 1)/(m + 1)
      t = s*s
      series = t*(1/3.0_wp + t*(1/5.0_wp + t*(1/7.0_wp + t*(1/9.0_wp + t*(1/11.0_wp &
               + t*(1/13.0_wp + t*(1/15.0_wp + t*(1/17.0_wp + t*(1/19.0_wp + t*(1/21.0_wp))))))))))
      ln = e*ln2_high + (2*s + (2*s*series + e*ln2_low))
   end function logarithm

   !> sin 2πu and cos 2πu for u in [0, 1]: the Taylor series within an eighth of the circle of the
   !> nearest axis, then turned.
   elemental subroutine circle(u, sine, cosine)
      real(wp), intent(in) :: u
      real(wp), intent(out) :: sine
      real(wp), intent(out) :: cosine
      !> Adding and subtracting it rounds to a whole number.
      real(wp), parameter :: rounding = 1.5_wp*2.0_wp**52
      real(wp) :: quarter
      real(wp) :: angle
      real(wp) :: t
      real(wp) :: s
      real(wp) :: c

      quarter = (4*u + rounding) - rounding
      angle = two_pi*(u - 0.25_wp*quarter)
      t = angle*angle
      s = angle + angle*t*(-1/6.0_wp + t*(1/120.0_wp + t*(-1/5040.0_wp + t*(1/362880.0_wp &
          + t*(-1/39916800.0_wp + t*(1/6227020800.0_wp - t/1307674368000.0_wp))))))
      c = 1 + t*(-0.5_wp + t*(1/24.0_wp + t*(-1/720.0_wp + t*(1/40320.0_wp + t*(-1/3628800.0_wp &
          + t*(1/479001600.0_wp + t*(-1/87178291200.0_wp + t/20922789888000.0_wp)))))))
      sine = merge(c, s, abs(quarter - 1) < 0.5_wp .or. abs(quarter - 3) < 0.5_wp)
      cosine = merge(s, c, abs(quarter - 1) < 0.5_wp .or. abs(quarter - 3) < 0.5_wp)
      sine = merge(-sine, sine, abs(quarter - 2.5_wp) < 1)
      cosine = merge(-cosine, cosine, abs(quarter - 1.5_wp) < 1)
   end subroutine circle
end module da_base_random_kernels
