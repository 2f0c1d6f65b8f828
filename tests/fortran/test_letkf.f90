!> The local filter's fast path against a plain one: an eigen-decomposition for each point.
module test_letkf
   use da_analysis_letkf, only: letkf_type, letkf_config, new_letkf
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_inverse_root, only: inverse_root_nodes
   use da_base_kinds, only: wp, i8
   use da_base_linear_algebra, only: eigen_type, new_eigen, identity, random_rotation
   use da_base_random, only: random_key_type, stream_rotation
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_localisation, only: localisation_config, tapers
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type, qc_missing
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_letkf_suite

contains

   subroutine test_letkf_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: members(5) = [2, 3, 7, 20, 41]
      real(wp), parameter :: radii(3) = [0.4_wp, 2.0_wp, 30.0_wp]
      integer :: m
      integer :: r

      call check_inverse_root(tests)
      do m = 1, size(members)
         do r = 1, size(radii)
            call check_against_plain(tests, members(m), radii(r), 'gaspari_cohn', 1.0_wp)
         end do
         call check_against_plain(tests, members(m), 3.0_wp, 'boxcar', 1.0_wp)
         call check_against_plain(tests, members(m), 3.0_wp, 'gaspari_cohn', 300.0_wp)
      end do
   end subroutine test_letkf_suite

   subroutine check_inverse_root(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: samples = 200
      real(wp), allocatable :: shifts(:)
      real(wp), allocatable :: weights(:)
      real(wp) :: kappa
      real(wp) :: x
      real(wp) :: error
      integer :: decade
      integer :: i

      do decade = 0, 8
         kappa = 2*10.0_wp**decade
         call inverse_root_nodes(kappa, 1.0e-13_wp, shifts, weights)
         error = 0
         do i = 0, samples
            x = kappa**(real(i, wp)/samples)
            error = max(error, abs(sum(weights/(x + shifts))*sqrt(x) - 1))
         end do
         call tests%check_small(error, 1.0e-12_wp, 'the inverse root is a sum of shifted inverses')
         call tests%check(all(shifts > 0 .and. weights > 0), 'shifts and weights are positive')
      end do
   end subroutine check_inverse_root

   !> Ensemble spread `spread` against observation errors near 1.
   subroutine check_against_plain(tests, members, radius, taper, spread)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: members
      real(wp), intent(in) :: radius
      character(len=*), intent(in) :: taper
      real(wp), intent(in) :: spread
      integer, parameter :: points = 43
      type(localisation_config) :: localisation
      type(domain_type) :: domain
      type(letkf_type) :: filter
      type(ensemble_type) :: ensemble
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      real(wp) :: before(points, 1, members)
      real(wp) :: expected(points, members)
      real(wp) :: difference

      localisation%radius = radius
      localisation%taper = taper
      filter = new_letkf(letkf_config(rotation=.true.), localisation)
      filter%inflation = no_inflation
      call new_domain(points, tests%communicator, domain, error)
      ensemble%members = members
      allocate (ensemble%x(domain%n, 1, members))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), ensemble%x)
      call random_field(random_key_type(seed=5), 0_i8, before)
      ensemble%x = spread*ensemble%x
      before = spread*before
      call make_observations(domain, observations)
      call filter%update(domain, 1, observations, ensemble, error)
      call tests%check(.not. allocated(error), 'letkf runs')
      call plain_letkf(localisation, points, members, before(:, 1, :), expected)
      difference = maxval(abs(ensemble%x(:, 1, :) - expected(domain%first:domain%last, :)))
      call tests%check_small(difference, 1.0e-10_wp*spread, &
                             'the fast letkf agrees with the plain one')
   end subroutine check_against_plain

   subroutine make_observations(domain, observations)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(out) :: observations

      observations = observations_on(domain)
      observations%value = sin(observations%position)
      observations%error_sd = 1 + 0.1_wp*modulo(observations%position, 3.0_wp)
      where (nint(10*observations%position) == 20) observations%qc = qc_missing
   end subroutine make_observations

   !> Hunt et al. (2007) by the book, on a whole circle with the observations of `observations_on`.
   subroutine plain_letkf(localisation, points, members, x, analysis)
      type(localisation_config), intent(in) :: localisation
      integer, intent(in) :: points
      integer, intent(in) :: members
      real(wp), intent(in) :: x(points, members)
      real(wp), intent(out) :: analysis(points, members)
      type(eigen_type) :: eigen
      type(error_type), allocatable :: error
      real(wp), dimension(members, members) :: s, root, inverse, rotation
      real(wp), dimension(members) :: y, row, projected
      real(wp) :: weight(1)
      real(wp) :: position
      real(wp) :: sd
      real(wp) :: distance
      real(wp) :: average
      real(wp) :: innovation
      integer :: cell
      integer :: i
      integer :: j
      integer :: k

      call random_rotation(random_key_type(seed=0, stream=stream_rotation, cycle=1), rotation)
      call new_eigen(members, eigen)
      do i = 1, points
         s = identity(members)
         projected = 0
         do cell = 1, points
            do j = 1, mod(cell, 4)
               position = cell - 1 + 0.3_wp*(j - 1)
               if (nint(10*position) == 20) cycle
               distance = modulo(position - (i - 1), real(points, wp))
               call tapers(localisation, 1, [min(distance, points - distance)], weight)
               row = (1 - 0.3_wp*(j - 1))*x(cell, :) + 0.3_wp*(j - 1)*x(modulo(cell, points) + 1, :)
               average = sum(row)/members
               sd = 1 + 0.1_wp*modulo(position, 3.0_wp)
               y = (row - average)/(sd*sqrt(members - 1.0_wp))
               innovation = (sin(position) - average)/sd
               do k = 1, members
                  s(:, k) = s(:, k) + weight(1)*y*y(k)
               end do
               projected = projected + weight(1)*y*innovation
            end do
         end do
         call eigen%decompose(s, error)
         call eigen%compose(1/sqrt(eigen%values), root)
         call eigen%compose(1/eigen%values, inverse)
         average = sum(x(i, :))/members
         row = x(i, :) - average
         analysis(i, :) = average + dot_product(row, matmul(inverse, projected))/sqrt(members &
                                                                                      - 1.0_wp) &
                          + matmul(matmul(row, root), rotation)
      end do
   end subroutine plain_letkf
end module test_letkf
