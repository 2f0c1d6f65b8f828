!> What schemes with a window share: they analyse the state at its start, some cycles back, and
!> carry it.
!>
!> In cycle k the window begins at cycle k - `window` (at cycle 0 while k is smaller). Its start is
!> moved by the observations of cycle k, which stand at its end; those before have moved it already
!> (single data assimilation, shift one: Bocquet & Sakov 2014). The state at the end follows by the
!> model.
module da_analysis_smoother
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_type, only: analysis_type
   use da_ensemble_type, only: ensemble_type, mean_of_members
   implicit none
   private
   public :: smoother_type, carry_window, carried_start, carried_smoothed

   character(len=*), parameter :: carried_start = 'window_start'
   character(len=*), parameter :: carried_smoothed = 'smoothed_mean'

   type, abstract, extends(analysis_type) :: smoother_type
   contains
      procedure :: carry_along => carry_window
      procedure :: take_first
      procedure :: cycles_back
      procedure :: keep_smoothed
   end type smoother_type

contains

   subroutine carry_window(self, domain, ensemble)
      class(smoother_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble

      real(wp), allocatable :: nothing(:, :, :)

      if (self%window == 0) return
      allocate (nothing(size(ensemble%x, 1), size(ensemble%x, 2), ensemble%members), source=0.0_wp)
      call ensemble%carry(carried_start, '', .false., nothing)
      call ensemble%carry(carried_smoothed, 'analysis mean at the start of the window', .false., &
                          nothing(:, :, :1))
   end subroutine carry_window

   !> The first ensemble is the first window's start.
   subroutine take_first(self, ensemble)
      class(smoother_type), intent(in) :: self
      type(ensemble_type), intent(inout) :: ensemble

      if (self%window == 0) return
      ensemble%carried(ensemble%place_of(carried_start))%x = ensemble%x
   end subroutine take_first

   !> From the window's start to a cycle.
   pure function cycles_back(self, cycle) result(cycles)
      class(smoother_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer :: cycles

      cycles = min(cycle, self%window)
   end function cycles_back

   subroutine keep_smoothed(self, start, ensemble)
      class(smoother_type), intent(in) :: self
      real(wp), intent(in) :: start(:, :, :)
      type(ensemble_type), intent(inout) :: ensemble

      associate (smoothed => ensemble%carried(ensemble%place_of(carried_smoothed))%x)
         call mean_of_members(size(smoothed), ensemble%members, start, smoothed)
      end associate
   end subroutine keep_smoothed
end module da_analysis_smoother
