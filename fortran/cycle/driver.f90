!> The whole run: begin, step after step, finish, and what it says meanwhile.
module da_cycle_driver
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp, i8
   use da_base_error, only: error_type, status_lost
   use da_base_interrupt, only: interrupted
   use da_cycle_loss, only: end_lost, news_of_loss
   use da_cycle_progress, only: progress_type, new_progress
   use da_cycle_report, only: report_start, report_end
   use da_cycle_type, only: cycle_type
   implicit none
   private
   public :: run_cycles

contains

   !> `stopped` is true where SIGTERM ended it after a checkpoint.
   subroutine run_cycles(cycle, start, version, command, progress_style, stopped, error)
      type(cycle_type), intent(inout) :: cycle
      integer, intent(in) :: start
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      character(len=*), intent(in) :: progress_style
      logical, intent(out) :: stopped
      type(error_type), allocatable, intent(out) :: error
      type(progress_type) :: progress
      character(len=:), allocatable :: watched
      integer(i8) :: began
      integer :: first
      integer :: score

      stopped = .false.
      call system_clock(began)
      call cycle%begin(start, version, command, error)
      if (allocated(error)) return
      if (cycle%is_complete()) then
         if (is_root()) write (output_unit, '(a)') cycle%config%output%path//' is complete already'
         call end_lost(cycle, error)
         return
      end if
      !> Without a truth the spread is what can be watched.
      watched = trim(merge('RMSE  ', 'spread', cycle%run%truth%exists))
      score = cycle%record%tables%place_of(trim(merge('analysis_rmse  ', 'analysis_spread', &
                                                      cycle%run%truth%exists)))
      first = cycle%head%cycle + 1
      call report_start(cycle%domain, cycle%config, first)
      progress = new_progress(merge(progress_style, 'none ', is_root()), first, &
                              cycle%config%cycles)
      do
         call cycle%step(error)
         if (allocated(error)) exit
         associate (tables => cycle%record%tables, done => cycle%head%cycle)
            call say(cycle%diagnostics%news(done, tables)//news_of_loss(cycle, done))
            call progress%say(done, watched, tables%value(score, done))
         end associate
         if (cycle%is_complete()) exit
         stopped = cycle%domain%communicator%largest(merge(1, 0, interrupted())) > 0
         call cycle%checkpoint(stopped, error)
         if (allocated(error) .or. stopped) exit
      end do
      call progress%end_line()
      if (allocated(error) .or. stopped) then
         call cycle%abandon()
         return
      end if
      call cycle%finish(error)
      if (allocated(error)) then
         if (error%status /= status_lost) return
      end if
      call report_end(cycle%domain, cycle%config, cycle%record, cycle%config%cycles - first + 1, &
                      seconds_since(began))

   contains

      function is_root() result(yes)
         logical :: yes

         yes = cycle%domain%communicator%is_root()
      end function is_root

      !> Lines for people, on lines of their own.
      subroutine say(lines)
         character(len=*), intent(in) :: lines

         if (len(lines) == 0 .or. .not. is_root()) return
         call progress%end_line()
         write (output_unit, '(a)', advance='no') lines
         flush (output_unit)
      end subroutine say
   end subroutine run_cycles

   function seconds_since(began) result(seconds)
      integer(i8), intent(in) :: began
      real(wp) :: seconds
      integer(i8) :: now
      integer(i8) :: rate

      call system_clock(now, rate)
      seconds = real(now - began, wp)/rate
   end function seconds_since
end module da_cycle_driver
