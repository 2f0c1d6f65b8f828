!> The local particle filter's arithmetic: sampling by one observation, and the update of the
!> targets around it, `lanes` of them side by side.
module da_analysis_serial_particle_kernels
   use da_base_kinds, only: wp
   use da_base_exponential, only: exponential, normal_distribution
   use da_base_tridiagonal_kernels, only: lanes
   implicit none
   private
   public :: likelihoods, resample, merge_particles, map_distributions

   !> Intervals of the table from which a distribution is inverted, and how many bandwidths it goes
   !> beyond the outermost particles.
   integer, parameter :: intervals = 100
   real(wp), parameter :: margin = 3

contains

   !> exp(-d^2/2) of each member's distance d from an observation, in error standard deviations.
   pure subroutine likelihoods(members, distances, likelihood)
      integer, intent(in) :: members
      real(wp), intent(in) :: distances(lanes, members)
      real(wp), intent(out) :: likelihood(lanes, members)
      integer :: m

      do m = 1, members
         likelihood(:, m) = exponential(-0.5_wp*distances(1, m)**2)
      end do
   end subroutine likelihoods

   !> Systematic resampling with offset u in (0, 1): each member about members × weight / Σ weights
   !> times. Members that are chosen at all keep their place; the others' places are filled with the
   !> spare copies. Without any weight all members stay.
   pure subroutine resample(members, weights, u, chosen)
      integer, intent(in) :: members
      real(wp), intent(in) :: weights(members)
      real(wp), intent(in) :: u
      integer, intent(out) :: chosen(members)
      integer :: copies(members)
      real(wp) :: scale
      real(wp) :: cumulative
      integer :: below
      integer :: before
      integer :: spare
      integer :: m

      chosen = [(m, m=1, members)]
      if (.not. sum(weights) > tiny(scale)) return
      scale = members/sum(weights)
      cumulative = 0
      before = 0
      do m = 1, members
         cumulative = cumulative + weights(m)
         below = min(max(ceiling(scale*cumulative - u), before), members)
         copies(m) = below - before
         before = below
      end do
      m = maxloc(weights, dim=1)
      copies(m) = copies(m) + members - before
      spare = 1
      do m = 1, members
         if (copies(m) > 0) cycle
         do while (copies(spare) < 2)
            spare = spare + 1
         end do
         chosen(m) = spare
         copies(spare) = copies(spare) - 1
      end do
   end subroutine resample

   !> Poterjoy (2016): the weights ω of the prior particles take up the observation, ω ← ω (1 + α l
   !> (p - 1)) with p their likelihood and l the taper; they tell the posterior mean and variance.
   !> The particles that earlier observations have left are merged with those that were resampled,
   !> x ← mean + r1 (x_chosen - mean) + r2 (x - mean), r2 / r1 = members (1 - α l) / (α l P), P the
   !> sum of their likelihoods: how much of the localised posterior is prior. Both factors follow
   !> from the variance; what is left of the particles' own mean is taken off. Targets out of reach
   !> keep their very bits: which ones share a vector with others depends on the slab.
   pure subroutine merge_particles(members, chunks, alpha, likelihood, total, chosen, weights, z)
      integer, intent(in) :: members
      integer, intent(in) :: chunks
      real(wp), intent(in) :: alpha
      real(wp), intent(in) :: likelihood(lanes, members)
      real(wp), intent(in) :: total
      integer, intent(in) :: chosen(members)
      real(wp), intent(in) :: weights(lanes, chunks)
      !> The particles, the prior particles, and their weights, of sum 1.
      real(wp), intent(inout) :: z(lanes, members, 3, chunks)
      real(wp), dimension(lanes, members) :: merged
      real(wp), dimension(lanes) :: taper, mean, variance, concentration, drift, squares
      integer :: k
      integer :: m

      do k = 1, chunks
         taper = alpha*weights(:, k)
         squares = 0
         do m = 1, members
            z(:, m, 3, k) = z(:, m, 3, k)*(1 + taper*(likelihood(:, m) - 1))
            squares = squares + z(:, m, 3, k)
         end do
         squares = merge(1/squares, 1.0_wp, taper > 0)
         mean = 0
         do m = 1, members
            z(:, m, 3, k) = z(:, m, 3, k)*squares
            mean = mean + z(:, m, 3, k)*z(:, m, 2, k)
         end do
         variance = 0
         concentration = 0
         drift = 0
         do m = 1, members
            variance = variance + z(:, m, 3, k)*(z(:, m, 2, k) - mean)**2
            concentration = concentration + z(:, m, 3, k)**2
            merged(:, m) = taper*total*(z(:, chosen(m), 1, k) - mean) &
                           + members*(1 - taper)*(z(:, m, 1, k) - mean)
            drift = drift + merged(:, m)
         end do
         variance = variance/max(1 - concentration, epsilon(concentration))
         drift = drift/members
         squares = 0
         do m = 1, members
            merged(:, m) = merged(:, m) - drift
            squares = squares + merged(:, m)**2
         end do
         squares = sqrt(variance*(members - 1)/max(squares, tiny(squares)))
         do m = 1, members
            z(:, m, 1, k) = merge(mean + squares*merged(:, m), z(:, m, 1, k), taper > 0)
         end do
      end do
   end subroutine merge_particles

   !> Kernel density distribution mapping (McGinnis et al. 2015), as Poterjoy (2016) ends an
   !> analysis: each target's particles move to where the weighted prior particles have the same
   !> cumulative probability.
   pure subroutine map_distributions(members, chunks, z)
      integer, intent(in) :: members
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, members, 3, chunks)
      real(wp), dimension(members) :: particles
      integer :: k
      integer :: l

      do k = 1, chunks
         do l = 1, lanes
            particles = z(l, :, 1, k)
            call map_particles(members, z(l, :, 2, k), z(l, :, 3, k), particles)
            z(l, :, 1, k) = particles
         end do
      end do
   end subroutine map_distributions

   !> The same for one target; the bandwidth of both Gaussian kernel estimates is Silverman's (1986)
   !> for the posterior's spread. Untouched where the weights are even: nothing was observed.
   pure subroutine map_particles(members, prior, weights, particles)
      integer, intent(in) :: members
      real(wp), intent(in) :: prior(members)
      real(wp), intent(in) :: weights(members)
      real(wp), intent(inout) :: particles(members)
      real(wp) :: distribution(0:intervals)
      real(wp) :: quantiles(members)
      real(wp) :: mean
      real(wp) :: bandwidth
      real(wp) :: lowest
      real(wp) :: step
      integer :: i
      integer :: m

      if (.not. maxval(weights) > minval(weights)) return
      mean = sum(weights*prior)
      bandwidth = 1.06_wp*exponential(-0.2_wp*log(real(members, wp))) &
                  *sqrt(sum(weights*(prior - mean)**2)/max(1 - sum(weights**2), epsilon(mean)))
      if (.not. bandwidth > 0) return
      lowest = min(minval(prior), minval(particles)) - margin*bandwidth
      step = (max(maxval(prior), maxval(particles)) + margin*bandwidth - lowest)/intervals
      do i = 0, intervals
         distribution(i) = 0
         do m = 1, members
            distribution(i) = distribution(i) &
                              + weights(m)*normal_distribution((lowest + i*step - prior(m)) &
                                                               /bandwidth)
         end do
      end do
      do i = 1, members
         quantiles(i) = 0
         do m = 1, members
            quantiles(i) = quantiles(i) &
                           + normal_distribution((particles(i) - particles(m))/bandwidth)/members
         end do
      end do
      do m = 1, members
         i = count(distribution(1:intervals - 1) < quantiles(m))
         particles(m) = lowest + step*(i + max(quantiles(m) - distribution(i), 0.0_wp) &
                                       /max(distribution(i + 1) - distribution(i), tiny(mean)))
         particles(m) = min(particles(m), lowest + intervals*step)
      end do
   end subroutine map_particles
end module da_analysis_serial_particle_kernels
