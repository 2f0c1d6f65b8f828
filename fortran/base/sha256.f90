!> SHA-256 of texts and files (FIPS 180-4).
module da_base_sha256
   use, intrinsic :: iso_fortran_env, only: int32
   use da_base_kinds, only: i8
   use da_base_error, only: error_type, input_error
   use da_base_sha256_kernels, only: absorb, start, block_bytes
   use da_base_text, only: lower
   implicit none
   private
   public :: sha256, file_sha256, digest_length

   !> Hexadecimal digits of a digest.
   integer, parameter :: digest_length = 64

contains

   !> The digest of a text, in lower case.
   pure function sha256(text) result(digest)
      character(len=*), intent(in) :: text
      character(len=digest_length) :: digest
      integer(int32) :: hash(size(start))
      integer :: whole

      hash = start
      whole = len(text) - mod(len(text), block_bytes)
      call absorb(whole/block_bytes, text, hash)
      call finish(text(whole + 1:), len(text, i8), hash, digest)
   end function sha256

   !> The digest of a file.
   subroutine file_sha256(path, digest, error)
      character(len=*), intent(in) :: path
      character(len=digest_length), intent(out) :: digest
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: blocks_a_read = 1024
      character(len=blocks_a_read*block_bytes) :: buffer
      integer(int32) :: hash(size(start))
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
         call absorb(whole/block_bytes, buffer, hash)
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
      integer(int32), intent(inout) :: hash(:)
      character(len=digest_length), intent(out) :: digest
      integer, parameter :: bits_a_byte = 8
      integer, parameter :: length_bytes = 8
      integer, parameter :: first_bit = 128
      integer, parameter :: digits_a_word = 8
      character(len=length_bytes) :: length
      character(len=:), allocatable :: padded
      integer :: zeros
      integer :: i

      do i = 1, length_bytes
         length(i:i) = achar_of(shiftr(bits_a_byte*bytes, bits_a_byte*(length_bytes - i)))
      end do
      zeros = modulo(-(len(rest) + 1 + length_bytes), block_bytes)
      padded = rest//achar_of(int(first_bit, i8))//repeat(achar(0), zeros)//length
      call absorb(len(padded)/block_bytes, padded, hash)
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
end module da_base_sha256
