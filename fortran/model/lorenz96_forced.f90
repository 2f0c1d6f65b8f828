!> Lorenz-96 whose forcing is part of the state: a field that a forecast keeps, and that an analysis
!> may correct (state augmentation; Annan & Hargreaves 2004 estimate this model's F so).
!>
!> dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F_i,   dF_i/dt = 0.
!>
!> Component 1 of a point is x_i, component 2 is F_i, a parameter. The model's own field is
!> F_i = forcing + amplitude sin(2π wave_number i / n), i from 0: a twin's truth has it, and so have
!> members whose parameters are not estimated.
module da_model_lorenz96_forced
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_runge_kutta, only: runge_kutta_type
   implicit none
   private
   public :: lorenz96_forced_type, lorenz96_forced_config, new_lorenz96_forced

   !> `&lorenz96_forced`
   type :: lorenz96_forced_config
      integer :: n = 40
      real(wp) :: forcing = 8
      real(wp) :: amplitude = 0
      integer :: wave_number = 1
      real(wp) :: dt = 0.05_wp
   end type lorenz96_forced_config

   type, extends(runge_kutta_type) :: lorenz96_forced_type
      type(lorenz96_forced_config) :: config
   contains
      procedure :: configure
      procedure :: set_parameters
      procedure :: tendency
      procedure :: tendency_tl
      procedure :: tendency_ad
   end type lorenz96_forced_type

   integer, parameter :: left = 2
   integer, parameter :: right = 1

contains

   subroutine configure(self, namelists, error)
      class(lorenz96_forced_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: fewest_points = 4

      call namelists%open_group('lorenz96_forced', &
                                'Lorenz-96 with its forcing as a parameter at each point, '// &
                                'used by model = ''lorenz96_forced''')
      call namelists%get('n', self%config%n, 'number of grid points N_x', minimum=fewest_points)
      call namelists%get('forcing', self%config%forcing, 'mean of the forcing F over the circle')
      call namelists%get('amplitude', self%config%amplitude, &
                         'of the wave F makes round the circle; 0: the same F everywhere')
      call namelists%get('wave_number', self%config%wave_number, 'of that wave', minimum=1)
      call namelists%get('dt', self%config%dt, 'time step of the Runge-Kutta scheme of order 4', &
                         above=0.0_wp)
      call namelists%close_group(error)
      call settle(self)
   end subroutine configure

   function new_lorenz96_forced(config) result(self)
      type(lorenz96_forced_config), intent(in), optional :: config
      type(lorenz96_forced_type) :: self

      if (present(config)) self%config = config
      call settle(self)
   end function new_lorenz96_forced

   !> What follows from the settings.
   subroutine settle(self)
      class(lorenz96_forced_type), intent(inout) :: self

      self%name = 'lorenz96_forced'
      call self%set_reach(left, right)
      self%components_in = 2
      self%components_out = 2
      self%parameters = 1
      self%points = self%config%n
      self%dt = self%config%dt
      self%forcing = self%config%forcing
      self%start_mean = self%config%forcing
   end subroutine settle

   subroutine set_parameters(self, domain, x)
      class(lorenz96_forced_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(inout) :: x(:, :, :)
      real(wp), parameter :: two_pi = 6.283185307179586_wp
      real(wp) :: wave
      integer :: i

      do i = 1, domain%n
         wave = sin(two_pi*self%config%wave_number*(domain%first + i - 2)/domain%total)
         x(i, 2, :) = self%forcing + self%config%amplitude*wave
      end do
   end subroutine set_parameters

   pure subroutine tendency(self, n, x, f)
      class(lorenz96_forced_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: f(n, self%components_in)
      integer :: i

      do i = 1, n
         f(i, 1) = (x(left + i + 1, 1) - x(left + i - 2, 1))*x(left + i - 1, 1) - x(left + i, 1) &
                   + x(left + i, 2)
         f(i, 2) = 0
      end do
   end subroutine tendency

   pure subroutine tendency_tl(self, n, x, dx, df)
      class(lorenz96_forced_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: dx(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: df(n, self%components_in)
      integer :: i

      do i = 1, n
         df(i, 1) = (dx(left + i + 1, 1) - dx(left + i - 2, 1))*x(left + i - 1, 1) &
                    + (x(left + i + 1, 1) - x(left + i - 2, 1))*dx(left + i - 1, 1) &
                    - dx(left + i, 1) + dx(left + i, 2)
         df(i, 2) = 0
      end do
   end subroutine tendency_tl

   !> x_i gathers from four tendencies, F_i from the one of its point.
   pure subroutine tendency_ad(self, n, x, df, dx)
      class(lorenz96_forced_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n + 2*sum(self%tendency_reach), self%components_in)
      real(wp), intent(in) :: df(n + sum(self%tendency_reach), self%components_in)
      real(wp), intent(out) :: dx(n, self%components_in)
      integer, parameter :: pad = left + right
      integer :: i

      do i = 1, n
         dx(i, 1) = x(pad + i - 2, 1)*df(right + i - 1, 1) &
                    - x(pad + i + 1, 1)*df(right + i + 2, 1) &
                    + (x(pad + i + 2, 1) - x(pad + i - 1, 1))*df(right + i + 1, 1) &
                    - df(right + i, 1)
         dx(i, 2) = df(right + i, 1)
      end do
   end subroutine tendency_ad
end module da_model_lorenz96_forced
