!> The local particle filter against Poterjoy's (2016) formulas in nested loops, and its parts.
module test_particles
   use da_analysis_serial_local_particle_filter, only: local_particle_filter_config, &
      new_local_particle_filter
   use da_analysis_serial_particle_kernels, only: map_distributions, resample
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals, uniforms, stream_resampling
   use da_base_tridiagonal_kernels, only: lanes
   use da_ensemble_localisation, only: localisation_config
   use da_observation_type, only: observations_type
   use test_operators, only: observations_on
   use test_serial, only: plain_type, members, components, draw_plain, plain_order, weight, &
      set_observations, check_filter
   use testing, only: testing_type
   implicit none
   private
   public :: test_particles_suite

   real(wp), parameter :: alpha = 0.9_wp

   !> What the filter keeps of everything: the prior particles and their weights.
   type :: memory_type
      type(plain_type) :: prior
      real(wp), allocatable :: hx(:, :)
      real(wp), allocatable :: x(:, :, :)
   end type memory_type

contains

   subroutine test_particles_suite(tests)
      type(testing_type), intent(inout) :: tests

      call check_resampling(tests)
      call check_mapping(tests)
      call check_against_plain(tests, 43, 'gaspari_cohn', 5.0_wp)
      call check_against_plain(tests, 43, 'none', 6.0_wp)
      call check_against_plain(tests, 97, 'gaspari_cohn', 1.0_wp)
      call check_against_plain(tests, 97, 'boxcar', 2.15_wp)
   end subroutine test_particles_suite

   !> Copies follow the weights; who is chosen at all stays in place.
   subroutine check_resampling(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 10
      integer, parameter :: trials = 1000
      real(wp) :: weights(n)
      real(wp) :: average(n)
      real(wp) :: u(trials)
      integer :: chosen(n)
      integer :: copies
      integer :: m
      integer :: t

      call uniforms(random_key_type(seed=3), 0_i8, weights)
      call uniforms(random_key_type(seed=4), 0_i8, u)
      weights = weights**4
      average = 0
      do t = 1, trials
         call resample(n, weights, u(t), chosen)
         do m = 1, n
            copies = count(chosen == m)
            average(m) = average(m) + real(copies, wp)/trials
            call tests%check(copies == 0 .or. chosen(m) == m, 'who survives stays in place')
            call tests%check_small(abs(copies - n*weights(m)/sum(weights)), 1.0_wp, &
                                   'copies are the weights, rounded up or down')
         end do
      end do
      call tests%check_small(maxval(abs(average - n*weights/sum(weights))), 0.05_wp, &
                             'on average copies are as the weights')
      call resample(n, 0*weights, 0.5_wp, chosen)
      call tests%check(all(chosen == [(m, m=1, n)]), 'without weights all stay')
      weights = 0
      weights(7) = 1.0e-200_wp
      call resample(n, weights, 0.5_wp, chosen)
      call tests%check(all(chosen == 7), 'one weight, however small, takes all')
   end subroutine check_resampling

   !> Many normal particles are mapped onto the weighted ones' distribution.
   subroutine check_mapping(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 400
      real(wp), parameter :: shift = 0.5_wp
      real(wp), allocatable :: z(:, :, :, :)
      real(wp) :: mean
      real(wp) :: expected

      allocate (z(lanes, n, 3, 1))
      call normals(random_key_type(seed=1), 0_i8, z(1, :, 1, 1))
      call normals(random_key_type(seed=2), 0_i8, z(1, :, 2, 1))
      z(1, :, 3, 1) = exp(shift*z(1, :, 2, 1))
      z(1, :, 3, 1) = z(1, :, 3, 1)/sum(z(1, :, 3, 1))
      z(2:, :, 1, 1) = spread(z(1, :, 1, 1), 1, lanes - 1)
      z(2:, :, 2, 1) = spread(z(1, :, 2, 1), 1, lanes - 1)
      z(2:, :, 3, 1) = 1.0_wp/n
      call map_distributions(n, 1, z)
      mean = sum(z(1, :, 1, 1))/n
      expected = sum(z(1, :, 3, 1)*z(1, :, 2, 1))
      call tests%check_small(abs(mean - expected), 0.02_wp, 'the map reaches the weighted mean')
      call tests%check_small(abs(sum((z(1, :, 1, 1) - mean)**2)/n - 1), 0.1_wp, &
                             'the map keeps the spread')
      call tests%check_small(maxval(abs(z(2, :, 1, 1) - z(3, :, 1, 1))), 0.0_wp, &
                             'even weights move nothing')
      call tests%check(count(abs(z(1, :, 1, 1) - z(2, :, 1, 1)) > 0.1_wp*shift) > n/2, &
                       'uneven weights move most')
   end subroutine check_mapping

   subroutine check_against_plain(tests, points, taper, radius)
      type(testing_type), intent(inout) :: tests
      integer, intent(in) :: points
      character(len=*), intent(in) :: taper
      real(wp), intent(in) :: radius
      type(localisation_config) :: localisation
      type(domain_type) :: domain
      type(observations_type) :: observations
      type(plain_type) :: before
      type(plain_type) :: after
      type(memory_type) :: memory
      type(error_type), allocatable :: error
      integer, allocatable :: order(:)
      integer :: j

      localisation%taper = taper
      localisation%radius = radius
      call new_domain(points, tests%communicator, domain, error)
      observations = observations_on(domain)
      call set_observations(observations)
      call draw_plain(points, .false., before)
      order = plain_order(points, localisation, before%position)
      after = before
      memory%prior = before
      allocate (memory%hx(members, before%n), source=1.0_wp/members)
      allocate (memory%x(members, components, points), source=1.0_wp/members)
      do j = 1, before%n
         call plain_particles(points, localisation, order(j), memory, after)
      end do
      call check_filter(tests, domain, &
                        new_local_particle_filter(local_particle_filter_config(alpha=alpha), &
                                                  localisation), observations, before, after, &
                        'local_particle_filter agrees with the plain one')
   end subroutine check_against_plain

   !> Poterjoy (2016): reweigh the prior, sample, merge with r1 and r2.
   subroutine plain_particles(points, localisation, j, memory, plain)
      integer, intent(in) :: points
      type(localisation_config), intent(in) :: localisation
      integer, intent(in) :: j
      type(memory_type), intent(inout) :: memory
      type(plain_type), intent(inout) :: plain
      real(wp), dimension(members) :: p, prior_p
      real(wp) :: u(1)
      integer :: chosen(members)
      integer :: copies(members)
      integer :: c
      integer :: i
      integer :: m

      p = exp(-(plain%value(j) - plain%hx(:, j))**2/(2*plain%error_sd(j)**2))
      prior_p = exp(-(plain%value(j) - memory%prior%hx(:, j))**2/(2*plain%error_sd(j)**2))
      call uniforms(random_key_type(seed=0, stream=stream_resampling, cycle=1), &
                    nint(10*plain%position(j), i8), u)
      copies = 0
      do i = 0, members - 1
         m = 1
         do while (sum(p(:m)) < (u(1) + i)/members*sum(p))
            m = m + 1
         end do
         copies(m) = copies(m) + 1
      end do
      do m = 1, members
         chosen(m) = m
         if (copies(m) > 0) cycle
         chosen(m) = findloc(copies > 1, .true., dim=1)
         copies(chosen(m)) = copies(chosen(m)) - 1
      end do
      do i = 1, points
         do c = 1, components
            call move(weight(points, localisation, plain%position(j), i - 1.0_wp), &
                      memory%prior%x(:, c, i), memory%x(:, c, i), plain%x(:, c, i))
         end do
      end do
      do i = 1, plain%n
         call move(weight(points, localisation, plain%position(j), plain%position(i)), &
                   memory%prior%hx(:, i), memory%hx(:, i), plain%hx(:, i))
      end do

   contains

      subroutine move(taper, prior, omega, x)
         real(wp), intent(in) :: taper
         real(wp), intent(in) :: prior(members)
         real(wp), intent(inout) :: omega(members)
         real(wp), intent(inout) :: x(members)
         real(wp) :: merged(members)
         real(wp) :: mean
         real(wp) :: variance
         real(wp) :: ratio

         if (.not. taper > 0) return
         omega = omega*((prior_p - 1)*alpha*taper + 1)
         omega = omega/sum(omega)
         mean = sum(omega*prior)
         variance = sum(omega*(prior - mean)**2)/(1 - sum(omega**2))
         ratio = members*(1 - alpha*taper)/(alpha*taper*sum(p))
         merged = x(chosen) - mean + ratio*(x - mean)
         merged = merged - sum(merged)/members
         x = mean + sqrt(variance*(members - 1)/sum(merged**2))*merged
      end subroutine move
   end subroutine plain_particles
end module test_particles
