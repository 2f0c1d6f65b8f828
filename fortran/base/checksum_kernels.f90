!> Checksums of numbers by their place: sums, modulo 2^64, of a hash of place and bits.
!>
!> A sum does not depend on who adds what, so any layout of ranks gives the same. One bit that is
!> another is always seen, as the hash of a place is one to one; of other changes, swaps among
!> them, one in 2^64 is not. The hash is the finaliser of splitmix64 (Steele, Lea & Flood 2014).
module da_base_checksum_kernels
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: add_columns, add_words

   integer(i8), parameter :: golden = int(z'9E3779B97F4A7C15', i8)
   integer(i8), parameter :: factor1 = int(z'BF58476D1CE4E5B9', i8)
   integer(i8), parameter :: factor2 = int(z'94D049BB133111EB', i8)

contains

   !> Add columns number `column`, … of an array whose columns have `points` values. x holds those
   !> from number `first` on; all is counted from 1.
   pure subroutine add_columns(n, columns, x, points, first, column, total)
      integer, intent(in) :: n
      integer, intent(in) :: columns
      real(wp), intent(in) :: x(n, columns)
      integer, intent(in) :: points
      integer(i8), intent(in) :: first
      integer(i8), intent(in) :: column
      integer(i8), intent(inout) :: total
      integer(i8) :: before
      integer :: i
      integer :: k

      do k = 1, columns
         before = (column + k - 2)*points + first - 1
         do i = 1, n
            total = total + mixed(ieor(transfer(x(i, k), golden), golden*(before + i)))
         end do
      end do
   end subroutine add_columns

   !> Add integers, the first of them in place `first`.
   pure subroutine add_words(n, words, first, total)
      integer, intent(in) :: n
      integer(i8), intent(in) :: words(n)
      integer(i8), intent(in) :: first
      integer(i8), intent(inout) :: total
      integer :: i

      do i = 1, n
         total = total + mixed(ieor(words(i), golden*(first - 1 + i)))
      end do
   end subroutine add_words

   elemental function mixed(word) result(z)
      integer(i8), intent(in) :: word
      integer(i8) :: z

      z = ieor(word, shiftr(word, 30))*factor1
      z = ieor(z, shiftr(z, 27))*factor2
      z = ieor(z, shiftr(z, 31))
   end function mixed
end module da_base_checksum_kernels
