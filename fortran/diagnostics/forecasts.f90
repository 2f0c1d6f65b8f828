!> Forecasts from analyses, verified at several lead times.
module da_diagnostics_forecasts
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_diagnostics_type, only: diagnostic_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_forecast_scores, only: forecast_scores_type, score_forecast
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: forecasts_type

   character(len=8), parameter :: known_forecasts(2) = [character(len=8) :: 'mean', 'ensemble']

   type, extends(diagnostic_type) :: forecasts_type
      private
      real(wp), allocatable :: lead_times(:)
      integer :: every = 20
      character(len=:), allocatable :: forecast
      !> The lead times in cycles.
      integer, allocatable :: leads(:)
      !> Where the tables stand; 0: there is none.
      integer :: rmse = 0
      integer :: spread = 0
      integer :: correlation = 0
      integer :: truth_sd = 0
   contains
      procedure :: configure
      procedure :: ahead
      procedure :: copies
      procedure :: check
      procedure :: declare
      procedure :: see_analysis
   end type forecasts_type

contains

   !> Lead times must be reached in whole cycles, and some forecast begin after the burn-in.
   subroutine configure(self, namelists, setup)
      class(forecasts_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup
      real(wp), parameter :: tolerance = 1.0e-9_wp
      real(wp), parameter :: most_cycles = 1.0e6_wp
      type(forecasts_type) :: defaults
      integer :: i

      allocate (self%lead_times(0))
      self%forecast = trim(known_forecasts(1))
      call namelists%get('lead_times', self%lead_times, &
                         'forecasts from analyses are verified at these model times ahead')
      call namelists%get('forecasts_every', self%every, &
                         'with lead_times: cycles between analyses that forecasts start from', &
                         minimum=1)
      call namelists%get('forecast', self%forecast, &
                         'with lead_times: one from the analysis mean, or one of each member', &
                         known_forecasts)
      allocate (self%leads(size(self%lead_times)), source=0)
      if (size(self%leads) == 0) then
         if (self%every /= defaults%every) call refuse('forecasts_every')
         if (self%forecast /= known_forecasts(1)) call refuse('forecast')
         return
      end if
      if (.not. setup%has_truth) then
         call namelists%reject('lead_times', 'are given: there is no truth to verify against '// &
                               '(source = ''none'' in &truth)')
      end if
      do i = 1, size(self%leads)
         if (.not. (self%lead_times(i) > 0 .and. &
                    self%lead_times(i) <= most_cycles*setup%interval)) then
            call namelists%reject('lead_times', '= '//to_text(self%lead_times(i))// &
                                  ': must be above 0 and at most '// &
                                  to_text(most_cycles*setup%interval))
            return
         end if
         self%leads(i) = nint(self%lead_times(i)/setup%interval)
         if (abs(self%leads(i)*setup%interval - self%lead_times(i)) > &
             tolerance*self%lead_times(i)) then
            call namelists%reject('lead_times', '= '//to_text(self%lead_times(i))// &
                                  ': must be a whole multiple of interval = '// &
                                  to_text(setup%interval)//' in &cycle')
         end if
      end do
      if (any(self%lead_times(2:) <= self%lead_times(:size(self%leads) - 1))) then
         call namelists%reject('lead_times', 'must ascend, each greater than the one before')
      end if
      if (setup%burn_in < setup%cycles .and. &
          setup%cycles/self%every <= setup%burn_in/self%every) then
         call namelists%reject('forecasts_every', '= '//to_text(self%every)// &
                               ': no forecast starts after burn_in = '//to_text(setup%burn_in)// &
                               ' of '//to_text(setup%cycles)//' cycles')
      end if

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, 'is not used without lead_times')
      end subroutine refuse
   end subroutine configure

   pure function ahead(self) result(cycles)
      class(forecasts_type), intent(in) :: self
      integer :: cycles

      cycles = max(0, maxval(self%leads))
   end function ahead

   pure function copies(self) result(number)
      class(forecasts_type), intent(in) :: self
      integer :: number

      number = merge(1, 0, size(self%leads) > 0 .and. self%forecast == 'ensemble')
   end function copies

   !> A truth from a file must go on for long enough to verify some forecast at every lead time.
   subroutine check(self, run, error)
      class(forecasts_type), intent(in) :: self
      type(run_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error
      integer :: first

      if (size(self%leads) == 0) return
      associate (setup => run%setup)
         first = (setup%burn_in/self%every + 1)*self%every
         if (first + self%ahead() <= run%truth%last) return
         call input_error(error, setup%namelist//': &verification lead_times: the forecast '// &
                          'from cycle '//to_text(first)//', the first after burn_in, to '// &
                          to_text(self%ahead()*setup%interval)//' ahead cannot be verified: '// &
                          setup%truth_file//' ends at cycle '//to_text(run%truth%last))
      end associate
   end subroutine check

   subroutine declare(self, run, tables)
      class(forecasts_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables

      if (size(self%leads) == 0) return
      call tables%add_times('forecast_time', 'model time of the analysis that forecasts start '// &
                            'from', self%every, run%setup%interval)
      call tables%add_axis('lead', 'lead', 'model time from analysis to forecast', self%lead_times)
      call add(self%rmse, 'forecast_rmse', &
               'root mean square over space of forecast (mean) minus truth', .true.)
      if (self%copies() > 0) then
         call add(self%spread, 'forecast_spread', &
                  'root of the forecast ensemble variance averaged over space', .true.)
      end if
      call add(self%correlation, 'forecast_correlation', &
               'correlation over space of forecast (mean) and truth, each about its mean', .true.)
      call add(self%truth_sd, 'forecast_truth_sd', &
               'standard deviation over space of the truth verified against', .false.)

   contains

      subroutine add(place, name, meaning, reported)
         integer, intent(out) :: place
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: meaning
         logical, intent(in) :: reported

         call tables%add_table(place, name, meaning, ['lead'], self%every, 'forecast_time', &
                               reported, (run%truth%last - self%leads)/self%every)
      end subroutine add
   end subroutine declare

   !> From this analysis, if its turn has come, to each lead time that the truth reaches.
   subroutine see_analysis(self, domain, run, tables, error)
      class(forecasts_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      type(forecast_scores_type) :: scores(size(self%leads))
      real(wp), allocatable :: x(:, :, :)
      real(wp), allocatable :: reality(:, :, :)
      integer :: known
      integer :: now
      integer :: next
      integer :: lead

      if (size(self%leads) == 0) return
      if (mod(run%cycle, self%every) /= 0) return
      if (self%copies() > 0) then
         x = run%ensemble%x
      else
         allocate (x(size(run%ensemble%x, 1), size(run%ensemble%x, 2), 1))
         x(:, :, 1) = run%estimates(2)%mean
      end if
      reality = run%truth%x
      known = count(run%cycle + self%leads <= run%truth%last)
      now = run%cycle
      do lead = 1, known
         do while (now < run%cycle + self%leads(lead))
            next = run%cycle + self%leads(lead)
            if (run%model_error%acts()) next = now + 1
            call run%model%forecast(domain, (next - now)*run%setup%steps, x)
            if (self%copies() > 0) call run%model_error%disturb_members(domain, next, x)
            call run%truth_ahead(domain, now, next, reality, error)
            if (allocated(error)) return
            now = next
         end do
         call score_forecast(domain, size(x, 2), size(x, 3), reality(:, 1, 1), x, scores(lead))
      end do
      call tables%put(self%rmse, scores(:known)%rmse)
      call tables%put(self%spread, scores(:known)%spread)
      call tables%put(self%correlation, scores(:known)%correlation)
      call tables%put(self%truth_sd, scores(:known)%truth_sd)
   end subroutine see_analysis
end module da_diagnostics_forecasts
