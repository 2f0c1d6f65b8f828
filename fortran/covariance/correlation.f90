!> Correlation functions of distance, by name.
module da_covariance_correlation
   use da_base_kinds, only: wp
   implicit none
   private
   public :: known_correlations, correlation, correlation_reach

   character(len=12), parameter :: known_correlations(3) = [character(len=12) :: &
      'soar', 'gaussian', 'exponential']
   !> Correlations below this count as none.
   real(wp), parameter :: smallest = 1.0e-8_wp

contains

   !> The correlation at a distance r in length scales: 'soar' (second-order autoregressive) (1 + r)
   !> exp(-r), 'gaussian' exp(-r²/2), 'exponential' exp(-r).
   elemental function correlation(name, r) result(rho)
      character(len=*), intent(in) :: name
      real(wp), intent(in) :: r
      real(wp) :: rho

      select case (name)
      case ('gaussian')
         rho = exp(-0.5_wp*r**2)
      case ('exponential')
         rho = exp(-r)
      case default
         rho = (1 + r)*exp(-r)
      end select
   end function correlation

   !> The number of grid points after which the correlation has died out, for a length scale in grid
   !> points.
   pure function correlation_reach(name, length) result(points)
      character(len=*), intent(in) :: name
      real(wp), intent(in) :: length
      integer :: points

      points = 1
      do while (correlation(name, points/length) > smallest)
         points = points + 1
      end do
   end function correlation_reach
end module da_covariance_correlation
