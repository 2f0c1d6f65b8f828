!> All that a run tells of its cycles, and statistics of it over time.
module da_verification_record
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan, ieee_is_nan
   use da_base_kinds, only: wp
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: record_type, statistics_type, statistics_of

   type :: record_type
      integer :: cycles = 0
      integer :: burn_in = 0
      type(tables_type) :: tables
      !> The cycle in which the ensemble was not finite any more, 0: in none.
      integer :: lost_at = 0
   contains
      procedure :: restarts
      procedure :: share_above
      procedure :: statistics
   end type record_type

   !> Over the cycles after the burn-in.
   type :: statistics_type
      real(wp) :: mean = 0
      !> Of the mean, allowing for autocorrelation.
      real(wp) :: standard_error = 0
      real(wp) :: maximum = 0
   end type statistics_type

contains

   !> Statistics of a table's column after the first `done` cycles, over the rows that can be known.
   pure function statistics(self, table, column, done) result(stats)
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
   end function statistics

   !> How often the ensemble was drawn anew in the first `done` cycles, as table `restarted` tells.
   pure function restarts(self, done) result(number)
      class(record_type), intent(in) :: self
      integer, intent(in) :: done
      integer :: number
      integer :: place

      number = 0
      place = self%tables%place_of('restarted')
      if (place > 0) number = count(self%tables%tables(place)%rows(1, :done) > 0)
   end function restarts

   !> The share of the cycles after the burn-in, of the first `done`, in which a table of one column
   !> and a row a cycle lies above its limit or is not known; NaN if there is none.
   pure function share_above(self, table, done) result(share)
      class(record_type), intent(in) :: self
      integer, intent(in) :: table
      integer, intent(in) :: done
      real(wp) :: share
      integer :: first

      first = min(self%burn_in, done) + 1
      associate (kept => self%tables%tables(table))
         share = ieee_value(share, ieee_quiet_nan)
         if (first <= done) share = real(count(.not. kept%rows(1, first:done) <= kept%lost_above), &
                                         wp)/(done - first + 1)
      end associate
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
