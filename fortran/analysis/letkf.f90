!> The local ensemble transform Kalman filter (Hunt et al. 2007): an analysis of its own at each grid point,
!> from the observations around it, their precision tapered with distance.
module da_analysis_letkf
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: eigen_type, new_eigen, random_rotation, identity
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_analysis_ensemble_filter, only: ensemble_filter_type
   use da_analysis_local_observations, only: local_observations_type, gather_local_observations
   use da_ensemble_localisation, only: localisation_config, taper
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: letkf_type, letkf_config, new_letkf, read_letkf

   !> `&letkf`
   type :: letkf_config
      logical :: rotation = .true.
   end type letkf_config

   type, extends(ensemble_filter_type) :: letkf_type
      logical :: rotation = .true.
      type(localisation_config) :: localisation
   contains
      procedure :: assimilate
   end type letkf_type

contains

   subroutine read_letkf(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(letkf_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('letkf', 'Local ensemble transform Kalman filter, used by '// &
                                'analysis = ''letkf''')
      call namelists%get('rotation', config%rotation, 'turn the analysis anomalies at random each '// &
                         'cycle, everywhere alike')
      call namelists%close_group(error)
   end subroutine read_letkf

   function new_letkf(config, localisation) result(self)
      type(letkf_config), intent(in) :: config
      type(localisation_config), intent(in) :: localisation
      type(letkf_type) :: self

      self%name = 'letkf'
      self%rotation = config%rotation
      self%localisation = localisation
   end function new_letkf

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(letkf_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(local_observations_type) :: local
      type(eigen_type) :: s
      real(wp), dimension(ensemble%members, ensemble%members) :: gram, rotation
      real(wp) :: projected(ensemble%members)
      real(wp), allocatable :: weights(:)
      integer :: first
      integer :: last
      integer :: c
      integer :: i
      integer :: j

      call gather_local_observations(domain, self%localisation, observations, anomalies, innovations, local)
      rotation = identity(ensemble%members)
      if (self%rotation) then
         call random_rotation(random_key_type(self%seed, stream_rotation, cycle), rotation)
      end if
      call new_eigen(ensemble%members, s)
      allocate (weights(local%most))
      do i = 1, domain%n
         call local%range_of(i, first, last)
         if (first > last) cycle
         do j = first, last
            weights(j) = taper(self%localisation, abs(local%offset(j, i)))
         end do
         call local_gram(ensemble%members, last - first + 1, local%rows(:, first:last), &
                         weights(first:last), gram, projected)
         call s%decompose(gram, error)
         if (allocated(error)) return
         do c = 1, size(ensemble%x, 2)
            call transform_point(ensemble%members, s, projected, self%rotation, rotation, &
                                 ensemble%x(i, c, :))
         end do
      end do
   end subroutine assimilate

   !> S = I + Σ_j weight_j y_j y_j^T (lower triangle) and Y^T d; a row is y_j, then the innovation d_j
   !> (and the observation's place, not used here).
   pure subroutine local_gram(members, n, rows, weights, gram, projected)
      integer, intent(in) :: members
      integer, intent(in) :: n
      real(wp), intent(in) :: rows(members + 2, n)
      real(wp), intent(in) :: weights(n)
      real(wp), intent(out) :: gram(members, members)
      real(wp), intent(out) :: projected(members)
      real(wp) :: factor
      integer :: j
      integer :: k

      gram = 0
      projected = 0
      do k = 1, members
         gram(k, k) = 1
      end do
      do j = 1, n
         do k = 1, members
            factor = weights(j)*rows(k, j)
            gram(k:, k) = gram(k:, k) + factor*rows(k:members, j)
         end do
         factor = weights(j)*rows(members + 1, j)
         projected = projected + factor*rows(:members, j)
      end do
   end subroutine local_gram

   !> The analysis of one variable: only S^{-1/2} times its row of anomalies is needed, not S^{-1/2}.
   pure subroutine transform_point(members, s, projected, rotate, rotation, x)
      integer, intent(in) :: members
      type(eigen_type), intent(in) :: s
      real(wp), intent(in) :: projected(members)
      logical, intent(in) :: rotate
      real(wp), intent(in) :: rotation(members, members)
      real(wp), intent(inout) :: x(members)
      real(wp), dimension(members) :: anomalies, turned
      real(wp) :: average
      real(wp) :: along
      real(wp) :: increment
      integer :: k

      average = sum(x)/members
      anomalies = x - average
      turned = 0
      increment = 0
      do k = 1, members
         along = dot_product(s%vectors(:, k), anomalies)
         increment = increment + along*dot_product(s%vectors(:, k), projected)/s%values(k)
         turned = turned + (along/sqrt(s%values(k)))*s%vectors(:, k)
      end do
      if (rotate) turned = matmul(turned, rotation)
      x = average + increment/sqrt(real(members - 1, wp)) + turned
   end subroutine transform_point
end module da_analysis_letkf
