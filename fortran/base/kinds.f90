!> The kinds of numbers that all of dacycle computes with.
module da_base_kinds
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   private
   public :: wp, i8

   integer, parameter :: wp = real64
   integer, parameter :: i8 = int64
end module da_base_kinds
