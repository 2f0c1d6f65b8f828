!> The two-scale Lorenz-96 model (Lorenz 1996; Wilks 2005): slow variables X, each with J fast ones
!> Y.
!>
!> dX_k/dt   = (X_{k+1} - X_{k-2}) X_{k-1} - X_k + F - (h c/b) Σ_j Y_{j,k}
!> dY_{j,k}/dt = c b Y_{j+1,k} (Y_{j-1,k} - Y_{j+2,k}) - c Y_{j,k} + (h c/b) X_k,
!>
!> the Y forming one circle through all sectors: Y_{J+1,k} is Y_{1,k+1}. Component 1 of a point is
!> its X, component 1 + j its Y_j.
module da_model_lorenz96_two_scale
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_runge_kutta, only: runge_kutta_type
   implicit none
   private
   public :: lorenz96_two_scale_type, lorenz96_two_scale_config, new_lorenz96_two_scale

   !> `&lorenz96_two_scale`; the defaults are those of Brajard et al. (2021).
   type :: lorenz96_two_scale_config
      integer :: n = 36
      integer :: fast = 10
      real(wp) :: forcing = 10
      real(wp) :: h = 1
      real(wp) :: b = 10
      real(wp) :: c = 10
      real(wp) :: dt = 0.005_wp
   end type lorenz96_two_scale_config

   type, extends(runge_kutta_type) :: lorenz96_two_scale_type
      type(lorenz96_two_scale_config) :: config
      !> h c / b, c b and c
      real(wp) :: coupling = 1
      real(wp) :: fast_advection = 100
      real(wp) :: fast_damping = 10
   contains
      procedure :: configure
      procedure :: tendency
      procedure :: tendency_tl
      procedure :: tendency_ad
   end type lorenz96_two_scale_type

   integer, parameter :: left = 2
   integer, parameter :: right = 2

contains

   subroutine configure(self, namelists, error)
      class(lorenz96_two_scale_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: fewest_points = 4

      call namelists%open_group('lorenz96_two_scale', &
                                'Two-scale Lorenz-96 (Lorenz 1996; Wilks 2005), '// &
                                'used by model = ''lorenz96_two_scale''')
      call namelists%get('n', self%config%n, 'number of slow variables', minimum=fewest_points)
      call namelists%get('fast', self%config%fast, 'fast variables J of each slow one', minimum=1)
      call namelists%get('forcing', self%config%forcing, 'forcing F')
      call namelists%get('h', self%config%h, 'strength of the coupling')
      call namelists%get('b', self%config%b, 'ratio of the amplitudes', above=0.0_wp)
      call namelists%get('c', self%config%c, 'ratio of the time scales', above=0.0_wp)
      call namelists%get('dt', self%config%dt, 'time step of the Runge-Kutta scheme of order 4', &
                         above=0.0_wp)
      call namelists%close_group(error)
      call settle(self)
   end subroutine configure

   function new_lorenz96_two_scale(config) result(self)
      type(lorenz96_two_scale_config), intent(in), optional :: config
      type(lorenz96_two_scale_type) :: self

      if (present(config)) self%config = config
      call settle(self)
   end function new_lorenz96_two_scale

   !> What follows from the settings.
   subroutine settle(self)
      class(lorenz96_two_scale_type), intent(inout) :: self

      self%name = 'lorenz96_two_scale'
      call self%set_reach(left, right)
      self%components_in = 1 + self%config%fast
      self%components_out = 1 + self%config%fast
      self%points = self%config%n
      self%dt = self%config%dt
      self%forcing = self%config%forcing
      self%coupling = self%config%h*self%config%c/self%config%b
      self%fast_advection = self%config%c*self%config%b
      self%fast_damping = self%config%c
      self%start_mean = 0
   end subroutine settle

   !> Component of the fast variable `steps` along the circle from j, and its point relative to j's.
   pure subroutine neighbour(self, j, steps, component, shift)
      class(lorenz96_two_scale_type), intent(in) :: self
      integer, intent(in) :: j
      integer, intent(in) :: steps
      integer, intent(out) :: component
      integer, intent(out) :: shift

      component = 2 + modulo(j + steps - 1, self%config%fast)
      shift = (j + steps - 1 - modulo(j + steps - 1, self%config%fast))/self%config%fast
   end subroutine neighbour

   pure subroutine tendency(self, n, x, f)
      class(lorenz96_two_scale_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: f(n, self%components_in)
      integer :: before
      integer :: next
      integer :: after
      integer :: p
      integer :: q
      integer :: r
      integer :: i
      integer :: j

      do i = 1, n
         f(i, 1) = (x(left + i + 1, 1) - x(left + i - 2, 1))*x(left + i - 1, 1) - x(left + i, 1) &
                   + self%forcing
      end do
      do j = 1, self%config%fast
         call neighbour(self, j, -1, before, p)
         call neighbour(self, j, 1, next, q)
         call neighbour(self, j, 2, after, r)
         do i = 1, n
            f(i, 1) = f(i, 1) - self%coupling*x(left + i, 1 + j)
            f(i, 1 + j) = self%fast_advection*x(left + i + q, next) &
                          *(x(left + i + p, before) - x(left + i + r, after)) &
                          - self%fast_damping*x(left + i, 1 + j) + self%coupling*x(left + i, 1)
         end do
      end do
   end subroutine tendency

   pure subroutine tendency_tl(self, n, x, dx, df)
      class(lorenz96_two_scale_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: dx(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: df(n, self%components_in)
      integer :: before
      integer :: next
      integer :: after
      integer :: p
      integer :: q
      integer :: r
      integer :: i
      integer :: j

      do i = 1, n
         df(i, 1) = (dx(left + i + 1, 1) - dx(left + i - 2, 1))*x(left + i - 1, 1) &
                    + (x(left + i + 1, 1) - x(left + i - 2, 1))*dx(left + i - 1, 1) - dx(left &
                    + i, 1)
      end do
      do j = 1, self%config%fast
         call neighbour(self, j, -1, before, p)
         call neighbour(self, j, 1, next, q)
         call neighbour(self, j, 2, after, r)
         do i = 1, n
            df(i, 1) = df(i, 1) - self%coupling*dx(left + i, 1 + j)
            df(i, 1 + j) = self%fast_advection*(dx(left + i + q, next) &
                                                *(x(left + i + p, before) - x(left + i + r, &
                                                after)) + x(left + i + q, next) &
                                                *(dx(left + i + p, before) - dx(left + i + r, &
                                                after))) &
                           - self%fast_damping*dx(left + i, 1 + j) + self%coupling*dx(left + i, 1)
         end do
      end do
   end subroutine tendency_tl

   !> X_k gathers from four slow tendencies and its own fast ones; Y_j from the fast tendencies of j
   !> - 1, j + 1 and j - 2 along the circle, in which it is the next, the one before and the one
   !> after next.
   pure subroutine tendency_ad(self, n, x, df, dx)
      class(lorenz96_two_scale_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + 2*sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: df(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: dx(n, self%components_in)
      integer, parameter :: pad = left + right
      integer, dimension(-2:2) :: at, shift
      integer :: s
      integer :: i
      integer :: j

      do i = 1, n
         dx(i, 1) = x(pad + i - 2, 1)*df(right + i - 1, 1) - x(pad + i + 1, 1)*df(right + i + 2, &
                                                                                  1) &
                    + (x(pad + i + 2, 1) - x(pad + i - 1, 1))*df(right + i + 1, 1) - df(right &
                    + i, 1)
      end do
      do j = 1, self%config%fast
         do s = -2, 2
            call neighbour(self, j, s, at(s), shift(s))
         end do
         do i = 1, n
            dx(i, 1) = dx(i, 1) + self%coupling*df(right + i, 1 + j)
            dx(i, 1 + j) = self%fast_advection &
                           *((x(pad + i + shift(-2), at(-2)) - x(pad + i + shift(1), at(1))) &
                             *df(right + i + shift(-1), at(-1)) &
                             + x(pad + i + shift(2), at(2))*df(right + i + shift(1), at(1)) &
                             - x(pad + i + shift(-1), at(-1))*df(right + i + shift(-2), at(-2))) &
                           - self%fast_damping*df(right + i, 1 + j) - self%coupling*df(right + i, 1)
         end do
      end do
   end subroutine tendency_ad
end module da_model_lorenz96_two_scale
