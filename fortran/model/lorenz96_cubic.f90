!> Lorenz-96 with a cubic term: a truth whose model error has structure (the test of the ECMWF
!> course on machine learning in data assimilation by Bocquet and Brajard).
!>
!> dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} + ν [x_{i+1} x_{i-1} (x_{i+2} - x_{i-2})
!>           - x_{i+2} x_i (x_{i+3} - x_{i-1})] - λ x_i + F
module da_model_lorenz96_cubic
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_runge_kutta, only: runge_kutta_type
   implicit none
   private
   public :: lorenz96_cubic_type, lorenz96_cubic_config, new_lorenz96_cubic

   !> `&lorenz96_cubic`
   type :: lorenz96_cubic_config
      integer :: n = 40
      real(wp) :: forcing = 8.5_wp
      real(wp) :: damping = 1.01_wp
      real(wp) :: cubic = 0.025_wp
      real(wp) :: dt = 0.05_wp
   end type lorenz96_cubic_config

   type, extends(runge_kutta_type) :: lorenz96_cubic_type
      type(lorenz96_cubic_config) :: config
   contains
      procedure :: configure
      procedure :: tendency
      procedure :: tendency_tl
      procedure :: tendency_ad
   end type lorenz96_cubic_type

contains

   subroutine configure(self, namelists, error)
      class(lorenz96_cubic_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: fewest_points = 6

      call namelists%open_group('lorenz96_cubic', &
                                'Lorenz-96 with a cubic term, used by model = ''lorenz96_cubic''')
      call namelists%get('n', self%config%n, 'number of grid points N_x', minimum=fewest_points)
      call namelists%get('forcing', self%config%forcing, 'forcing F')
      call namelists%get('damping', self%config%damping, 'linear damping λ', minimum=0.0_wp)
      call namelists%get('cubic', self%config%cubic, 'factor ν of the cubic term')
      call namelists%get('dt', self%config%dt, 'time step of the Runge-Kutta scheme of order 4', &
                         above=0.0_wp)
      call namelists%close_group(error)
      call settle(self)
   end subroutine configure

   function new_lorenz96_cubic(config) result(self)
      type(lorenz96_cubic_config), intent(in), optional :: config
      type(lorenz96_cubic_type) :: self

      if (present(config)) self%config = config
      call settle(self)
   end function new_lorenz96_cubic

   !> What follows from the settings.
   subroutine settle(self)
      class(lorenz96_cubic_type), intent(inout) :: self

      self%name = 'lorenz96_cubic'
      call self%set_reach(2, 3)
      self%points = self%config%n
      self%dt = self%config%dt
      self%forcing = self%config%forcing
      self%start_mean = self%config%forcing
   end subroutine settle

   pure subroutine tendency(self, n, x, f)
      class(lorenz96_cubic_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: f(n, self%components_in)

      call cubic_tendency(n, self%forcing, self%config%damping, self%config%cubic, x, f)
   end subroutine tendency

   pure subroutine tendency_tl(self, n, x, dx, df)
      class(lorenz96_cubic_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: dx(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: df(n, self%components_in)

      call cubic_tendency_tl(n, self%config%damping, self%config%cubic, x, dx, df)
   end subroutine tendency_tl

   pure subroutine tendency_ad(self, n, x, df, dx)
      class(lorenz96_cubic_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + 2*sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: df(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: dx(n, self%components_in)

      call cubic_tendency_ad(n, self%config%damping, self%config%cubic, x, df, dx)
   end subroutine tendency_ad

   pure subroutine cubic_tendency(n, forcing, damping, cubic, x, f)
      integer, intent(in) :: n
      real(wp), intent(in) :: forcing
      real(wp), intent(in) :: damping
      real(wp), intent(in) :: cubic
      real(wp), intent(in) :: x(-1:n + 3)
      real(wp), intent(out) :: f(n)
      integer :: i

      do i = 1, n
         f(i) = (x(i + 1) - x(i - 2))*x(i - 1) &
                + cubic*(x(i + 1)*x(i - 1)*(x(i + 2) - x(i - 2)) &
                         - x(i + 2)*x(i)*(x(i + 3) - x(i - 1))) - damping*x(i) + forcing
      end do
   end subroutine cubic_tendency

   pure subroutine cubic_tendency_tl(n, damping, cubic, x, dx, df)
      integer, intent(in) :: n
      real(wp), intent(in) :: damping
      real(wp), intent(in) :: cubic
      real(wp), intent(in) :: x(-1:n + 3)
      real(wp), intent(in) :: dx(-1:n + 3)
      real(wp), intent(out) :: df(n)
      integer :: i

      do i = 1, n
         df(i) = (dx(i + 1) - dx(i - 2))*x(i - 1) + (x(i + 1) - x(i - 2))*dx(i - 1) &
                 + cubic*((dx(i + 1)*x(i - 1) + x(i + 1)*dx(i - 1))*(x(i + 2) - x(i - 2)) &
                          + x(i + 1)*x(i - 1)*(dx(i + 2) - dx(i - 2)) &
                          - (dx(i + 2)*x(i) + x(i + 2)*dx(i))*(x(i + 3) - x(i - 1)) &
                          - x(i + 2)*x(i)*(dx(i + 3) - dx(i - 1))) - damping*dx(i)
      end do
   end subroutine cubic_tendency_tl

   !> Point i gathers from the tendencies of i - 3 … i + 2, in which it stands as x_{i+3} … x_{i-2}.
   pure subroutine cubic_tendency_ad(n, damping, cubic, x, df, dx)
      integer, intent(in) :: n
      real(wp), intent(in) :: damping
      real(wp), intent(in) :: cubic
      real(wp), intent(in) :: x(-4:n + 5)
      real(wp), intent(in) :: df(-2:n + 2)
      real(wp), intent(out) :: dx(n)
      integer :: i

      do i = 1, n
         dx(i) = -cubic*x(i - 1)*x(i - 3)*df(i - 3) &
                 + cubic*(x(i - 1)*x(i - 3) - x(i - 2)*(x(i + 1) - x(i - 3)))*df(i - 2) &
                 + (x(i - 2) + cubic*x(i - 2)*(x(i + 1) - x(i - 3)))*df(i - 1) &
                 + (-cubic*x(i + 2)*(x(i + 3) - x(i - 1)) - damping)*df(i) &
                 + (x(i + 2) - x(i - 1) + cubic*(x(i + 2)*(x(i + 3) - x(i - 1)) &
                                                 + x(i + 3)*x(i + 1)))*df(i + 1) &
                 + (-x(i + 1) - cubic*x(i + 3)*x(i + 1))*df(i + 2)
      end do
   end subroutine cubic_tendency_ad
end module da_model_lorenz96_cubic
