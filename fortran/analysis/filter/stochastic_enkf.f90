!> The stochastic ensemble Kalman filter: every member assimilates its own perturbed observations
!> (Burgers et al. 1998), global, in ensemble space.
!>
!> x_m ← x_m + X S^{-1} Y^T (y + e_m - H x_m), S = I + Y^T Y, all in units of R; the perturbations
!> e_m of an observation are centred and rescaled, so that their mean is zero and their variance
!> unbiased.
module da_analysis_filter_stochastic_enkf
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: eigen_type, new_eigen, identity
   use da_base_reproducible_sum, only: sum_products
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_perturbed_observations, only: centred_perturbations
   use da_analysis_filter_transform, only: transform_members
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: stochastic_enkf_type, new_stochastic_enkf

   type, extends(ensemble_filter_type) :: stochastic_enkf_type
   contains
      procedure :: assimilate
   end type stochastic_enkf_type

contains

   function new_stochastic_enkf() result(self)
      type(stochastic_enkf_type) :: self

      self%name = 'stochastic_enkf'
   end function new_stochastic_enkf

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(stochastic_enkf_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(eigen_type) :: s
      real(wp), dimension(ensemble%members, ensemble%members) :: a, inverse
      real(wp), allocatable :: departures(:, :)
      integer :: n

      n = ensemble%members
      call sum_products(domain%communicator, observations%total, anomalies, anomalies, .true., a)
      call new_eigen(n, s)
      call s%decompose(identity(n) + a, error)
      if (allocated(error)) return
      call s%compose(1/s%values, inverse)
      call perturbed_departures(self%seed, cycle, observations, anomalies, innovations, departures)
      call sum_products(domain%communicator, observations%total, anomalies, departures, .false., a)
      a = identity(n) + matmul(inverse, a)/sqrt(real(n - 1, wp))
      call transform_members(size(ensemble%x(:, :, 1)), n, a, ensemble%x)
   end subroutine assimilate

   !> departures(:, m) = (y + e_m - H x_m) / error_sd
   subroutine perturbed_departures(seed, cycle, observations, anomalies, innovations, departures)
      integer, intent(in) :: seed
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      real(wp), allocatable, intent(out) :: departures(:, :)
      integer :: members
      integer :: m

      members = size(anomalies, 2)
      allocate (departures(observations%n, members))
      call centred_perturbations(seed, cycle, observations, departures)
      do m = 1, members
         where (observations%used())
            departures(:, m) = departures(:, m) + innovations &
                               - anomalies(:, m)*sqrt(real(members - 1, wp))
         elsewhere
            departures(:, m) = 0
         end where
      end do
   end subroutine perturbed_departures
end module da_analysis_filter_stochastic_enkf
