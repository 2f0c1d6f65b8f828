!> An ensemble of states on this rank's slab.
module da_ensemble_type
   use da_base_kinds, only: wp
   implicit none
   private
   public :: ensemble_type, mean_of_members, spread_of_members

   !> x(n, components, members), state index fastest.
   type :: ensemble_type
      integer :: members = 0
      real(wp), allocatable :: x(:, :, :)
   contains
      procedure :: mean
      procedure :: spread => standard_deviation
   end type ensemble_type

contains

   !> mean(n, components)
   subroutine mean(self, average)
      class(ensemble_type), intent(in) :: self
      real(wp), intent(out) :: average(:, :)

      call mean_of_members(size(average), self%members, self%x, average)
   end subroutine mean

   !> sd(n, components), zero for a single member.
   subroutine standard_deviation(self, average, sd)
      class(ensemble_type), intent(in) :: self
      real(wp), intent(in) :: average(:, :)
      real(wp), intent(out) :: sd(:, :)

      call spread_of_members(size(average), self%members, self%x, average, sd)
   end subroutine standard_deviation

   pure subroutine mean_of_members(n, members, x, average)
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(in) :: x(n, members)
      real(wp), intent(out) :: average(n)
      integer :: m

      average = x(:, 1)
      do m = 2, members
         average = average + x(:, m)
      end do
      average = average/members
   end subroutine mean_of_members

   !> Standard deviation with members - 1 in the denominator.
   pure subroutine spread_of_members(n, members, x, average, sd)
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(in) :: x(n, members)
      real(wp), intent(in) :: average(n)
      real(wp), intent(out) :: sd(n)
      integer :: m

      sd = 0
      do m = 1, members
         sd = sd + (x(:, m) - average)**2
      end do
      sd = sqrt(sd/max(members - 1, 1))
   end subroutine spread_of_members
end module da_ensemble_type
