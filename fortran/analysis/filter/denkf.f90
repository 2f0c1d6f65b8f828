!> The deterministic ensemble Kalman filter (Sakov & Oke 2008): the anomalies take half of the gain.
!>
!> A_a = A - K H A / 2, in ensemble space A (I + S^{-1}) / 2 with S = I + Y^T Y.
module da_analysis_filter_denkf
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: eigen_type, new_eigen, identity
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_filter_ensemble_space, only: project_observations
   use da_analysis_filter_transform, only: transform_members
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: denkf_type, new_denkf

   type, extends(ensemble_filter_type) :: denkf_type
   contains
      procedure :: assimilate
   end type denkf_type

contains

   function new_denkf() result(self)
      type(denkf_type) :: self

      self%name = 'denkf'
   end function new_denkf

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(denkf_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(eigen_type) :: s
      real(wp), dimension(ensemble%members, ensemble%members) :: gram, inverse, transform
      real(wp), dimension(ensemble%members) :: projected, weights
      integer :: n
      integer :: k

      n = ensemble%members
      call project_observations(domain, observations, anomalies, innovations, gram, projected)
      call new_eigen(n, s)
      call s%decompose(identity(n) + gram, error)
      if (allocated(error)) return
      call s%compose(1/s%values, inverse)
      weights = matmul(inverse, projected)/sqrt(real(n - 1, wp))
      transform = 0.5_wp*(identity(n) + inverse)
      do k = 1, n
         transform(:, k) = transform(:, k) + weights
      end do
      call transform_members(size(ensemble%x(:, :, 1)), n, transform, ensemble%x)
   end subroutine assimilate
end module da_analysis_filter_denkf
