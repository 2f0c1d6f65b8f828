!> The observation operator of any mixture of kinds: interpolate or average, then the kind's curve.
module da_observation_mixture
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_observation_interpolation, only: interpolation_type, new_interpolation
   use da_observation_kinds, only: kind_parameters_type, curve, slope, kind_value, kind_average
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: mixture_type, new_mixture

   type, extends(operator_type) :: mixture_type
      type(interpolation_type) :: sample
      type(kind_parameters_type) :: parameters
      integer, allocatable :: kind(:)
      !> Some of this rank's observations are not linear in the state.
      logical :: curved = .false.
   contains
      procedure :: rows
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type mixture_type

contains

   !> The operator of a set of observations, which the ranks have counted.
   pure function new_mixture(observations, domain) result(self)
      type(observations_type), intent(in) :: observations
      type(domain_type), intent(in) :: domain
      type(mixture_type) :: self

      self%sample = new_interpolation(observations, domain)
      self%parameters = observations%parameters
      self%kind = observations%kind
      self%curved = any(self%kind /= kind_value .and. self%kind /= kind_average) .or. &
                    (self%parameters%average_curve /= kind_value .and. &
                     any(self%kind == kind_average))
   end function new_mixture

   pure function rows(self, domain) result(count)
      class(mixture_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = self%sample%rows(domain)
   end function rows

   subroutine forward(self, domain, x, y)
      class(mixture_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      integer :: member

      call self%sample%forward(domain, x, y)
      if (.not. self%curved) return
      do member = 1, size(y, 3)
         y(:, 1, member) = curve(self%parameters, self%kind, y(:, 1, member))
      end do
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(mixture_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable :: z(:, :, :)
      integer :: member

      allocate (z, mold=dy)
      call self%sample%forward(domain, x, z)
      call self%sample%tl(domain, x, dx, dy)
      do member = 1, size(dy, 3)
         dy(:, 1, member) = slope(self%parameters, self%kind, z(:, 1, member))*dy(:, 1, member)
      end do
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(mixture_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable :: z(:, :, :)
      integer :: member

      allocate (z, mold=dy)
      call self%sample%forward(domain, x, z)
      do member = 1, size(dy, 3)
         z(:, 1, member) = slope(self%parameters, self%kind, z(:, 1, member))*dy(:, 1, member)
      end do
      call self%sample%ad(domain, x, z, dx)
   end subroutine ad
end module da_observation_mixture
