!> Inflation that is estimated at each point from the innovations around it, and remembered
!> (Miyoshi 2011, The Gaussian approach to adaptive covariance inflation and its implementation with
!> the local ensemble transform Kalman filter, Mon. Wea. Rev. 139).
!>
!> Δ multiplies the background covariance. With d the innovations and s the background variances at
!> the observations around a point, both in units of the observation error and s without Δ, ρ their
!> weights and p = Σ ρ, the observations say (ibid.; Li et al. 2009)
!>
!> Δ_o = (Σ ρ d² - p) / Σ ρ s,   v_o = (2 / p) ((Δ Σ ρ s + p) / Σ ρ s)²,
!>
!> and a scalar Kalman filter with prior variance v at each cycle remembers:
!> Δ ← (v_o Δ + v Δ_o) / (v_o + v). An analysis uses the Δ of the cycle before. Where nothing is
!> observed nothing would hold back an ensemble that is inflated each cycle: there Δ returns to 1.
module da_analysis_filter_adaptive_inflation
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_reproducible_sum, only: sum_columns
   use da_base_unused_keys, only: refuse_change
   use da_analysis_local_observations, only: local_observations_type, &
      gather_local_observations, adaptivity_type
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: adaptive_inflation_config, read_adaptive_inflation, carry_inflation
   public :: inflate_adaptively, learn_inflation, carried_inflation

   character(len=*), parameter :: carried_inflation = 'inflation'
   character(len=16), parameter :: known_schemes(2) = [character(len=16) :: 'none', 'miyoshi2011']

   !> `&adaptive_inflation`; it begins above 1, as an ensemble that is too narrow at the start may
   !> lose the truth before the factor has grown.
   type :: adaptive_inflation_config
      logical :: active = .false.
      real(wp) :: radius = 3
      real(wp) :: initial = 1.05_wp
      real(wp) :: sd = 0.04_wp
      real(wp) :: damping = 1
      real(wp) :: damping_unobserved = 0.9_wp
      real(wp) :: minimum = 0.9_wp
      real(wp) :: maximum = 10
   end type adaptive_inflation_config

   !> Points whose sums are formed side by side.
   integer, parameter :: lanes = 8

contains

   subroutine read_adaptive_inflation(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(adaptive_inflation_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=*), parameter :: unused = "scheme = 'none'"
      type(adaptive_inflation_config) :: defaults
      character(len=:), allocatable :: scheme

      scheme = 'none'
      call namelists%open_group('adaptive_inflation', &
                                'Inflation before the analysis that is estimated at each point')
      call namelists%get('scheme', scheme, &
                         'how; with any but none, posterior in &inflation is 1 by default', &
                         known_schemes)
      call namelists%get('radius', config%radius, &
                         'of the observations that a point''s factor is estimated from, as in '// &
                         '&localisation; 0: all of them, the same factor everywhere', &
                         minimum=0.0_wp)
      call namelists%get('initial', config%initial, &
                         'first factor of the background variance', above=0.0_wp)
      call namelists%get('sd', config%sd, &
                         'prior standard deviation of the factor at each cycle: larger learns '// &
                         'faster and remembers less', above=0.0_wp)
      call namelists%get('damping', config%damping, &
                         'what is kept of factor - 1 each cycle; 1: all', minimum=0.0_wp, &
                         maximum=1.0_wp)
      call namelists%get('damping_unobserved', config%damping_unobserved, &
                         'the same where no observation is in reach; between the two where '// &
                         'their weights sum to less than 1', minimum=0.0_wp, maximum=1.0_wp)
      call namelists%get('minimum', config%minimum, 'smallest factor', above=0.0_wp)
      call namelists%get('maximum', config%maximum, 'largest factor', above=0.0_wp)
      config%active = scheme /= 'none'
      if (config%minimum > config%maximum) then
         call namelists%reject('minimum', 'must not be larger than maximum')
      else if (config%initial < config%minimum .or. config%initial > config%maximum) then
         call namelists%reject('initial', 'must lie between minimum and maximum')
      end if
      if (.not. config%active) then
         call refuse_change(namelists, 'radius', config%radius, defaults%radius, unused)
         call refuse_change(namelists, 'initial', config%initial, defaults%initial, unused)
         call refuse_change(namelists, 'sd', config%sd, defaults%sd, unused)
         call refuse_change(namelists, 'damping', config%damping, defaults%damping, unused)
         call refuse_change(namelists, 'damping_unobserved', config%damping_unobserved, &
                            defaults%damping_unobserved, unused)
         call refuse_change(namelists, 'minimum', config%minimum, defaults%minimum, unused)
         call refuse_change(namelists, 'maximum', config%maximum, defaults%maximum, unused)
      end if
      call namelists%close_group(error)
   end subroutine read_adaptive_inflation

   !> The factor becomes a field that the ensemble carries.
   subroutine carry_inflation(config, domain, ensemble)
      type(adaptive_inflation_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: factor(domain%n, 1, 1)

      if (.not. config%active) return
      factor = config%initial
      call ensemble%carry(carried_inflation, &
                          'adaptive inflation: factor of the next background''s variance', &
                          .false., factor)
   end subroutine carry_inflation

   !> x_m ← mean + sqrt(Δ) (x_m - mean) at each point; `average` is work space.
   subroutine inflate_adaptively(config, ensemble, average)
      type(adaptive_inflation_config), intent(in) :: config
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(inout) :: average(:, :)
      real(wp) :: factor(size(average, 1))
      integer :: c
      integer :: m

      if (.not. config%active) return
      factor = sqrt(ensemble%carried(ensemble%place_of(carried_inflation))%x(:, 1, 1))
      call ensemble%mean(average)
      do m = 1, ensemble%members
         do c = 1, ensemble%states()
            ensemble%x(:, c, m) = average(:, c) + factor*(ensemble%x(:, c, m) - average(:, c))
         end do
      end do
   end subroutine inflate_adaptively

   !> What a cycle's innovations and background spreads, taken after `inflate_adaptively`, teach.
   !> The spread without the factor is taken to be sqrt(Δ) smaller, with the Δ of the point.
   subroutine learn_inflation(config, domain, observations, ensemble)
      type(adaptive_inflation_config), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: terms(:, :)
      real(wp) :: sums(domain%n, 3)
      real(wp) :: total(3)
      integer :: k

      if (.not. config%active) return
      allocate (terms(observations%n, 3), source=0.0_wp)
      where (observations%used())
         terms(:, 1) = 1
         terms(:, 2) = (observations%background_sd/observations%error_sd)**2
         terms(:, 3) = ((observations%value - observations%background)/observations%error_sd)**2
      end where
      if (config%radius > 0) then
         call sum_around(config, domain, observations, terms, sums)
      else
         call sum_columns(domain%communicator, max(observations%total, 1_i8), terms, total)
         do k = 1, size(total)
            sums(:, k) = total(k)
         end do
      end if
      call update_factors(config, domain%n, sums(:, 1), sums(:, 2), sums(:, 3), &
                          ensemble%carried(ensemble%place_of(carried_inflation))%x(:, 1, 1))
   end subroutine learn_inflation

   !> sums(i, :) = Σ_j ρ_ij terms(j, :) over the observations around each point, from left to right.
   subroutine sum_around(config, domain, observations, terms, sums)
      type(adaptive_inflation_config), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: terms(:, :)
      real(wp), intent(out) :: sums(:, :)
      type(localisation_config) :: localisation
      type(local_observations_type) :: local
      real(wp), allocatable :: weights(:, :)
      real(wp) :: block(lanes, size(sums, 2))
      real(wp) :: squared(observations%n)
      integer :: first
      integer :: past
      integer :: last
      integer :: end
      integer :: n
      integer :: i
      integer :: j
      integer :: k

      localisation%radius = config%radius
      localisation%taper = 'gaspari_cohn'
      squared = terms(:, 3)
      call gather_local_observations(domain, localisation, adaptivity_type(), 0, observations, &
                                     terms(:, :2), squared, local)
      allocate (weights(lanes, 0))
      do i = 1, domain%n, lanes
         end = min(i + lanes - 1, domain%n)
         call local%load(observations, terms(:, :2), squared, i, end)
         call local%range_of(i, first, past)
         call local%range_of(end, past, last)
         n = max(last - first + 1, 0)
         if (size(weights, 2) < n) then
            deallocate (weights)
            allocate (weights(lanes, n))
         end if
         call local%weights_of([(min(i + k, end), k=0, lanes - 1)], first, weights(:, :n))
         block = 0
         do j = first, last
            do k = 1, size(block, 2)
               block(:, k) = block(:, k) + weights(:, j - first + 1)*local%rows(k, j - local%before)
            end do
         end do
         sums(i:end, :) = block(:end - i + 1, :)
      end do
   end subroutine sum_around

   !> The scalar Kalman filter of each point, from p = Σ ρ, Σ ρ s (with s after inflation) and
   !> Σ ρ d².
   pure subroutine update_factors(config, n, p, inflated, squared, factor)
      type(adaptive_inflation_config), intent(in) :: config
      integer, intent(in) :: n
      real(wp), intent(in) :: p(n)
      real(wp), intent(in) :: inflated(n)
      real(wp), intent(in) :: squared(n)
      real(wp), intent(inout) :: factor(n)
      real(wp) :: observed
      real(wp) :: gain
      real(wp) :: kept
      integer :: i

      do i = 1, n
         if (p(i) > 0 .and. inflated(i) > 0) then
            observed = factor(i)*(squared(i) - p(i))/inflated(i)
            gain = config%sd**2/(config%sd**2 &
                                 + 2/p(i)*(factor(i)*(inflated(i) + p(i))/inflated(i))**2)
            factor(i) = factor(i) + gain*(observed - factor(i))
         end if
         kept = config%damping + max(1 - p(i), 0.0_wp)*(config%damping_unobserved - config%damping)
         factor(i) = min(max(1 + kept*(factor(i) - 1), config%minimum), config%maximum)
      end do
   end subroutine update_factors
end module da_analysis_filter_adaptive_inflation
