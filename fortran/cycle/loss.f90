!> What follows when the ensemble is not finite any more: a run goes on with its truth and its
!> observations alone, or the filter with a new first ensemble.
module da_cycle_loss
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan, ieee_is_nan
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, status_lost
   use da_base_text, only: to_text
   use da_cycle_state, only: cycle_state_type
   use da_observation_type, only: observations_type, qc_assimilated, qc_operator_failed
   use da_run_past_truth, only: carried_truth
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: declare_restarts, begin_restarts, begin_again, lose, lost_before, &
      news_of_loss, end_lost

   character(len=*), parameter :: table_restarted = 'restarted'

contains

   !> A run that restarts its filter tells in which cycles.
   subroutine declare_restarts(on_loss, tables)
      character(len=*), intent(in) :: on_loss
      type(tables_type), intent(inout) :: tables
      integer :: place

      if (on_loss /= 'restart') return
      call tables%add_table(place, table_restarted, 'whether the ensemble was drawn anew, as '// &
                            'it was not finite any more: 1 or 0')
   end subroutine declare_restarts

   !> It has not been restarted yet.
   subroutine begin_restarts(tables)
      type(tables_type), intent(inout) :: tables
      integer :: place

      place = tables%place_of(table_restarted)
      if (place > 0) tables%tables(place)%rows = 0
   end subroutine begin_restarts

   !> A first ensemble in place of the background of this cycle, drawn with numbers of its own,
   !> around the truth of now where the first one stood around that of cycle 0; what the scheme
   !> carries begins anew as well.
   subroutine begin_again(self)
      class(cycle_state_type), intent(inout) :: self

      call self%run%ensemble%forget_analysis()
      deallocate (self%run%ensemble%carried)
      allocate (self%run%ensemble%carried(0))
      call self%run%analysis%carry_along(self%domain, self%run%ensemble)
      call self%run%first_ensemble(self%domain)
      associate (tables => self%record%tables)
         call tables%put(tables%place_of(table_restarted), [1.0_wp])
      end associate
   end subroutine begin_again

   !> From the cycle in which the ensemble is lost on: no number of it is known.
   subroutine lose(self)
      class(cycle_state_type), intent(inout) :: self
      real(wp) :: unknown
      integer :: f
      integer :: k

      unknown = ieee_value(unknown, ieee_quiet_nan)
      if (self%record%lost_at == 0) self%record%lost_at = self%run%cycle
      call self%run%ensemble%forget_analysis()
      self%run%ensemble%x = unknown
      do k = 1, size(self%run%estimates)
         call self%run%estimates(k)%forget(self%run%ensemble%x, unknown)
      end do
      associate (carried => self%run%ensemble%carried)
         do f = 1, size(carried)
            if (carried(f)%name /= carried_truth) carried(f)%x = unknown
         end do
      end associate
      do k = 1, size(self%run%past)
         call lose_observations(self%run%past(k))
      end do
      call lose_observations(self%run%observations)
      call self%record%tables%forget()
   end subroutine lose

   !> Observations that met no ensemble: H failed.
   pure subroutine lose_observations(observations)
      type(observations_type), intent(inout) :: observations
      real(wp) :: unknown(observations%n)

      unknown = ieee_value(1.0_wp, ieee_quiet_nan)
      observations%background = unknown
      observations%background_sd = unknown
      observations%analysis = unknown
      observations%weight = unknown
      observations%impact = unknown
      where (observations%qc == qc_assimilated) observations%qc = qc_operator_failed
   end subroutine lose_observations

   !> The cycle up to the last complete one in which the ensemble was lost, as the scores tell;
   !> 0: in none.
   pure function lost_before(self) result(cycle)
      class(cycle_state_type), intent(in) :: self
      integer :: cycle

      associate (tables => self%record%tables)
         associate (spread => tables%tables(tables%place_of('analysis_spread')))
            cycle = findloc(ieee_is_nan(spread%rows(1, :self%head%cycle)), .true., dim=1)
         end associate
      end associate
   end function lost_before

   !> A line for people where the ensemble was lost, or drawn anew for the first time; else empty.
   function news_of_loss(self, cycle) result(text)
      class(cycle_state_type), intent(in) :: self
      integer, intent(in) :: cycle
      character(len=:), allocatable :: text

      text = ''
      associate (record => self%record, tables => self%record%tables)
         if (record%lost_at == cycle) then
            text = 'the truth and its observations go on alone'
         else if (self%config%on_loss == 'restart') then
            if (tables%value(tables%place_of(table_restarted), cycle) > 0) then
               if (record%restarts(cycle) == 1) text = 'the filter goes on from a new first '// &
                  'ensemble, as after any other loss'
            end if
         end if
      end associate
      if (len(text) > 0) text = 'cycle '//to_text(cycle)//': the ensemble is not finite any '// &
                                'more; '//text//new_line('a')
   end function news_of_loss

   !> How a run ends whose ensemble was lost: its file is whole, and its status tells.
   subroutine end_lost(self, error)
      class(cycle_state_type), intent(in) :: self
      type(error_type), allocatable, intent(out) :: error

      if (self%record%lost_at == 0) return
      allocate (error)
      error%status = status_lost
      error%message = self%config%namelist//': cycle '//to_text(self%record%lost_at)// &
                      ': the ensemble is not finite any more (is the model''s dt too long, or '// &
                      'has the filter diverged?); '//self%config%output%path//' is complete, '// &
                      'without it from there on'
   end subroutine end_lost
end module da_cycle_loss
