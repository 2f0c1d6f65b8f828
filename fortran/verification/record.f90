!> The scores of all cycles of a run, and their statistics over time.
module da_verification_record
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan, ieee_is_nan
   use da_base_kinds, only: wp
   use da_verification_scores, only: scores_kept
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: record_type, statistics_type, new_record, statistics_of

   !> series(cycle, score), and what else is verified.
   type :: record_type
      integer :: cycles = 0
      integer :: burn_in = 0
      real(wp), allocatable :: series(:, :)
      type(tables_type) :: tables
      !> The cycle in which the ensemble was not finite any more, 0: in none.
      integer :: lost_at = 0
   contains
      procedure :: restarts
      procedure :: share_above
      procedure :: statistics
      procedure :: table_statistics
   end type record_type

   !> Over the cycles after the burn-in.
   type :: statistics_type
      real(wp) :: mean = 0
      !> Of the mean, allowing for autocorrelation.
      real(wp) :: standard_error = 0
      real(wp) :: maximum = 0
   end type statistics_type

contains

   pure subroutine new_record(cycles, burn_in, tables, self)
      integer, intent(in) :: cycles
      integer, intent(in) :: burn_in
      type(tables_type), intent(in) :: tables
      type(record_type), intent(out) :: self

      self%cycles = cycles
      self%burn_in = burn_in
      self%tables = tables
      allocate (self%series(cycles, scores_kept), source=0.0_wp)
   end subroutine new_record

   !> Statistics of one score after the first `done` cycles.
   pure function statistics(self, score, done) result(stats)
      class(record_type), intent(in) :: self
      integer, intent(in) :: score
      integer, intent(in) :: done
      type(statistics_type) :: stats

      stats = statistics_of(self%series(min(self%burn_in, done) + 1:done, score))
   end function statistics

   !> Statistics of a table's column after the first `done` cycles, over the rows that can be known.
   pure function table_statistics(self, table, column, done) result(stats)
      class(record_type), intent(in) :: self
      integer, intent(in) :: table
      integer, intent(in) :: column
      integer, intent(in) :: done
      type(statistics_type) :: stats
      integer :: first
      integer :: last

      associate (kept => self%tables%tables(table))
         first = min(self%burn_in, done)/kept%every + 1
         last = min(done/kept%every, kept%known_rows(column))
         stats = statistics_of(kept%rows(column, first:last))
      end associate
   end function table_statistics

   !> How often the ensemble was drawn anew in the first `done` cycles, as table `restarted` tells.
   pure function restarts(self, done) result(number)
      class(record_type), intent(in) :: self
      integer, intent(in) :: done
      integer :: number
      integer :: t

      number = 0
      if (.not. allocated(self%tables%tables)) return
      do t = 1, size(self%tables%tables)
         if (self%tables%tables(t)%name == 'restarted') then
            number = count(self%tables%tables(t)%rows(1, :done) > 0)
         end if
      end do
   end function restarts

   !> The share of the cycles after the burn-in, of the first `done`, in which a score lies above a
   !> limit or is not known; NaN if there is none.
   pure function share_above(self, score, limit, done) result(share)
      class(record_type), intent(in) :: self
      integer, intent(in) :: score
      real(wp), intent(in) :: limit
      integer, intent(in) :: done
      real(wp) :: share
      integer :: first

      first = min(self%burn_in, done) + 1
      if (first > done) then
         share = ieee_value(share, ieee_quiet_nan)
      else
         share = real(count(.not. self%series(first:done, score) <= limit), wp)/(done - first + 1)
      end if
   end function share_above

   !> Mean, its standard error (NaN for a single value), and the largest absolute value of a series;
   !> NaN for an empty one and for one that holds a NaN.
   !>
   !> The variance of the mean sums the autocovariances by pairs while these are positive (Geyer
   !> 1992, Practical Markov chain Monte Carlo: the initial positive sequence). Of counts a pair
   !> may be zero but for rounding, which must not decide where to stop.
   pure function statistics_of(series) result(stats)
      real(wp), intent(in) :: series(:)
      type(statistics_type) :: stats
      real(wp), parameter :: rounding = 1.0e-10_wp
      real(wp) :: anomalies(size(series))
      real(wp) :: pair
      real(wp) :: variance
      integer :: lag

      stats%mean = ieee_value(stats%mean, ieee_quiet_nan)
      stats%standard_error = stats%mean
      stats%maximum = stats%mean
      if (size(series) == 0) return
      if (any(ieee_is_nan(series))) return
      stats%mean = sum(series)/size(series)
      stats%maximum = maxval(abs(series))
      if (size(series) == 1) return
      anomalies = series - stats%mean
      variance = -autocovariance(anomalies, 0)
      lag = 0
      do while (lag + 1 < size(series))
         pair = autocovariance(anomalies, lag) + autocovariance(anomalies, lag + 1)
         if (pair <= rounding*autocovariance(anomalies, 0)) exit
         variance = variance + 2*pair
         lag = lag + 2
      end do
      if (variance <= rounding*autocovariance(anomalies, 0)) variance = 0
      stats%standard_error = sqrt(abs(max(variance, 0.0_wp))/size(series))
   end function statistics_of

   pure function autocovariance(anomalies, lag) result(covariance)
      real(wp), intent(in) :: anomalies(:)
      integer, intent(in) :: lag
      real(wp) :: covariance

      covariance = dot_product(anomalies(:size(anomalies) - lag), &
                               anomalies(lag + 1:))/size(anomalies)
   end function autocovariance
end module da_verification_record
