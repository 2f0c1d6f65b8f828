!> What is verified beside the scores that every run has: `&verification`.
module da_verification_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: verification_config, verified_run_type, read_verification, new_tables

   type :: verification_config
      integer :: seed = 0
      integer :: members = 1
      logical :: crps = .false.
      logical :: rank_histogram = .false.
      real(wp), allocatable :: thresholds(:)
      integer :: points_every = 1
   contains
      procedure :: of_members
   end type verification_config

   !> What the settings must agree with.
   type :: verified_run_type
      logical :: has_truth = .true.
      integer :: seed = 0
      integer :: members = 1
      integer :: points = 1
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

   !> The tables that the settings ask for, empty.
   pure subroutine new_tables(config, cycles, tables)
      type(verification_config), intent(in) :: config
      integer, intent(in) :: cycles
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
   end subroutine new_tables
end module da_verification_settings
