!> Verification of an ensemble's distribution against the truth.
module da_verification_members
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, stream_ranks
   use da_verification_counts, only: count_ranks, count_events
   use da_verification_crps_kernels, only: crps_of_points
   use da_verification_settings, only: verification_config
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: verify_members

contains

   !> Of the `state` 'background' or 'analysis' all that is asked for; of several values a point
   !> the first is verified. Collective.
   subroutine verify_members(config, domain, cycle, state, components, truth, x, tables)
      type(verification_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: state
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, config%members)
      type(tables_type), intent(inout) :: tables

      if (config%crps) then
         call score_distribution(config, domain, cycle, state, components, truth, x, tables)
      end if
      if (config%rank_histogram) then
         call rank_truth(config, domain, cycle, state, components, truth, x, tables)
      end if
      if (size(config%thresholds) > 0 .and. state == 'background') then
         call verify_events(config, domain, cycle, components, truth, x, tables)
      end if
   end subroutine verify_members

   subroutine score_distribution(config, domain, cycle, state, components, truth, x, tables)
      type(verification_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: state
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, config%members)
      type(tables_type), intent(inout) :: tables
      real(wp) :: terms(domain%n, 2)
      real(wp) :: means(2)

      call crps_of_points(domain%n, components, config%members, x, truth, terms(:, 1), terms(:, 2))
      means = domain%mean_of_points(terms)
      call tables%put(state//'_crps', cycle, means(1:1))
      call tables%put(state//'_fair_crps', cycle, means(2:2))
   end subroutine score_distribution

   !> The histogram, and two linear contrasts of it that are zero where it is flat (after Jolliffe &
   !> Primo 2008): being means over points they have means and standard errors over time.
   subroutine rank_truth(config, domain, cycle, state, components, truth, x, tables)
      type(verification_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: state
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, config%members)
      type(tables_type), intent(inout) :: tables
      integer(i8) :: counts(config%members + 1)
      real(wp) :: position(size(counts))
      real(wp) :: flat_variance
      integer :: k

      call count_ranks(domain, random_key_type(config%seed, stream_ranks, cycle, &
                                               merge(0, 1, state == 'background')), &
                       config%points_every, components, config%members, truth, x, counts)
      associate (n => config%members)
         position = [(real(k, wp)/n - 0.5_wp, k=0, n)]
         flat_variance = sum(position**2)/(n + 1)
      end associate
      call tables%put(state//'_ranks', cycle, real(counts, wp))
      call tables%put(state//'_rank_bias', cycle, [sum(counts*position)/sum(counts)])
      call tables%put(state//'_rank_dispersion', cycle, &
                      [sum(counts*position**2)/sum(counts)/flat_variance - 1])
   end subroutine rank_truth

   !> Counts of forecasts and occurrences by forecast probability, and the score of Brier (1950).
   subroutine verify_events(config, domain, cycle, components, truth, x, tables)
      type(verification_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, config%members)
      type(tables_type), intent(inout) :: tables
      integer(i8), dimension(config%members + 1, size(config%thresholds)) :: forecasts, occurrences
      real(wp) :: brier(size(config%thresholds))
      real(wp) :: probability(config%members + 1)
      integer :: k
      integer :: t

      probability = [(real(k, wp)/config%members, k=0, config%members)]
      do t = 1, size(config%thresholds)
         call count_events(domain, config%points_every, config%thresholds(t), components, &
                           config%members, truth, x, &
                           forecasts(:, t), occurrences(:, t))
         brier(t) = sum(occurrences(:, t)*(1 - probability)**2 &
                        + (forecasts(:, t) - occurrences(:, t))*probability**2) &
                    /sum(forecasts(:, t))
      end do
      call tables%put('brier_score', cycle, brier)
      call tables%put('event_forecasts', cycle, &
                      real(reshape(forecasts, [size(forecasts)]), wp))
      call tables%put('event_occurrences', cycle, &
                      real(reshape(occurrences, [size(occurrences)]), wp))
   end subroutine verify_events
end module da_verification_members
