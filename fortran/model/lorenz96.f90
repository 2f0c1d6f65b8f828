!> The Lorenz-96 model (Lorenz & Emanuel 1998), one fourth-order Runge-Kutta step at a time.
module da_model_lorenz96
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_model_lorenz96_kernels, only: lorenz96_step, lorenz96_step_tl, lorenz96_step_ad, &
      lorenz96_second_order, reach_left, reach_right
   use da_model_lorenz96_tendency, only: new_lorenz96_tendency
   use da_model_stencil, only: stencil_model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: lorenz96_type, lorenz96_config, new_lorenz96

   !> `&lorenz96`
   type :: lorenz96_config
      integer :: n = 40
      real(wp) :: forcing = 8
      real(wp) :: dt = 0.05_wp
   end type lorenz96_config

   type, extends(stencil_model_type) :: lorenz96_type
      type(lorenz96_config) :: config
   contains
      procedure :: configure
      procedure :: get_tendency
      procedure :: second_order
      procedure :: slab_forward
      procedure :: slab_tl
      procedure :: slab_ad
   end type lorenz96_type

contains

   subroutine configure(self, namelists, error)
      class(lorenz96_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: fewest_points = 4

      call namelists%open_group('lorenz96', &
                                'Lorenz-96 (Lorenz & Emanuel 1998), used by model = ''lorenz96''')
      call namelists%get('n', self%config%n, 'number of grid points N_x', minimum=fewest_points)
      call namelists%get('forcing', self%config%forcing, 'forcing F')
      call namelists%get('dt', self%config%dt, 'time step of the Runge-Kutta scheme of order 4', &
                         above=0.0_wp)
      call namelists%close_group(error)
      call settle(self)
   end subroutine configure

   function new_lorenz96(config) result(self)
      type(lorenz96_config), intent(in), optional :: config
      type(lorenz96_type) :: self

      if (present(config)) self%config = config
      call settle(self)
   end function new_lorenz96

   !> What follows from the settings.
   subroutine settle(self)
      class(lorenz96_type), intent(inout) :: self

      self%name = 'lorenz96'
      self%reach = [reach_left, reach_right]
      self%points = self%config%n
      self%dt = self%config%dt
      self%forcing = self%config%forcing
      self%start_mean = self%config%forcing
   end subroutine settle

   subroutine get_tendency(self, tendency)
      class(lorenz96_type), intent(in) :: self
      class(operator_type), allocatable, intent(out) :: tendency

      tendency = new_lorenz96_tendency(self%forcing)
   end subroutine get_tendency

   subroutine second_order(self, domain, covariance, tendency)
      class(lorenz96_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: covariance(:, :, :)
      real(wp), allocatable, intent(out) :: tendency(:, :)
      real(wp) :: left(2, 2)
      real(wp) :: right(0, 2)

      allocate (tendency(domain%n, 1))
      call domain%fetch_halo(2, covariance(:, :, 2:3), left, right)
      call lorenz96_second_order(domain%n, [left(:, 1), covariance(:, 1, 2)], &
                                 [left(:, 2), covariance(:, 1, 3)], tendency)
   end subroutine second_order

   subroutine slab_forward(self, n, xh, y)
      class(lorenz96_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
      real(wp), intent(out) :: y(n, self%components_out)

      call lorenz96_step(n, self%forcing, self%dt, xh, y)
   end subroutine slab_forward

   subroutine slab_tl(self, n, xh, dxh, dy)
      class(lorenz96_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + sum(self%reach), self%components_in)
      real(wp), intent(in) :: dxh(n + sum(self%reach), self%components_in)
      real(wp), intent(out) :: dy(n, self%components_out)

      call lorenz96_step_tl(n, self%forcing, self%dt, xh, dxh, dy)
   end subroutine slab_tl

   subroutine slab_ad(self, n, xh, dyh, dx)
      class(lorenz96_type), intent(in) :: self
      integer, intent(in) :: n
      real(wp), intent(in) :: xh(n + 2*sum(self%reach), self%components_in)
      real(wp), intent(in) :: dyh(n + sum(self%reach), self%components_out)
      real(wp), intent(out) :: dx(n, self%components_in)

      call lorenz96_step_ad(n, self%forcing, self%dt, xh, dyh, dx)
   end subroutine slab_ad
end module da_model_lorenz96
