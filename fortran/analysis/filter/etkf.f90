!> The ensemble transform Kalman filter (Bishop et al. 2001; Hunt et al. 2007, with one global
!> analysis).
!>
!> S = I + Y^T Y, w = S^{-1} Y^T d, x_a = mean + X (w 1^T + sqrt(N - 1) S^{-1/2} U), where Y and d
!> are the anomalies and innovations in observation space scaled by R^{-1/2} and U is a random
!> rotation that keeps the mean (Sakov & Oke 2008). With it, any square root of S^{-1} does.
module da_analysis_filter_etkf
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, lost_error
   use da_base_inverse_root, only: apply_inverse_root
   use da_base_linear_algebra, only: identity
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_base_mean_root, only: random_inverse_root
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_filter_ensemble_space, only: project_observations
   use da_analysis_filter_transform, only: transform_members
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: etkf_type, etkf_config, new_etkf

   !> `&etkf`
   type :: etkf_config
      logical :: rotation = .true.
   end type etkf_config

   type, extends(ensemble_filter_type) :: etkf_type
      type(etkf_config) :: config
   contains
      procedure :: read_settings
      procedure :: assimilate
   end type etkf_type

contains

   subroutine read_settings(self, namelists, error)
      class(etkf_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('etkf', 'Ensemble transform Kalman filter (global), used by '// &
                                'analysis = ''etkf''')
      call namelists%get('rotation', self%config%rotation, &
                         'turn the analysis anomalies at random each cycle')
      call namelists%close_group(error)
   end subroutine read_settings

   function new_etkf(config) result(self)
      type(etkf_config), intent(in), optional :: config
      type(etkf_type) :: self

      self%name = 'etkf'
      if (present(config)) self%config = config
   end function new_etkf

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(etkf_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(ensemble%members, ensemble%members) :: gram, transform
      real(wp) :: weights(ensemble%members)
      integer :: n
      integer :: k

      n = ensemble%members
      call project_observations(domain, observations, anomalies, innovations, gram, weights)
      if (.not. all(abs(gram) <= huge(gram))) then
         call lost_error(error)
         return
      end if
      if (self%config%rotation) then
         call random_inverse_root(random_key_type(self%seed, stream_rotation, cycle), n, gram, &
                                  transform, weights)
      else
         transform = identity(n)
         call apply_inverse_root(n, gram, n, transform, weights)
      end if
      weights = weights/sqrt(real(n - 1, wp))
      do k = 1, n
         transform(:, k) = transform(:, k) + weights
      end do
      call transform_members(size(ensemble%x(:, :, 1)), n, transform, ensemble%x)
   end subroutine assimilate
end module da_analysis_filter_etkf
