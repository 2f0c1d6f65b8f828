!> What has been written of an array so far: how many numbers, and their checksum.
module da_base_checksum
   use da_base_kinds, only: wp, i8
   use da_base_checksum_kernels, only: add_columns, add_words
   implicit none
   private
   public :: checksum_type

   !> Of a rank's share; counts and totals of the ranks add up to those of the array.
   type :: checksum_type
      integer(i8) :: count = 0
      integer(i8) :: total = 0
   contains
      procedure, private :: add_row
      procedure, private :: add_integers
      procedure :: add_slab
      generic :: add => add_row, add_integers
   end type checksum_type

contains

   !> Values that follow one another, the first of them in place `first` of the array.
   pure subroutine add_row(self, x, first)
      class(checksum_type), intent(inout) :: self
      real(wp), contiguous, intent(in) :: x(:)
      integer(i8), intent(in) :: first

      self%count = self%count + size(x)
      call add_columns(size(x), 1, x, 0, first, 1_i8, self%total)
   end subroutine add_row

   pure subroutine add_integers(self, words, first)
      class(checksum_type), intent(inout) :: self
      integer(i8), contiguous, intent(in) :: words(:)
      integer(i8), intent(in) :: first

      self%count = self%count + size(words)
      call add_words(size(words), words, first, self%total)
   end subroutine add_integers

   !> The points from number `first` on of columns number `column`, …, of `points` in all. The
   !> columns of x lie on its last two dimensions.
   pure subroutine add_slab(self, x, points, first, column)
      class(checksum_type), intent(inout) :: self
      real(wp), contiguous, intent(in) :: x(:, :, :)
      integer, intent(in) :: points
      integer, intent(in) :: first
      integer(i8), intent(in) :: column

      self%count = self%count + size(x, kind=i8)
      call add_columns(size(x, 1), size(x, 2)*size(x, 3), x, points, int(first, i8), column, &
                       self%total)
   end subroutine add_slab
end module da_base_checksum
