!> Numbers and lists as text, for messages and namelists.
module da_base_text
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: to_text, lower, join, pad, quoted, duration

   interface to_text
      module procedure integer_to_text, long_to_text, real_to_text, logical_to_text
   end interface to_text

contains

   pure function integer_to_text(value) result(text)
      integer, intent(in) :: value
      character(len=:), allocatable :: text

      text = long_to_text(int(value, i8))
   end function integer_to_text

   pure function long_to_text(value) result(text)
      integer(i8), intent(in) :: value
      character(len=:), allocatable :: text
      character(len=24) :: buffer

      write (buffer, '(i0)') value
      text = trim(buffer)
   end function long_to_text

   !> The shortest decimal form that reads back to the same bits.
   pure function real_to_text(value) result(text)
      real(wp), intent(in) :: value
      character(len=:), allocatable :: text
      integer, parameter :: most_digits = 17
      character(len=40) :: buffer
      real(wp) :: back
      integer :: digits
      integer :: status

      do digits = 1, most_digits
         write (buffer, '(es40.'//integer_to_text(digits - 1)//'e3)') value
         read (buffer, *, iostat=status) back
         if (status == 0) then
            if (abs(back - value) <= 0) exit
         end if
      end do
      text = plain(trim(adjustl(buffer)), value)
   end function real_to_text

   !> Mantissa and exponent as a plain decimal number where that is short.
   pure function plain(scientific, value) result(text)
      character(len=*), intent(in) :: scientific
      real(wp), intent(in) :: value
      character(len=:), allocatable :: text
      real(wp), parameter :: smallest = 1.0e-4_wp
      real(wp), parameter :: largest = 1.0e7_wp
      character(len=40) :: buffer
      integer :: mark
      integer :: exponent
      integer :: decimals

      text = scientific
      mark = index(scientific, 'E')
      if (mark == 0) return
      if (abs(value) > 0 .and. (abs(value) < smallest .or. abs(value) >= largest)) then
         read (scientific(mark + 1:), *) exponent
         text = scientific(:mark - 1)
         if (text(len(text):) == '.') text = text//'0'
         text = text//'e'//integer_to_text(exponent)
         return
      end if
      read (scientific(mark + 1:), *) exponent
      decimals = max(mark - 1 - index(scientific, '.') - exponent, 1)
      write (buffer, '(f40.'//integer_to_text(decimals)//')') value
      text = trim(adjustl(buffer))
      if (text(1:1) == '.') text = '0'//text
      if (text(1:min(2, len(text))) == '-.') text = '-0'//text(2:)
   end function plain

   pure function logical_to_text(value) result(text)
      logical, intent(in) :: value
      character(len=:), allocatable :: text

      if (value) then
         text = '.true.'
      else
         text = '.false.'
      end if
   end function logical_to_text

   pure function lower(text) result(result_text)
      character(len=*), intent(in) :: text
      character(len=len(text)) :: result_text
      integer, parameter :: shift = iachar('a') - iachar('A')
      integer :: i

      result_text = text
      do i = 1, len(text)
         if (text(i:i) >= 'A' .and. text(i:i) <= 'Z') then
            result_text(i:i) = achar(iachar(text(i:i)) + shift)
         end if
      end do
   end function lower

   !> 'a, b, c' of the words, blanks trimmed.
   pure function join(words) result(text)
      character(len=*), intent(in) :: words(:)
      character(len=:), allocatable :: text
      integer :: i

      text = ''
      do i = 1, size(words)
         if (i > 1) text = text//', '
         text = text//trim(words(i))
      end do
   end function join

   !> The text, filled with blanks to a width.
   pure function pad(text, width) result(padded)
      character(len=*), intent(in) :: text
      integer, intent(in) :: width
      character(len=:), allocatable :: padded

      padded = text//repeat(' ', max(width - len(text), 0))
   end function pad

   !> The text as a Fortran string constant.
   pure function quoted(text) result(constant)
      character(len=*), intent(in) :: text
      character(len=:), allocatable :: constant
      integer :: i

      constant = "'"
      do i = 1, len(text)
         constant = constant//text(i:i)
         if (text(i:i) == "'") constant = constant//"'"
      end do
      constant = constant//"'"
   end function quoted

   !> Seconds as '42 s', '3 min 05 s' or '2 h 10 min'.
   pure function duration(seconds) result(text)
      real(wp), intent(in) :: seconds
      character(len=:), allocatable :: text
      character(len=40) :: buffer
      integer(i8) :: whole

      whole = nint(max(seconds, 0.0_wp), i8)
      if (whole < 60) then
         write (buffer, '(i0," s")') whole
      else if (whole < 3600) then
         write (buffer, '(i0," min ",i2.2," s")') whole/60, mod(whole, 60_i8)
      else
         write (buffer, '(i0," h ",i2.2," min")') whole/3600, mod(whole, 3600_i8)/60
      end if
      text = trim(buffer)
   end function duration
end module da_base_text
