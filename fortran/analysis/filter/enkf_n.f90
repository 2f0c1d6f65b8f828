!> The finite-size ensemble Kalman filter EnKF-N (Bocquet 2011; Bocquet & Sakov 2012), in its dual
!> form (Bocquet, Raanes & Hannart 2015): sampling errors are met by an inflation l that each cycle
!> chooses itself.
!>
!> With the eigenvalues λ_k of Y^T Y and β = V^T Y^T d, q = l² minimises
!>
!> Σ_k β_k² / (λ_k (1 + q λ_k) (N-1)) + ε / q + c log q;
!>
!> then follows an ETKF with anomalies inflated by l. ε = (N+1)/N and c = N/(N-1), moved so that the
!> prior's mode is 1 where nothing is observed (ibid., eq. 36).
module da_analysis_filter_enkf_n
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: eigen_type, new_eigen, random_rotation
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_filter_ensemble_space, only: project_observations
   use da_analysis_filter_transform, only: transform_members
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: enkf_n_type, enkf_n_config, new_enkf_n, finite_size_inflation

   !> `&enkf_n`
   type :: enkf_n_config
      logical :: rotation = .true.
      real(wp) :: hyperprior = 1
   end type enkf_n_config

   type, extends(ensemble_filter_type) :: enkf_n_type
      type(enkf_n_config) :: config
   contains
      procedure :: read_settings
      procedure :: assimilate
   end type enkf_n_type

contains

   subroutine read_settings(self, namelists, error)
      class(enkf_n_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('enkf_n', &
                                'Finite-size filter EnKF-N (global), used by analysis = ''enkf_n''')
      call namelists%get('rotation', self%config%rotation, &
                         'turn the analysis anomalies at random each cycle')
      call namelists%get('hyperprior', self%config%hyperprior, &
                         'factor of the hyperprior''s certainty (DAPPER''s '// &
                         'xN): larger keeps the inflation nearer to 1', above=0.0_wp)
      call namelists%close_group(error)
   end subroutine read_settings

   function new_enkf_n(config) result(self)
      type(enkf_n_config), intent(in), optional :: config
      type(enkf_n_type) :: self

      self%name = 'enkf_n'
      if (present(config)) self%config = config
      self%inflation = no_inflation
   end function new_enkf_n

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(enkf_n_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(eigen_type) :: gram
      real(wp), dimension(ensemble%members, ensemble%members) :: a, transform, rotation
      real(wp), dimension(ensemble%members) :: projected, eigenvalues, along, weights
      real(wp) :: q
      integer :: n
      integer :: k

      n = ensemble%members
      call project_observations(domain, observations, anomalies, innovations, a, projected)
      call new_eigen(n, gram)
      call gram%decompose(a, error)
      if (allocated(error)) return
      eigenvalues = max(gram%values, 0.0_wp)
      along = matmul(transpose(gram%vectors), projected)
      q = finite_size_inflation(eigenvalues, along, self%config%hyperprior)
      weights = matmul(gram%vectors, q*along/(1 + q*eigenvalues))/sqrt(real(n - 1, wp))
      call gram%compose(1/sqrt(1 + q*eigenvalues), transform)
      if (self%config%rotation) then
         call random_rotation(random_key_type(self%seed, stream_rotation, cycle), rotation)
         transform = matmul(transform, rotation)
      end if
      do k = 1, n
         transform(:, k) = sqrt(q)*transform(:, k) + weights
      end do
      call transform_members(size(ensemble%x(:, :, 1)), n, transform, ensemble%x)
   end subroutine assimilate

   !> q = l², the root of c q - ε - q² Σ_k β_k² / (1 + q λ_k)² / (N-1) nearest to the prior's mode
   !> ε/c.
   pure function finite_size_inflation(eigenvalues, along, hyperprior) result(q)
      real(wp), intent(in) :: eigenvalues(:)
      real(wp), intent(in) :: along(:)
      real(wp), intent(in) :: hyperprior
      real(wp) :: q
      real(wp), parameter :: growth = 1.1_wp
      real(wp), parameter :: tolerance = 1.0e-12_wp
      real(wp) :: epsilon_n
      real(wp) :: certainty
      real(wp) :: correction
      real(wp) :: low
      real(wp) :: high
      integer :: n

      n = size(eigenvalues)
      epsilon_n = (n + 1.0_wp)/n
      certainty = real(n, wp)/(n - 1)
      correction = sqrt((epsilon_n/certainty)**(sum(1/(1 + eigenvalues))/n))
      epsilon_n = hyperprior*epsilon_n/correction
      certainty = hyperprior*certainty*correction
      low = epsilon_n/certainty
      high = low
      do while (slope(high) <= 0)
         low = high
         high = growth*high
      end do
      do while (high - low > tolerance*high)
         q = (low + high)/2
         if (slope(q) <= 0) then
            low = q
         else
            high = q
         end if
      end do
      q = (low + high)/2

   contains

      pure function slope(trial) result(value)
         real(wp), intent(in) :: trial
         real(wp) :: value

         value = certainty*trial - epsilon_n &
                 - trial**2*sum((along/(1 + trial*eigenvalues))**2)/(n - 1)
      end function slope
   end function finite_size_inflation
end module da_analysis_filter_enkf_n
