!> The iterative ensemble Kalman smoother (Bocquet & Sakov 2014): the start of a window moves by
!> Gauss-Newton steps in ensemble space, with the nonlinear model inside.
!>
!> x_0 = x̄_0 + X_0 w, J(w) = ½ w^T w + ½ ‖R^{-1/2} (y - H(M(x_0)))‖². In each iteration the
!> ensemble x_0 + X_0 T is carried to the observations, where its anomalies, times T^{-1}, are the
!> sensitivity Y: T = S^{-1/2} of the iteration before in the 'transform' variant, a small multiple
!> of the identity in the 'bundle'. S = I + Y^T Y, w ← w + S^{-1} (Y^T d - w).
module da_analysis_smoother_ienks
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, lost_error
   use da_base_inverse_root, only: apply_inverse_root
   use da_base_linear_algebra, only: identity
   use da_base_mean_root, only: random_inverse_root, root_and_inverse
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_base_reproducible_sum, only: sum_columns
   use da_analysis_variational_diagnostics, only: note_costs
   use da_analysis_filter_ensemble_filter, only: scale_by_errors
   use da_analysis_filter_ensemble_space, only: project_observations
   use da_analysis_smoother_finite_size_prior, only: prior_type, prior_cost, prior_precision
   use da_analysis_smoother_ienks_settings, only: ienks_config, read_ienks
   use da_analysis_setup, only: analysis_setup_type, need_ensemble
   use da_analysis_smoother_type, only: smoother_type, carried_start, carried_end
   use da_analysis_filter_transform, only: transform_members
   use da_analysis_type, only: observe_analysis, observe_members
   use da_ensemble_inflation, only: inflate
   use da_ensemble_type, only: ensemble_type, mean_of_members
   use da_model_type, only: model_type
   use da_observation_type, only: observations_type
   use da_observation_whitening, only: whiten
   implicit none
   private
   public :: ienks_type, ienks_config, new_ienks

   !> What J may rise in a step, as a share of it. Smaller rises are no failure: ensembles of other
   !> widths have other means at the observations, and to forbid them ends in poorer minima.
   real(wp), parameter :: rise_allowed = 1.0_wp

   type, extends(smoother_type) :: ienks_type
      type(ienks_config) :: config
   contains
      procedure :: configure
      procedure :: prepare
      procedure :: update_window
   end type ienks_type

contains

   subroutine configure(self, namelists, setup, error)
      class(ienks_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error

      call read_ienks(namelists, self%config, error)
      if (allocated(error)) return
      call self%set_window(self%config%window, self%config%shift, self%config%multiple)
      self%gross_error_limit = setup%gross_error_limit
      self%diagnosed%costs = .not. self%config%finite_size
      call need_ensemble(setup, namelists%file, self%name, error)
   end subroutine configure

   function new_ienks(config) result(self)
      type(ienks_config), intent(in), optional :: config
      type(ienks_type) :: self

      self%name = 'ienks'
      if (present(config)) self%config = config
      call self%set_window(self%config%window, self%config%shift, self%config%multiple)
   end function new_ienks

   subroutine prepare(self, domain, model)
      class(ienks_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model

      self%model = model
   end subroutine prepare

   !> With multiple data assimilation the start moves by the window's part of the weights; what is
   !> given out is the analysis with what they still lack.
   subroutine update_window(self, domain, cycle, past, observations, ensemble, error)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(observations_type), allocatable :: groups(:)
      real(wp), dimension(size(past) + 1) :: weights, balanced
      type(ensemble_type) :: start
      type(ensemble_type) :: prior
      integer :: place
      integer :: moves
      integer :: times

      if (.not. self%is_due(cycle)) then
         call self%observe_background(domain, ensemble, observations)
         return
      end if
      call self%observe_window(domain, past, observations, ensemble)
      times = size(past) + 1
      allocate (groups(times))
      groups(:times - 1) = past
      groups(times) = observations
      weights = self%weights(cycle, times, .false.)
      balanced = self%weights(cycle, times, .true.)
      moves = self%start_of(cycle + self%shift) - self%start_of(cycle)
      place = ensemble%place_of(carried_start)
      start%members = ensemble%members
      call move_alloc(ensemble%carried(place)%x, start%x)
      if (any(balanced > weights)) prior = start
      call analyse(self, domain, cycle, groups, weights, start, ensemble, error)
      if (allocated(prior%x) .and. .not. allocated(error)) then
         call self%model%forecast(domain, moves*self%steps, start%x)
         call move_alloc(start%x, ensemble%carried(place)%x)
         call analyse(self, domain, cycle, groups, balanced, prior, ensemble, error)
         if (allocated(error)) return
         call forecast_window(self, domain, cycle, prior, 0, past, ensemble)
      else
         if (.not. allocated(error)) then
            call forecast_window(self, domain, cycle, start, moves, past, ensemble)
         end if
         call move_alloc(start%x, ensemble%carried(place)%x)
      end if
   end subroutine update_window

   !> From the prior to the posterior at the start of the window of a cycle.
   subroutine analyse(self, domain, cycle, observations, weights, start, ensemble, error)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations(:)
      real(wp), intent(in) :: weights(:)
      type(ensemble_type), intent(inout) :: start
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp), dimension(start%members, start%members) :: gram, transform
      real(wp) :: w(start%members)
      real(wp) :: precision
      real(wp) :: average(size(start%x, 1), size(start%x, 2))
      integer :: n

      n = start%members
      call find_weights(self, domain, self%steps_between(cycle, size(observations)), observations, &
                        weights, start, ensemble, w, gram, precision, error)
      if (allocated(error)) return
      call posterior_root(self, random_key_type(self%seed, stream_rotation, cycle), n, gram, &
                          transform)
      transform = transform/sqrt(precision)
      call transform_members(size(average), n, with_shift(n, transform, w), start%x)
      call self%keep_smoothed(start%x, ensemble)
      call inflate(self%config%inflation, start, average)
   end subroutine analyse

   !> The analysis by the model from the window's start to its end, past observations on the way;
   !> the start itself moves on by some cycles.
   subroutine forecast_window(self, domain, cycle, start, moves, past, ensemble)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: start
      integer, intent(in) :: moves
      type(observations_type), intent(inout) :: past(:)
      type(ensemble_type), intent(inout) :: ensemble
      integer :: back
      integer :: first
      integer :: k

      ensemble%x = start%x
      back = cycle - self%start_of(cycle)
      first = back - self%shift + 1
      do k = 1, back
         call self%model%forecast(domain, self%steps, ensemble%x)
         if (k == moves) start%x = ensemble%x
         if (k < first .or. k == back) cycle
         call observe_analysis(domain, ensemble, past(size(past) - back + 1 + k))
      end do
      if (self%shift > 1) ensemble%carried(ensemble%place_of(carried_end))%x = ensemble%x
   end subroutine forecast_window

   !> The Gauss-Newton iterations: the minimum w of J, and Y^T Y there, over its prior's precision.
   !> A step after which J has risen much is halved, until it has not.
   subroutine find_weights(self, domain, steps, observations, weights, start, ensemble, w, gram, &
                           precision, error)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps(:)
      type(observations_type), intent(in) :: observations(:)
      real(wp), intent(in) :: weights(:)
      type(ensemble_type), intent(in) :: start
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(out) :: w(:)
      real(wp), intent(out) :: gram(:, :)
      real(wp), intent(out) :: precision
      type(error_type), allocatable, intent(out) :: error
      type(prior_type) :: prior
      real(wp), dimension(size(w), size(w)) :: transform, inverse, products
      real(wp) :: step(size(w))
      real(wp) :: gradient(size(w))
      real(wp) :: squares
      real(wp) :: cost
      real(wp) :: lowest
      real(wp) :: remaining
      real(wp), dimension(1) :: before, background_cost, observation_cost
      integer(i8) :: used(1)
      integer :: iteration
      integer :: k
      integer :: n

      n = size(w)
      prior = prior_type(self%config%finite_size, self%config%hyperprior)
      w = 0
      step = 0
      gram = 0
      precision = 1
      lowest = 0.5_wp*huge(lowest)
      remaining = 1
      transform = identity(n)
      inverse = identity(n)
      if (self%config%bundle) then
         transform = self%config%bundle_size*identity(n)
         inverse = identity(n)/self%config%bundle_size
      end if
      do iteration = 1, self%config%iterations
         ensemble%x = start%x
         call transform_members(size(start%x(:, :, 1)), n, with_shift(n, transform, w), ensemble%x)
         call project_window(self, domain, steps, observations, weights, ensemble, products, &
                             gradient, squares, error)
         if (allocated(error)) return
         cost = 0.5_wp*(prior_cost(prior, n, remaining, w) + squares)
         if (.not. cost <= lowest*(1 + rise_allowed)) then
            if (iteration == 1) then
               call lost_error(error)
               return
            end if
            step = 0.5_wp*step
            w = w - step
            if (iteration == self%config%iterations) w = w - step
            cycle
         end if
         lowest = cost
         background_cost = 0.5_wp*dot_product(w, w)
         observation_cost = 0.5_wp*squares
         if (iteration == 1) before = observation_cost
         gram = matmul(transpose(inverse), matmul(products, inverse))
         step = matmul(transpose(inverse), gradient)
         precision = prior_precision(prior, n, remaining, w)
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
      if (.not. self%diagnosed%costs) return
      used = sum([(count(observations(k)%used()), k=1, size(observations))])
      call domain%communicator%count_sums(used)
      call note_costs(before, background_cost, observation_cost, used(1), ensemble)
   end subroutine find_weights

   !> Carry the ensemble to the observations of the window, and project them onto it: Y^T Y, Y^T d
   !> and d^T d of all times.
   subroutine project_window(self, domain, steps, observations, weights, ensemble, gram, &
                             projected, squares, error)
      class(ienks_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps(:)
      type(observations_type), intent(in) :: observations(:)
      real(wp), intent(in) :: weights(:)
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(out) :: gram(:, :)
      real(wp), intent(out) :: projected(:)
      real(wp), intent(out) :: squares
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: here
      real(wp), allocatable, dimension(:, :) :: hx, anomalies
      real(wp), allocatable :: innovations(:)
      real(wp) :: gram_here(size(gram, 1), size(gram, 2))
      real(wp) :: projected_here(size(projected))
      real(wp) :: squares_here(1)
      integer :: k

      gram = 0
      squares = 0
      projected = 0
      do k = 1, size(observations)
         call self%model%forecast(domain, steps(k), ensemble%x)
         here = observations(k)
         allocate (hx(here%n, ensemble%members), innovations(here%n))
         call observe_members(domain, ensemble, here, here%n, ensemble%members, hx)
         call mean_of_members(here%n, ensemble%members, hx, here%background)
         call scale_by_errors(here, hx, anomalies, innovations)
         call whiten(domain, here, anomalies, innovations, error)
         if (allocated(error)) return
         call project_observations(domain, here, anomalies, innovations, gram_here, projected_here)
         call sum_columns(domain%communicator, max(here%total, 1_i8), &
                          reshape(innovations**2, [here%n, 1]), squares_here)
         gram = gram + weights(k)*gram_here
         squares = squares + weights(k)*squares_here(1)
         projected = projected + weights(k)*projected_here
         deallocate (anomalies, innovations)
      end do
   end subroutine project_window

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
end module da_analysis_smoother_ienks
