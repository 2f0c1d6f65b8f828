!> What a minimisation tells of itself, as notes of the ensemble; of several members, means.
module da_analysis_variational_diagnostics
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, stream_hessian, stream_probes
   use da_analysis_variational_conjugate_gradient, only: minimisation_type
   use da_analysis_variational_cost_function, only: problem_type, variational_history_type
   use da_analysis_diagnostics_settings, only: diagnostics_config
   use da_analysis_variational_hessian, only: signal_of_pairs, sample_signal, analysis_variances
   use da_analysis_variational_lanczos, only: ritz_type, find_basis, ritz_pairs
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: note_minimisation, note_costs

contains

   !> All that the settings ask for, of a minimisation that ended with its window linearised about
   !> the analysis. Random numbers are those of `seed` and the cycle.
   subroutine note_minimisation(config, seed, domain, cycle, problem, history, ensemble)
      type(diagnostics_config), intent(in) :: config
      integer, intent(in) :: seed
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(problem_type), intent(in) :: problem
      type(variational_history_type), intent(in) :: history
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: samples(ensemble%members, config%dfs_samples)
      type(ritz_type) :: pairs
      integer(i8) :: used(1)
      integer :: last

      if (.not. config%costs) return
      last = config%outer_loops
      used = problem%window%used
      call domain%communicator%count_sums(used)
      call note_costs(history%observation_cost(0, :), history%background_cost(last, :), &
                      history%observation_cost(last, :), used(1), ensemble)
      call ensemble%note('gradient_log10', &
                         [log10(mean(ratio(history%inner(last)%gradient_norm &
                                           (history%inner(last)%iterations, :), &
                                           history%inner(1)%gradient_norm(0, :))))])
      call ensemble%note('inner_iterations', real(history%inner%iterations, wp))
      if (.not. config%is_due(cycle)) return
      if (config%iterations) call note_iterations(config, history, ensemble)
      if (config%hessian) then
         call note_hessian(config, seed, domain, cycle, problem, history, ensemble, pairs)
      end if
      if (config%analysis_error) then
         call note_analysis_error(config, random_key_type(seed, stream_probes, cycle), domain, &
                                  problem, pairs, ensemble)
      end if
      if (config%dfs_samples > 0) then
         call sample_signal(problem, domain, random_key_type(seed, stream_probes, cycle), &
                            ensemble%members, samples)
         call note_samples(reshape(samples, [size(samples)]), ensemble)
      end if
   end subroutine note_minimisation

   !> Costs by member, nonlinear: at the background, where the observations' is all, and the parts
   !> at the analysis. 2 J has the observations used as its mean if B and R are right (Bennett 1992,
   !> Talagrand 1999).
   subroutine note_costs(before, background, observations, used, ensemble)
      real(wp), intent(in) :: before(:)
      real(wp), intent(in) :: background(:)
      real(wp), intent(in) :: observations(:)
      integer(i8), intent(in) :: used
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: relative

      relative = ieee_value(relative, ieee_quiet_nan)
      if (used > 0) relative = 2*mean(background + observations)/used
      call ensemble%note('cost_before', [mean(before)])
      call ensemble%note('cost_after', [mean(background + observations)])
      call ensemble%note('cost_after_background', [mean(background)])
      call ensemble%note('cost_after_observations', [mean(observations)])
      call ensemble%note('cost_ratio', [relative])
   end subroutine note_costs

   !> The quadratic costs by inner iteration; after the last they stay what they are.
   subroutine note_iterations(config, history, ensemble)
      type(diagnostics_config), intent(in) :: config
      type(variational_history_type), intent(in) :: history
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), dimension(0:config%inner_iterations, config%outer_loops) :: cost, background, &
         gradient
      integer :: loop
      integer :: done
      integer :: k

      do loop = 1, config%outer_loops
         associate (inner => history%inner(loop))
            do k = 0, config%inner_iterations
               done = min(k, inner%iterations)
               cost(k, loop) = mean(history%background_cost(loop - 1, :) &
                                    + history%observation_cost(loop - 1, :) &
                                    + inner%decrease(done, :))
               background(k, loop) = mean(inner%background_cost(done, :))
               gradient(k, loop) = mean(inner%gradient_norm(done, :))
            end do
         end associate
      end do
      call ensemble%note('iterate_cost', reshape(cost, [size(cost)]))
      call ensemble%note('iterate_background_cost', reshape(background, [size(cost)]))
      call ensemble%note('iterate_observation_cost', reshape(cost - background, [size(cost)]))
      call ensemble%note('iterate_gradient', reshape(gradient, [size(cost)]))
   end subroutine note_iterations

   subroutine note_hessian(config, seed, domain, cycle, problem, history, ensemble, pairs)
      type(diagnostics_config), intent(in) :: config
      integer, intent(in) :: seed
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(problem_type), intent(in) :: problem
      type(variational_history_type), intent(in) :: history
      type(ensemble_type), intent(inout) :: ensemble
      type(ritz_type), intent(out) :: pairs
      type(minimisation_type) :: separate
      real(wp), dimension(config%eigenvalues) :: values, residuals
      real(wp), dimension(ensemble%members) :: conditions
      integer :: i
      integer :: m

      if (config%separate) then
         call find_basis(problem, domain, random_key_type(seed, stream_hessian, cycle), &
                         [size(ensemble%x, 1), problem%covariance%components_in, &
                          ensemble%members], config%vectors, separate)
         call ritz_pairs(separate, pairs)
      else
         call ritz_pairs(history%inner(config%outer_loops), pairs)
      end if
      values = 1
      residuals = 0
      do i = 1, min(size(values), size(pairs%values, 1))
         values(i) = mean(pairs%values(i, :))
         residuals(i) = mean(pairs%residuals(i, :))
      end do
      conditions = 1
      do m = 1, ensemble%members
         if (pairs%found(m) == 0) cycle
         conditions(m) = pairs%values(1, m)/pairs%values(pairs%found(m), m)
      end do
      call ensemble%note('hessian_eigenvalues', values)
      call ensemble%note('hessian_residuals', residuals)
      call ensemble%note('hessian_condition', [mean(conditions)])
      call ensemble%note('dfs_lanczos', [mean(signal_of_pairs(pairs))])
   end subroutine note_hessian

   !> The sd of a single state's errors, at the window's end, and their mean at its start.
   subroutine note_analysis_error(config, key, domain, problem, pairs, ensemble)
      type(diagnostics_config), intent(in) :: config
      type(random_key_type), intent(in) :: key
      type(domain_type), intent(inout) :: domain
      type(problem_type), intent(in) :: problem
      type(ritz_type), intent(in) :: pairs
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), dimension(size(ensemble%x, 1), size(ensemble%x, 2)) :: at_start, at_end

      if (config%hessian) then
         call analysis_variances(problem, domain, key, config%probes, at_start, at_end, pairs)
      else
         call analysis_variances(problem, domain, key, config%probes, at_start, at_end)
      end if
      ensemble%sd = sqrt(at_end)
      call ensemble%note('smoothed_spread', sqrt(domain%mean_of_points(at_start(:, :1))))
   end subroutine note_analysis_error

   !> Their mean, and the standard error of that; of a single sample it is not known.
   subroutine note_samples(samples, ensemble)
      real(wp), intent(in) :: samples(:)
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: error

      error = ieee_value(error, ieee_quiet_nan)
      if (size(samples) > 1) error = sqrt(sum((samples - mean(samples))**2) &
                                          /(size(samples) - 1)/size(samples))
      call ensemble%note('dfs', [mean(samples)])
      call ensemble%note('dfs_error', [error])
   end subroutine note_samples

   !> a/b, above zero; one where b is zero and nothing had to fall.
   elemental function ratio(a, b)
      real(wp), intent(in) :: a
      real(wp), intent(in) :: b
      real(wp) :: ratio

      ratio = 1
      if (b > 0) ratio = max(a/b, tiny(b))
   end function ratio

   pure function mean(values)
      real(wp), intent(in) :: values(:)
      real(wp) :: mean

      mean = sum(values)/size(values)
   end function mean
end module da_analysis_variational_diagnostics
