!> A local analysis by the book (Hunt et al. 2007), through an eigen-decomposition: all that the
!> filter's fast path does not form, and a check of what it does.
module da_analysis_local_letkf_study
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: eigen_type, new_eigen, identity
   use da_analysis_local_observations, only: local_observations_type, &
      gather_local_observations, adaptivity_type
   use da_analysis_study, only: local_analysis_type, new_local_analysis
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: study_points

   !> What is kept of an observation beside its anomalies.
   integer, parameter :: kept_row = 1
   integer, parameter :: kept_position = 2
   integer, parameter :: kept_value = 3
   integer, parameter :: kept_background = 4
   integer, parameter :: kept_error_sd = 5
   integer, parameter :: kept_used = 6
   integer, parameter :: kept = 6

contains

   !> The local analyses of those of the points (counted from 0) that lie on this slab, from the
   !> ensemble and observations as a filter is given them.
   subroutine study_points(domain, localisation, adaptivity, points, rotation, observations, &
                           anomalies, innovations, ensemble, studies, error)
      type(domain_type), intent(inout) :: domain
      type(localisation_config), intent(in) :: localisation
      type(adaptivity_type), intent(in) :: adaptivity
      integer, intent(in) :: points(:)
      real(wp), intent(in) :: rotation(:, :)
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(in) :: ensemble
      type(local_analysis_type), allocatable, intent(out) :: studies(:)
      type(error_type), allocatable, intent(out) :: error
      type(local_observations_type) :: local
      type(local_observations_type) :: told
      real(wp) :: facts(observations%n, kept)
      integer :: k
      integer :: p

      facts(:, kept_row) = real(observations%row, wp)
      facts(:, kept_position) = observations%position
      facts(:, kept_value) = observations%value
      facts(:, kept_background) = observations%background
      facts(:, kept_error_sd) = observations%error_sd
      facts(:, kept_used) = merge(1.0_wp, 0.0_wp, observations%used())
      call gather_local_observations(domain, localisation, adaptivity, 0, observations, &
                                     anomalies, innovations, local)
      call gather_local_observations(domain, localisation, adaptivity, 0, observations, facts, &
                                     innovations, told)
      allocate (studies(count(points + 1 >= domain%first .and. points + 1 <= domain%last)))
      k = 0
      do p = 1, size(points)
         if (points(p) + 1 < domain%first .or. points(p) + 1 > domain%last) cycle
         k = k + 1
         associate (i => points(p) + 2 - domain%first)
            call local%load(observations, anomalies, innovations, i, i)
            call told%load(observations, facts, innovations, i, i)
            call study_point(local, told, i, rotation, ensemble%x(i, :, :), studies(k), error)
         end associate
         if (allocated(error)) return
         studies(k)%number = p
         studies(k)%point = points(p)
      end do
   end subroutine study_points

   subroutine study_point(local, told, i, rotation, x, study, error)
      type(local_observations_type), intent(in) :: local
      type(local_observations_type), intent(in) :: told
      integer, intent(in) :: i
      real(wp), intent(in) :: rotation(:, :)
      real(wp), intent(in) :: x(:, :)
      type(local_analysis_type), intent(out) :: study
      type(error_type), allocatable, intent(out) :: error
      type(eigen_type) :: eigen
      real(wp), dimension(size(x, 2), size(x, 2)) :: s, root
      real(wp), allocatable :: weights(:, :)
      integer, allocatable :: used(:)
      integer :: members
      integer :: first
      integer :: last
      integer :: j
      integer :: k
      integer :: m

      members = size(x, 2)
      call local%range_of(i, first, last)
      allocate (weights(1, max(last - first + 1, 0)))
      call local%weights_of([i], first, weights)
      used = pack([(j, j=first, last)], told%rows(kept_used, first - told%before:last &
                                                             - told%before) > 0)
      study = new_local_analysis(members, size(x, 1), size(used))
      s = identity(members)
      study%mean_weights = 0
      do k = 1, size(used)
         associate (row => local%rows(:, used(k) - local%before), &
                    facts => told%rows(:, used(k) - told%before), &
                    weight => weights(1, used(k) - first + 1))
            study%row(k) = nint(facts(kept_row), i8)
            study%position(k) = facts(kept_position)
            study%distance(k) = local%offset(used(k), i)
            study%value(k) = facts(kept_value)
            study%expected(k) = facts(kept_background)
            study%error_sd(k) = facts(kept_error_sd)
            study%taper(k) = weight
            study%anomalies(:, k) = row(:members)*(facts(kept_error_sd)*sqrt(members - 1.0_wp))
            do m = 1, members
               s(:, m) = s(:, m) + weight*row(:members)*row(m)
            end do
            study%mean_weights = study%mean_weights + weight*row(:members)*row(members + 1)
         end associate
      end do
      study%effective_observations = sum(study%taper)
      call new_eigen(members, eigen)
      call eigen%decompose(s, error)
      if (allocated(error)) return
      study%eigenvalues = eigen%values
      study%signal_freedom = sum((eigen%values - 1)/eigen%values)
      call eigen%compose(1/eigen%values, s)
      call eigen%compose(1/sqrt(eigen%values), root)
      study%mean_weights = matmul(s, study%mean_weights)/sqrt(members - 1.0_wp)
      study%transform = matmul(root, rotation)
      study%background = x
      do k = 1, size(x, 1)
         associate (average => sum(x(k, :))/members)
            study%analysis(k, :) = average + dot_product(x(k, :) - average, study%mean_weights) &
                                   + matmul(x(k, :) - average, study%transform)
         end associate
      end do
   end subroutine study_point
end module da_analysis_local_letkf_study
