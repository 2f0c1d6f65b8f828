!> The exponential function outside the caller's sight: inlined into a loop it would become the C
!> library's vector function, whose bits depend on the vector length.
module da_base_exponential
   use da_base_kinds, only: wp
   implicit none
   private
   public :: exponential

contains

   pure function exponential(x) result(y)
      real(wp), intent(in) :: x
      real(wp) :: y

      y = exp(x)
   end function exponential
end module da_base_exponential
