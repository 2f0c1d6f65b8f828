!> Where the time of a run goes: phases that may nest, each charged only for itself.
module da_base_timer
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: timer_type
   public :: phase_forecast, phase_halo, phase_observations, phase_analysis
   public :: phase_verification, phase_output, phase_names

   integer, parameter :: phase_forecast = 1
   integer, parameter :: phase_halo = 2
   integer, parameter :: phase_observations = 3
   integer, parameter :: phase_analysis = 4
   integer, parameter :: phase_verification = 5
   integer, parameter :: phase_output = 6
   integer, parameter :: phases = 6
   character(len=12), parameter :: phase_names(phases) = [character(len=12) :: &
      'forecast', 'halo', 'observations', 'analysis', 'verification', 'output']
   integer, parameter :: deepest = 8

   !> Seconds by phase; `start` interrupts the phase under way, `stop` returns to it.
   type :: timer_type
      private
      real(wp), public :: seconds(phases) = 0
      integer :: running(0:deepest) = 0
      integer :: depth = 0
      integer(i8) :: since = 0
   contains
      procedure :: start
      procedure :: stop
   end type timer_type

contains

   subroutine start(self, phase)
      class(timer_type), intent(inout) :: self
      integer, intent(in) :: phase

      call charge(self)
      self%depth = self%depth + 1
      self%running(self%depth) = phase
   end subroutine start

   subroutine stop(self)
      class(timer_type), intent(inout) :: self

      call charge(self)
      self%depth = self%depth - 1
   end subroutine stop

   subroutine charge(self)
      class(timer_type), intent(inout) :: self
      integer(i8) :: now
      integer(i8) :: rate

      call system_clock(now, rate)
      if (self%depth > 0) then
         associate (spent => self%seconds(self%running(self%depth)))
            spent = spent + real(now - self%since, wp)/rate
         end associate
      end if
      self%since = now
   end subroutine charge
end module da_base_timer
