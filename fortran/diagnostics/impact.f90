!> What each observation does to a forecast, verified against the truth some cycles ahead:
!> `&impact`.
module da_diagnostics_impact
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_reproducible_sum, only: sum_columns
   use da_base_text, only: to_text
   use da_analysis_variational_observation_impact, only: forecast_aspect_type, &
      found_type => impact_type
   use da_diagnostics_type, only: diagnostic_type
   use da_observation_kinds, only: known_kinds
   use da_observation_type, only: observations_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_regions, only: region_type, get_regions, in_regions
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: impact_type

   !> `every` = 0: it is not asked for.
   type, extends(diagnostic_type) :: impact_type
      private
      integer :: every = 0
      real(wp) :: lead = 0
      !> The lead time in cycles.
      integer :: lead_cycles = 0
      !> Where errors are measured: an arc, or everywhere where there is none.
      type(region_type), allocatable :: norm(:)
      !> Arcs whose observations' impact is summed.
      type(region_type), allocatable :: regions(:)
      logical :: denial = .false.
      real(wp) :: gradient_reduction = 1.0e-6_wp
      integer :: iterations = 200
      !> Where the tables stand; 0: there is none.
      integer :: background_error = 0
      integer :: analysis_error = 0
      integer :: actual = 0
      integer :: estimated = 0
      integer :: beneficial = 0
      integer :: reduction = 0
      integer :: of_kind = 0
      integer :: used_of_kind = 0
      integer :: of_region = 0
      integer :: denial_of = 0
      !> In this cycle.
      type(found_type) :: found
   contains
      procedure :: applies
      procedure :: configure
      procedure :: ahead
      procedure :: judges
      procedure :: check
      procedure :: declare
      procedure :: see_background
      procedure :: see_analysis
      procedure :: annotate
   end type impact_type

contains

   pure function applies(self, setup) result(yes)
      class(impact_type), intent(in) :: self
      type(setup_type), intent(in) :: setup
      logical :: yes

      yes = setup%tells_impact
   end function applies

   subroutine configure(self, namelists, setup)
      class(impact_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup
      type(impact_type) :: defaults

      call namelists%get('every', self%every, &
                         'cycles between analyses whose observations are judged; 0: none', &
                         minimum=0)
      call namelists%get('lead', self%lead, &
                         'model time from the analysis to the forecast that is judged by; 0: '// &
                         'the analysis itself', minimum=0.0_wp)
      call get_regions(namelists, setup%points, 'norm', &
                       'first and last point of the arc where its error is measured; '// &
                       'none: everywhere', self%norm)
      call get_regions(namelists, setup%points, 'regions', &
                       'first and last point of arcs whose observations are taken together: 0, '// &
                       '19, 20, 39', self%regions)
      call namelists%get('denial', self%denial, &
                         'with regions: beside it, analyses made anew without each of them')
      call namelists%get('gradient_reduction', self%gradient_reduction, &
                         'the Hessian''s equation is solved until the gradient''s norm has '// &
                         'fallen to this fraction', above=0.0_wp, maximum=1.0_wp)
      call namelists%get('iterations', self%iterations, &
                         'most iterations of conjugate gradients for it', minimum=1)
      if (size(self%norm) > 1) then
         call namelists%reject('norm', 'has '//to_text(2*size(self%norm))// &
                               ' values: two are needed, a first and a last point')
      end if
      if (self%denial .and. size(self%regions) == 0) then
         call namelists%reject('denial', '= .true. needs regions')
      end if
      if (self%every == 0) then
         if (abs(self%lead) > 0) call refuse('lead')
         if (size(self%norm) > 0) call refuse('norm')
         if (size(self%regions) > 0) call refuse('regions')
         if (abs(self%gradient_reduction - defaults%gradient_reduction) > 0) then
            call refuse('gradient_reduction')
         end if
         if (self%iterations /= defaults%iterations) call refuse('iterations')
      else
         call check_run(self, namelists, setup)
      end if

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, 'is not used with every = 0')
      end subroutine refuse
   end subroutine configure

   !> What the rest of the run must agree with.
   subroutine check_run(self, namelists, setup)
      type(impact_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup
      real(wp), parameter :: tolerance = 1.0e-9_wp
      real(wp), parameter :: most_cycles = 1.0e6_wp

      if (setup%members > 1) then
         call namelists%reject('every', '= '//to_text(self%every)//': &ensemble members = '// &
                               to_text(setup%members)//': the impact is that of a single '// &
                               'analysis, members = 1')
      end if
      if (.not. setup%has_truth) then
         call namelists%reject('every', '= '//to_text(self%every)//': there is no truth to '// &
                               'verify forecasts against (source = ''none'' in &truth)')
      end if
      if (first_after(self, setup%burn_in) > setup%cycles) then
         call namelists%reject('every', '= '//to_text(self%every)//': no such analysis after '// &
                               'burn_in = '//to_text(setup%burn_in)//' of '// &
                               to_text(setup%cycles)//' cycles')
      end if
      if (self%lead > most_cycles*setup%interval) then
         call namelists%reject('lead', '= '//to_text(self%lead)//': must be at most '// &
                               to_text(most_cycles*setup%interval))
         return
      end if
      self%lead_cycles = nint(self%lead/setup%interval)
      if (abs(self%lead_cycles*setup%interval - self%lead) > tolerance*self%lead) then
         call namelists%reject('lead', '= '//to_text(self%lead)//': must be a whole multiple '// &
                               'of interval = '//to_text(setup%interval)//' in &cycle')
      end if
   end subroutine check_run

   pure function ahead(self) result(cycles)
      class(impact_type), intent(in) :: self
      integer :: cycles

      cycles = self%lead_cycles
   end function ahead

   pure function judges(self) result(yes)
      class(impact_type), intent(in) :: self
      logical :: yes

      yes = self%every > 0
   end function judges

   !> A truth from a file must go on for long enough to verify some forecast.
   subroutine check(self, run, error)
      class(impact_type), intent(in) :: self
      type(run_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error

      if (self%every == 0) return
      associate (setup => run%setup, first => first_after(self, run%setup%burn_in))
         if (first + self%lead_cycles <= run%truth%last) return
         call input_error(error, setup%namelist//': &impact lead: the forecast from cycle '// &
                          to_text(first)//', the first after burn_in, to '// &
                          to_text(self%lead)//' ahead cannot be verified: '// &
                          setup%truth_file//' ends at cycle '//to_text(run%truth%last))
      end associate
   end subroutine check

   !> The first analysis judged after a cycle.
   pure function first_after(self, cycle) result(first)
      type(impact_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer :: first

      first = (cycle/self%every + 1)*self%every
   end function first_after

   subroutine declare(self, run, tables)
      class(impact_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables

      if (self%every == 0) return
      call tables%add_times('impact_time', 'model time of the analysis whose observations are '// &
                            'judged', self%every, run%setup%interval)
      call tables%add_axis('impact_kind', 'impact_kind', 'kind of observation, as obs_kind', &
                           real(known_kinds, wp))
      call add(self%background_error, 'impact_background_error', &
               'mean square error of the forecast from the background')
      call add(self%analysis_error, 'impact_analysis_error', &
               'mean square error of the forecast from the analysis')
      call add(self%actual, 'impact_actual', &
               'analysis_error - background_error; below 0: observations helped')
      call add(self%estimated, 'impact_estimated', &
               'the same by the adjoint, sum of the impacts of observations')
      call add(self%beneficial, 'impact_beneficial', &
               'share of the observations used whose impact is below 0')
      call add(self%reduction, 'impact_reduction', &
               'what the gradient of the Hessian''s equation has fallen to', reported=.false.)
      call add(self%of_kind, 'impact_of_kind', &
               'sum of the impacts of observations of a kind', 'impact_kind', reported=.false.)
      call add(self%used_of_kind, 'observations_of_kind', &
               'observations of a kind that were used', &
               'impact_kind', reported=.false.)
      if (size(self%regions) == 0) return
      call tables%add_axis('impact_region_first', 'impact_region', 'first point of the region', &
                           real(self%regions%first, wp))
      call tables%add_axis('impact_region_last', 'impact_region', 'last point of the region', &
                           real(self%regions%last, wp))
      call add(self%of_region, 'impact_of_region', &
               'sum of the impacts of the region''s observations', 'impact_region')
      if (.not. self%denial) return
      call add(self%denial_of, 'denial_of_region', &
               'analysis_error less that of an analysis without the '// &
               'region''s observations', 'impact_region')

   contains

      subroutine add(place, name, meaning, dimension, reported)
         integer, intent(out) :: place
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: meaning
         character(len=*), intent(in), optional :: dimension
         logical, intent(in), optional :: reported
         character(len=16), allocatable :: dimensions(:)
         integer :: known

         allocate (dimensions(0))
         if (present(dimension)) dimensions = [character(len=16) :: dimension]
         known = (run%truth%last - self%lead_cycles)/self%every
         call tables%add_table(place, name, meaning, dimensions, self%every, 'impact_time', &
                               reported, [known])
      end subroutine add
   end subroutine declare

   !> The impact of each observation, of those that are about to be assimilated; NaN in cycles that
   !> are not judged.
   subroutine see_background(self, domain, run, tables, error)
      class(impact_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      type(forecast_aspect_type) :: aspect
      real(wp), allocatable :: reality(:, :, :)
      logical, allocatable :: withheld(:, :)

      if (self%every == 0) return
      if (mod(run%cycle, self%every) /= 0 .or. run%cycle + self%lead_cycles > run%truth%last) then
         self%found = found_type()
         allocate (self%found%of_observation(run%observations%n))
         self%found%of_observation = ieee_value(1.0_wp, ieee_quiet_nan)
         return
      end if
      reality = run%truth%x
      call run%truth_ahead(domain, run%cycle, run%cycle + self%lead_cycles, reality, error)
      if (allocated(error)) return
      aspect%verifying = reality(:, 1, 1)
      aspect%steps = self%lead_cycles*run%setup%steps
      aspect%weight = weights(self, domain%n, domain%first, domain%total)
      aspect%reduction = self%gradient_reduction
      aspect%iterations = self%iterations
      withheld = in_regions(self%regions, run%observations%position)
      if (.not. self%denial) withheld = withheld(:, :0)
      call run%analysis%impact(domain, run%cycle, run%observations, run%ensemble, aspect, &
                               withheld, self%found)
   end subroutine see_background

   !> What is told of a cycle as a whole; `observations` as they were assimilated.
   subroutine see_analysis(self, domain, run, tables, error)
      class(impact_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: terms(:, :)
      real(wp), allocatable :: sums(:)
      logical, allocatable :: inside(:, :)
      integer(i8) :: counts(2 + size(known_kinds))
      integer :: k
      integer :: r

      if (self%every == 0 .or. .not. allocated(self%found%denied_error)) return
      associate (each => self%found%of_observation, kinds => size(known_kinds), &
                 observations => run%observations)
         inside = in_regions(self%regions, observations%position)
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
         call tables%put(self%background_error, [self%found%background_error])
         call tables%put(self%analysis_error, [self%found%analysis_error])
         call tables%put(self%actual, &
                         [self%found%analysis_error - self%found%background_error])
         call tables%put(self%estimated, sums(:1))
         if (counts(1) > 0) then
            call tables%put(self%beneficial, [real(counts(2), wp)/counts(1)])
         end if
         call tables%put(self%reduction, [self%found%reduction])
         call tables%put(self%of_kind, sums(2:1 + kinds))
         call tables%put(self%used_of_kind, real(counts(3:), wp))
         call tables%put(self%of_region, sums(2 + kinds:))
         call tables%put(self%denial_of, self%found%analysis_error - self%found%denied_error)

      end associate
   end subroutine see_analysis

   subroutine annotate(self, observations)
      class(impact_type), intent(in) :: self
      type(observations_type), intent(inout) :: observations

      if (allocated(self%found%of_observation)) then
         observations%impact = self%found%of_observation
      end if
   end subroutine annotate

   !> Each point's share in the norm, of the points `first` … of a circle of `total`.
   pure function weights(self, n, first, total) result(share)
      type(impact_type), intent(in) :: self
      integer, intent(in) :: n
      integer, intent(in) :: first
      integer, intent(in) :: total
      real(wp) :: share(n)
      integer :: i

      share = 1.0_wp/total
      if (size(self%norm) == 0) return
      share = 0
      do i = 1, n
         if (self%norm(1)%holds(first + i - 2)) share(i) = 1.0_wp/self%norm(1)%points(total)
      end do
   end function weights
end module da_diagnostics_impact
