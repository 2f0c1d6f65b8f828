!> CRC-32 as zip archives have it (ISO 3309, polynomial 0x04C11DB7 with its bits reversed).
module da_base_crc32
   use da_base_kinds, only: i8
   implicit none
   private
   public :: crc32

   integer(i8), parameter :: polynomial = int(z'edb88320', i8)
   integer(i8), parameter :: word = int(z'ffffffff', i8)
   integer(i8), parameter :: low_byte = int(z'ff', i8)
   integer, parameter :: bits_a_byte = 8

contains

   !> In the low 32 bits of what is returned.
   pure function crc32(bytes) result(crc)
      character(len=*), intent(in) :: bytes
      integer(i8) :: crc
      integer(i8) :: table(0:255)
      integer :: i
      integer :: bit

      do i = 0, size(table) - 1
         table(i) = i
         do bit = 1, bits_a_byte
            table(i) = ieor(shiftr(table(i), 1), merge(polynomial, 0_i8, btest(table(i), 0)))
         end do
      end do
      crc = word
      do i = 1, len(bytes)
         crc = ieor(shiftr(crc, bits_a_byte), &
                    table(iand(ieor(crc, ichar(bytes(i:i), i8)), low_byte)))
      end do
      crc = ieor(crc, word)
   end function crc32
end module da_base_crc32
