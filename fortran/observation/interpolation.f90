!> The observation operator of point values: linear interpolation between the two neighbouring
!> points.
!>
!> y_j = (1 - w_j) x_i + w_j x_{i+1}, w_j the fraction of the position of observation j beyond point
!> i.
module da_observation_interpolation
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: interpolation_type, new_interpolation

   !> An observation belongs to the slab of the point at or left of it.
   type, extends(operator_type) :: interpolation_type
      integer, allocatable :: cell(:)
      real(wp), allocatable :: weight(:)
   contains
      procedure :: rows
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type interpolation_type

contains

   !> The operator of a set of observations.
   pure function new_interpolation(observations, domain) result(self)
      type(observations_type), intent(in) :: observations
      type(domain_type), intent(in) :: domain
      type(interpolation_type) :: self

      self%cell = int(observations%position) + 2 - domain%first
      self%weight = observations%position - int(observations%position)
   end function new_interpolation

   pure function rows(self, domain) result(count)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = size(self%cell)
   end function rows

   subroutine forward(self, domain, x, y)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp) :: left(0, size(x, 3))
      real(wp) :: right(1, size(x, 3))
      integer :: inside
      integer :: member
      integer :: j

      call domain%fetch_halo(size(x, 3), x(:, 1, :), left, right)
      inside = count(self%cell < domain%n)
      do member = 1, size(x, 3)
         do j = 1, inside
            y(j, 1, member) = (1 - self%weight(j))*x(self%cell(j), 1, member) &
                              + self%weight(j)*x(self%cell(j) + 1, 1, member)
         end do
         do j = inside + 1, size(self%cell)
            y(j, 1, member) = (1 - self%weight(j))*x(self%cell(j), 1, member) &
                              + self%weight(j)*right(1, member)
         end do
      end do
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      call self%forward(domain, dx, dy)
   end subroutine tl

   !> A point's two sums, over the observations right and left of it, are formed apart and then
   !> added, wherever the slab ends: the same bits on any layout.
   subroutine ad(self, domain, x, dy, dx)
      class(interpolation_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp) :: left(0, size(x, 3))
      real(wp) :: right(1, size(x, 3))
      real(wp) :: from_left(domain%n + 1)
      real(wp) :: folded(domain%n, size(x, 3))
      integer :: member
      integer :: j

      do member = 1, size(x, 3)
         folded(:, member) = 0
         from_left = 0
         do j = 1, size(self%cell)
            associate (i => self%cell(j))
               folded(i, member) = folded(i, member) + (1 - self%weight(j))*dy(j, 1, member)
               from_left(i + 1) = from_left(i + 1) + self%weight(j)*dy(j, 1, member)
            end associate
         end do
         folded(2:, member) = folded(2:, member) + from_left(2:domain%n)
         right(1, member) = from_left(domain%n + 1)
      end do
      call domain%fold_halo(size(x, 3), folded, left, right)
      dx = 0
      dx(:, 1, :) = folded
   end subroutine ad
end module da_observation_interpolation
