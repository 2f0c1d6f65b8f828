!> The compression of SHA-256 (FIPS 180-4, section 6.2.2), on integers that wrap round.
module da_base_sha256_kernels
   use, intrinsic :: iso_fortran_env, only: int32
   implicit none
   private
   public :: absorb, start, block_bytes

   integer, parameter :: block_bytes = 64
   integer, parameter :: rounds = 64
   !> The first 32 bits of the fractional parts of the square roots of the first eight primes.
   integer(int32), parameter :: start(8) = [ &
      int(z'6a09e667', int32), int(z'bb67ae85', int32), int(z'3c6ef372', int32), &
      int(z'a54ff53a', int32), int(z'510e527f', int32), int(z'9b05688c', int32), &
      int(z'1f83d9ab', int32), int(z'5be0cd19', int32)]
   !> And of the cube roots of the first 64.
   integer(int32), parameter :: k(rounds) = [ &
      int(z'428a2f98', int32), int(z'71374491', int32), int(z'b5c0fbcf', int32), &
      int(z'e9b5dba5', int32), int(z'3956c25b', int32), int(z'59f111f1', int32), &
      int(z'923f82a4', int32), int(z'ab1c5ed5', int32), int(z'd807aa98', int32), &
      int(z'12835b01', int32), int(z'243185be', int32), int(z'550c7dc3', int32), &
      int(z'72be5d74', int32), int(z'80deb1fe', int32), int(z'9bdc06a7', int32), &
      int(z'c19bf174', int32), int(z'e49b69c1', int32), int(z'efbe4786', int32), &
      int(z'0fc19dc6', int32), int(z'240ca1cc', int32), int(z'2de92c6f', int32), &
      int(z'4a7484aa', int32), int(z'5cb0a9dc', int32), int(z'76f988da', int32), &
      int(z'983e5152', int32), int(z'a831c66d', int32), int(z'b00327c8', int32), &
      int(z'bf597fc7', int32), int(z'c6e00bf3', int32), int(z'd5a79147', int32), &
      int(z'06ca6351', int32), int(z'14292967', int32), int(z'27b70a85', int32), &
      int(z'2e1b2138', int32), int(z'4d2c6dfc', int32), int(z'53380d13', int32), &
      int(z'650a7354', int32), int(z'766a0abb', int32), int(z'81c2c92e', int32), &
      int(z'92722c85', int32), int(z'a2bfe8a1', int32), int(z'a81a664b', int32), &
      int(z'c24b8b70', int32), int(z'c76c51a3', int32), int(z'd192e819', int32), &
      int(z'd6990624', int32), int(z'f40e3585', int32), int(z'106aa070', int32), &
      int(z'19a4c116', int32), int(z'1e376c08', int32), int(z'2748774c', int32), &
      int(z'34b0bcb5', int32), int(z'391c0cb3', int32), int(z'4ed8aa4a', int32), &
      int(z'5b9cca4f', int32), int(z'682e6ff3', int32), int(z'748f82ee', int32), &
      int(z'78a5636f', int32), int(z'84c87814', int32), int(z'8cc70208', int32), &
      int(z'90befffa', int32), int(z'a4506ceb', int32), int(z'bef9a3f7', int32), &
      int(z'c67178f2', int32)]

contains

   !> Whole blocks, `n` of them.
   pure subroutine absorb(n, bytes, hash)
      integer, intent(in) :: n
      character(len=1), intent(in) :: bytes(block_bytes, n)
      integer(int32), intent(inout) :: hash(8)
      integer(int32) :: w(rounds)
      integer(int32) :: a, b, c, d, e, f, g, h
      integer(int32) :: t1
      integer(int32) :: t2
      integer :: block
      integer :: t

      do block = 1, n
         do t = 1, 16
            w(t) = word_at(bytes(4*t - 3:4*t, block))
         end do
         do t = 17, rounds
            w(t) = w(t - 16) + w(t - 7) &
                   + ieor(ieor(ishftc(w(t - 15), -7), ishftc(w(t - 15), -18)), &
                          shiftr(w(t - 15), 3)) &
                   + ieor(ieor(ishftc(w(t - 2), -17), ishftc(w(t - 2), -19)), &
                          shiftr(w(t - 2), 10))
         end do
         a = hash(1)
         b = hash(2)
         c = hash(3)
         d = hash(4)
         e = hash(5)
         f = hash(6)
         g = hash(7)
         h = hash(8)
         do t = 1, rounds
            t1 = h + ieor(ieor(ishftc(e, -6), ishftc(e, -11)), ishftc(e, -25)) &
                 + ieor(iand(e, f), iand(not(e), g)) + k(t) + w(t)
            t2 = ieor(ieor(ishftc(a, -2), ishftc(a, -13)), ishftc(a, -22)) &
                 + ieor(ieor(iand(a, b), iand(a, c)), iand(b, c))
            h = g
            g = f
            f = e
            e = d + t1
            d = c
            c = b
            b = a
            a = t1 + t2
         end do
         hash = hash + [a, b, c, d, e, f, g, h]
      end do
   end subroutine absorb

   !> Four bytes, the first one the highest.
   pure function word_at(bytes) result(value)
      character(len=1), intent(in) :: bytes(4)
      integer(int32) :: value

      value = ior(ior(shiftl(ichar(bytes(1)), 24), shiftl(ichar(bytes(2)), 16)), &
                  ior(shiftl(ichar(bytes(3)), 8), ichar(bytes(4))))
   end function word_at
end module da_base_sha256_kernels
