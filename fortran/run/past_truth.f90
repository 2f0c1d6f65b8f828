!> The truth of some cycles back, against which the start of a window is scored.
module da_run_past_truth
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: carry_past_truth, remember_truth, recall_truth, smoothed_error, lag_errors, &
      carried_truth

   character(len=*), parameter :: carried_truth = 'past_truth'

contains

   !> Room for the truths of the last `window` cycles, in the checkpoint too.
   subroutine carry_past_truth(window, truth, ensemble)
      integer, intent(in) :: window
      real(wp), intent(in) :: truth(:, :)
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: nothing(:, :, :)

      if (window == 0) return
      allocate (nothing(size(truth, 1), 1, window), source=0.0_wp)
      call ensemble%carry(carried_truth, '', .false., nothing)
   end subroutine carry_past_truth

   !> The truth of a cycle takes the place of the one that is `window` cycles older.
   subroutine remember_truth(cycle, truth, ensemble)
      integer, intent(in) :: cycle
      real(wp), intent(in) :: truth(:, :)
      type(ensemble_type), intent(inout) :: ensemble
      integer :: place

      place = ensemble%place_of(carried_truth)
      if (place == 0) return
      associate (past => ensemble%carried(place)%x)
         past(:, 1, slot(cycle, size(past, 3))) = truth(:, 1)
      end associate
   end subroutine remember_truth

   !> The truth of one of the last `window` cycles, (n, 1, 1); of no element where there is none.
   subroutine recall_truth(domain, cycle, ensemble, truth)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      type(ensemble_type), intent(in) :: ensemble
      real(wp), allocatable, intent(out) :: truth(:, :, :)
      integer :: place
      integer :: first

      place = ensemble%place_of(carried_truth)
      if (place == 0) then
         allocate (truth(domain%n, 1, 0))
         return
      end if
      associate (past => ensemble%carried(place)%x)
         first = slot(cycle, size(past, 3))
         truth = past(:, :, first:first)
      end associate
   end subroutine recall_truth

   !> RMSE of the smoothed mean against the truth at the window's start, before the truth of `cycle`
   !> is remembered.
   function smoothed_error(domain, cycle, smoothed, ensemble) result(rmse)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(in) :: smoothed(:, :, :)
      type(ensemble_type), intent(in) :: ensemble
      real(wp) :: rmse(1)
      real(wp) :: squares(size(smoothed, 1), 1)

      associate (past => ensemble%carried(ensemble%place_of(carried_truth))%x)
         squares(:, 1) = (smoothed(:, 1, 1) - past(:, 1, slot(max(cycle - size(past, 3), 0), &
                                                              size(past, 3))))**2
      end associate
      rmse = sqrt(domain%mean_of_points(squares))
   end function smoothed_error

   !> RMSE of smoothed means against the truths 1, 2, … cycles back, the means standing in
   !> smoothed(n, 1, lags) from the oldest on; where no cycle is that far back, of the first state.
   function lag_errors(domain, cycle, smoothed, ensemble) result(rmse)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(in) :: smoothed(:, :, :)
      type(ensemble_type), intent(in) :: ensemble
      real(wp) :: rmse(size(smoothed, 3))
      real(wp) :: squares(size(smoothed, 1), size(smoothed, 3))
      integer :: lags
      integer :: lag

      lags = size(smoothed, 3)
      associate (past => ensemble%carried(ensemble%place_of(carried_truth))%x)
         do lag = 1, lags
            squares(:, lag) = (smoothed(:, 1, lags + 1 - lag) &
                               - past(:, 1, slot(max(cycle - lag, 0), size(past, 3))))**2
         end do
      end associate
      rmse = sqrt(domain%mean_of_points(squares))
   end function lag_errors

   pure integer function slot(cycle, window)
      integer, intent(in) :: cycle
      integer, intent(in) :: window

      slot = mod(cycle, window) + 1
   end function slot
end module da_run_past_truth
