!> What is done to observations before a filter sees them.
module test_treatment
   use da_base_kinds, only: wp
   use da_observation_robust, only: robust_config, weigh_observations, huber_weight, varqc_weight
   use da_observation_type, only: observations_type, new_observations, qc_outlier
   use testing, only: testing_type
   implicit none
   private
   public :: test_treatment_suite

contains

   subroutine test_treatment_suite(tests)
      type(testing_type), intent(inout) :: tests

      call check_huber(tests)
      call check_varqc(tests)
      call check_weights(tests)
   end subroutine test_treatment_suite

   !> The weight times d is the slope of Huber's function: d²/2 near, c|d| - c²/2 beyond c.
   subroutine check_huber(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: limit = 1.7_wp
      real(wp), parameter :: step = 1.0e-5_wp
      real(wp) :: d
      real(wp) :: slope
      integer :: k

      do k = 1, 40
         d = 0.13_wp*k
         slope = (huber(d + step) - huber(d - step))/(2*step)
         call tests%check_small(abs(huber_weight(limit, d)*d - slope), 1.0e-9_wp, &
                                'the weight is the slope of the Huber norm')
         call tests%check(huber_weight(limit, -d) >= huber_weight(limit, d) .and. &
                          huber_weight(limit, -d) <= huber_weight(limit, d), &
                          'the weight is even')
      end do
      call tests%check(huber_weight(limit, limit) >= 1, 'at the limit the weight is one')

   contains

      pure function huber(x) result(value)
         real(wp), intent(in) :: x
         real(wp) :: value

         value = 0.5_wp*x**2
         if (abs(x) > limit) value = limit*abs(x) - 0.5_wp*limit**2
      end function huber
   end subroutine check_huber

   !> The weight is Bayes' probability that the error is no gross one, and times d the slope of the
   !> mixture's negative logarithm.
   subroutine check_varqc(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: probability = 0.03_wp
      real(wp), parameter :: width = 6
      real(wp), parameter :: step = 1.0e-5_wp
      real(wp) :: d
      real(wp) :: good
      real(wp) :: slope
      integer :: k

      do k = 0, 40
         d = 0.14_wp*k
         good = exp(-0.5_wp*d**2)/sqrt(2*acos(-1.0_wp))*(1 - probability)
         call tests%check_small(abs(varqc_weight(probability, width, d) &
                                    - good/(good + probability/(2*width))), 1.0e-14_wp, &
                                'the weight is the probability of no gross error')
         slope = -(log(density(d + step)) - log(density(d - step)))/(2*step)
         call tests%check_small(abs(varqc_weight(probability, width, d)*d - slope), 1.0e-8_wp, &
                                'the weight is the slope of the cost function')
      end do

   contains

      pure function density(x) result(value)
         real(wp), intent(in) :: x
         real(wp) :: value

         value = (1 - probability)*exp(-0.5_wp*x**2)/sqrt(2*acos(-1.0_wp)) + probability/(2*width)
      end function density
   end subroutine check_varqc

   subroutine check_weights(tests)
      type(testing_type), intent(inout) :: tests
      type(observations_type) :: observations

      observations = new_observations(4, 0.0_wp)
      observations%value = [0.5_wp, -5.0_wp, 8.0_wp, 1.0e8_wp]
      observations%background = 0
      observations%background_sd = 0.75_wp
      observations%error_sd = 1
      observations%qc(3) = qc_outlier
      call weigh_observations(robust_config(), observations)
      call tests%check(all(abs(observations%weight - 1) <= 0), 'without weighting all weigh one')
      call weigh_observations(robust_config(weighting='huber', huber_limit=2.0_wp), observations)
      call tests%check_small(maxval(abs(observations%weight - [1.0_wp, 0.5_wp, 0.0_wp, &
                                                               2.5e-8_wp])), 1.0e-15_wp, &
                             'innovations are normalised by their expected sd')
      call weigh_observations(robust_config(weighting='varqc'), observations)
      call tests%check(observations%weight(4) > 0 .and. &
                       observations%error_sd(4)/sqrt(observations%weight(4)) < 1.0e20_wp, &
                       'a sure gross error still has a finite error')
   end subroutine check_weights
end module test_treatment
