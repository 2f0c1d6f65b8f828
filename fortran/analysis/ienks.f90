!> The iterative ensemble Kalman smoother (Bocquet & Sakov 2014): the start of a window moves by
!> Gauss-Newton steps in ensemble space, with the nonlinear model inside.
!>
!> x_0 = x̄_0 + X_0 w, J(w) = ½ w^T w + ½ ‖R^{-1/2} (y - H(M(x_0)))‖². In each iteration the
!> ensemble x_0 + X_0 T is carried to the observations, where its anomalies, times T^{-1}, are the
!> sensitivity Y: T = S^{-1/2} of the iteration before in the 'transform' variant, a small multiple
!> of the identity in the 'bundle'. S = I + Y^T Y, w ← w + S^{-1} (Y^T d - w). Observations are
!> assimilated once, shift one.
module da_analysis_ienks
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error
   use da_base_inverse_root, only: apply_inverse_root
   use da_base_linear_algebra, only: identity
   use da_base_mean_root, only: random_inverse_root, root_and_inverse
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_analysis_cost_function, only: squares
   use da_analysis_diagnostics, only: note_costs
   use da_analysis_ensemble_filter, only: scale_by_errors
   use da_analysis_ensemble_space, only: project_observations
   use da_analysis_smoother, only: smoother_type, carried_start
   use da_analysis_transform, only: transform_members
   use da_analysis_type, only: observe_background, observe_members
   use da_ensemble_inflation, only: inflate
   use da_ensemble_type, only: ensemble_type, mean_of_members
   use da_model_type, only: model_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   use da_observation_whitening, only: whiten
   implicit none
   private
   public :: ienks_type, ienks_config, new_ienks, read_ienks

   character(len=9), parameter :: known_variants(2) = [character(len=9) :: 'transform', 'bundle']

   !> `&ienks`
   type :: ienks_config
      integer :: window = 10
      logical :: bundle = .false.
      logical :: rotation = .true.
      logical :: finite_size = .false.
      real(wp) :: hyperprior = 1
      real(wp) :: inflation = 1.02_wp
      integer :: iterations = 10
      real(wp) :: tolerance = 1.0e-3_wp
      real(wp) :: bundle_size = 1.0e-4_wp
   end type ienks_config

   type, extends(smoother_type) :: ienks_type
      type(ienks_config) :: config
      real(wp) :: gross_error_limit = 0
      class(model_type), allocatable :: model
   contains
      procedure :: prepare
      procedure :: update
   end type ienks_type

contains

   subroutine read_ienks(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(ienks_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest_window = 1000
      type(ienks_config) :: defaults
      character(len=:), allocatable :: variant

      variant = trim(known_variants(1))
      call namelists%open_group('ienks', 'Iterative ensemble Kalman smoother, used by '// &
                                'analysis = ''ienks''')
      call namelists%get('window', config%window, &
                         'lag: cycles from the window''s start to its end, the analysis', &
                         minimum=1, maximum=longest_window)
      call namelists%get('variant', variant, &
                         'how the model is linearised: over the spread of the posterior, or '// &
                         'about a point', known_variants)
      call namelists%get('rotation', config%rotation, 'turn the analysis anomalies at random')
      call namelists%get('finite_size', config%finite_size, &
                         'IEnKS-N: the prior of Bocquet & Sakov (2012), which needs no inflation')
      call namelists%get('hyperprior', config%hyperprior, &
                         'with finite_size: certainty of that prior about the ensemble''s spread', &
                         above=0.0_wp)
      if (config%finite_size) config%inflation = 1
      if (.not. config%finite_size .and. abs(config%hyperprior - defaults%hyperprior) > 0) then
         call namelists%reject('hyperprior', 'is not used with finite_size = .false.')
      end if
      call namelists%get('inflation', config%inflation, &
                         'factor of the anomalies at the window''s start after the analysis; '// &
                         '1: none (the default with finite_size)', above=0.0_wp)
      call namelists%get('iterations', config%iterations, 'most Gauss-Newton steps', minimum=1)
      call namelists%get('tolerance', config%tolerance, &
                         'the last step''s length, a member', above=0.0_wp)
      call namelists%get('bundle_size', config%bundle_size, &
                         'with variant = ''bundle'': anomalies in units of the prior''s', &
                         above=0.0_wp)
      config%bundle = variant == 'bundle'
      if (.not. config%bundle) then
         if (abs(config%bundle_size - defaults%bundle_size) > 0) then
            call namelists%reject('bundle_size', "is not used with variant = '"//variant// &
                                  "'")
         end if
      end if
      call namelists%close_group(error)
   end subroutine read_ienks

   function new_ienks(config) result(self)
      type(ienks_config), intent(in) :: config
      type(ienks_type) :: self

      self%name = 'ienks'
      self%window = config%window
      self%config = config
   end function new_ienks

   subroutine prepare(self, domain, model)
      class(ienks_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model

      self%model = model
   end subroutine prepare

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(ensemble%members, ensemble%members) :: gram, transform
      real(wp) :: w(ensemble%members)
      real(wp) :: precision
      real(wp) :: average(size(ensemble%x, 1), size(ensemble%x, 2))
      real(wp), allocatable :: hx(:, :)
      type(ensemble_type) :: start
      integer :: place
      integer :: back
      integer :: n

      n = ensemble%members
      place = ensemble%place_of(carried_start)
      back = self%cycles_back(cycle)
      start%members = n
      call observe_background(domain, ensemble, observations, hx)
      call check_gross_errors(self%gross_error_limit, observations)
      call move_alloc(ensemble%carried(place)%x, start%x)
      call find_weights(self, domain, back*self%steps, observations, start, ensemble, hx, w, &
                        gram, precision, error)
      if (.not. allocated(error)) then
         call posterior_root(self, random_key_type(self%seed, stream_rotation, cycle), n, gram, &
                             transform)
         transform = transform/sqrt(precision)
         call transform_members(size(average), n, with_shift(n, transform, w), start%x)
         call self%keep_smoothed(start%x, ensemble)
         call inflate(self%config%inflation, start, average)
         ensemble%x = start%x
         if (back == self%window) then
            call self%model%forecast(domain, self%steps, start%x)
            ensemble%x = start%x
            call self%model%forecast(domain, (back - 1)*self%steps, ensemble%x)
         else
            call self%model%forecast(domain, back*self%steps, ensemble%x)
         end if
      end if
      call move_alloc(start%x, ensemble%carried(place)%x)
   end subroutine update

   !> The Gauss-Newton iterations: the minimum w of J, and Y^T Y there, over its prior's precision.
   subroutine find_weights(self, domain, steps, observations, start, ensemble, hx, w, gram, &
                           precision, error)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: start
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable, intent(inout) :: hx(:, :)
      real(wp), intent(out) :: w(:)
      real(wp), intent(out) :: gram(:, :)
      real(wp), intent(out) :: precision
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: here
      real(wp), dimension(size(w), size(w)) :: transform, inverse
      real(wp), allocatable :: anomalies(:, :)
      real(wp) :: innovations(observations%n)
      real(wp) :: step(size(w))
      real(wp) :: remaining
      real(wp), dimension(1) :: before, background_cost, observation_cost
      integer(i8) :: used(1)
      integer :: iteration
      integer :: n

      n = size(w)
      w = 0
      remaining = 1
      transform = identity(n)
      inverse = identity(n)
      if (self%config%bundle) then
         transform = self%config%bundle_size*identity(n)
         inverse = identity(n)/self%config%bundle_size
      end if
      here = observations
      do iteration = 1, self%config%iterations
         ensemble%x = start%x
         call transform_members(size(start%x(:, :, 1)), n, with_shift(n, transform, w), ensemble%x)
         call self%model%forecast(domain, steps, ensemble%x)
         if (.not. allocated(hx)) allocate (hx(observations%n, n))
         call observe_members(domain, ensemble, here, here%n, n, hx)
         call mean_of_members(here%n, n, hx, here%background)
         call scale_by_errors(here, hx, anomalies, innovations)
         call whiten(domain, here, anomalies, innovations, error)
         if (allocated(error)) return
         background_cost = 0.5_wp*dot_product(w, w)
         observation_cost = 0.5_wp*squares(domain, here%total, reshape(innovations, [here%n, 1]))
         if (iteration == 1) before = observation_cost
         call project_observations(domain, observations, anomalies, innovations, gram, step)
         if (.not. all(abs(gram) <= huge(gram))) then
            call run_error(error, 'the ensemble is not finite any more: it has diverged')
            return
         end if
         gram = matmul(transpose(inverse), matmul(gram, inverse))
         step = matmul(transpose(inverse), step)
         precision = prior_precision(self%config, n, remaining, w)
         step = (step - precision*w)/precision
         gram = gram/precision
         call root_and_inverse(n, gram, transform, inverse, step)
         remaining = sum(transform**2)/n
         if (self%config%bundle) then
            transform = self%config%bundle_size*identity(n)
            inverse = identity(n)/self%config%bundle_size
         else
            transform = transform/sqrt(precision)
            inverse = inverse*sqrt(precision)
         end if
         w = w + step
         if (sqrt(dot_product(step, step)/n) < self%config%tolerance) exit
      end do
      used = count(observations%used())
      call domain%communicator%count_sums(used)
      call note_costs(before, background_cost, observation_cost, used(1), ensemble)
   end subroutine find_weights

   !> T + w 1^T / sqrt(n - 1), as `transform_members` takes it.
   pure function with_shift(n, transform, w) result(coefficients)
      integer, intent(in) :: n
      real(wp), intent(in) :: transform(n, n)
      real(wp), intent(in) :: w(n)
      real(wp) :: coefficients(n, n)
      integer :: k

      do k = 1, n
         coefficients(:, k) = transform(:, k) + w/sqrt(real(n - 1, wp))
      end do
   end function with_shift

   !> The prior's precision: 1, or the curvature along w of the finite-size prior c/2 ln(ε +
   !> |w|²/(N - 1)), ε = (N + 1)/N and c = N/(N - 1), moved as in EnKF-N so that it is 1 where
   !> nothing is observed (Bocquet & Sakov 2012; Bocquet, Raanes & Hannart 2015, eq. 36).
   !> `remaining` is the mean eigenvalue of S^{-1}.
   pure function prior_precision(config, n, remaining, w) result(precision)
      type(ienks_config), intent(in) :: config
      integer, intent(in) :: n
      real(wp), intent(in) :: remaining
      real(wp), intent(in) :: w(n)
      real(wp) :: precision
      real(wp) :: epsilon_n
      real(wp) :: certainty
      real(wp) :: correction

      precision = 1
      if (.not. config%finite_size) return
      epsilon_n = (n + 1.0_wp)/n
      certainty = real(n, wp)/(n - 1)
      correction = sqrt((epsilon_n/certainty)**remaining)
      epsilon_n = config%hyperprior*epsilon_n/correction
      certainty = config%hyperprior*certainty*correction
      precision = certainty/(epsilon_n + dot_product(w, w)/(n - 1))
   end function prior_precision

   !> S^{-1/2}, turned at random or symmetric.
   subroutine posterior_root(self, key, n, gram, transform)
      class(ienks_type), intent(in) :: self
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: n
      real(wp), intent(in) :: gram(n, n)
      real(wp), intent(out) :: transform(n, n)
      real(wp) :: nothing(n)

      nothing = 0
      if (self%config%rotation) then
         call random_inverse_root(key, n, gram, transform, nothing)
      else
         transform = identity(n)
         call apply_inverse_root(n, gram, n, transform, nothing)
      end if
   end subroutine posterior_root
end module da_analysis_ienks
