!> The impact of a cycle's observations on a forecast, verified against the truth some cycles ahead.
!> The cycle itself does not see it.
module da_cycle_impact
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_reproducible_sum, only: sum_columns
   use da_base_text, only: to_text
   use da_base_timer, only: phase_verification
   use da_analysis_observation_impact, only: forecast_aspect_type, impact_type
   use da_cycle_config, only: config_type
   use da_cycle_truth, only: truth_type
   use da_ensemble_model_error, only: model_error_type
   use da_ensemble_type, only: ensemble_type
   use da_observation_kinds, only: known_kinds
   use da_observation_type, only: observations_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: check_impact_lead, judge_observations, keep_impact

contains

   !> A truth from a file must go on for long enough to verify some forecast.
   subroutine check_impact_lead(config, truth, error)
      type(config_type), intent(in) :: config
      type(truth_type), intent(in) :: truth
      type(error_type), allocatable, intent(out) :: error

      if (.not. config%impact%wanted()) return
      associate (impact => config%impact, first => config%impact%first_after(config%burn_in))
         if (first + impact%lead_cycles <= truth%last) return
         call input_error(error, config%namelist//': &impact lead: the forecast from cycle '// &
                          to_text(first)//', the first after burn_in, to '// &
                          to_text(impact%lead)//' ahead cannot be verified: '// &
                          config%truth%file//' ends at cycle '//to_text(truth%last))
      end associate
   end subroutine check_impact_lead

   !> The impact of each observation, of those that are about to be assimilated; NaN in cycles that
   !> are not judged. Not allocated where it is not asked for.
   subroutine judge_observations(config, domain, truth, model_error, cycle, observations, &
                                 ensemble, impact, error)
      type(config_type), intent(in) :: config
      type(domain_type), intent(inout) :: domain
      type(truth_type), intent(inout) :: truth
      type(model_error_type), intent(in) :: model_error
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(impact_type), intent(out) :: impact
      type(error_type), allocatable, intent(out) :: error
      type(forecast_aspect_type) :: aspect
      logical, allocatable :: withheld(:, :)

      associate (settings => config%impact)
         if (.not. settings%wanted()) return
         if (.not. settings%is_due(cycle) .or. cycle + settings%lead_cycles > truth%last) then
            allocate (impact%of_observation(observations%n))
            impact%of_observation = ieee_value(1.0_wp, ieee_quiet_nan)
            return
         end if
         call domain%timer%start(phase_verification)
         call truth_ahead(domain, truth, model_error, cycle, settings%lead_cycles, &
                          aspect%verifying, error)
         call domain%communicator%agree(error)
         if (.not. allocated(error)) then
            aspect%steps = settings%lead_cycles*config%steps
            aspect%weight = settings%weights(domain%n, domain%first, domain%total)
            aspect%reduction = settings%gradient_reduction
            aspect%iterations = settings%iterations
            withheld = settings%in_regions(observations%position)
            if (.not. settings%denial) withheld = withheld(:, :0)
            call config%analysis%impact(domain, cycle, observations, ensemble, aspect, withheld, &
                                        impact)
         end if
         call domain%timer%stop()
      end associate
   end subroutine judge_observations

   !> The truth's first component some cycles after `cycle`.
   subroutine truth_ahead(domain, truth, model_error, cycle, cycles, x, error)
      type(domain_type), intent(inout) :: domain
      type(truth_type), intent(inout) :: truth
      type(model_error_type), intent(in) :: model_error
      integer, intent(in) :: cycle
      integer, intent(in) :: cycles
      real(wp), allocatable, intent(out) :: x(:)
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: reality(:, :, :)
      integer :: now
      integer :: next

      reality = truth%x
      now = cycle
      do while (now < cycle + cycles)
         next = cycle + cycles
         if (model_error%acts()) next = now + 1
         call truth%look_ahead(domain, now, next, reality, error)
         if (allocated(error)) return
         call model_error%disturb_truth(domain, next, reality)
         now = next
      end do
      x = reality(:, 1, 1)
   end subroutine truth_ahead

   !> What is told of a cycle as a whole; `observations` as they were assimilated.
   subroutine keep_impact(config, domain, cycle, observations, impact, tables)
      type(config_type), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(impact_type), intent(in) :: impact
      type(tables_type), intent(inout) :: tables
      real(wp), allocatable :: terms(:, :)
      real(wp), allocatable :: sums(:)
      logical, allocatable :: inside(:, :)
      integer(i8) :: counts(2 + size(known_kinds))
      integer :: k
      integer :: r

      if (.not. config%impact%is_due(cycle) .or. .not. allocated(impact%denied_error)) return
      associate (settings => config%impact, each => impact%of_observation, &
                 kinds => size(known_kinds))
         inside = settings%in_regions(observations%position)
         allocate (terms(observations%n, 1 + kinds + size(inside, 2)))
         allocate (sums(size(terms, 2)))
         terms(:, 1) = each
         counts(1) = count(observations%used())
         counts(2) = count(observations%used() .and. each < 0)
         do k = 1, kinds
            terms(:, 1 + k) = merge(each, 0.0_wp, observations%kind == known_kinds(k))
            counts(2 + k) = count(observations%used() .and. observations%kind == known_kinds(k))
         end do
         do r = 1, size(inside, 2)
            terms(:, 1 + kinds + r) = merge(each, 0.0_wp, inside(:, r))
         end do
         call domain%communicator%count_sums(counts)
         call sum_columns(domain%communicator, max(observations%total, 1_i8), terms, sums)
         call tables%put('impact_background_error', cycle, [impact%background_error])
         call tables%put('impact_analysis_error', cycle, [impact%analysis_error])
         call tables%put('impact_actual', cycle, [impact%analysis_error - impact%background_error])
         call tables%put('impact_estimated', cycle, sums(:1))
         if (counts(1) > 0) then
            call tables%put('impact_beneficial', cycle, [real(counts(2), wp)/counts(1)])
         end if
         call tables%put('impact_reduction', cycle, [impact%reduction])
         call tables%put('impact_of_kind', cycle, sums(2:1 + kinds))
         call tables%put('observations_of_kind', cycle, real(counts(3:), wp))
         call tables%put('impact_of_region', cycle, sums(2 + kinds:))
         call tables%put('denial_of_region', cycle, impact%analysis_error - impact%denied_error)
      end associate
   end subroutine keep_impact
end module da_cycle_impact
