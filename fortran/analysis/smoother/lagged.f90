!> The fixed-lag ensemble Kalman smoother (Evensen & van Leeuwen 2000; Cohn et al. 1994): the
!> analysis ensembles of the last cycles take each new observation as the filter's ensemble does.
!>
!> They are appended to the state as further components of its points, so that a filter updates
!> them through their correlation with what is observed now: with the same transform, of the
!> ensemble or of each point. Nothing inflates them once more, and the filter does not notice.
module da_analysis_smoother_lagged
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_analysis_smoother_type, only: carried_smoothed
   use da_ensemble_type, only: ensemble_type, mean_of_members
   implicit none
   private
   public :: read_lag, carry_lagged, append_lagged, detach_lagged, remember_analysis
   public :: carried_lagged

   character(len=*), parameter :: carried_lagged = 'lagged_states'

contains

   !> `&smoother`
   subroutine read_lag(namelists, lag, error)
      type(namelists_type), intent(inout) :: namelists
      integer, intent(inout) :: lag
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest = 1000

      call namelists%open_group('smoother', 'Fixed-lag ensemble Kalman smoother, beside a filter')
      call namelists%get('lag', lag, &
                         'cycles for which an analysis ensemble takes part in those that '// &
                         'follow; 0: none', minimum=0, maximum=longest)
      call namelists%close_group(error)
   end subroutine read_lag

   !> Room for the ensembles of the last `lag` analyses, the latest first, and for their first
   !> components' means, the latest last.
   subroutine carry_lagged(lag, ensemble)
      integer, intent(in) :: lag
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: nothing(:, :, :)

      if (lag == 0) return
      allocate (nothing(size(ensemble%x, 1), lag*size(ensemble%x, 2), ensemble%members), &
                source=0.0_wp)
      call ensemble%carry(carried_lagged, '', .false., nothing)
      deallocate (nothing)
      allocate (nothing(size(ensemble%x, 1), 1, lag), source=0.0_wp)
      call ensemble%carry(carried_smoothed, 'smoothed mean, '//to_text(lag)//' cycles back', &
                          .false., nothing)
   end subroutine carry_lagged

   !> Before the analysis of a cycle: the ensembles of the cycles before become components of each
   !> point …
   subroutine append_lagged(lag, cycle, ensemble)
      integer, intent(in) :: lag
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: augmented(:, :, :)
      integer :: components
      integer :: appended
      integer :: m

      if (lag == 0) return
      components = size(ensemble%x, 2)
      appended = components*min(cycle, lag)
      allocate (augmented(size(ensemble%x, 1), components + appended, ensemble%members))
      associate (lagged => ensemble%carried(ensemble%place_of(carried_lagged))%x)
         do m = 1, ensemble%members
            augmented(:, :components, m) = ensemble%x(:, :, m)
            augmented(:, components + 1:, m) = lagged(:, :appended, m)
         end do
      end associate
      call move_alloc(augmented, ensemble%x)
   end subroutine append_lagged

   !> … and after it the ensembles of cycles one further back; the oldest leaves its mean.
   subroutine detach_lagged(lag, cycle, ensemble)
      integer, intent(in) :: lag
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: state(:, :, :)
      integer :: components
      integer :: kept
      integer :: back
      integer :: m

      if (lag == 0) return
      components = size(ensemble%x, 2)/(1 + min(cycle, lag))
      associate (smoothed => ensemble%carried(ensemble%place_of(carried_smoothed))%x, &
                 lagged => ensemble%carried(ensemble%place_of(carried_lagged))%x)
         do back = 1, min(cycle, lag)
            call mean_of_members(size(smoothed, 1), ensemble%members, &
                                 ensemble%x(:, back*components + 1, :), &
                                 smoothed(:, 1, lag + 1 - back))
         end do
         do back = cycle + 1, lag
            smoothed(:, 1, lag + 1 - back) = smoothed(:, 1, lag + 1 - cycle)
         end do
         kept = components*min(cycle + 1, lag)
         do m = 1, ensemble%members
            lagged(:, components + 1:kept, m) = ensemble%x(:, components + 1:kept, m)
         end do
      end associate
      state = ensemble%x(:, :components, :)
      call move_alloc(state, ensemble%x)
   end subroutine detach_lagged

   !> The ensemble from which the next forecast starts is the latest of those that are carried.
   subroutine remember_analysis(lag, ensemble)
      integer, intent(in) :: lag
      type(ensemble_type), intent(inout) :: ensemble

      if (lag == 0) return
      associate (lagged => ensemble%carried(ensemble%place_of(carried_lagged))%x)
         lagged(:, :size(ensemble%x, 2), :) = ensemble%x
      end associate
   end subroutine remember_analysis
end module da_analysis_smoother_lagged
