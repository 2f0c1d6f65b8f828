!> Which observations an analysis may use.
module da_observation_quality_control
   use da_base_kinds, only: wp
   use da_observation_type, only: observations_type, qc_assimilated, qc_operator_failed, qc_outlier
   implicit none
   private
   public :: check_gross_errors

contains

   !> Reject what lies further from the background than `limit` expected standard deviations of the
   !> innovation, sqrt(background_sd² + error_sd²); a limit of zero rejects nothing.
   subroutine check_gross_errors(limit, observations)
      real(wp), intent(in) :: limit
      type(observations_type), intent(inout) :: observations
      real(wp) :: expected
      integer :: j

      do j = 1, observations%n
         if (observations%qc(j) /= qc_assimilated) cycle
         if (.not. abs(observations%background(j)) <= huge(1.0_wp)) then
            observations%qc(j) = qc_operator_failed
         else if (limit > 0) then
            expected = sqrt(observations%background_sd(j)**2 + observations%error_sd(j)**2)
            if (abs(observations%value(j) - observations%background(j)) > limit*expected) then
               observations%qc(j) = qc_outlier
            end if
         end if
      end do
   end subroutine check_gross_errors
end module da_observation_quality_control
