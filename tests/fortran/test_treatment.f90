!> What is done to observations before a filter sees them.
module test_treatment
   use da_analysis_filter_denkf, only: new_denkf
   use da_analysis_serial_eakf, only: new_eakf
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_serial_ensrf, only: ensrf_config, new_ensrf
   use da_analysis_filter_etkf, only: etkf_config, new_etkf
   use da_analysis_local_letkf, only: letkf_config, new_letkf
   use da_analysis_filter_stochastic_enkf, only: new_stochastic_enkf
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_linear_algebra, only: eigen_type, new_eigen
   use da_base_random, only: random_key_type
   use da_ensemble_inflation, only: no_inflation
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_robust, only: robust_config, weigh_observations, huber_weight, varqc_weight
   use da_observation_superobbing, only: superobbing_config, merge_observations
   use da_observation_thinning, only: thinning_config, thin_observations
   use da_observation_type, only: observations_type, new_observations, qc_assimilated, &
      qc_missing, qc_outlier, qc_thinned, qc_merged
   use da_observation_whitening, only: whiten
   use da_operator_checks, only: random_field
   use test_operators, only: observations_on
   use testing, only: testing_type
   implicit none
   private
   public :: test_treatment_suite

   integer, parameter :: points = 23
   integer, parameter :: members = 6
   real(wp), parameter :: correlation_length = 2.5_wp

contains

   subroutine test_treatment_suite(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: widths(6) = [0.25_wp, 1.0_wp, 1.7_wp, 4.0_wp, 7.9_wp, 100.0_wp]
      type(localisation_config) :: localisation
      integer :: w

      call check_huber(tests)
      call check_varqc(tests)
      call check_weights(tests)
      call check_take_from_before(tests)
      call check_whitening(tests)
      call check_coincidence(tests)
      do w = 1, size(widths)
         call check_thinning(tests, widths(w))
         call check_superobservations(tests, widths(w))
      end do
      call check_merging_at_one_place(tests)
      localisation%taper = 'boxcar'
      localisation%radius = 2*points
      call check_dense(tests, new_etkf(etkf_config(rotation=.false.)), 'etkf', .true.)
      call check_dense(tests, new_letkf(letkf_config(rotation=.true.), localisation), 'letkf', &
                       .true.)
      call check_dense(tests, new_denkf(), 'denkf', .false.)
      call check_dense(tests, new_stochastic_enkf(), 'stochastic_enkf', .false.)
      localisation%taper = 'none'
      call check_dense(tests, new_ensrf(ensrf_config(rotation=.false.), localisation), 'ensrf', &
                       .true.)
      call check_dense(tests, new_eakf(localisation), 'eakf', .true.)
   end subroutine test_treatment_suite

   !> The weight times d is the slope of Huber's function: d²/2 near, c|d| - c²/2 beyond c.
   subroutine check_huber(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: limit = 1.7_wp
      real(wp), parameter :: step = 1.0e-5_wp
      real(wp) :: d
      real(wp) :: slope
      integer :: k

      do k = 1, 40
         d = 0.13_wp*k
         slope = (huber(d + step) - huber(d - step))/(2*step)
         call tests%check_small(abs(huber_weight(limit, d)*d - slope), 1.0e-9_wp, &
                                'the weight is the slope of the Huber norm')
         call tests%check(huber_weight(limit, -d) >= huber_weight(limit, d) .and. &
                          huber_weight(limit, -d) <= huber_weight(limit, d), &
                          'the weight is even')
      end do
      call tests%check(huber_weight(limit, limit) >= 1, 'at the limit the weight is one')

   contains

      pure function huber(x) result(value)
         real(wp), intent(in) :: x
         real(wp) :: value

         value = 0.5_wp*x**2
         if (abs(x) > limit) value = limit*abs(x) - 0.5_wp*limit**2
      end function huber
   end subroutine check_huber

   !> The weight is Bayes' probability that the error is no gross one, and times d the slope of the
   !> mixture's negative logarithm.
   subroutine check_varqc(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: probability = 0.03_wp
      real(wp), parameter :: width = 6
      real(wp), parameter :: step = 1.0e-5_wp
      real(wp) :: d
      real(wp) :: good
      real(wp) :: slope
      integer :: k

      do k = 0, 40
         d = 0.14_wp*k
         good = exp(-0.5_wp*d**2)/sqrt(2*acos(-1.0_wp))*(1 - probability)
         call tests%check_small(abs(varqc_weight(probability, width, d) &
                                    - good/(good + probability/(2*width))), 1.0e-14_wp, &
                                'the weight is the probability of no gross error')
         slope = -(log(density(d + step)) - log(density(d - step)))/(2*step)
         call tests%check_small(abs(varqc_weight(probability, width, d)*d - slope), 1.0e-8_wp, &
                                'the weight is the slope of the cost function')
      end do

   contains

      pure function density(x) result(value)
         real(wp), intent(in) :: x
         real(wp) :: value

         value = (1 - probability)*exp(-0.5_wp*x**2)/sqrt(2*acos(-1.0_wp)) + probability/(2*width)
      end function density
   end subroutine check_varqc

   subroutine check_weights(tests)
      type(testing_type), intent(inout) :: tests
      type(observations_type) :: observations

      observations = new_observations(4, 0.0_wp)
      observations%value = [0.5_wp, -5.0_wp, 8.0_wp, 1.0e8_wp]
      observations%background = 0
      observations%background_sd = 0.75_wp
      observations%error_sd = 1
      observations%qc(3) = qc_outlier
      call weigh_observations(robust_config(), observations)
      call tests%check(.not. allocated(observations%weight), 'without weighting nothing is weighed')
      call weigh_observations(robust_config(weighting='huber', huber_limit=2.0_wp), observations)
      call tests%check_small(maxval(abs(observations%weight - [1.0_wp, 0.5_wp, 0.0_wp, &
                                                               2.5e-8_wp])), 1.0e-15_wp, &
                             'innovations are normalised by their expected sd')
      deallocate (observations%weight)
      call weigh_observations(robust_config(weighting='varqc'), observations)
      call tests%check(observations%weight(4) > 0 .and. &
                       observations%error_sd(4)/sqrt(observations%weight(4)) < 1.0e20_wp, &
                       'a sure gross error still has a finite error')
   end subroutine check_weights

   !> With any ranks silent, each gets what the nearest one before it has.
   subroutine check_take_from_before(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: trials = 32
      real(wp) :: values(2)
      logical :: found
      integer :: nearest
      integer :: trial
      integer :: rank

      associate (communicator => tests%communicator)
         do trial = 0, trials - 1
            nearest = -1
            do rank = 0, communicator%rank - 1
               if (speaks(rank)) nearest = rank
            end do
            values = [7.0_wp*communicator%rank, -1.0_wp]
            call communicator%take_from_before(speaks(communicator%rank), values, found)
            call tests%check(found .eqv. nearest >= 0, 'found where a rank before has values')
            if (nearest < 0) nearest = communicator%rank
            call tests%check(all(nint(values) == [7*nearest, -1]), 'the nearest rank''s values')
         end do
      end associate

   contains

      pure function speaks(rank) result(yes)
         integer, intent(in) :: rank
         logical :: yes

         yes = modulo((rank + 1)*(trial + 3), 7) < mod(trial, 7)
      end function speaks
   end subroutine check_take_from_before

   !> W R Wᵀ = I for the matrix W that whitening is, and the same bits on any layout.
   subroutine check_whitening(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(observations_type) :: observations
      type(observations_type) :: all_observations
      type(error_type), allocatable :: error
      real(wp), allocatable, dimension(:, :) :: unit, own, r
      real(wp), allocatable :: innovations(:)
      integer :: n
      integer :: j
      integer :: k

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call make_observations(domain, observations)
      call make_observations(whole, all_observations)
      n = all_observations%n
      allocate (unit(n, n), r(n, n), source=0.0_wp)
      do j = 1, n
         if (all_observations%is_used(j)) unit(j, j) = 1
         do k = 1, n
            if (all_observations%is_used(j) .and. all_observations%is_used(k)) r(j, k) = &
               exp(-abs(all_observations%position(j) - all_observations%position(k)) &
                   /correlation_length)
         end do
      end do
      innovations = all_observations%value
      own = unit(observations%before + 1:observations%before + observations%n, :)
      call whiten(whole, all_observations, unit, innovations, error)
      r = matmul(matmul(unit, r), transpose(unit))
      do j = 1, n
         if (all_observations%is_used(j)) r(j, j) = r(j, j) - 1
      end do
      call tests%check_small(maxval(abs(r)), 1.0e-14_wp, 'whitened errors are independent')
      innovations = observations%value
      call whiten(domain, observations, own, innovations, error)
      own = own - unit(observations%before + 1:observations%before + observations%n, :)
      call tests%check_small(maxval([0.0_wp, abs(own)]), 0.0_wp, &
                             'whitening gives the same bits on any layout')
   end subroutine check_whitening

   !> Two observations at one place cannot have errors of correlation 1.
   subroutine check_coincidence(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      real(wp), allocatable :: anomalies(:, :)
      integer :: j

      call new_domain(points, tests%communicator, domain, error)
      call make_observations(domain, observations)
      do j = 2, observations%n
         if (observations%row(j) == 63) observations%position(j) = observations%position(j - 1)
      end do
      allocate (anomalies(observations%n, members), source=0.0_wp)
      call whiten(domain, observations, anomalies, observations%value, error)
      call tests%check(allocated(error), 'observations at one place are refused')
      if (allocated(error)) call tests%check(index(error%message, '60 and 63') > 0, error%message)
   end subroutine check_coincidence

   !> What stays is what a search of all observations of the circle finds for each cell and kind.
   subroutine check_thinning(tests, spacing)
      type(testing_type), intent(inout) :: tests
      real(wp), intent(in) :: spacing
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(observations_type) :: observations
      type(observations_type) :: others
      type(error_type), allocatable :: error
      logical :: right
      logical :: stays
      real(wp) :: lead
      integer :: j
      integer :: k

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call make_observations(domain, observations)
      call make_observations(whole, others)
      observations%kind = 1 + int(mod(observations%row/10, 2_i8))
      others%kind = 1 + int(mod(others%row/10, 2_i8))
      call thin_observations(domain, thinning_config(spacing), observations)
      right = .true.
      do j = 1, observations%n
         if (observations%qc(j) == qc_missing) cycle
         stays = .true.
         do k = 1, others%n
            if (others%qc(k) == qc_missing .or. others%kind(k) /= observations%kind(j)) cycle
            if (int(others%position(k)/spacing) /= int(observations%position(j)/spacing)) cycle
            lead = from_centre(observations%position(j)) - from_centre(others%position(k))
            if (lead > 0) stays = .false.
            if (.not. abs(lead) > 0 .and. others%row(k) < observations%row(j)) stays = .false.
         end do
         right = right .and. (observations%qc(j) == merge(qc_assimilated, qc_thinned, stays))
      end do
      call tests%check(right, 'of each cell and kind the observation nearest the centre stays')

   contains

      pure function from_centre(position) result(distance)
         real(wp), intent(in) :: position
         real(wp) :: distance
         real(wp) :: start

         start = spacing*int(position/spacing)
         distance = abs(position - 0.5_wp*(start + min(start + spacing, real(points, wp))))
      end function from_centre
   end subroutine check_thinning

   !> Superobservations are what a search of all observations of the circle gives for each cell and
   !> kind, the same bits on any layout.
   subroutine check_superobservations(tests, width)
      type(testing_type), intent(inout) :: tests
      real(wp), intent(in) :: width
      real(wp), parameter :: factor = 1.25_wp
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(observations_type) :: observations, others, merged, all_merged
      type(error_type), allocatable :: error
      real(wp), allocatable, dimension(:, :) :: hx, all_hx, merged_hx, all_merged_hx
      logical, allocatable :: together(:)
      real(wp), allocatable :: p(:)
      real(wp) :: worst
      logical :: right
      integer :: expected
      integer :: s
      integer :: j

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call make_kinds(domain, observations, hx)
      call make_kinds(whole, others, all_hx)
      call merge_observations(domain, superobbing_config(width, factor), observations%error_sd, &
                              members, hx, observations, merged, merged_hx)
      call merge_observations(whole, superobbing_config(width, factor), others%error_sd, members, &
                              all_hx, others, all_merged, all_merged_hx)

      right = merged%total == all_merged%n
      if (right) then
         associate (before => int(merged%before), n => merged%n)
            worst = maxval([0.0_wp, &
                            abs(merged%position - all_merged%position(before + 1:before + n)), &
                            abs(merged%value - all_merged%value(before + 1:before + n)), &
                            abs(merged%error_sd - all_merged%error_sd(before + 1:before + n)), &
                            abs(merged%background - all_merged%background(before + 1:before + n)), &
                            abs(merged%background_sd - all_merged%background_sd(before + 1: &
                                                                                before + n)), &
                            abs(merged_hx - all_merged_hx(before + 1:before + n, :))])
            right = all(merged%row == all_merged%row(before + 1:before + n)) .and. &
                    all(int(merged%position) + 1 >= domain%first) .and. &
                    all(int(merged%position) + 1 <= domain%last)
         end associate
         associate (before => int(observations%before), n => observations%n)
            right = right .and. all(observations%qc == others%qc(before + 1:before + n))
         end associate
         call tests%check_small(worst, 0.0_wp, 'superobservations are the same on any layout')
      end if
      call tests%check(right, 'superobservations lie on the slab that holds them, parts are marked')

      expected = 0
      worst = 0
      right = .true.
      do s = 1, all_merged%n
         j = findloc(others%row, all_merged%row(s), dim=1)
         together = others%qc /= qc_missing .and. others%kind == others%kind(j) .and. &
                    int(others%position/width) == int(others%position(j)/width)
         expected = expected + count(together)
         right = right .and. all(pack(others%qc, together) &
                                 == merge(qc_merged, qc_assimilated, count(together) > 1))
         p = merge(others%error_sd**(-2), 0*others%error_sd, together)
         worst = max(worst, abs(all_merged%position(s) - sum(p*others%position)/sum(p)), &
                     abs(all_merged%value(s) - sum(p*others%value)/sum(p)), &
                     abs(all_merged%error_sd(s)**(-2)*merge(factor**2, 1.0_wp, &
                                                            count(together) > 1) - sum(p)), &
                     maxval(abs(all_merged_hx(s, :) - matmul(p, all_hx)/sum(p))))
         if (s > 1) right = right .and. all_merged%position(s) >= all_merged%position(s - 1)
      end do
      call tests%check(expected == count(others%qc /= qc_missing), 'each is merged once')
      call tests%check(right, 'superobservations are sorted, their parts marked')
      call tests%check_small(worst, 1.0e-13_wp, 'superobservations are precision-weighted means')
   end subroutine check_superobservations

   !> Two kinds side by side, and some numbers for members.
   subroutine make_kinds(domain, observations, hx)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(out) :: observations
      real(wp), allocatable, intent(out) :: hx(:, :)
      integer :: m

      call make_observations(domain, observations)
      observations%kind = 1 + int(mod(observations%row/10, 2_i8))
      allocate (hx(observations%n, members))
      do m = 1, members
         hx(:, m) = modulo(m*observations%position, 3.1_wp)
      end do
      observations%background = sum(hx, dim=2)/members
      observations%background_sd = 1
   end subroutine make_kinds

   !> Where all parts of a superobservation share a place, nothing is lost, whatever their weights.
   subroutine check_merging_at_one_place(tests)
      type(testing_type), intent(inout) :: tests
      character(len=5), parameter :: weightings(3) = ['none ', 'huber', 'varqc']
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(ensemble_type) :: merged
      type(ensemble_type) :: apart
      integer :: w

      call new_domain(points, tests%communicator, domain, error)
      do w = 1, size(weightings)
         apart = analysis(0.0_wp, weightings(w))
         merged = analysis(0.1_wp, weightings(w))
         call tests%check_small(maxval(abs(merged%x - apart%x)), 1.0e-12_wp, &
                                'merging at one place loses nothing: '//weightings(w))
      end do

   contains

      function analysis(width, weighting) result(ensemble)
         real(wp), intent(in) :: width
         character(len=*), intent(in) :: weighting
         type(ensemble_type) :: ensemble
         type(observations_type) :: observations
         class(ensemble_filter_type), allocatable :: filter

         filter = new_etkf(etkf_config(rotation=.false.))
         filter%inflation = no_inflation
         filter%treatment%superobbing%width = width
         filter%treatment%robust = robust_config(weighting, huber_limit=0.5_wp)
         ensemble%members = members
         allocate (ensemble%x(domain%n, 1, members))
         call random_field(random_key_type(seed=5), int(domain%first - 1, i8), ensemble%x)
         call make_observations(domain, observations)
         observations%correlation_length = 0
         observations%position = int(observations%position)
         call filter%update(domain, 1, observations, ensemble, error)
         call tests%check(.not. allocated(error), 'the analysis runs')
      end function analysis
   end subroutine check_merging_at_one_place

   !> Analysis mean and covariance are those of the Kalman filter with the full matrix R.
   subroutine check_dense(tests, filter, name, deterministic)
      type(testing_type), intent(inout) :: tests
      class(ensemble_filter_type), intent(in) :: filter
      character(len=*), intent(in) :: name
      logical, intent(in) :: deterministic
      class(ensemble_filter_type), allocatable :: uninflated
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(ensemble_type) :: ensemble
      type(observations_type) :: observations
      real(wp) :: before(points, 1, members)
      real(wp) :: x(points, members)
      real(wp), dimension(points, points) :: covariance, expected_covariance
      real(wp), dimension(points) :: mean, expected_mean
      integer :: m

      call new_domain(points, tests%communicator, domain, error)
      uninflated = filter
      uninflated%inflation = no_inflation
      ensemble%members = members
      allocate (ensemble%x(domain%n, 1, members))
      call random_field(random_key_type(seed=5), int(domain%first - 1, i8), ensemble%x)
      call random_field(random_key_type(seed=5), 0_i8, before)
      call make_observations(domain, observations)
      call uninflated%update(domain, 1, observations, ensemble, error)
      call tests%check(.not. allocated(error), name//' runs')
      call dense_kalman(before(:, 1, :), expected_mean, expected_covariance)
      x = 0
      x(domain%first:domain%last, :) = ensemble%x(:, 1, :)
      do m = 1, members
         call domain%communicator%exact_sums(x(:, m))
      end do
      mean = sum(x, dim=2)/members
      call tests%check_small(maxval(abs(mean - expected_mean)), 1.0e-10_wp, name// &
                             ': mean of the Kalman filter with correlated errors')
      if (.not. deterministic) return
      x = x - spread(mean, 2, members)
      covariance = matmul(x, transpose(x))/(members - 1)
      call tests%check_small(maxval(abs(covariance - expected_covariance)), 1.0e-10_wp, &
                             name//': covariance of the Kalman filter with correlated errors')
   end subroutine check_dense

   !> Values and errors that have the same bits on any layout; some observations are missing, such
   !> at both ends among them.
   subroutine make_observations(domain, observations)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(out) :: observations

      observations = observations_on(domain)
      observations%value = modulo(7.3_wp*observations%position, 2.0_wp) - 1
      observations%error_sd = 1 + 0.1_wp*modulo(observations%position, 3.0_wp)
      observations%row = nint(10*observations%position, i8)
      observations%correlation_length = correlation_length
      where (observations%row == 0 .or. observations%row == 20 .or. observations%row > 200)
         observations%qc = qc_missing
      end where
   end subroutine make_observations

   !> x_a = x_b + K (y - H x_b), P_a = (I - K H) P, K = P Hᵀ (H P Hᵀ + R)⁻¹, all at once.
   subroutine dense_kalman(x, mean, covariance)
      real(wp), intent(in) :: x(points, members)
      real(wp), intent(out) :: mean(points)
      real(wp), intent(out) :: covariance(points, points)
      type(domain_type) :: whole
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      type(eigen_type) :: eigen
      real(wp) :: anomalies(points, members)
      real(wp), allocatable, dimension(:, :) :: h, r, gain
      integer, allocatable :: use(:)
      integer :: cell
      integer :: n
      integer :: j
      integer :: k

      call new_domain(points, alone(), whole, error)
      call make_observations(whole, observations)
      use = pack([(j, j=1, observations%n)], observations%used())
      n = size(use)
      allocate (h(n, points), r(n, n), gain(n, n), source=0.0_wp)
      associate (position => observations%position(use), sd => observations%error_sd(use))
         do j = 1, n
            cell = int(position(j)) + 1
            h(j, cell) = 1 - (position(j) - (cell - 1))
            h(j, modulo(cell, points) + 1) = position(j) - (cell - 1)
            do k = 1, n
               r(j, k) = sd(j)*sd(k)*exp(-abs(position(j) - position(k))/correlation_length)
            end do
         end do
      end associate
      mean = sum(x, dim=2)/members
      anomalies = x - spread(mean, 2, members)
      covariance = matmul(anomalies, transpose(anomalies))/(members - 1)
      call new_eigen(n, eigen)
      call eigen%decompose(matmul(matmul(h, covariance), transpose(h)) + r, error)
      call eigen%compose(1/eigen%values, gain)
      gain = matmul(matmul(covariance, transpose(h)), gain)
      mean = mean + matmul(gain, observations%value(use) - matmul(h, mean))
      covariance = covariance - matmul(matmul(gain, h), covariance)
   end subroutine dense_kalman
end module test_treatment
