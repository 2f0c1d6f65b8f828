!> The impact of observations on forecasts, as a run is asked for it: `&impact`, and its tables.
module da_verification_impact
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_observation_kinds, only: known_kinds
   use da_verification_regions, only: region_type
   use da_verification_settings, only: verified_run_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: impact_config, read_impact, add_impact_tables

   !> `&impact`; `every` = 0: it is not asked for.
   type :: impact_config
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
   contains
      procedure :: wanted
      procedure :: is_due
      procedure :: first_after
      procedure :: numbers_a_cycle
      procedure :: weights
      procedure :: in_regions
   end type impact_config

contains

   subroutine read_impact(namelists, run, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(verified_run_type), intent(in) :: run
      type(impact_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(impact_config) :: defaults

      call namelists%open_group('impact', 'What each observation does to forecasts, used by '// &
                                'analysis = ''var3d'' and ''var4d''')
      call namelists%get('every', config%every, &
                         'cycles between analyses whose observations are judged; 0: none', &
                         minimum=0)
      call namelists%get('lead', config%lead, &
                         'model time from the analysis to the forecast that is judged by; 0: '// &
                         'the analysis itself', minimum=0.0_wp)
      call get_regions(namelists, run, 'norm', &
                       'first and last point of the arc where its error is measured; '// &
                       'none: everywhere', config%norm)
      call get_regions(namelists, run, 'regions', &
                       'first and last point of arcs whose observations are taken together: 0, '// &
                       '19, 20, 39', config%regions)
      call namelists%get('denial', config%denial, &
                         'with regions: beside it, analyses made anew without each of them')
      call namelists%get('gradient_reduction', config%gradient_reduction, &
                         'the Hessian''s equation is solved until the gradient''s norm has '// &
                         'fallen to this fraction', above=0.0_wp, maximum=1.0_wp)
      call namelists%get('iterations', config%iterations, &
                         'most iterations of conjugate gradients for it', minimum=1)
      if (size(config%norm) > 1) then
         call namelists%reject('norm', 'has '//to_text(2*size(config%norm))// &
                               ' values: two are needed, a first and a last point')
      end if
      if (config%denial .and. size(config%regions) == 0) then
         call namelists%reject('denial', '= .true. needs regions')
      end if
      if (config%every == 0) then
         if (abs(config%lead) > 0) call refuse('lead')
         if (size(config%norm) > 0) call refuse('norm')
         if (size(config%regions) > 0) call refuse('regions')
         if (abs(config%gradient_reduction - defaults%gradient_reduction) > 0) then
            call refuse('gradient_reduction')
         end if
         if (config%iterations /= defaults%iterations) call refuse('iterations')
      else
         call check_run(namelists, run, config)
      end if
      call namelists%close_group(error)

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, 'is not used with every = 0')
      end subroutine refuse
   end subroutine read_impact

   !> What the rest of the run must agree with.
   subroutine check_run(namelists, run, config)
      type(namelists_type), intent(inout) :: namelists
      type(verified_run_type), intent(in) :: run
      type(impact_config), intent(inout) :: config
      real(wp), parameter :: tolerance = 1.0e-9_wp
      real(wp), parameter :: most_cycles = 1.0e6_wp

      if (run%members > 1) then
         call namelists%reject('every', '= '//to_text(config%every)//': &ensemble members = '// &
                               to_text(run%members)//': the impact is that of a single '// &
                               'analysis, members = 1')
      end if
      if (.not. run%has_truth) then
         call namelists%reject('every', '= '//to_text(config%every)//': there is no truth to '// &
                               'verify forecasts against (source = ''none'' in &truth)')
      end if
      if (config%first_after(run%burn_in) > run%cycles) then
         call namelists%reject('every', '= '//to_text(config%every)//': no such analysis after '// &
                               'burn_in = '//to_text(run%burn_in)//' of '//to_text(run%cycles)// &
                               ' cycles')
      end if
      if (config%lead > most_cycles*run%interval) then
         call namelists%reject('lead', '= '//to_text(config%lead)//': must be at most '// &
                               to_text(most_cycles*run%interval))
         return
      end if
      config%lead_cycles = nint(config%lead/run%interval)
      if (abs(config%lead_cycles*run%interval - config%lead) > tolerance*config%lead) then
         call namelists%reject('lead', '= '//to_text(config%lead)//': must be a whole multiple '// &
                               'of interval = '//to_text(run%interval)//' in &cycle')
      end if
   end subroutine check_run

   !> Pairs of points.
   subroutine get_regions(namelists, run, key, meaning, regions)
      type(namelists_type), intent(inout) :: namelists
      type(verified_run_type), intent(in) :: run
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: meaning
      type(region_type), allocatable, intent(out) :: regions(:)
      real(wp), allocatable :: ends(:)
      integer :: r

      allocate (ends(0))
      call namelists%get(key, ends, meaning)
      allocate (regions(size(ends)/2))
      if (mod(size(ends), 2) /= 0) then
         call namelists%reject(key, 'has '//to_text(size(ends))// &
                               ' values: pairs are needed, a first and a last point each')
         return
      end if
      do r = 1, size(ends)
         if (.not. (ends(r) >= 0 .and. ends(r) < run%points .and. &
                    abs(ends(r) - anint(ends(r))) <= 0)) then
            call namelists%reject(key, '= '//to_text(ends(r))//': must be a point, 0 to '// &
                                  to_text(run%points - 1))
            return
         end if
      end do
      do r = 1, size(regions)
         regions(r) = region_type(nint(ends(2*r - 1)), nint(ends(2*r)))
      end do
   end subroutine get_regions

   pure function wanted(self) result(yes)
      class(impact_config), intent(in) :: self
      logical :: yes

      yes = self%every > 0
   end function wanted

   pure function is_due(self, cycle) result(yes)
      class(impact_config), intent(in) :: self
      integer, intent(in) :: cycle
      logical :: yes

      yes = .false.
      if (self%every > 0) yes = mod(cycle, self%every) == 0
   end function is_due

   !> The first analysis judged after a cycle.
   pure function first_after(self, cycle) result(first)
      class(impact_config), intent(in) :: self
      integer, intent(in) :: cycle
      integer :: first

      first = (cycle/self%every + 1)*self%every
   end function first_after

   !> How many numbers are kept of each cycle.
   pure function numbers_a_cycle(self) result(numbers)
      class(impact_config), intent(in) :: self
      integer :: numbers
      integer, parameter :: series = 6

      numbers = 0
      if (self%every == 0) return
      numbers = (series + 2*size(known_kinds) + 2*size(self%regions))/self%every + 1
   end function numbers_a_cycle

   !> Each point's share in the norm, of the points `first` … of a circle of `total`.
   pure function weights(self, n, first, total) result(share)
      class(impact_config), intent(in) :: self
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

   !> inside(j, r): whether an observation at position(j) belongs to region r, to which its points
   !> and what lies just after each belong.
   pure function in_regions(self, position) result(inside)
      class(impact_config), intent(in) :: self
      real(wp), intent(in) :: position(:)
      logical :: inside(size(position), size(self%regions))
      integer :: r

      do r = 1, size(self%regions)
         inside(:, r) = self%regions(r)%holds(floor(position))
      end do
   end function in_regions

   !> The tables, empty; `last_truth` is the last cycle that the truth reaches.
   subroutine add_impact_tables(config, cycles, interval, last_truth, tables)
      type(impact_config), intent(in) :: config
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      integer, intent(in) :: last_truth
      type(tables_type), intent(inout) :: tables
      integer :: i

      if (.not. config%wanted()) return
      call tables%add_axis('impact_time', 'impact_time', &
                           'model time of the analysis whose observations are judged', &
                           [(i*config%every*interval, i=1, cycles/config%every)])
      call tables%add_axis('impact_kind', 'impact_kind', 'kind of observation, as obs_kind', &
                           real(known_kinds, wp))
      call add('impact_background_error', 'mean square error of the forecast from the background')
      call add('impact_analysis_error', 'mean square error of the forecast from the analysis')
      call add('impact_actual', 'analysis_error - background_error; below 0: observations helped')
      call add('impact_estimated', 'the same by the adjoint, sum of the impacts of observations')
      call add('impact_beneficial', 'share of the observations used whose impact is below 0')
      call add('impact_reduction', 'what the gradient of the Hessian''s equation has fallen to', &
               reported=.false.)
      call add('impact_of_kind', 'sum of the impacts of observations of a kind', 'impact_kind', &
               reported=.false.)
      call add('observations_of_kind', 'observations of a kind that were used', 'impact_kind', &
               reported=.false.)
      if (size(config%regions) == 0) return
      call tables%add_axis('impact_region_first', 'impact_region', 'first point of the region', &
                           real(config%regions%first, wp))
      call tables%add_axis('impact_region_last', 'impact_region', 'last point of the region', &
                           real(config%regions%last, wp))
      call add('impact_of_region', 'sum of the impacts of the region''s observations', &
               'impact_region')
      if (.not. config%denial) return
      call add('denial_of_region', 'analysis_error less that of an analysis without the '// &
               'region''s observations', 'impact_region')

   contains

      subroutine add(name, meaning, dimension, reported)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: meaning
         character(len=*), intent(in), optional :: dimension
         logical, intent(in), optional :: reported

         if (present(dimension)) then
            call tables%add_table(name, meaning, [dimension], config%every, 'impact_time', reported)
         else
            call tables%add_table(name, meaning, every=config%every, row_dimension='impact_time')
         end if
         associate (table => tables%tables(size(tables%tables)))
            table%known_rows = min(table%known_rows, (last_truth - config%lead_cycles)/config%every)
         end associate
      end subroutine add
   end subroutine add_impact_tables
end module da_verification_impact
