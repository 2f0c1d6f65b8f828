!> Which tables the settings of verification ask for.
module da_verification_layout
   use da_base_kinds, only: wp
   use da_verification_settings, only: verification_config
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: new_tables

contains

   !> The tables that the settings ask for, empty; `last_truth` is the last cycle that it reaches.
   subroutine new_tables(config, has_truth, cycles, interval, last_truth, tables)
      type(verification_config), intent(in) :: config
      logical, intent(in) :: has_truth
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      integer, intent(in) :: last_truth
      type(tables_type), intent(out) :: tables
      character(len=10), parameter :: states(2) = [character(len=10) :: 'background', 'analysis']
      character(len=:), allocatable :: state
      integer :: i
      integer :: s

      tables%cycles = cycles
      allocate (tables%axes(0), tables%tables(0))
      if (config%rank_histogram) then
         call tables%add_axis('rank', 'rank', 'number of members below the truth', &
                              [(real(i, wp), i=0, config%members)])
      end if
      if (size(config%regions) > 0) then
         call tables%add_axis('region_first', 'region', 'first point of the region', &
                              real(config%regions%first, wp))
         call tables%add_axis('region_last', 'region', 'last point of the region', &
                              real(config%regions%last, wp))
      end if
      do s = 1, size(states)
         state = trim(states(s))
         if (config%crps) then
            call tables%add_table(state//'_crps', 'CRPS of the '//state//' ensemble')
            call tables%add_table(state//'_fair_crps', 'fair CRPS of the '//state// &
                                  ': of what its members were drawn from')
         end if
         if (config%rank_histogram) then
            call tables%add_table(state//'_ranks', 'points where the truth has this rank among '// &
                                  'the members of the '//state, ['rank'], reported=.false.)
            call tables%add_table(state//'_rank_bias', 'mean rank of the truth over the '// &
                                  'number of members, less 1/2')
            call tables%add_table(state//'_rank_dispersion', &
                                  'variance of the truth''s rank about the middle over that '// &
                                  'of equal frequencies, less 1')
         end if
         if (size(config%regions) == 0) cycle
         if (has_truth) then
            call tables%add_table(state//'_region_rmse', 'root mean square over the region of '// &
                                  state//' mean minus truth', ['region'])
            call tables%add_table(state//'_region_bias', 'mean over the region of '// &
                                  state//' mean minus truth', ['region'])
         end if
         call tables%add_table(state//'_region_spread', 'root of the '//state// &
                               ' ensemble variance averaged over the region', ['region'])
      end do
      if (size(config%thresholds) > 0) then
         call tables%add_axis('threshold', 'threshold', 'the event is that x exceeds it', &
                              config%thresholds)
         call tables%add_axis('members_above', 'members_above', &
                              'number of members above the threshold', &
                              [(real(i, wp), i=0, config%members)])
         call tables%add_table('brier_score', &
                               'Brier score of the background''s probability of the event', &
                               ['threshold'])
         call tables%add_table('event_forecasts', &
                               'points where this many background members exceed the threshold', &
                               [character(len=13) :: 'members_above', 'threshold'], &
                               reported=.false.)
         call tables%add_table('event_occurrences', &
                               'points of these where the truth exceeds the threshold', &
                               [character(len=13) :: 'members_above', 'threshold'], &
                               reported=.false.)
      end if
      if (size(config%leads) > 0) call add_forecasts(config, cycles, interval, last_truth, tables)
   end subroutine new_tables

   subroutine add_forecasts(config, cycles, interval, last_truth, tables)
      type(verification_config), intent(in) :: config
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      integer, intent(in) :: last_truth
      type(tables_type), intent(inout) :: tables
      integer :: i

      associate (every => config%forecasts_every)
         call tables%add_axis('forecast_time', 'forecast_time', 'model time of the analysis '// &
                              'that forecasts start from', &
                              [(i*every*interval, i=1, cycles/every)])
         call tables%add_axis('lead', 'lead', 'model time from analysis to forecast', &
                              config%lead_times)
         call add('forecast_rmse', &
                  'root mean square over space of forecast (mean) minus truth', .true.)
         if (config%copies_ensemble()) then
            call add('forecast_spread', &
                     'root of the forecast ensemble variance averaged over space', .true.)
         end if
         call add('forecast_correlation', &
                  'correlation over space of forecast (mean) and truth, each about its mean', &
                  .true.)
         call add('forecast_truth_sd', &
                  'standard deviation over space of the truth verified against', .false.)
      end associate

   contains

      subroutine add(name, meaning, reported)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: meaning
         logical, intent(in) :: reported

         call tables%add_table(name, meaning, ['lead'], config%forecasts_every, &
                               'forecast_time', reported)
         associate (table => tables%tables(size(tables%tables)))
            table%known_rows = min(table%known_rows, &
                                   (last_truth - config%leads)/config%forecasts_every)
         end associate
      end subroutine add
   end subroutine add_forecasts
end module da_verification_layout
