!> The mean of an ensemble and its spread: of the background of a cycle, or of its analysis.
module da_ensemble_estimate
   use da_base_kinds, only: wp
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: estimate_type, new_estimate, is_finite

   !> mean(n, components) and sd(n, components)
   type :: estimate_type
      real(wp), allocatable :: mean(:, :)
      real(wp), allocatable :: sd(:, :)
   contains
      procedure :: holds
      procedure :: forget
   end type estimate_type

contains

   subroutine new_estimate(ensemble, self)
      type(ensemble_type), intent(in) :: ensemble
      type(estimate_type), intent(out) :: self

      allocate (self%mean(size(ensemble%x, 1), size(ensemble%x, 2)))
      allocate (self%sd, mold=self%mean)
      call ensemble%mean(self%mean)
      call ensemble%spread(self%mean, self%sd)
   end subroutine new_estimate

   !> Whether mean and spread mean anything.
   pure function holds(self) result(yes)
      class(estimate_type), intent(in) :: self
      logical :: yes

      yes = is_finite(self%mean) .and. is_finite(self%sd)
   end function holds

   !> Make both `unknown`, in the shape of x(n, components, :).
   pure subroutine forget(self, x, unknown)
      class(estimate_type), intent(inout) :: self
      real(wp), intent(in) :: x(:, :, :)
      real(wp), intent(in) :: unknown

      if (allocated(self%mean)) deallocate (self%mean, self%sd)
      allocate (self%mean(size(x, 1), size(x, 2)), self%sd(size(x, 1), size(x, 2)), source=unknown)
   end subroutine forget

   !> What lies beyond all bounds of a climate is on its way to infinity, and would leave no mean
   !> score to a filter that goes on.
   pure function is_finite(values) result(yes)
      real(wp), intent(in) :: values(:, :)
      logical :: yes
      real(wp), parameter :: farthest = 1.0e6_wp

      yes = all(abs(values) <= farthest)
   end function is_finite
end module da_ensemble_estimate
