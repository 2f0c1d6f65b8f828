!> The observations of an assimilation window as a function of the state at its start, linearised
!> about a trajectory: G = R^{-1/2} [H_1 M_{0→1}, H_2 M_{0→2}, …].
!>
!> With the first guess at the appropriate time (3D-FGAT; Fisher & Andersson 2001) the increment is
!> the same at all times, in place of what the model makes of it: the state at time t is x + (x_b(t)
!> - x_b), x being that of the analysis' time, and G = R^{-1/2} [H_1, H_2, …].
module da_analysis_variational_window
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_analysis_variational_forcing, only: forcing_type
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: window_type, new_window, new_fgat_window

   type :: part_type
      !> Model steps from the part before to these observations.
      integer :: steps = 0
      !> Where the state of their time stands in `states`.
      integer :: place = 0
      class(operator_type), allocatable :: operator
      real(wp), allocatable :: value(:)
      !> R^{-1/2}: 1 / error_sd, zero for observations that are not used.
      real(wp), allocatable :: weight(:)
      !> Rows of this part in a vector of all observations: after `before`.
      integer :: before = 0
      integer :: rows = 0
   end type part_type

   type :: window_type
      class(model_type), allocatable, private :: model
      type(part_type), allocatable, private :: parts(:)
      !> states(n, components, batch, step), from the start of the window on; with a first guess at
      !> the appropriate time, part by part.
      real(wp), allocatable :: states(:, :, :, :)
      !> The background at each part less that at the analysis' time: 3D-FGAT.
      real(wp), allocatable, private :: offsets(:, :, :, :)
      !> What acts on the states on their way; its forcings stand behind the state at the start.
      type(forcing_type) :: forcing
      integer :: rows = 0
      !> Observations of the window on all ranks, used or not.
      integer(i8) :: total = 0
      !> Of this rank's those that are used.
      integer(i8) :: used = 0
   contains
      procedure :: linearise
      procedure :: tl
      procedure :: tl_to_end
      procedure :: ad
      procedure :: rounding
   end type window_type

contains

   !> Observations at several times, `steps(k)` model steps after those before (or after the start),
   !> of some weight in J each; one where none are given.
   subroutine new_window(model, domain, steps, observations, window, weights)
      class(model_type), intent(in) :: model
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: steps(:)
      type(observations_type), intent(in) :: observations(:)
      type(window_type), intent(out) :: window
      real(wp), intent(in), optional :: weights(:)
      integer :: k

      window%model = model
      allocate (window%parts(size(steps)))
      do k = 1, size(steps)
         associate (part => window%parts(k), group => observations(k))
            part%steps = steps(k)
            part%place = sum(steps(:k))
            call new_observation_operator(group, domain, part%operator)
            part%value = group%value
            part%weight = merge(1/group%error_sd, 0.0_wp, group%used())
            if (present(weights)) part%weight = sqrt(weights(k))*part%weight
            part%rows = group%n
            part%before = window%rows
            window%rows = window%rows + group%n
            window%total = window%total + group%total
            window%used = window%used + count(group%used())
         end associate
      end do
   end subroutine new_window

   !> Observations at several times that meet the background of their time: offsets(n, components,
   !> batch, time).
   subroutine new_fgat_window(model, domain, offsets, observations, window)
      class(model_type), intent(in) :: model
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: offsets(:, :, :, :)
      type(observations_type), intent(in) :: observations(:)
      type(window_type), intent(out) :: window
      integer :: k

      call new_window(model, domain, [(0, k=1, size(observations))], observations, window)
      window%offsets = offsets
      window%parts%place = [(k, k=1, size(observations))]
   end subroutine new_fgat_window

   !> Take x(n, components, batch) as the state at the start: keep its trajectory, and give the
   !> departures R^{-1/2} (y - H(M(x))), departures(rows, batch).
   subroutine linearise(self, domain, x, departures)
      class(window_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), intent(out) :: departures(:, :)
      real(wp), allocatable :: y(:, :, :)
      integer :: k
      integer :: b

      call follow(self, domain, x)
      do k = 1, size(self%parts)
         associate (part => self%parts(k))
            allocate (y(part%rows, 1, size(x, 3)))
            call part%operator%forward(domain, self%states(:, :, :, part%place), y)
            do b = 1, size(x, 3)
               where (part%weight > 0)
                  departures(part%before + 1:part%before + part%rows, b) = &
                     part%weight*(part%value - y(:, 1, b))
               elsewhere
                  departures(part%before + 1:part%before + part%rows, b) = 0
               end where
            end do
            deallocate (y)
         end associate
      end do
   end subroutine linearise

   !> The trajectory from x.
   subroutine follow(self, domain, x)
      type(window_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      integer :: components
      integer :: step

      if (allocated(self%states)) deallocate (self%states)
      components = self%forcing%components_of_state(size(x, 2))
      allocate (self%states(size(x, 1), components, size(x, 3), 0:maxval(self%parts%place)))
      self%states(:, :, :, 0) = x(:, :components, :)
      do step = 1, ubound(self%states, 4)
         if (allocated(self%offsets)) then
            self%states(:, :, :, step) = x + self%offsets(:, :, :, step)
         else
            call self%model%forward(domain, self%states(:, :, :, step - 1), &
                                    self%states(:, :, :, step))
            call self%forcing%act(step, x, self%states(:, :, :, step))
         end if
      end do
   end subroutine follow

   !> dy = G dx about the trajectory.
   subroutine tl(self, domain, dx, dy)
      class(window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), intent(out) :: dy(:, :)
      real(wp), allocatable, dimension(:, :, :) :: now, next, y
      integer :: step
      integer :: k
      integer :: s
      integer :: b

      now = dx(:, :self%forcing%components_of_state(size(dx, 2)), :)
      allocate (next, mold=now)
      step = 0
      do k = 1, size(self%parts)
         associate (part => self%parts(k))
            do s = 1, part%steps
               call self%model%tl(domain, self%states(:, :, :, step), now, next)
               call swap(now, next)
               step = step + 1
               call self%forcing%act(step, dx, now)
            end do
            allocate (y(part%rows, 1, size(dx, 3)))
            call part%operator%tl(domain, self%states(:, :, :, part%place), now, y)
            do b = 1, size(dx, 3)
               dy(part%before + 1:part%before + part%rows, b) = part%weight*y(:, 1, b)
            end do
            deallocate (y)
         end associate
      end do
   end subroutine tl

   !> dx at the window's start ← the tangent linear model's at its end.
   subroutine tl_to_end(self, domain, dx)
      class(window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(inout) :: dx(:, :, :)
      real(wp), allocatable :: now(:, :, :)
      integer :: step

      now = dx
      do step = 0, sum(self%parts%steps) - 1
         call self%model%tl(domain, self%states(:, :, :, step), now, dx)
         now = dx
      end do
   end subroutine tl_to_end

   !> dx = G^T dy about the trajectory.
   subroutine ad(self, domain, dy, dx)
      class(window_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), intent(in) :: dy(:, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: now, next, y
      integer :: components
      integer :: step
      integer :: k
      integer :: s
      integer :: b

      components = self%forcing%components_of_state(size(dx, 2))
      allocate (now(size(dx, 1), components, size(dx, 3)))
      allocate (next, mold=now)
      now = 0
      dx = 0
      step = sum(self%parts%steps)
      do k = size(self%parts), 1, -1
         associate (part => self%parts(k))
            allocate (y(part%rows, 1, size(dx, 3)))
            do b = 1, size(dx, 3)
               y(:, 1, b) = part%weight*dy(part%before + 1:part%before + part%rows, b)
            end do
            call part%operator%ad(domain, self%states(:, :, :, part%place), y, next)
            now = now + next
            deallocate (y)
            do s = 1, part%steps
               call self%forcing%collect(step, now, dx)
               step = step - 1
               call self%model%ad(domain, self%states(:, :, :, step), now, next)
               call swap(now, next)
            end do
         end associate
      end do
      dx(:, :components, :) = now
   end subroutine ad

   subroutine swap(a, b)
      real(wp), allocatable, intent(inout) :: a(:, :, :)
      real(wp), allocatable, intent(inout) :: b(:, :, :)
      real(wp), allocatable :: c(:, :, :)

      call move_alloc(a, c)
      call move_alloc(b, a)
      call move_alloc(c, b)
   end subroutine swap

   !> The coarsest of the model's and the observation operators'.
   pure function rounding(self)
      class(window_type), intent(in) :: self
      real(wp) :: rounding
      integer :: k

      rounding = self%model%rounding
      do k = 1, size(self%parts)
         rounding = max(rounding, self%parts(k)%operator%rounding)
      end do
   end function rounding
end module da_analysis_variational_window
