!> Dates of the calendars that the CF conventions know (section 4.4.1), and days counted by them.
module da_base_calendar
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: date_type, read_date, is_date, day_number, known_calendars

   !> The first is what CF takes where a file names none: Julian up to 4 October 1582, then
   !> Gregorian.
   character(len=19), parameter :: known_calendars(9) = [character(len=19) :: 'standard', &
      'gregorian', 'proleptic_gregorian', 'julian', 'noleap', '365_day', 'all_leap', '366_day', &
      '360_day']

   real(wp), parameter :: minute = 60
   real(wp), parameter :: hour = 60*minute
   real(wp), parameter :: day = 24*hour
   integer, parameter :: months = 12
   integer, parameter :: month_days(months) = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
   integer, parameter :: february = 2
   !> Dates as one number, yyyymmdd: the last Julian and the first Gregorian one.
   integer, parameter :: last_julian = 15821004
   integer, parameter :: last_julian_year = 1582
   integer, parameter :: first_gregorian = 15821015

   type :: date_type
      integer :: year = 0
      integer :: month = 1
      integer :: day = 1
      !> Since midnight, Greenwich; below 0 or above a day where the text named another zone.
      real(wp) :: seconds = 0
   end type date_type

contains

   !> 'yyyy-mm-dd', with or without 'hh:mm', 'hh:mm:ss' or 'hh:mm:ss.s', and a zone: 'Z', 'UTC',
   !> '+hh:mm'.
   pure subroutine read_date(text, date, ok)
      character(len=*), intent(in) :: text
      type(date_type), intent(out) :: date
      logical, intent(out) :: ok
      character(len=:), allocatable :: rest
      real(wp) :: zone
      integer :: mark

      rest = trim(adjustl(text))
      ok = .true.
      call take_integer(rest, '-', date%year, ok)
      call take_integer(rest, '-', date%month, ok)
      mark = verify(rest, '0123456789')
      if (mark == 0) mark = len(rest) + 1
      call read_integer(rest(:mark - 1), date%day, ok)
      if (.not. ok) return
      rest = adjustl(rest(mark:))
      if (len_trim(rest) == 0) return
      if (rest(1:1) == 'T') rest = rest(2:)
      mark = scan(rest, '+-Zz Uu')
      if (mark == 0) mark = len(rest) + 1
      call read_clock(rest(:mark - 1), date%seconds, ok)
      if (.not. ok) return
      rest = trim(adjustl(rest(mark:)))
      if (any(rest == [character(len=3) :: '', 'Z', 'z', 'UTC', 'utc'])) return
      ok = rest(1:1) == '+' .or. rest(1:1) == '-'
      if (ok) call read_clock(rest(2:), zone, ok)
      if (ok) date%seconds = date%seconds - merge(-zone, zone, rest(1:1) == '-')
   end subroutine read_date

   !> 'hh', 'hh:mm' or 'hh:mm:ss.s' in seconds.
   pure subroutine read_clock(text, seconds, ok)
      character(len=*), intent(in) :: text
      real(wp), intent(out) :: seconds
      logical, intent(inout) :: ok
      character(len=:), allocatable :: rest
      integer :: hours
      integer :: minutes
      real(wp) :: last
      integer :: status

      rest = trim(text)
      minutes = 0
      last = 0
      if (index(rest, ':') == 0) then
         call read_integer(rest, hours, ok)
      else
         call take_integer(rest, ':', hours, ok)
         if (index(rest, ':') == 0) then
            call read_integer(rest, minutes, ok)
         else
            call take_integer(rest, ':', minutes, ok)
            ok = ok .and. len(rest) > 0 .and. verify(rest, '0123456789.') == 0
            if (ok) then
               read (rest, *, iostat=status) last
               ok = status == 0
            end if
         end if
      end if
      ok = ok .and. hours < 24 .and. minutes < 60 .and. last < minute
      seconds = 0
      if (ok) seconds = hours*hour + minutes*minute + last
   end subroutine read_clock

   !> The number before a mark; what stands behind that is left.
   pure subroutine take_integer(text, mark, value, ok)
      character(len=:), allocatable, intent(inout) :: text
      character(len=1), intent(in) :: mark
      integer, intent(out) :: value
      logical, intent(inout) :: ok
      integer :: place

      value = 0
      place = index(text, mark)
      ok = ok .and. place > 0
      if (.not. ok) return
      call read_integer(text(:place - 1), value, ok)
      text = text(place + 1:)
   end subroutine take_integer

   pure subroutine read_integer(text, value, ok)
      character(len=*), intent(in) :: text
      integer, intent(out) :: value
      logical, intent(inout) :: ok
      integer, parameter :: most_digits = 6
      integer :: status

      value = 0
      ok = ok .and. len(text) > 0 .and. len(text) <= most_digits .and. &
           verify(text, '0123456789') == 0
      if (.not. ok) return
      read (text, *, iostat=status) value
      ok = status == 0
   end subroutine read_integer

   !> Whether a calendar has this date.
   pure function is_date(date, calendar) result(yes)
      type(date_type), intent(in) :: date
      character(len=*), intent(in) :: calendar
      logical :: yes
      integer :: days

      yes = date%month >= 1 .and. date%month <= months .and. date%day >= 1
      if (.not. yes) return
      days = month_days(date%month)
      if (calendar == '360_day') then
         days = 30
      else if (date%month == february .and. is_leap(date%year, calendar)) then
         days = days + 1
      end if
      yes = date%day <= days
      if (is_mixed(calendar)) then
         yes = yes .and. (as_number(date) <= last_julian .or. as_number(date) >= first_gregorian)
      end if
   end function is_date

   pure function is_leap(year, calendar) result(yes)
      integer, intent(in) :: year
      character(len=*), intent(in) :: calendar
      logical :: yes
      logical :: julian

      select case (calendar)
      case ('noleap', '365_day', '360_day')
         yes = .false.
      case ('all_leap', '366_day')
         yes = .true.
      case default
         julian = calendar == 'julian' .or. (is_mixed(calendar) .and. year <= last_julian_year)
         yes = mod(year, 4) == 0
         if (.not. julian) yes = yes .and. (mod(year, 100) /= 0 .or. mod(year, 400) == 0)
      end select
   end function is_leap

   pure function is_mixed(calendar) result(yes)
      character(len=*), intent(in) :: calendar
      logical :: yes

      yes = calendar == 'standard' .or. calendar == 'gregorian'
   end function is_mixed

   pure function as_number(date) result(number)
      type(date_type), intent(in) :: date
      integer :: number

      number = (date%year*100 + date%month)*100 + date%day
   end function as_number

   !> Days from a day that is the same for all dates of a calendar. The Gregorian and the Julian
   !> ones are Julian day numbers (Fliegel and van Flandern 1968).
   pure function day_number(date, calendar) result(number)
      type(date_type), intent(in) :: date
      character(len=*), intent(in) :: calendar
      integer(i8) :: number
      integer(i8) :: year
      integer(i8) :: month
      logical :: julian

      select case (calendar)
      case ('360_day')
         number = 360_i8*date%year + 30*(date%month - 1) + date%day
      case ('noleap', '365_day')
         number = 365_i8*date%year + sum(month_days(:date%month - 1)) + date%day
      case ('all_leap', '366_day')
         number = 366_i8*date%year + sum(month_days(:date%month - 1)) + date%day
         if (date%month > february) number = number + 1
      case default
         julian = calendar == 'julian' .or. &
                  (is_mixed(calendar) .and. as_number(date) <= last_julian)
         month = (14 - date%month)/12
         year = date%year + 4800 - month
         month = date%month + 12*month - 3
         number = date%day + (153*month + 2)/5 + 365*year + year/4
         if (julian) then
            number = number - 32083
         else
            number = number - year/100 + year/400 - 32045
         end if
      end select
   end function day_number
end module da_base_calendar
