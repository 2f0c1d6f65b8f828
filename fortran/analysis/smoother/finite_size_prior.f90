!> The prior of an iterative ensemble smoother's weights: normal, or that of Bocquet & Sakov (2012),
!> which knows that the ensemble's mean and covariance are those of a sample.
module da_analysis_smoother_finite_size_prior
   use da_base_kinds, only: wp
   implicit none
   private
   public :: prior_type, prior_cost, prior_precision

   !> The finite-size prior is flat far out; there it goes on as a normal one of this precision, or
   !> an ensemble that has lost the truth would leave the model's climate.
   real(wp), parameter :: least_precision = 0.25_wp

   type :: prior_type
      logical :: finite_size = .false.
      real(wp) :: hyperprior = 1
   end type prior_type

contains

   !> |w|², or twice that finite-size prior's -ln p(w).
   pure function prior_cost(prior, n, remaining, w) result(cost)
      type(prior_type), intent(in) :: prior
      integer, intent(in) :: n
      real(wp), intent(in) :: remaining
      real(wp), intent(in) :: w(n)
      real(wp) :: cost
      real(wp) :: epsilon_n
      real(wp) :: certainty
      real(wp) :: far

      cost = dot_product(w, w)
      if (.not. prior%finite_size) return
      call finite_size_prior(prior, n, remaining, epsilon_n, certainty)
      far = max(cost/(n - 1) - (certainty/least_precision - epsilon_n), 0.0_wp)
      cost = (n - 1)*(certainty*log(epsilon_n + cost/(n - 1) - far) + least_precision*far)
   end function prior_cost

   !> The prior's precision: 1, or the curvature along w of the finite-size prior c/2 ln(ε +
   !> |w|²/(N - 1)), ε = (N + 1)/N and c = N/(N - 1), moved as in EnKF-N so that it is 1 where
   !> nothing is observed (Bocquet & Sakov 2012; Bocquet, Raanes & Hannart 2015, eq. 36).
   !> `remaining` is the mean eigenvalue of S^{-1}.
   pure function prior_precision(prior, n, remaining, w) result(precision)
      type(prior_type), intent(in) :: prior
      integer, intent(in) :: n
      real(wp), intent(in) :: remaining
      real(wp), intent(in) :: w(n)
      real(wp) :: precision
      real(wp) :: epsilon_n
      real(wp) :: certainty

      precision = 1
      if (.not. prior%finite_size) return
      call finite_size_prior(prior, n, remaining, epsilon_n, certainty)
      precision = max(certainty/(epsilon_n + dot_product(w, w)/(n - 1)), least_precision)
   end function prior_precision

   pure subroutine finite_size_prior(prior, n, remaining, epsilon_n, certainty)
      type(prior_type), intent(in) :: prior
      integer, intent(in) :: n
      real(wp), intent(in) :: remaining
      real(wp), intent(out) :: epsilon_n
      real(wp), intent(out) :: certainty
      real(wp) :: correction

      epsilon_n = (n + 1.0_wp)/n
      certainty = real(n, wp)/(n - 1)
      correction = sqrt((epsilon_n/certainty)**remaining)
      epsilon_n = prior%hyperprior*epsilon_n/correction
      certainty = prior%hyperprior*certainty*correction
   end subroutine finite_size_prior
end module da_analysis_smoother_finite_size_prior
