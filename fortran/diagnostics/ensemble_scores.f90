!> Verification of an ensemble's distribution against the truth: CRPS, ranks, events.
module da_diagnostics_ensemble_scores
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_ranks
   use da_base_text, only: to_text
   use da_diagnostics_type, only: diagnostic_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_counts, only: count_ranks, count_events
   use da_verification_crps_kernels, only: crps_of_points
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: ensemble_scores_type

   character(len=10), parameter :: states(2) = [character(len=10) :: 'background', 'analysis']

   type, extends(diagnostic_type) :: ensemble_scores_type
      private
      integer :: seed = 0
      integer :: members = 1
      logical :: crps = .false.
      logical :: rank_histogram = .false.
      real(wp), allocatable :: thresholds(:)
      integer :: points_every = 1
      !> Where the tables of background and analysis stand, and those of events.
      integer, dimension(2) :: crps_of = 0, fair_crps_of = 0
      integer, dimension(2) :: ranks = 0, rank_bias = 0, rank_dispersion = 0
      integer :: brier_score = 0
      integer :: event_forecasts = 0
      integer :: event_occurrences = 0
   contains
      procedure :: configure
      procedure :: declare
      procedure :: see_background
      procedure :: see_analysis
   end type ensemble_scores_type

contains

   subroutine configure(self, namelists, setup)
      class(ensemble_scores_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup

      self%seed = setup%seed
      self%members = setup%members
      allocate (self%thresholds(0))
      call namelists%get('crps', self%crps, &
                         'continuous ranked probability score of background and analysis')
      call namelists%get('rank_histogram', self%rank_histogram, &
                         'ranks of the truth among the members of background and analysis')
      call namelists%get('thresholds', self%thresholds, &
                         'reliability of the background''s probabilities that x exceeds these')
      call namelists%get('points_every', self%points_every, &
                         'of rank_histogram and thresholds: every so many points are counted', &
                         minimum=1)
      if (self%crps) call need_ensemble('crps', '= .true.')
      if (self%rank_histogram) call need_ensemble('rank_histogram', '= .true.')
      associate (thresholds => self%thresholds)
         if (size(thresholds) > 0) call need_ensemble('thresholds', 'are given')
         if (any(thresholds(2:) <= thresholds(:size(thresholds) - 1))) then
            call namelists%reject('thresholds', 'must ascend, each greater than the one before')
         end if
         if (self%points_every > 1 .and. .not. self%rank_histogram &
             .and. size(thresholds) == 0) then
            call namelists%reject('points_every', &
                                  'is not used without rank_histogram or thresholds')
         end if
      end associate
      if (self%points_every > setup%points) then
         call namelists%reject('points_every', '= '//to_text(self%points_every)// &
                               ': there are only '//to_text(setup%points)//' points')
      end if

   contains

      !> Of what compares the ensemble's distribution with the truth.
      subroutine need_ensemble(key, value)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: value

         if (.not. setup%has_truth) then
            call namelists%reject(key, value//': there is no truth to verify against '// &
                                  '(source = ''none'' in &truth)')
         else if (setup%members < 2) then
            call namelists%reject(key, value//': &ensemble members = '//to_text(setup%members)// &
                                  ' must be at least 2')
         end if
      end subroutine need_ensemble
   end subroutine configure

   subroutine declare(self, run, tables)
      class(ensemble_scores_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      character(len=:), allocatable :: state
      integer :: i
      integer :: s

      if (self%rank_histogram) then
         call tables%add_axis('rank', 'rank', 'number of members below the truth', &
                              [(real(i, wp), i=0, self%members)])
      end if
      do s = 1, size(states)
         state = trim(states(s))
         if (self%crps) then
            call tables%add_table(self%crps_of(s), state//'_crps', 'CRPS of the '//state// &
                                  ' ensemble')
            call tables%add_table(self%fair_crps_of(s), state//'_fair_crps', 'fair CRPS of the '// &
                                  state//': of what its members were drawn from')
         end if
         if (self%rank_histogram) then
            call tables%add_table(self%ranks(s), state//'_ranks', 'points where the truth has '// &
                                  'this rank among the members of the '//state, ['rank'], &
                                  reported=.false.)
            call tables%add_table(self%rank_bias(s), state//'_rank_bias', 'mean rank of the '// &
                                  'truth over the number of members, less 1/2')
            call tables%add_table(self%rank_dispersion(s), state//'_rank_dispersion', &
                                  'variance of the truth''s rank about the middle over that '// &
                                  'of equal frequencies, less 1')
         end if
      end do
      if (size(self%thresholds) > 0) call declare_events(self, tables)
   end subroutine declare

   subroutine declare_events(self, tables)
      type(ensemble_scores_type), intent(inout) :: self
      type(tables_type), intent(inout) :: tables
      character(len=13), parameter :: dimensions(2) = [character(len=13) :: 'members_above', &
         'threshold']
      integer :: i

      call tables%add_axis('threshold', 'threshold', 'the event is that x exceeds it', &
                           self%thresholds)
      call tables%add_axis('members_above', 'members_above', &
                           'number of members above the threshold', &
                           [(real(i, wp), i=0, self%members)])
      call tables%add_table(self%brier_score, 'brier_score', &
                            'Brier score of the background''s probability of the event', &
                            ['threshold'])
      call tables%add_table(self%event_forecasts, 'event_forecasts', &
                            'points where this many background members exceed the threshold', &
                            dimensions, reported=.false.)
      call tables%add_table(self%event_occurrences, 'event_occurrences', &
                            'points of these where the truth exceeds the threshold', dimensions, &
                            reported=.false.)
   end subroutine declare_events

   subroutine see_background(self, domain, run, tables, error)
      class(ensemble_scores_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error

      call verify(self, domain, run, 1, tables)
      if (size(self%thresholds) > 0) then
         call verify_events(self, domain, size(run%ensemble%x, 2), run%truth%x(:, 1, 1), &
                            run%ensemble%x, tables)
      end if
   end subroutine see_background

   subroutine see_analysis(self, domain, run, tables, error)
      class(ensemble_scores_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error

      call verify(self, domain, run, 2, tables)
   end subroutine see_analysis

   !> What is asked for of the background (s = 1) and the analysis (2) alike; of several values a
   !> point the first is verified. Collective.
   subroutine verify(self, domain, run, s, tables)
      type(ensemble_scores_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(run_type), intent(in) :: run
      integer, intent(in) :: s
      type(tables_type), intent(inout) :: tables

      if (self%crps) then
         call score_distribution(self, domain, s, size(run%ensemble%x, 2), &
                                 run%truth%x(:, 1, 1), run%ensemble%x, tables)
      end if
      if (self%rank_histogram) then
         call rank_truth(self, domain, run%cycle, s, size(run%ensemble%x, 2), &
                         run%truth%x(:, 1, 1), run%ensemble%x, tables)
      end if
   end subroutine verify

   subroutine score_distribution(self, domain, s, components, truth, x, tables)
      type(ensemble_scores_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: s
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, self%members)
      type(tables_type), intent(inout) :: tables
      real(wp) :: terms(domain%n, 2)
      real(wp) :: means(2)

      call crps_of_points(domain%n, components, self%members, x, truth, terms(:, 1), terms(:, 2))
      means = domain%mean_of_points(terms)
      call tables%put(self%crps_of(s), means(1:1))
      call tables%put(self%fair_crps_of(s), means(2:2))
   end subroutine score_distribution

   !> The histogram, and two linear contrasts of it that are zero where it is flat (after Jolliffe &
   !> Primo 2008): being means over points they have means and standard errors over time.
   subroutine rank_truth(self, domain, cycle, s, components, truth, x, tables)
      type(ensemble_scores_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      integer, intent(in) :: s
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, self%members)
      type(tables_type), intent(inout) :: tables
      integer(i8) :: counts(self%members + 1)
      real(wp) :: position(size(counts))
      real(wp) :: flat_variance
      integer :: k

      call count_ranks(domain, random_key_type(self%seed, stream_ranks, cycle, &
                                               s - 1), &
                       self%points_every, components, self%members, truth, x, counts)
      associate (n => self%members)
         position = [(real(k, wp)/n - 0.5_wp, k=0, n)]
         flat_variance = sum(position**2)/(n + 1)
      end associate
      call tables%put(self%ranks(s), real(counts, wp))
      call tables%put(self%rank_bias(s), [sum(counts*position)/sum(counts)])
      call tables%put(self%rank_dispersion(s), &
                      [sum(counts*position**2)/sum(counts)/flat_variance - 1])
   end subroutine rank_truth

   !> Counts of forecasts and occurrences by forecast probability, and the score of Brier (1950).
   subroutine verify_events(self, domain, components, truth, x, tables)
      type(ensemble_scores_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, self%members)
      type(tables_type), intent(inout) :: tables
      integer(i8), dimension(self%members + 1, size(self%thresholds)) :: forecasts, occurrences
      real(wp) :: brier(size(self%thresholds))
      real(wp) :: probability(self%members + 1)
      integer :: k
      integer :: t

      probability = [(real(k, wp)/self%members, k=0, self%members)]
      do t = 1, size(self%thresholds)
         call count_events(domain, self%points_every, self%thresholds(t), components, &
                           self%members, truth, x, &
                           forecasts(:, t), occurrences(:, t))
         brier(t) = sum(occurrences(:, t)*(1 - probability)**2 &
                        + (forecasts(:, t) - occurrences(:, t))*probability**2) &
                    /sum(forecasts(:, t))
      end do
      call tables%put(self%brier_score, brier)
      call tables%put(self%event_forecasts, &
                      real(reshape(forecasts, [size(forecasts)]), wp))
      call tables%put(self%event_occurrences, &
                      real(reshape(occurrences, [size(occurrences)]), wp))
   end subroutine verify_events
end module da_diagnostics_ensemble_scores
