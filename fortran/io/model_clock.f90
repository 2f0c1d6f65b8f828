!> What model time is in days and hours: how files that count these are read, and dates written.
!>
!> Model time is a number. Lorenz (1996) takes one unit of it for 5 days, which the rate at which
!> errors grow suggests.
module da_io_model_clock
   use da_base_calendar, only: date_type, read_date, is_date, day_number, known_calendars
   use da_base_kinds, only: wp
   use da_base_text, only: lower, join
   implicit none
   private
   public :: model_clock_type, new_model_clock, is_dimensionless
   public :: written_calendar

   real(wp), parameter :: seconds_a_day = 86400
   real(wp), parameter :: seconds_an_hour = 3600
   real(wp), parameter :: lorenz_1996 = 5*seconds_a_day
   !> Model time 0 in the output, where no date is given for it: in reach of 64-bit nanoseconds.
   character(len=*), parameter :: written_origin = '2000-01-01 00:00:00'
   character(len=*), parameter :: written_calendar = 'proleptic_gregorian'

   type :: unit_type
      real(wp) :: seconds
      character(len=44) :: names
   end type unit_type
   !> Months and years are left out: UDUNITS has them as 30.4 and 365.2 days.
   type(unit_type), parameter :: known_units(8) = [ &
      unit_type(7*seconds_a_day, ' week weeks '), &
      unit_type(seconds_a_day, ' day days d '), &
      unit_type(seconds_an_hour, ' hour hours hr hrs h '), &
      unit_type(60.0_wp, ' minute minutes min mins '), &
      unit_type(1.0_wp, ' second seconds sec secs s '), &
      unit_type(1.0e-3_wp, ' millisecond milliseconds msec msecs ms '), &
      unit_type(1.0e-6_wp, ' microsecond microseconds us '), &
      unit_type(1.0e-9_wp, ' nanosecond nanoseconds ns ')]

   !> `time_unit_length` and `time_origin` of `&cycle`, empty where they are not given.
   type :: model_clock_type
      character(len=:), allocatable :: length
      character(len=:), allocatable :: origin
   contains
      procedure :: convert
      procedure :: written_units
      procedure :: hours
   end type model_clock_type

contains

   !> `reason` tells what is wrong with one of the two, `key`; it is empty where all is right.
   pure subroutine new_model_clock(length, origin, clock, key, reason)
      character(len=*), intent(in) :: length
      character(len=*), intent(in) :: origin
      type(model_clock_type), intent(out) :: clock
      character(len=:), allocatable, intent(out) :: key
      character(len=:), allocatable, intent(out) :: reason
      type(date_type) :: date
      logical :: ok

      clock%length = trim(length)
      clock%origin = trim(origin)
      key = ''
      reason = ''
      if (len(clock%length) > 0 .and. .not. seconds_of(clock%length) > 0) then
         key = 'time_unit_length'
         reason = " = '"//clock%length//"': a number above 0 and a unit are needed, as '5 days'"
      else if (len(clock%origin) > 0) then
         call read_date(clock%origin, date, ok)
         if (ok) ok = is_date(date, written_calendar) .and. date%seconds >= 0 .and. &
                      date%seconds < seconds_a_day
         if (ok) return
         key = 'time_origin'
         reason = " = '"//clock%origin//"': a date is needed, as '2020-01-01 06:00:00'"
      end if
   end subroutine new_model_clock

   !> Of '5 days', or of 'days'; 0 where that is no length of time.
   pure function seconds_of(text) result(seconds)
      character(len=*), intent(in) :: text
      real(wp) :: seconds
      character(len=:), allocatable :: word
      real(wp) :: factor
      integer :: mark
      integer :: status

      seconds = 0
      factor = 1
      word = trim(adjustl(text))
      mark = verify(word, '0123456789.eE+-')
      if (mark > 1) then
         read (word(:mark - 1), *, iostat=status) factor
         if (status /= 0 .or. .not. abs(factor) <= huge(factor)) return
         word = trim(adjustl(word(mark:)))
      end if
      if (mark == 0 .or. len(word) == 0 .or. index(word, ' ') > 0) return
      do mark = 1, size(known_units)
         if (index(known_units(mark)%names, ' '//lower(word)//' ') > 0) then
            seconds = factor*known_units(mark)%seconds
         end if
      end do
   end function seconds_of

   !> Whether units say that values are plain numbers.
   pure function is_dimensionless(units) result(yes)
      character(len=*), intent(in) :: units
      logical :: yes

      yes = any(lower(trim(adjustl(units))) == [character(len=14) :: '', '1', '1.0', &
                'dimensionless', 'nondimensional', 'unitless'])
   end function is_dimensionless

   !> Model time is (value × seconds + shift)/length for values in these units of time. `reason`
   !> tells why it is not; then it is not empty.
   pure subroutine convert(self, units, calendar, seconds, shift, length, reason)
      class(model_clock_type), intent(in) :: self
      character(len=*), intent(in) :: units
      !> Empty where the file names none.
      character(len=*), intent(in) :: calendar
      real(wp), intent(out) :: seconds
      real(wp), intent(out) :: shift
      real(wp), intent(out) :: length
      character(len=:), allocatable, intent(out) :: reason
      character(len=:), allocatable :: in_calendar
      type(date_type) :: reference
      type(date_type) :: origin
      integer :: since
      logical :: ok

      seconds = 1
      shift = 0
      length = 1
      reason = ''
      since = index(lower(units), ' since ')
      if (since == 0) since = len(units) + 1
      seconds = seconds_of(units(:since - 1))
      in_calendar = trim(lower(calendar))
      if (len(in_calendar) == 0) in_calendar = trim(known_calendars(1))
      if (.not. seconds > 0) then
         reason = "units '"//units//"', which are not known: model time has units '1'; days, "// &
                  'hours, minutes and seconds can be converted, months and years cannot'
      else if (.not. any(in_calendar == known_calendars)) then
         reason = "calendar '"//trim(calendar)//"', which is not known (known: "// &
                  join(known_calendars)//')'
      else if (len(self%length) == 0) then
         reason = "units '"//units//"': model time is a number, of units '1'; to convert, set "// &
                  "time_unit_length in &cycle, as '5 days' (Lorenz 1996)"
         if (since < len(units)) reason = reason//', and time_origin, the date of model time 0'
      else if (since < len(units) .and. len(self%origin) == 0) then
         reason = "units '"//units//"': to convert, set time_origin in &cycle, the date of "// &
                  'model time 0'
      else
         length = seconds_of(self%length)
         if (since > len(units)) return
         call read_date(units(since + len(' since '):), reference, ok)
         if (.not. ok .or. .not. is_date(reference, in_calendar)) then
            reason = "units '"//units//"': that is no date of the calendar "//in_calendar
            return
         end if
         call read_date(self%origin, origin, ok)
         if (.not. is_date(origin, in_calendar)) then
            reason = 'calendar '//in_calendar//', which has no '//self%origin// &
                     ': see time_origin in &cycle'
            return
         end if
         shift = seconds_a_day*(day_number(reference, in_calendar) &
                                - day_number(origin, in_calendar)) &
                 + reference%seconds - origin%seconds
      end if
   end subroutine convert

   !> Units of the dates that are written.
   pure function written_units(self) result(units)
      class(model_clock_type), intent(in) :: self
      character(len=:), allocatable :: units

      units = 'hours since '//written_origin
      if (len(self%origin) > 0) units = 'hours since '//self%origin
   end function written_units

   !> Hours of an interval of model time. To 12 digits: 0.05 × 120 shall be 6.
   pure function hours(self, interval) result(length)
      class(model_clock_type), intent(in) :: self
      real(wp), intent(in) :: interval
      real(wp) :: length
      integer, parameter :: digits = 12
      real(wp) :: unit

      unit = lorenz_1996
      if (len(self%length) > 0) unit = seconds_of(self%length)
      length = interval*unit/seconds_an_hour
      unit = 10.0_wp**(digits - 1 - floor(log10(length)))
      if (unit < huge(unit) .and. unit > 1) length = anint(length*unit)/unit
   end function hours
end module da_io_model_clock
