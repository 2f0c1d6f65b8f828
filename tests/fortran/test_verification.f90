!> Verification of ensembles, against its definitions computed the long way.
module test_verification
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals, uniforms, stream_ranks
   use da_base_namelists, only: namelists_type, new_namelists
   use da_diagnostics_ensemble_scores, only: ensemble_scores_type
   use da_run_type, only: run_type
   use da_verification_counts, only: count_ranks, count_events
   use da_verification_crps_kernels, only: crps_of_points, sort_columns
   use da_verification_forecast_scores, only: forecast_scores_type, score_forecast
   use da_verification_regions, only: region_type, region_scores
   use da_verification_tables, only: tables_type, new_tables
   use testing, only: testing_type
   implicit none
   private
   public :: test_verification_suite

   real(wp), parameter :: rounding = 1.0e-14_wp

contains

   subroutine test_verification_suite(tests)
      type(testing_type), intent(inout) :: tests

      call test_sorting(tests)
      call test_crps(tests)
      call test_crps_of_a_normal(tests)
      call test_layout(tests)
      call test_ranks(tests)
      call test_flat_ranks(tests)
      call test_events(tests)
      call test_regions(tests)
      call test_forecast(tests)
   end subroutine test_verification_suite

   subroutine test_sorting(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 5
      integer, parameter :: most = 70
      real(wp), allocatable :: x(:, :)
      real(wp), allocatable :: sorted(:, :)
      logical :: ascending
      logical :: same
      integer :: columns
      integer :: c

      ascending = .true.
      same = .true.
      do columns = 1, most
         x = field(n, columns, columns)
         if (columns > 3) x(:, 3) = x(:, 1)
         sorted = x
         call sort_columns(n, columns, sorted)
         do c = 1, columns
            if (c > 1) ascending = ascending .and. all(sorted(:, c - 1) <= sorted(:, c))
            same = same .and. all(count(abs(x - spread(sorted(:, c), 2, columns)) <= 0, 2) == &
                                  count(abs(sorted - spread(sorted(:, c), 2, columns)) <= 0, 2))
         end do
      end do
      call tests%check(ascending, 'members are sorted')
      call tests%check(same, 'sorting keeps every member')
   end subroutine test_sorting

   !> Against the integral of (F - H)², and against the sum over all pairs.
   subroutine test_crps(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 37
      integer, parameter :: middle = 19
      integer, parameter :: sizes(5) = [1, 2, 3, 10, 41]
      real(wp), allocatable :: x(:, :)
      real(wp), dimension(n) :: truth, crps, fair, by_integral, by_pairs
      integer :: k
      integer :: i

      do k = 1, size(sizes)
         x = field(n, sizes(k), k)
         truth = 0.5_wp*x(:, 1) + [(0.02_wp*(i - middle), i=1, n)]
         if (sizes(k) > 2) x(:, 3) = truth
         call crps_of_points(n, 1, sizes(k), x, truth, crps, fair)
         do i = 1, n
            by_integral(i) = integral(x(i, :), truth(i))
            by_pairs(i) = pairs(x(i, :), truth(i))
         end do
         call tests%check_small(maxval(abs(crps - by_integral)), rounding*sizes(k), &
                                'CRPS is the integral of its definition')
         call tests%check_small(maxval(abs(fair - by_pairs)), rounding*sizes(k), &
                                'fair CRPS is the sum over pairs')
      end do
   end subroutine test_crps

   !> Truth and members from N(0, 1): the fair score is that of the distribution itself, 1/√π
   !> (Gneiting & Raftery 2007, eq. 21, averaged); the plain one is larger by 1/(N √π).
   subroutine test_crps_of_a_normal(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 200000
      integer, parameter :: members = 5
      real(wp), parameter :: expected = 1/sqrt(3.14159265358979_wp)
      !> Standard deviation of the score of one point is below 1: four standard errors.
      real(wp), parameter :: bound = 4/sqrt(real(n, wp))
      real(wp), allocatable :: x(:, :)
      real(wp), allocatable :: crps(:)
      real(wp), allocatable :: fair(:)

      x = field(n, members + 1, 11)
      allocate (crps(n), fair(n))
      call crps_of_points(n, 1, members, x(:, 2:), x(:, 1), crps, fair)
      call tests%check_small(abs(sum(fair)/n - expected), bound, 'fair CRPS of a normal')
      call tests%check_small(abs(sum(crps)/n - expected*(1 + 1.0_wp/members)), bound, &
                             'CRPS of a small normal ensemble')
   end subroutine test_crps_of_a_normal

   !> Every rank, on any layout, gets what one rank gets from all points, to the bit.
   subroutine test_layout(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 53
      integer, parameter :: members = 7
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(tables_type) :: tables
      real(wp) :: x(n, members + 1)
      real(wp), allocatable :: slab(:, :)
      real(wp), dimension(n) :: crps, fair

      call new_domain(n, tests%communicator, domain, error)
      x = field(n, members + 1, 3)
      slab = x(domain%first:domain%last, :)
      call verify('crps = .true.', domain, slab(:, 1), slab(:, 2:), slab(:, 2:), tables)
      call crps_of_points(n, 1, members, x(:, 2:), x(:, 1), crps, fair)
      call tests%check_small(abs(row_of(tables, 'background_crps', 1) - sum(crps)/n), rounding, &
                             'mean of CRPS')
      call tests%check_small(abs(row_of(tables, 'analysis_fair_crps', 1) - sum(fair)/n), rounding, &
                             'mean of fair CRPS')
   end subroutine test_layout

   !> Point by point; a truth equal to members gets any of their ranks, on any layout the same.
   subroutine test_ranks(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 61, members = 6, every = 4
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(random_key_type) :: key
      integer(i8), dimension(members + 1) :: counts, expected
      real(wp) :: x(n, members)
      real(wp) :: truth(n)
      integer :: i

      call new_domain(n, tests%communicator, domain, error)
      key = random_key_type(5, stream_ranks, 1, 0)
      x = field(n, members, 21)
      truth = 0.3_wp
      expected = 0
      do i = 1, n, every
         associate (rank => count(x(i, :) < truth(i)))
            expected(rank + 1) = expected(rank + 1) + 1
         end associate
      end do
      associate (f => domain%first, l => domain%last)
         call count_ranks(domain, key, every, 1, members, truth(f:l), x(f:l, :), counts)
         call tests%check(all(counts == expected), 'ranks of every fourth point')
         x(:, 2:4) = spread(truth, 2, 3)
         x(:, 1) = truth - 1
         x(:, 5:) = spread(truth + 1, 2, 2)
         call count_ranks(domain, key, 1, 1, members, truth(f:l), x(f:l, :), counts)
      end associate
      call tests%check(sum(counts(2:5)) == n, 'ties are broken between the ranks they share')
      call tests%check(all(counts(2:5) == on_one_rank()), 'and the same on any layout')

   contains

      !> The same lots, drawn by this rank for all points.
      function on_one_rank() result(ties)
         integer(i8) :: ties(4)
         real(wp) :: lots(n)
         integer :: k

         call uniforms(key, 1_i8, lots)
         ties = [(count(int(4*lots) == k, kind=i8), k=0, 3)]
      end function on_one_rank
   end subroutine test_ranks

   !> Truth and members from one distribution: a flat histogram, and contrasts of zero, both within
   !> their errors; members of half the spread: a U.
   subroutine test_flat_ranks(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 70000
      integer, parameter :: members = 6
      real(wp), parameter :: errors = 4
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(tables_type) :: tables
      real(wp), allocatable :: x(:, :)
      real(wp), parameter :: p = 1.0_wp/(members + 1)
      real(wp) :: sd
      integer :: k

      call new_domain(n, tests%communicator, domain, error)
      x = field(n, members + 1, 31)
      x = x(domain%first:domain%last, :)
      call verify('rank_histogram = .true.', domain, x(:, 1), x(:, 2:), 0.5_wp*x(:, 2:), tables)
      sd = sqrt(n*p*(1 - p))
      do k = 1, members + 1
         call tests%check_small(abs(row_of(tables, 'background_ranks', k) - n*p), errors*sd, &
                                'equal distributions have a flat histogram')
      end do
      call tests%check_small(abs(row_of(tables, 'background_rank_bias', 1)), &
                             errors/sqrt(real(n, wp)), 'and no bias')
      call tests%check_small(abs(row_of(tables, 'background_rank_dispersion', 1)), &
                             errors/sqrt(real(n, wp)), 'and the right dispersion')
      call tests%check(row_of(tables, 'analysis_ranks', 1) > 1.5_wp*n*p .and. &
                       row_of(tables, 'analysis_rank_dispersion', 1) > 0.3_wp, &
                       'too little spread shows as a U')
   end subroutine test_flat_ranks

   subroutine test_events(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 47
      integer, parameter :: members = 5
      real(wp), parameter :: threshold = 0.2_wp
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(tables_type) :: tables
      integer(i8), dimension(members + 1) :: forecasts, occurrences
      real(wp) :: x(n, members + 1)
      real(wp), allocatable :: slab(:, :)
      real(wp) :: brier
      logical :: right
      integer :: k

      call new_domain(n, tests%communicator, domain, error)
      x = field(n, members + 1, 41)
      slab = x(domain%first:domain%last, :)
      call count_events(domain, 1, threshold, 1, members, slab(:, 1), slab(:, 2:), forecasts, &
                        occurrences)
      associate (above => count(x(:, 2:) > threshold, 2), happens => x(:, 1) > threshold)
         right = .true.
         do k = 0, members
            right = right .and. forecasts(k + 1) == count(above == k) &
                    .and. occurrences(k + 1) == count(above == k .and. happens)
         end do
         brier = sum((real(above, wp)/members - merge(1, 0, happens))**2)/n
      end associate
      call tests%check(right, 'forecasts and occurrences of an event')
      call verify('thresholds = -1, 0.2', domain, slab(:, 1), slab(:, 2:), slab(:, 2:), tables)
      call tests%check_small(abs(row_of(tables, 'brier_score', 2) - brier), rounding, &
                             'Brier score')
      call tests%check(abs(row_of(tables, 'event_occurrences', 2*members + 2) - &
                           occurrences(members + 1)) <= 0, 'events are ordered by threshold')
   end subroutine test_events

   !> Arcs of the circle, one of them beginning behind its end, and one of a single point.
   subroutine test_regions(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 17
      type(region_type) :: regions(3)
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      real(wp) :: x(n, 3)
      real(wp), dimension(3) :: rmse, bias, spread
      logical :: inside(n, 3)
      integer :: i
      integer :: r

      call new_domain(n, tests%communicator, domain, error)
      regions = [region_type(2, 9), region_type(14, 4), region_type(6, 6)]
      x = field(n, 3, 51)
      inside(:, 1) = [(i >= 2 .and. i <= 9, i=0, n - 1)]
      inside(:, 2) = [(i >= 14 .or. i <= 4, i=0, n - 1)]
      inside(:, 3) = [(i == 6, i=0, n - 1)]
      associate (f => domain%first, l => domain%last)
         call region_scores(domain, regions, x(f:l, 1), x(f:l, 2), x(f:l, 3), rmse, bias, spread)
      end associate
      do r = 1, size(regions)
         associate (here => inside(:, r), points => count(inside(:, r)), error => x(:, 1) - x(:, 3))
            call tests%check(regions(r)%points(n) == points, 'points of a region')
            call tests%check_small(abs(rmse(r) - sqrt(sum(error**2, here)/points)) &
                                   + abs(bias(r) - sum(error, here)/points) &
                                   + abs(spread(r) - sqrt(sum(x(:, 2)**2, here)/points)), &
                                   rounding, 'RMSE, bias and spread of a region')
         end associate
      end do
   end subroutine test_regions

   !> Of two values a point the first is scored.
   subroutine test_forecast(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: n = 17
      integer, parameter :: members = 4
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(forecast_scores_type) :: scores
      real(wp) :: x(n, 2, members)
      real(wp), dimension(n) :: truth, mean, variance

      call new_domain(n, tests%communicator, domain, error)
      x = reshape(field(n, 2*members, 61), shape(x))
      truth = 0.5_wp*x(:, 1, 1) + 1
      mean = sum(x(:, 1, :), 2)/members
      variance = sum((x(:, 1, :) - spread(mean, 2, members))**2, 2)/(members - 1)
      associate (f => domain%first, l => domain%last)
         call score_forecast(domain, 2, members, truth(f:l), x(f:l, :, :), scores)
      end associate
      call tests%check_small(abs(scores%rmse - sqrt(sum((mean - truth)**2)/n)), rounding, &
                             'RMSE of a forecast')
      call tests%check_small(abs(scores%spread - sqrt(sum(variance)/n)), rounding, &
                             'spread of a forecast')
      mean = mean - sum(mean)/n
      truth = truth - sum(truth)/n
      call tests%check_small(abs(scores%truth_sd - sqrt(sum(truth**2)/n)), rounding, &
                             'standard deviation of the truth')
      call tests%check_small(abs(scores%correlation - dot_product(mean, truth) &
                                 /sqrt(sum(mean**2)*sum(truth**2))), rounding, &
                             'correlation of a forecast')
   end subroutine test_forecast

   !> What the diagnostic tells of a cycle, with these keys of `&verification`.
   subroutine verify(keys, domain, truth, background, analysis, tables)
      character(len=*), intent(in) :: keys
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: truth(:)
      real(wp), intent(in) :: background(:, :)
      real(wp), intent(in) :: analysis(:, :)
      type(tables_type), intent(out) :: tables
      type(ensemble_scores_type) :: scores
      type(namelists_type) :: namelists
      type(error_type), allocatable :: error
      type(run_type) :: run

      run%setup%points = domain%total
      run%setup%members = size(background, 2)
      run%truth%exists = .true.
      run%truth%x = reshape(truth, [size(truth), 1, 1])
      call new_namelists('&verification '//keys//' /', 'test.nml', namelists, error)
      call namelists%open_group('verification', '')
      call scores%configure(namelists, run%setup)
      call namelists%close_group(error)
      tables = new_tables(1)
      call scores%declare(run, tables)
      call tables%make_room()
      run%cycle = 1
      tables%cycle = 1
      run%ensemble%members = size(background, 2)
      run%ensemble%x = reshape(background, [size(truth), 1, size(background, 2)])
      call scores%see_background(domain, run, tables, error)
      run%ensemble%x = reshape(analysis, [size(truth), 1, size(background, 2)])
      call scores%see_analysis(domain, run, tables, error)
   end subroutine verify

   !> A column of the first row of a table.
   function row_of(tables, name, column) result(value)
      type(tables_type), intent(in) :: tables
      character(len=*), intent(in) :: name
      integer, intent(in) :: column
      real(wp) :: value
      integer :: t

      value = huge(value)
      do t = 1, size(tables%tables)
         if (tables%tables(t)%name == name) value = tables%tables(t)%rows(column, 1)
      end do
   end function row_of

   !> Normal numbers, the same on every rank.
   function field(n, columns, number) result(x)
      integer, intent(in) :: n
      integer, intent(in) :: columns
      integer, intent(in) :: number
      real(wp), allocatable :: x(:, :)
      integer :: c

      allocate (x(n, columns))
      do c = 1, columns
         call normals(random_key_type(seed=number, member=c), 0_i8, x(:, c))
      end do
   end function field

   !> ∫ (F(z) - H(z - t))² dz of the members' distribution function F, step by step.
   pure function integral(members, truth) result(crps)
      real(wp), intent(in) :: members(:)
      real(wp), intent(in) :: truth
      real(wp) :: crps
      real(wp) :: steps(size(members) + 1)
      real(wp) :: difference
      integer :: i
      integer :: smallest

      steps = [members, truth]
      do i = 1, size(steps)
         smallest = i - 1 + minloc(steps(i:), 1)
         steps([i, smallest]) = steps([smallest, i])
      end do
      crps = 0
      do i = 1, size(steps) - 1
         difference = count(members <= steps(i))/real(size(members), wp)
         if (truth <= steps(i)) difference = difference - 1
         crps = crps + difference**2*(steps(i + 1) - steps(i))
      end do
   end function integral

   !> Mean distance from the truth, less half the mean distance of two different members.
   pure function pairs(members, truth) result(crps)
      real(wp), intent(in) :: members(:)
      real(wp), intent(in) :: truth
      real(wp) :: crps
      integer :: i

      associate (n => size(members))
         crps = sum(abs(members - truth))/n
         do i = 1, n
            crps = crps - 0.5_wp*sum(abs(members - members(i)))/(n*max(n - 1, 1))
         end do
      end associate
   end function pairs
end module test_verification
