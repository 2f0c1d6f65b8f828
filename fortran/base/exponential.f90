!> The exponential and the error function outside the caller's sight: inlined into a loop they would
!> become the C library's vector functions, whose bits depend on the vector length.
module da_base_exponential
   use da_base_kinds, only: wp
   implicit none
   private
   public :: exponential, normal_distribution

contains

   pure function exponential(x) result(y)
      real(wp), intent(in) :: x
      real(wp) :: y

      y = exp(x)
   end function exponential

   !> The probability that a standard normal variable is below x.
   pure function normal_distribution(x) result(probability)
      real(wp), intent(in) :: x
      real(wp) :: probability

      probability = 0.5_wp*(1 + erf(x/sqrt(2.0_wp)))
   end function normal_distribution
end module da_base_exponential
