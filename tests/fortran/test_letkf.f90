!> The local filter's fast path against a plain one: an eigen-decomposition for each point.
module test_letkf
   use da_analysis_local_letkf, only: letkf_type, letkf_config, new_letkf
   use da_analysis_local_letkf_interpolation, only: coarse_point, coarse_number
   use da_analysis_local_observations, only: adaptivity_type
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

   !> Where the radius adapts; some points want more observations than that reaches, some less than
   !> the least radius gives.
   real(wp), parameter :: radius_maximum = 2.4_wp

contains

   subroutine test_letkf_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: members(5) = [2, 3, 7, 20, 41]
      real(wp), parameter :: radii(3) = [0.4_wp, 2.0_wp, 30.0_wp]
      integer :: every
      integer :: m
      integer :: r

      call check_inverse_root(tests)
      call check_coarse_grid(tests)
      do m = 1, size(members)
         do r = 1, size(radii)
            call check_against_plain(tests, members(m), radii(r), 'gaspari_cohn', 1.0_wp)
            do every = 2, 5, 3
               call check_against_plain(tests, members(m), radii(r), 'gaspari_cohn', 1.0_wp, every)
            end do
         end do
         call check_against_plain(tests, members(m), 1.1_wp, 'gaspari_cohn', 1.0_wp, 1, 6.0_wp)
         call check_against_plain(tests, members(m), 1.1_wp, 'gaspari_cohn', 1.0_wp, 3, 11.0_wp)
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

   !> Coarse points 0, 3, 6 and 9 of ten, and so on round the circle, the last gap shorter.
   subroutine check_coarse_grid(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: points(-10:19) = [-10, -10, -10, -7, -7, -7, -4, -4, -4, -1, &
         0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 10, 10, 10, 13, 13, 13, 16, 16, 16, 19]
      logical :: right
      integer :: i

      right = .true.
      do i = lbound(points, 1), ubound(points, 1)
         right = right .and. coarse_point(10, 3, coarse_number(10, 3, i)) == points(i)
      end do
      call tests%check(right, 'coarse points lie where they should')
   end subroutine check_coarse_grid

   !> Ensemble spread `spread` against observation errors near 1.
   subroutine check_against_plain(tests, members, radius, taper, spread, weights_every, wanted)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: members
      real(wp), intent(in) :: radius
      character(len=*), intent(in) :: taper
      real(wp), intent(in) :: spread
      integer, intent(in), optional :: weights_every
      real(wp), intent(in), optional :: wanted
      integer, parameter :: points = 43
      type(letkf_config) :: config
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
      config%rotation = .true.
      if (present(weights_every)) config%weights_every = weights_every
      if (present(wanted)) config%adaptivity = adaptivity_type(wanted, radius_maximum)
      filter = new_letkf(config, localisation)
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
      call plain_letkf(localisation, config%weights_every, config%adaptivity, points, members, &
                       before(:, 1, :), expected)
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

   !> Hunt et al. (2007) by the book, on a whole circle with the observations of `observations_on`;
   !> between every `every`-th point, weights by linear interpolation (Yang et al. 2009).
   subroutine plain_letkf(localisation, every, adaptivity, points, members, x, analysis)
      type(localisation_config), intent(in) :: localisation
      integer, intent(in) :: every
      type(adaptivity_type), intent(in) :: adaptivity
      integer, intent(in) :: points
      integer, intent(in) :: members
      real(wp), intent(in) :: x(points, members)
      real(wp), intent(out) :: analysis(points, members)
      real(wp), dimension(members, members) :: left, right, rotation
      real(wp), dimension(members) :: row
      real(wp) :: average
      real(wp) :: beyond
      integer :: next
      integer :: i
      integer :: k

      call random_rotation(random_key_type(seed=0, stream=stream_rotation, cycle=1), rotation)
      call plain_weights(plain_radius(localisation, adaptivity, points, 1), points, members, x, &
                         rotation, 1, right)
      do k = 1, points, every
         next = min(k + every, points + 1)
         left = right
         i = modulo(next - 1, points) + 1
         call plain_weights(plain_radius(localisation, adaptivity, points, i), points, members, x, &
                            rotation, i, right)
         do i = k, next - 1
            beyond = real(i - k, wp)/(next - k)
            average = sum(x(i, :))/members
            row = x(i, :) - average
            analysis(i, :) = average + matmul(row, (1 - beyond)*left + beyond*right)
         end do
      end do
   end subroutine plain_letkf

   !> The localisation with the radius that point i has, by bisection.
   function plain_radius(localisation, adaptivity, points, i) result(adapted)
      type(localisation_config), intent(in) :: localisation
      type(adaptivity_type), intent(in) :: adaptivity
      integer, intent(in) :: points
      integer, intent(in) :: i
      type(localisation_config) :: adapted
      real(wp) :: ends(2)
      real(wp) :: weight(1)
      real(wp) :: distance
      real(wp) :: total
      integer :: step
      integer :: cell
      integer :: j

      adapted = localisation
      if (.not. adaptivity%effective_observations > 0) return
      ends = [localisation%radius, adaptivity%radius_maximum]
      do step = 1, 60
         adapted%radius = sum(ends)/2
         total = 0
         do cell = 1, points
            do j = 1, mod(cell, 4)
               if (nint(10*(cell - 1 + 0.3_wp*(j - 1))) == 20) cycle
               distance = modulo(cell - 1 + 0.3_wp*(j - 1) - (i - 1), real(points, wp))
               call tapers(adapted, 1, [min(distance, points - distance)], weight)
               total = total + weight(1)
            end do
         end do
         ends(merge(1, 2, total < adaptivity%effective_observations)) = adapted%radius
      end do
   end function plain_radius

   !> The matrix that an analysis at point i multiplies anomalies by, the mean's weights included.
   subroutine plain_weights(localisation, points, members, x, rotation, i, weights)
      type(localisation_config), intent(in) :: localisation
      integer, intent(in) :: points
      integer, intent(in) :: members
      real(wp), intent(in) :: x(points, members)
      real(wp), intent(in) :: rotation(members, members)
      integer, intent(in) :: i
      real(wp), intent(out) :: weights(members, members)
      type(eigen_type) :: eigen
      type(error_type), allocatable :: error
      real(wp), dimension(members, members) :: s, root, inverse
      real(wp), dimension(members) :: y, row, projected
      real(wp) :: weight(1)
      real(wp) :: position
      real(wp) :: sd
      real(wp) :: distance
      real(wp) :: average
      integer :: cell
      integer :: j
      integer :: k

      call new_eigen(members, eigen)
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
            do k = 1, members
               s(:, k) = s(:, k) + weight(1)*y*y(k)
            end do
            projected = projected + weight(1)*y*(sin(position) - average)/sd
         end do
      end do
      call eigen%decompose(s, error)
      call eigen%compose(1/sqrt(eigen%values), root)
      call eigen%compose(1/eigen%values, inverse)
      weights = matmul(root, rotation) &
                + spread(matmul(inverse, projected)/sqrt(members - 1.0_wp), 2, members)
   end subroutine plain_weights
end module test_letkf
