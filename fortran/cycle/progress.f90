!> What a run says while it runs: a line that is redrawn on a terminal, plain lines elsewhere.
module da_cycle_progress
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp, i8
   use da_base_text, only: to_text, duration
   implicit none
   private
   public :: progress_type, new_progress, known_progress

   character(len=5), parameter :: known_progress(4) = [character(len=5) :: 'auto', 'bar', &
      'plain', 'none']
   real(wp), parameter :: seconds_between_redraws = 0.2_wp
   real(wp), parameter :: seconds_between_lines = 30

   type :: progress_type
      character(len=:), allocatable, private :: style
      integer, private :: cycles = 0
      integer, private :: first = 1
      integer(i8), private :: began = 0
      integer(i8), private :: last_said = 0
   contains
      procedure :: say
      procedure :: end_line
   end type progress_type

contains

   !> `style` is bar, plain or none; cycles before `first` were done by an earlier run.
   function new_progress(style, first, cycles) result(self)
      character(len=*), intent(in) :: style
      integer, intent(in) :: first
      integer, intent(in) :: cycles
      type(progress_type) :: self

      self%style = style
      self%first = first
      self%cycles = cycles
      call system_clock(self%began)
      self%last_said = self%began
   end function new_progress

   !> Cycle `done` is complete; `score_name` and `score` are what the user wants to watch.
   subroutine say(self, done, score_name, score)
      class(progress_type), intent(inout) :: self
      integer, intent(in) :: done
      character(len=*), intent(in) :: score_name
      real(wp), intent(in) :: score
      integer, parameter :: bar_width = 30
      character(len=24) :: number
      character(len=:), allocatable :: line
      integer(i8) :: now
      integer(i8) :: rate
      real(wp) :: spent
      integer :: filled

      if (self%style == 'none') return
      call system_clock(now, rate)
      spent = real(now - self%last_said, wp)/rate
      if (done < self%cycles) then
         if (self%style == 'bar' .and. spent < seconds_between_redraws) return
         if (self%style == 'plain' .and. spent < seconds_between_lines) return
      end if
      self%last_said = now
      spent = real(now - self%began, wp)/rate
      write (number, '(f0.3)') score
      if (number(1:1) == '.') number = '0'//trim(number)
      line = 'cycle '//to_text(done)//' of '//to_text(self%cycles)//'  '//score_name//' '// &
         trim(number)
      if (done < self%cycles) then
         line = line//'  '//duration(spent*(self%cycles - done)/(done - self%first + 1))//' left'
      else
         line = line//'  '//duration(spent)
      end if
      if (self%style == 'bar') then
         filled = int(int(bar_width, i8)*done/self%cycles)
         write (output_unit, '(a)', advance='no') achar(13)//'['//repeat('#', filled)// &
            repeat('.', bar_width - filled)//'] '//line//achar(27)//'[K'
      else
         write (output_unit, '(a)') line
      end if
      flush (output_unit)
   end subroutine say

   !> Leave the line that is redrawn.
   subroutine end_line(self)
      class(progress_type), intent(in) :: self

      if (self%style == 'bar') write (output_unit, '(a)') ''
   end subroutine end_line
end module da_cycle_progress
