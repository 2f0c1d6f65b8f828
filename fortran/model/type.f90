!> A forecast model: an operator that carries a state one step forward in time.
module da_model_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_timer, only: phase_forecast
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: model_type

   !> `points` grid points with `components_in` values each; one `forward` is one step of `dt`.
   type, abstract, extends(operator_type) :: model_type
      character(len=:), allocatable :: name
      integer :: points = 0
      real(wp) :: dt = 0
      !> F, or its mean.
      real(wp) :: forcing = 8
      !> Mean and standard deviation of random states from which a spin-up reaches the attractor.
      real(wp) :: start_mean = 0
      real(wp) :: start_sd = 1
      !> How many of the last components are parameters: not state, and kept by a forecast.
      integer :: parameters = 0
   contains
      procedure :: configure
      procedure, non_overridable :: forecast
      procedure, non_overridable :: resemble
      procedure :: set_parameters
      procedure :: get_tendency
      procedure :: step_reach
      procedure :: second_order
      procedure(advance), deferred :: advance
   end type model_type

   abstract interface
      !> x ← M(M(… x)), `times` steps, in place.
      subroutine advance(self, domain, times, x)
         import :: model_type, domain_type, wp
         class(model_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         integer, intent(in) :: times
         real(wp), contiguous, intent(inout) :: x(:, :, :)
      end subroutine advance
   end interface

contains

   !> Read the group of the model's name; what it does not say stays as it is.
   subroutine configure(self, namelists, error)
      class(model_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
   end subroutine configure

   !> The states x(n, components, members), `steps` steps later, in place.
   subroutine forecast(self, domain, steps, x)
      class(model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: steps
      real(wp), contiguous, intent(inout) :: x(:, :, :)

      call domain%timer%start(phase_forecast)
      call self%advance(domain, steps, x)
      call domain%timer%stop()
   end subroutine forecast

   !> Give the states x(n, components, members) the model's own parameters; most have none.
   subroutine set_parameters(self, domain, x)
      class(model_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(inout) :: x(:, :, :)
   end subroutine set_parameters

   !> Have every attribute of a model in whose place this one comes.
   subroutine resemble(self, model)
      class(model_type), intent(inout) :: self
      class(model_type), intent(in) :: model

      self%name = model%name
      self%points = model%points
      self%dt = model%dt
      self%forcing = model%forcing
      self%start_mean = model%start_mean
      self%start_sd = model%start_sd
      self%parameters = model%parameters
      self%components_in = model%components_in
      self%components_out = model%components_out
      self%rounding = model%rounding
   end subroutine resemble

   !> dx/dt as an operator, for what is added to it; not allocated: the model gives none.
   subroutine get_tendency(self, tendency)
      class(model_type), intent(in) :: self
      class(operator_type), allocatable, intent(out) :: tendency
   end subroutine get_tendency

   !> The points left and right of a point that its state a step later depends on, or at least those
   !> that matter.
   pure function step_reach(self) result(reach)
      class(model_type), intent(in) :: self
      integer :: reach(2)
      integer, parameter :: wide = 12

      reach = wide
   end function step_reach

   !> What errors of covariance P add to the tendency of their mean, ½ Σ_jk ∂²f_i/∂x_j∂x_k P_jk,
   !> where dx/dt = f(x) is quadratic. covariance(n, components, components*(d + 1)) is P between a
   !> point and those 0 … d points further on; not allocated: the model does not say.
   subroutine second_order(self, domain, covariance, tendency)
      class(model_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: covariance(:, :, :)
      real(wp), allocatable, intent(out) :: tendency(:, :)
   end subroutine second_order
end module da_model_type
