!> Models given by their tendency alone: fourth-order Runge-Kutta steps, tangent linear and adjoint
!> follow.
!>
!> A tendency that reaches l points left and r right makes a step that reaches four times as far.
!> Every stage is computed on the points that later stages need; the adjoint gathers, with the
!> transposed reach.
module da_model_runge_kutta
   use da_base_kinds, only: wp
   use da_model_stencil, only: stencil_model_type
   implicit none
   private
   public :: runge_kutta_type

   !> `tendency_reach` is (l, r); the model's `reach` must be four times that.
   type, abstract, extends(stencil_model_type) :: runge_kutta_type
      integer :: tendency_reach(2) = 0
   contains
      procedure :: set_reach
      procedure :: slab_forward
      procedure :: slab_tl
      procedure :: slab_ad
      procedure(tendency), deferred :: tendency
      procedure(tendency_tl), deferred :: tendency_tl
      procedure(tendency_ad), deferred :: tendency_ad
   end type runge_kutta_type

   abstract interface
      !> f = dx/dt on n points; x(l + i, :) is point i.
      pure subroutine tendency(self, n, x, f)
         import :: runge_kutta_type, wp
         class(runge_kutta_type), intent(in) :: self
         integer, intent(in) :: n
         real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
         real(wp), intent(out) :: f(n, self%components_in)
      end subroutine tendency

      !> df = f'(x) dx on n points; x and dx padded as for `tendency`.
      pure subroutine tendency_tl(self, n, x, dx, df)
         import :: runge_kutta_type, wp
         class(runge_kutta_type), intent(in) :: self
         integer, intent(in) :: n
         real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
         real(wp), intent(in) :: dx(n + sum(self%tendency_reach), self%components_in)
         real(wp), intent(out) :: df(n, self%components_in)
      end subroutine tendency_tl

      !> dx = f'(x)^T df on n points, gathered: x(l + r + i, :) and df(r + i, :) are point i.
      pure subroutine tendency_ad(self, n, x, df, dx)
         import :: runge_kutta_type, wp
         class(runge_kutta_type), intent(in) :: self
         integer, intent(in) :: n
         real(wp), intent(in) :: x(n + 2*sum(self%tendency_reach), self%components_in)
         real(wp), intent(in) :: df(n + sum(self%tendency_reach), self%components_in)
         real(wp), intent(out) :: dx(n, self%components_in)
      end subroutine tendency_ad
   end interface

contains

   !> To be called by constructors.
   pure subroutine set_reach(self, left, right)
      class(runge_kutta_type), intent(inout) :: self
      integer, intent(in) :: left
      integer, intent(in) :: right

      self%tendency_reach = [left, right]
      self%reach = 4*self%tendency_reach
   end subroutine set_reach

   subroutine slab_forward(self, n, xh, y)
      class(runge_kutta_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
      real(wp), intent(out) :: y(n, self%components_out)
      real(wp), allocatable, dimension(:, :) :: k1, k2, k3, k4
      integer :: w

      associate (l => self%tendency_reach(1), c => self%components_in)
         w = sum(self%tendency_reach)
         allocate (k1(n + 3*w, c), k2(n + 2*w, c), k3(n + w, c), k4(n, c))
         call self%tendency(n + 3*w, xh, k1)
         call self%tendency(n + 2*w, xh(l + 1:l + n + 3*w, :) + 0.5_wp*self%dt*k1, k2)
         call self%tendency(n + w, xh(2*l + 1:2*l + n + 2*w, :) + 0.5_wp*self%dt*k2, k3)
         call self%tendency(n, xh(3*l + 1:3*l + n + w, :) + self%dt*k3, k4)
         y = xh(4*l + 1:4*l + n, :) + self%dt/6*(k1(3*l + 1:3*l + n, :) &
                                                 + 2*(k2(2*l + 1:2*l + n, :) + k3(l + 1:l + n, &
                                                 :)) + k4)
      end associate
   end subroutine slab_forward

   subroutine slab_tl(self, n, xh, dxh, dy)
      class(runge_kutta_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
      real(wp), intent(in) :: dxh(n + sum(self%reach), self%components_in)
      real(wp), intent(out) :: dy(n, self%components_out)
      real(wp), allocatable, dimension(:, :) :: x2, x3, x4, d1, d2, d3, d4
      integer :: w

      call stages(self, n, xh, x2, x3, x4)
      associate (l => self%tendency_reach(1), c => self%components_in)
         w = sum(self%tendency_reach)
         allocate (d1(n + 3*w, c), d2(n + 2*w, c), d3(n + w, c), d4(n, c))
         call self%tendency_tl(n + 3*w, xh, dxh, d1)
         call self%tendency_tl(n + 2*w, x2, dxh(l + 1:l + n + 3*w, :) + 0.5_wp*self%dt*d1, d2)
         call self%tendency_tl(n + w, x3, dxh(2*l + 1:2*l + n + 2*w, :) + 0.5_wp*self%dt*d2, d3)
         call self%tendency_tl(n, x4, dxh(3*l + 1:3*l + n + w, :) + self%dt*d3, d4)
         dy = dxh(4*l + 1:4*l + n, :) + self%dt/6*(d1(3*l + 1:3*l + n, :) &
                                                   + 2*(d2(2*l + 1:2*l + n, :) + d3(l + 1:l + n, &
                                                   :)) + d4)
      end associate
   end subroutine slab_tl

   subroutine slab_ad(self, n, xh, dyh, dx)
      class(runge_kutta_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + 2*sum(self%reach), self%components_in)
      real(wp), intent(in) :: dyh(n + sum(self%reach), self%components_out)
      real(wp), intent(out) :: dx(n, self%components_in)
      real(wp), allocatable, dimension(:, :) :: x2, x3, x4, a1, a2, a3, a4
      integer :: w

      w = sum(self%tendency_reach)
      call stages(self, n + 4*w, xh, x2, x3, x4)
      associate (l => self%tendency_reach(1), r => self%tendency_reach(2), &
                 c => self%components_in, dt => self%dt)
         allocate (a4(n + 3*w, c), a3(n + 2*w, c), a2(n + w, c), a1(n, c))
         call self%tendency_ad(n + 3*w, x4, dt/6*dyh, a4)
         call self%tendency_ad(n + 2*w, x3(w + 1:w + n + 4*w, :), &
                               dt/3*dyh(r + 1:r + n + 3*w, :) + dt*a4, a3)
         call self%tendency_ad(n + w, x2(2*w + 1:2*w + n + 3*w, :), &
                               dt/3*dyh(2*r + 1:2*r + n + 2*w, :) + 0.5_wp*dt*a3, a2)
         call self%tendency_ad(n, xh(3*w + 1:3*w + n + 2*w, :), &
                               dt/6*dyh(3*r + 1:3*r + n + w, :) + 0.5_wp*dt*a2, a1)
         dx = dyh(4*r + 1:4*r + n, :) + (a4(3*r + 1:3*r + n, :) + a3(2*r + 1:2*r + n, :)) &
              + (a2(r + 1:r + n, :) + a1)
      end associate
   end subroutine slab_ad

   !> The points at which the tendencies of a step on n points are taken, each with its padding.
   subroutine stages(self, n, xh, x2, x3, x4)
      class(runge_kutta_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
      real(wp), allocatable, intent(out), dimension(:, :) :: x2, x3, x4
      integer :: w

      associate (l => self%tendency_reach(1), c => self%components_in)
         w = sum(self%tendency_reach)
         allocate (x2(n + 3*w, c), x3(n + 2*w, c), x4(n + w, c))
         call self%tendency(n + 3*w, xh, x2)
         x2 = xh(l + 1:l + n + 3*w, :) + 0.5_wp*self%dt*x2
         call self%tendency(n + 2*w, x2, x3)
         x3 = xh(2*l + 1:2*l + n + 2*w, :) + 0.5_wp*self%dt*x3
         call self%tendency(n + w, x3, x4)
         x4 = xh(3*l + 1:3*l + n + w, :) + self%dt*x4
      end associate
   end subroutine stages
end module da_model_runge_kutta
