!> What is verified beside the scores that every run has: `&verification`.
module da_verification_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_verification_regions, only: region_type
   implicit none
   private
   public :: verification_config, verified_run_type, read_verification

   type :: verification_config
      integer :: seed = 0
      integer :: members = 1
      real(wp) :: lost_above = 1
      logical :: crps = .false.
      logical :: rank_histogram = .false.
      real(wp), allocatable :: thresholds(:)
      integer :: points_every = 1
      type(region_type), allocatable :: regions(:)
      real(wp), allocatable :: lead_times(:)
      integer :: forecasts_every = 20
      character(len=:), allocatable :: forecast
      !> The lead times in cycles.
      integer, allocatable :: leads(:)
   contains
      procedure :: of_members
      procedure :: longest_lead
      procedure :: numbers_a_cycle
      procedure :: copies_ensemble
   end type verification_config

   !> What the settings must agree with.
   type :: verified_run_type
      logical :: has_truth = .true.
      integer :: seed = 0
      integer :: members = 1
      integer :: points = 1
      integer :: cycles = 1
      integer :: burn_in = 0
      real(wp) :: interval = 1
   end type verified_run_type

contains

   subroutine read_verification(namelists, run, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(verified_run_type), intent(in) :: run
      type(verification_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      config%seed = run%seed
      config%members = run%members
      if (.not. allocated(config%thresholds)) allocate (config%thresholds(0))
      call namelists%open_group('verification', 'What is verified beside the scores of every run')
      call namelists%get('lost_above', config%lost_above, &
                         'analysis RMSE above which a cycle counts as lost, in the attribute '// &
                         'lost_fraction of analysis_rmse', above=0.0_wp)
      call namelists%get('crps', config%crps, &
                         'continuous ranked probability score of background and analysis')
      call namelists%get('rank_histogram', config%rank_histogram, &
                         'ranks of the truth among the members of background and analysis')
      call namelists%get('thresholds', config%thresholds, &
                         'reliability of the background''s probabilities that x exceeds these')
      call namelists%get('points_every', config%points_every, &
                         'of rank_histogram and thresholds: every so many points are counted', &
                         minimum=1)
      if (config%crps) call need_ensemble('crps', '= .true.')
      if (config%rank_histogram) call need_ensemble('rank_histogram', '= .true.')
      if (size(config%thresholds) > 0) call need_ensemble('thresholds', 'are given')
      if (.not. ascending(config%thresholds)) then
         call namelists%reject('thresholds', 'must ascend, each greater than the one before')
      end if
      if (config%points_every > 1 .and. .not. config%rank_histogram &
          .and. size(config%thresholds) == 0) then
         call namelists%reject('points_every', 'is not used without rank_histogram or thresholds')
      end if
      if (config%points_every > run%points) then
         call namelists%reject('points_every', '= '//to_text(config%points_every)// &
                               ': there are only '//to_text(run%points)//' points')
      end if
      call read_regions(namelists, run, config)
      call read_leads(namelists, run, config)
      call namelists%close_group(error)

   contains

      !> Of what compares the ensemble's distribution with the truth.
      subroutine need_ensemble(key, value)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: value

         if (.not. run%has_truth) then
            call namelists%reject(key, value//': there is no truth to verify against '// &
                                  '(source = ''none'' in &truth)')
         else if (run%members < 2) then
            call namelists%reject(key, value//': &ensemble members = '//to_text(run%members)// &
                                  ' must be at least 2')
         end if
      end subroutine need_ensemble
   end subroutine read_verification

   !> Pairs of points.
   subroutine read_regions(namelists, run, config)
      type(namelists_type), intent(inout) :: namelists
      type(verified_run_type), intent(in) :: run
      type(verification_config), intent(inout) :: config
      real(wp), allocatable :: ends(:)
      integer :: r
      integer :: i

      allocate (ends(0))
      call namelists%get('regions', ends, &
                         'first and last point of regions with scores of their own: 0, 19, 20, 39')
      allocate (config%regions(size(ends)/2))
      if (mod(size(ends), 2) /= 0) then
         call namelists%reject('regions', 'has '//to_text(size(ends))// &
                               ' values: pairs are needed, a first and a last point each')
         return
      end if
      do i = 1, size(ends)
         if (.not. (ends(i) >= 0 .and. ends(i) < run%points .and. &
                    abs(ends(i) - anint(ends(i))) <= 0)) then
            call namelists%reject('regions', '= '//to_text(ends(i))//': must be a point, 0 to '// &
                                  to_text(run%points - 1))
            return
         end if
      end do
      do r = 1, size(config%regions)
         config%regions(r) = region_type(nint(ends(2*r - 1)), nint(ends(2*r)))
      end do
   end subroutine read_regions

   !> Lead times must be reached in whole cycles, and some forecast begin after the burn-in.
   subroutine read_leads(namelists, run, config)
      type(namelists_type), intent(inout) :: namelists
      type(verified_run_type), intent(in) :: run
      type(verification_config), intent(inout) :: config
      character(len=8), parameter :: known_forecasts(2) = [character(len=8) :: 'mean', 'ensemble']
      real(wp), parameter :: tolerance = 1.0e-9_wp
      real(wp), parameter :: most_cycles = 1.0e6_wp
      type(verification_config) :: defaults
      integer :: i

      if (.not. allocated(config%lead_times)) allocate (config%lead_times(0))
      config%forecast = trim(known_forecasts(1))
      call namelists%get('lead_times', config%lead_times, &
                         'forecasts from analyses are verified at these model times ahead')
      call namelists%get('forecasts_every', config%forecasts_every, &
                         'with lead_times: cycles between analyses that forecasts start from', &
                         minimum=1)
      call namelists%get('forecast', config%forecast, &
                         'with lead_times: one from the analysis mean, or one of each member', &
                         known_forecasts)
      allocate (config%leads(size(config%lead_times)), source=0)
      if (size(config%leads) == 0) then
         if (config%forecasts_every /= defaults%forecasts_every) call refuse('forecasts_every')
         if (config%forecast /= known_forecasts(1)) call refuse('forecast')
         return
      end if
      if (.not. run%has_truth) then
         call namelists%reject('lead_times', 'are given: there is no truth to verify against '// &
                               '(source = ''none'' in &truth)')
      end if
      do i = 1, size(config%leads)
         if (.not. (config%lead_times(i) > 0 .and. &
                    config%lead_times(i) <= most_cycles*run%interval)) then
            call namelists%reject('lead_times', '= '//to_text(config%lead_times(i))// &
                                  ': must be above 0 and at most '// &
                                  to_text(most_cycles*run%interval))
            return
         end if
         config%leads(i) = nint(config%lead_times(i)/run%interval)
         if (abs(config%leads(i)*run%interval - config%lead_times(i)) > &
             tolerance*config%lead_times(i)) then
            call namelists%reject('lead_times', '= '//to_text(config%lead_times(i))// &
                                  ': must be a whole multiple of interval = '// &
                                  to_text(run%interval)//' in &cycle')
         end if
      end do
      if (.not. ascending(config%lead_times)) then
         call namelists%reject('lead_times', 'must ascend, each greater than the one before')
      end if
      if (run%burn_in < run%cycles .and. &
          run%cycles/config%forecasts_every <= run%burn_in/config%forecasts_every) then
         call namelists%reject('forecasts_every', '= '//to_text(config%forecasts_every)// &
                               ': no forecast starts after burn_in = '//to_text(run%burn_in)// &
                               ' of '//to_text(run%cycles)//' cycles')
      end if

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, 'is not used without lead_times')
      end subroutine refuse
   end subroutine read_leads

   pure function longest_lead(self) result(cycles)
      class(verification_config), intent(in) :: self
      integer :: cycles

      cycles = max(0, maxval(self%leads))
   end function longest_lead

   !> Whether another ensemble is integrated beside that of the cycle.
   pure function copies_ensemble(self) result(yes)
      class(verification_config), intent(in) :: self
      logical :: yes

      yes = size(self%leads) > 0 .and. self%forecast == 'ensemble'
   end function copies_ensemble

   !> How many numbers are kept of each cycle, at most.
   pure function numbers_a_cycle(self) result(numbers)
      class(verification_config), intent(in) :: self
      integer :: numbers
      integer, parameter :: crps_series = 4
      integer, parameter :: region_series = 6
      integer, parameter :: forecast_series = 4

      numbers = region_series*size(self%regions)
      if (self%crps) numbers = numbers + crps_series
      if (self%rank_histogram) numbers = numbers + 2*(self%members + 1 + 2)
      numbers = numbers + size(self%thresholds)*(1 + 2*(self%members + 1))
      numbers = numbers + forecast_series*size(self%leads)/self%forecasts_every
   end function numbers_a_cycle

   pure function ascending(values) result(yes)
      real(wp), intent(in) :: values(:)
      logical :: yes

      yes = all(values(2:) > values(:size(values) - 1))
   end function ascending

   !> Whether anything is asked of the members themselves.
   pure function of_members(self) result(yes)
      class(verification_config), intent(in) :: self
      logical :: yes

      yes = self%crps .or. self%rank_histogram .or. size(self%thresholds) > 0
   end function of_members
end module da_verification_settings
