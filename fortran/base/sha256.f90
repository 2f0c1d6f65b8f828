!> SHA-256 of texts and files (FIPS 180-4).
!>
!> Words are the low 32 bits of 64: sums of a few cannot overflow before they are cut.
module da_base_sha256
   use da_base_kinds, only: i8
   use da_base_error, only: error_type, input_error
   use da_base_text, only: lower
   implicit none
   private
   public :: sha256, file_sha256, digest_length

   !> Hexadecimal digits of a digest.
   integer, parameter :: digest_length = 64
   integer, parameter :: block_bytes = 64
   integer, parameter :: rounds = 64
   integer(i8), parameter :: word = int(z'ffffffff', i8)
   !> The first 32 bits of the fractional parts of the square roots of the first eight primes.
   integer(i8), parameter :: start(8) = [ &
      int(z'6a09e667', i8), int(z'bb67ae85', i8), int(z'3c6ef372', i8), int(z'a54ff53a', i8), &
      int(z'510e527f', i8), int(z'9b05688c', i8), int(z'1f83d9ab', i8), int(z'5be0cd19', i8)]
   !> And of the cube roots of the first 64.
   integer(i8), parameter :: k(rounds) = [ &
      int(z'428a2f98', i8), int(z'71374491', i8), int(z'b5c0fbcf', i8), int(z'e9b5dba5', i8), &
      int(z'3956c25b', i8), int(z'59f111f1', i8), int(z'923f82a4', i8), int(z'ab1c5ed5', i8), &
      int(z'd807aa98', i8), int(z'12835b01', i8), int(z'243185be', i8), int(z'550c7dc3', i8), &
      int(z'72be5d74', i8), int(z'80deb1fe', i8), int(z'9bdc06a7', i8), int(z'c19bf174', i8), &
      int(z'e49b69c1', i8), int(z'efbe4786', i8), int(z'0fc19dc6', i8), int(z'240ca1cc', i8), &
      int(z'2de92c6f', i8), int(z'4a7484aa', i8), int(z'5cb0a9dc', i8), int(z'76f988da', i8), &
      int(z'983e5152', i8), int(z'a831c66d', i8), int(z'b00327c8', i8), int(z'bf597fc7', i8), &
      int(z'c6e00bf3', i8), int(z'd5a79147', i8), int(z'06ca6351', i8), int(z'14292967', i8), &
      int(z'27b70a85', i8), int(z'2e1b2138', i8), int(z'4d2c6dfc', i8), int(z'53380d13', i8), &
      int(z'650a7354', i8), int(z'766a0abb', i8), int(z'81c2c92e', i8), int(z'92722c85', i8), &
      int(z'a2bfe8a1', i8), int(z'a81a664b', i8), int(z'c24b8b70', i8), int(z'c76c51a3', i8), &
      int(z'd192e819', i8), int(z'd6990624', i8), int(z'f40e3585', i8), int(z'106aa070', i8), &
      int(z'19a4c116', i8), int(z'1e376c08', i8), int(z'2748774c', i8), int(z'34b0bcb5', i8), &
      int(z'391c0cb3', i8), int(z'4ed8aa4a', i8), int(z'5b9cca4f', i8), int(z'682e6ff3', i8), &
      int(z'748f82ee', i8), int(z'78a5636f', i8), int(z'84c87814', i8), int(z'8cc70208', i8), &
      int(z'90befffa', i8), int(z'a4506ceb', i8), int(z'bef9a3f7', i8), int(z'c67178f2', i8)]

contains

   !> The digest of a text, in lower case.
   pure function sha256(text) result(digest)
      character(len=*), intent(in) :: text
      character(len=digest_length) :: digest
      integer(i8) :: hash(size(start))
      integer :: whole

      hash = start
      whole = len(text) - mod(len(text), block_bytes)
      call absorb(text(:whole), hash)
      call finish(text(whole + 1:), len(text, i8), hash, digest)
   end function sha256

   !> The digest of a file.
   subroutine file_sha256(path, digest, error)
      character(len=*), intent(in) :: path
      character(len=digest_length), intent(out) :: digest
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: blocks_a_read = 1024
      character(len=blocks_a_read*block_bytes) :: buffer
      integer(i8) :: hash(size(start))
      integer(i8) :: bytes
      integer(i8) :: left
      integer :: length
      integer :: whole
      integer :: status
      integer :: unit

      digest = ''
      bytes = 0
      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=status)
      if (status /= 0) then
         call input_error(error, path//': cannot be opened (does it exist, and may you read it?)')
         return
      end if
      inquire (unit=unit, size=bytes)
      hash = start
      left = bytes
      do
         length = int(min(left, len(buffer, i8)))
         read (unit, iostat=status) buffer(:length)
         if (status /= 0) exit
         left = left - length
         whole = length - mod(length, block_bytes)
         call absorb(buffer(:whole), hash)
         if (left == 0) exit
      end do
      close (unit)
      if (status /= 0) then
         call input_error(error, path//': cannot be read (is it a directory?)')
         return
      end if
      call finish(buffer(whole + 1:length), bytes, hash, digest)
   end subroutine file_sha256

   !> The last bytes of `bytes`, less than a block, with the padding; then the digest.
   pure subroutine finish(rest, bytes, hash, digest)
      character(len=*), intent(in) :: rest
      integer(i8), intent(in) :: bytes
      integer(i8), intent(inout) :: hash(:)
      character(len=digest_length), intent(out) :: digest
      integer, parameter :: bits_a_byte = 8
      integer, parameter :: length_bytes = 8
      integer, parameter :: first_bit = 128
      integer, parameter :: digits_a_word = 8
      character(len=length_bytes) :: length
      integer :: zeros
      integer :: i

      do i = 1, length_bytes
         length(i:i) = achar_of(shiftr(bits_a_byte*bytes, bits_a_byte*(length_bytes - i)))
      end do
      zeros = modulo(-(len(rest) + 1 + length_bytes), block_bytes)
      call absorb(rest//achar_of(int(first_bit, i8))//repeat(achar(0), zeros)//length, hash)
      do i = 1, size(hash)
         write (digest(digits_a_word*(i - 1) + 1:digits_a_word*i), '(z8.8)') hash(i)
      end do
      digest = lower(digest)
   end subroutine finish

   !> The low byte.
   pure function achar_of(value) result(byte)
      integer(i8), intent(in) :: value
      character(len=1) :: byte
      integer(i8), parameter :: low = int(z'ff', i8)

      byte = char(iand(value, low))
   end function achar_of

   !> Whole blocks (section 6.2.2).
   pure subroutine absorb(bytes, hash)
      character(len=*), intent(in) :: bytes
      integer(i8), intent(inout) :: hash(8)
      integer(i8) :: w(rounds)
      integer(i8) :: a, b, c, d, e, f, g, h
      integer(i8) :: t1
      integer(i8) :: t2
      integer :: block
      integer :: t

      do block = 0, len(bytes) - 1, block_bytes
         do t = 1, 16
            w(t) = word_at(bytes(block + 4*t - 3:block + 4*t))
         end do
         do t = 17, rounds
            w(t) = iand(w(t - 16) + w(t - 7) &
                        + ieor(ieor(right(w(t - 15), 7), right(w(t - 15), 18)), &
                               shiftr(w(t - 15), 3)) &
                        + ieor(ieor(right(w(t - 2), 17), right(w(t - 2), 19)), &
                               shiftr(w(t - 2), 10)), word)
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
            t1 = h + ieor(ieor(right(e, 6), right(e, 11)), right(e, 25)) &
                 + ieor(iand(e, f), iand(iand(not(e), word), g)) + k(t) + w(t)
            t2 = ieor(ieor(right(a, 2), right(a, 13)), right(a, 22)) &
                 + ieor(ieor(iand(a, b), iand(a, c)), iand(b, c))
            h = g
            g = f
            f = e
            e = iand(d + t1, word)
            d = c
            c = b
            b = a
            a = iand(t1 + t2, word)
         end do
         hash = iand(hash + [a, b, c, d, e, f, g, h], word)
      end do
   end subroutine absorb

   !> Four bytes, the first one the highest.
   pure function word_at(bytes) result(value)
      character(len=4), intent(in) :: bytes
      integer(i8) :: value

      value = ior(ior(shiftl(int(ichar(bytes(1:1)), i8), 24), &
                      shiftl(int(ichar(bytes(2:2)), i8), 16)), &
                  ior(shiftl(int(ichar(bytes(3:3)), i8), 8), int(ichar(bytes(4:4)), i8)))
   end function word_at

   !> Rotation of a word to the right.
   pure function right(x, places) result(rotated)
      integer(i8), intent(in) :: x
      integer, intent(in) :: places
      integer(i8) :: rotated

      rotated = iand(ior(shiftr(x, places), shiftl(x, 32 - places)), word)
   end function right
end module da_base_sha256
