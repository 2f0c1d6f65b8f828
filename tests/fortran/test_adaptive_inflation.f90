!> Adaptive inflation against its formulas over all pairs of points and observations, and against a
!> factor that is known.
module test_adaptive_inflation
   use da_analysis_filter_adaptive_inflation, only: adaptive_inflation_config, carry_inflation, &
      inflate_adaptively, learn_inflation
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals_of
   use da_ensemble_localisation, only: localisation_config, tapers
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type, qc_outlier
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_adaptive_inflation_suite

   integer, parameter :: points = 23
   integer, parameter :: members = 5

contains

   subroutine test_adaptive_inflation_suite(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: radii(3) = [1.0_wp, 2.5_wp, 20.0_wp]
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      integer :: r

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      do r = 1, size(radii)
         call check_formulas(tests, domain, whole, radii(r))
      end do
      call check_formulas(tests, domain, whole, 0.0_wp)
      call check_known_factor(tests, whole, 0.0_wp)
      call check_known_factor(tests, whole, 6.0_wp)
      call check_spread(tests, domain)
   end subroutine test_adaptive_inflation_suite

   !> Two cycles, some observations rejected, some points without any in reach.
   subroutine check_formulas(tests, domain, whole, radius)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      real(wp), intent(in) :: radius
      real(wp), parameter :: sd = 0.3_wp
      real(wp), parameter :: damping = 0.95_wp
      type(adaptive_inflation_config) :: config
      type(observations_type) :: observations
      type(observations_type) :: all_observations
      type(ensemble_type) :: ensemble
      type(ensemble_type) :: ensemble_whole
      real(wp), allocatable :: factor(:)
      integer :: cycle
      integer :: i

      config = adaptive_inflation_config(active=.true., radius=radius, sd=sd, damping=damping)
      call carry_inflation(config, domain, ensemble)
      call carry_inflation(config, whole, ensemble_whole)
      allocate (factor(points), source=config%initial)
      do cycle = 1, 2
         call make(domain, cycle, observations)
         call make(whole, cycle, all_observations)
         call learn_inflation(config, domain, observations, ensemble)
         call learn_inflation(config, whole, all_observations, ensemble_whole)
         do i = 1, points
            call expect(i, factor(i))
         end do
      end do
      associate (found => ensemble%carried(1)%x(:, 1, 1), &
                 found_whole => ensemble_whole%carried(1)%x(:, 1, 1))
         call tests%check(all(abs(found - found_whole(domain%first:domain%last)) <= 0), &
                          'adaptive inflation has the same bits on any layout')
         call tests%check_small(maxval(abs(found - factor(domain%first:domain%last))), 1.0e-12_wp, &
                                'adaptive inflation follows its formulas')
      end associate

   contains

      subroutine expect(point, value)
         integer, intent(in) :: point
         real(wp), intent(inout) :: value
         type(localisation_config) :: localisation
         real(wp) :: away
         real(wp) :: weight(1)
         real(wp) :: p
         real(wp) :: s
         real(wp) :: d
         real(wp) :: observed
         real(wp) :: variance
         integer :: j

         localisation%radius = radius
         localisation%taper = 'gaspari_cohn'
         p = 0
         s = 0
         d = 0
         associate (y => all_observations)
            do j = 1, y%n
               if (y%qc(j) == qc_outlier) cycle
               away = abs(y%position(j) - (point - 1))
               weight = 1
               if (radius > 0) call tapers(localisation, 1, [min(away, points - away)], weight)
               p = p + weight(1)
               s = s + weight(1)*y%background_sd(j)**2/y%error_sd(j)**2/value
               d = d + weight(1)*(y%value(j) - y%background(j))**2/y%error_sd(j)**2
            end do
         end associate
         if (p > 0) then
            observed = (d - p)/s
            variance = 2/p*((value*s + p)/s)**2
            value = (variance*value + sd**2*observed)/(variance + sd**2)
         end if
         if (p < 1) then
            value = 1 + (damping*p + config%damping_unobserved*(1 - p))*(value - 1)
         else
            value = 1 + damping*(value - 1)
         end if
         value = min(max(value, config%minimum), config%maximum)
      end subroutine expect
   end subroutine check_formulas

   !> Innovations three times as large as the background claims, besides the observation error.
   subroutine make(domain, cycle, observations)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(out) :: observations
      integer(i8), allocatable :: rows(:)
      integer :: j

      observations = observations_on(domain)
      rows = [(observations%before + j - 1, j=1, observations%n)]
      observations%error_sd = 0.5_wp + modulo(rows, 3_i8)
      observations%background_sd = 1 + 0.1_wp*modulo(rows, 7_i8)
      observations%background = 0
      call normals_of(random_key_type(seed=4, cycle=cycle), rows, observations%value)
      observations%value = 3*observations%value
      where (modulo(rows, 5_i8) == 0) observations%qc = qc_outlier
   end subroutine make

   !> Where the true background variance is twice that of the ensemble, so becomes the factor.
   subroutine check_known_factor(tests, domain, radius)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: radius
      integer, parameter :: cycles = 3000
      integer, parameter :: left_out = 1000
      real(wp), parameter :: truth = 2
      real(wp), parameter :: variance = 0.6_wp
      type(adaptive_inflation_config) :: config
      type(observations_type) :: observations
      type(ensemble_type) :: ensemble
      real(wp) :: mean(1)
      integer :: cycle

      config = adaptive_inflation_config(active=.true., radius=radius, sd=0.1_wp)
      call carry_inflation(config, domain, ensemble)
      mean = 0
      do cycle = 1, cycles
         call make(domain, cycle, observations)
         associate (factor => ensemble%carried(1)%x(:, 1, 1))
            observations%error_sd = 1
            observations%background_sd = sqrt(variance*factor(int(observations%position) + 2 &
                                                              - domain%first))
         end associate
         observations%value = observations%value/3*sqrt(truth*variance + 1)
         call learn_inflation(config, domain, observations, ensemble)
         if (cycle > left_out) mean = mean + domain%mean_of_points(ensemble%carried(1)%x(:, :, 1))
      end do
      mean = mean/(cycles - left_out)
      call tests%check_small(abs(mean(1) - truth), 0.05_wp, 'adaptive inflation finds the factor')
   end subroutine check_known_factor

   !> The ensemble's variance is multiplied, its mean stays.
   subroutine check_spread(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      type(adaptive_inflation_config) :: config
      type(ensemble_type) :: ensemble
      real(wp), dimension(domain%n, 2) :: before, sd_before, after, sd_after, work
      integer :: i

      ensemble%members = members
      allocate (ensemble%x(domain%n, 2, members))
      call random_field(random_key_type(seed=6), int(domain%first - 1, i8), ensemble%x)
      call ensemble%mean(before)
      call ensemble%spread(before, sd_before)
      call inflate_adaptively(config, ensemble, work)
      call ensemble%mean(after)
      call tests%check(all(abs(after - before) <= 0), 'no scheme changes no bit')
      config%active = .true.
      call carry_inflation(config, domain, ensemble)
      ensemble%carried(1)%x(:, 1, 1) = [(1 + 0.1_wp*i, i=1, domain%n)]
      call inflate_adaptively(config, ensemble, work)
      call ensemble%mean(after)
      call ensemble%spread(after, sd_after)
      call tests%check_small(maxval(abs(after - before)), 1.0e-14_wp, 'inflation keeps the mean')
      call tests%check_small(maxval(abs(sd_after**2/sd_before**2 &
                                        - spread(ensemble%carried(1)%x(:, 1, 1), 2, 2))), &
                             1.0e-13_wp, 'inflation multiplies the variance')
   end subroutine check_spread
end module test_adaptive_inflation
