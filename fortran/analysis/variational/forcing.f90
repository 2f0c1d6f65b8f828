!> Model error as a forcing: what is added to a model's states on their way through a window
!> (Trémolet 2006), x_k = M(x_{k-1}) + η_k.
!>
!> The forcings stand behind the state at the window's start, as components of one field: C of the
!> state, then C of each forcing; one a cycle of the window, or one for all its cycles. A forcing is
!> the error of a cycle's forecast, in the state's units; it acts at the cycle's end, or in equal
!> shares at each of its model steps. Parameters among the components are not forced.
module da_analysis_variational_forcing
   use da_base_kinds, only: wp
   implicit none
   private
   public :: forcing_type

   type :: forcing_type
      !> Components of a state, 0 where nothing is forced; of these, how many are forced.
      integer :: components = 0
      integer :: forced = 0
      !> Model steps a cycle.
      integer :: steps = 1
      !> One forcing for all cycles.
      logical :: constant = .false.
      logical :: every_step = .false.
   contains
      procedure :: components_of_state
      procedure :: act
      procedure :: collect
   end type forcing_type

contains

   !> Of a control field of so many components.
   pure function components_of_state(self, components) result(count)
      class(forcing_type), intent(in) :: self
      integer, intent(in) :: components
      integer :: count

      count = merge(self%components, components, self%components > 0)
   end function components_of_state

   !> x ← x + η, the share of the model's `step`, counted from 1; linear, so its own tangent linear.
   pure subroutine act(self, step, control, x)
      class(forcing_type), intent(in) :: self
      integer, intent(in) :: step
      real(wp), intent(in) :: control(:, :, :)
      real(wp), intent(inout) :: x(:, :, :)
      integer :: first

      if (.not. share(self, step) > 0) return
      first = place(self, step)
      x(:, :self%forced, :) = x(:, :self%forced, :) &
                              + share(self, step)*control(:, first + 1:first + self%forced, :)
   end subroutine act

   !> The transpose of `act`: what a step's forcing gets of the gradient dx.
   pure subroutine collect(self, step, dx, gradient)
      class(forcing_type), intent(in) :: self
      integer, intent(in) :: step
      real(wp), intent(in) :: dx(:, :, :)
      real(wp), intent(inout) :: gradient(:, :, :)
      integer :: first

      if (.not. share(self, step) > 0) return
      first = place(self, step)
      gradient(:, first + 1:first + self%forced, :) = &
         gradient(:, first + 1:first + self%forced, :) + share(self, step)*dx(:, :self%forced, :)
   end subroutine collect

   !> Of a forcing, at a step.
   pure function share(self, step)
      type(forcing_type), intent(in) :: self
      integer, intent(in) :: step
      real(wp) :: share

      share = 0
      if (self%components == 0) return
      if (self%every_step) then
         share = 1.0_wp/self%steps
      else if (mod(step, self%steps) == 0) then
         share = 1
      end if
   end function share

   !> Behind how many components a step's forcing stands.
   pure function place(self, step) result(before)
      type(forcing_type), intent(in) :: self
      integer, intent(in) :: step
      integer :: before

      before = self%components
      if (.not. self%constant) before = before*(1 + (step - 1)/self%steps)
   end function place
end module da_analysis_variational_forcing
