!> A model whose tendency a network corrects: dx/dt = f(x) + network(x), the tendency form of
!> Farchi et al. (2021), in fourth-order Runge-Kutta steps of the model's dt:
!>
!> g(x) = f(x) + network(x),
!> k_1 = g(x),  k_2 = g(x + dt/2 k_1),  k_3 = g(x + dt/2 k_2),  k_4 = g(x + dt k_3),
!> M(x) = x + dt/6 (k_1 + 2 k_2 + 2 k_3 + k_4)
module da_model_corrected_tendency
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   use da_model_wrapped, only: wrapped_model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: corrected_tendency_type, new_corrected_tendency

   integer, parameter :: stages = 4
   !> A stage begins from x + ahead dt k of the one before, and has this weight in the step.
   real(wp), parameter :: ahead(stages) = [0.0_wp, 0.5_wp, 0.5_wp, 1.0_wp]
   real(wp), parameter :: weight(stages) = [1.0_wp, 2.0_wp, 2.0_wp, 1.0_wp]/6.0_wp

   type, extends(wrapped_model_type) :: corrected_tendency_type
      !> f, and what is added to it.
      class(operator_type), allocatable :: physics
      class(operator_type), allocatable :: correction
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
      procedure :: advance
   end type corrected_tendency_type

contains

   !> In the place of `model`, whose tendency is `physics`.
   function new_corrected_tendency(model, physics, correction) result(self)
      class(model_type), intent(in) :: model
      class(operator_type), intent(in) :: physics
      class(operator_type), intent(in) :: correction
      type(corrected_tendency_type) :: self

      call self%wrap(model)
      self%rounding = max(physics%rounding, correction%rounding)
      self%physics = physics
      self%correction = correction
   end function new_corrected_tendency

   subroutine forward(self, domain, x, y)
      class(corrected_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      y = x
      call self%advance(domain, 1, y)
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(corrected_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: at, slope, dat, dslope, part
      integer :: stage

      allocate (slope, dslope, part, mold=x)
      dslope = 0
      slope = 0
      dy = dx
      do stage = 1, stages
         at = x + ahead(stage)*self%dt*slope
         dat = dx + ahead(stage)*self%dt*dslope
         call self%physics%tl(domain, at, dat, dslope)
         call self%correction%tl(domain, at, dat, part)
         dslope = dslope + part
         dy = dy + weight(stage)*self%dt*dslope
         if (stage < stages) call tendency(self, domain, at, slope)
      end do
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(corrected_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable :: at(:, :, :, :)
      real(wp), allocatable, dimension(:, :, :) :: slope, dslope, dat, part
      integer :: stage

      allocate (at(size(x, 1), size(x, 2), size(x, 3), stages))
      allocate (slope, dat, part, mold=x)
      at(:, :, :, 1) = x
      do stage = 2, stages
         call tendency(self, domain, at(:, :, :, stage - 1), slope)
         at(:, :, :, stage) = x + ahead(stage)*self%dt*slope
      end do
      dx = dy
      do stage = stages, 1, -1
         dslope = weight(stage)*self%dt*dy
         if (stage < stages) dslope = dslope + ahead(stage + 1)*self%dt*dat
         call self%physics%ad(domain, at(:, :, :, stage), dslope, dat)
         call self%correction%ad(domain, at(:, :, :, stage), dslope, part)
         dat = dat + part
         dx = dx + dat
      end do
   end subroutine ad

   subroutine advance(self, domain, times, x)
      class(corrected_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: times
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: at, slope, slopes
      integer :: time
      integer :: stage

      allocate (slope, mold=x)
      do time = 1, times
         call tendency(self, domain, x, slope)
         slopes = weight(1)*slope
         do stage = 2, stages
            at = x + ahead(stage)*self%dt*slope
            call tendency(self, domain, at, slope)
            slopes = slopes + weight(stage)*slope
         end do
         x = x + self%dt*slopes
      end do
   end subroutine advance

   !> g(x)
   subroutine tendency(self, domain, x, slope)
      class(corrected_tendency_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: slope(:, :, :)
      real(wp), allocatable :: added(:, :, :)

      allocate (added, mold=x)
      call self%physics%forward(domain, x, slope)
      call self%correction%forward(domain, x, added)
      slope = slope + added
   end subroutine tendency
end module da_model_corrected_tendency
