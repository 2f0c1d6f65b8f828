!> What every operator must satisfy: numbers that tell whether its tangent linear and adjoint are
!> right.
module da_operator_checks
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, normals
   use da_base_reproducible_sum, only: sum_columns
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: taylor_remainders, adjoint_defect, linearity_defect, inner_product, random_field

contains

   !> ‖M(x + α δ) - M(x) - α M'(x) δ‖ / (α ‖M'(x) δ‖) for each α: falls in proportion to α where the
   !> tangent linear is right, until rounding; zero throughout for a linear operator, up to
   !> rounding. With differences to both sides it is (M(x + α δ) - M(x - α δ))/2 that is compared,
   !> and the remainder falls in proportion to α².
   subroutine taylor_remainders(operator, domain, x, perturbation, alphas, remainders, both_sides)
      class(operator_type), intent(in) :: operator
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: perturbation(:, :, :)
      real(wp), intent(in) :: alphas(:)
      real(wp), intent(out) :: remainders(:)
      logical, intent(in), optional :: both_sides
      real(wp), allocatable, dimension(:, :, :) :: y, linear, moved
      logical :: both
      integer :: a

      allocate (y(operator%rows(domain), operator%components_out, size(x, 3)))
      allocate (linear, moved, mold=y)
      both = .false.
      if (present(both_sides)) both = both_sides
      call operator%forward(domain, x, y)
      call operator%tl(domain, x, perturbation, linear)
      do a = 1, size(alphas)
         call operator%forward(domain, x + alphas(a)*perturbation, moved)
         if (both) then
            call operator%forward(domain, x - alphas(a)*perturbation, y)
            moved = 0.5_wp*(moved - y) - alphas(a)*linear
         else
            moved = moved - y - alphas(a)*linear
         end if
         remainders(a) = sqrt(inner_product(domain, moved, moved)) &
                         /(alphas(a)*sqrt(inner_product(domain, linear, linear)))
      end do
   end subroutine taylor_remainders

   !> |⟨M'dx, dy⟩ - ⟨dx, M'^T dy⟩| / (‖M'dx‖ ‖dy‖): zero up to rounding where the adjoint is right.
   subroutine adjoint_defect(operator, domain, x, dx, dy, defect)
      class(operator_type), intent(in) :: operator
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), intent(out) :: defect
      real(wp), allocatable, dimension(:, :, :) :: forwards, backwards

      allocate (forwards, mold=dy)
      allocate (backwards, mold=dx)
      call operator%tl(domain, x, dx, forwards)
      call operator%ad(domain, x, dy, backwards)
      defect = abs(inner_product(domain, forwards, dy) - inner_product(domain, dx, backwards)) &
               /sqrt(inner_product(domain, forwards, forwards)*inner_product(domain, dy, dy))
   end subroutine adjoint_defect

   !> ‖M'(a + b/2) - M'a - M'b/2‖ / (‖M'a‖ + ‖M'b/2‖): zero up to rounding.
   subroutine linearity_defect(operator, domain, x, a, b, defect)
      class(operator_type), intent(in) :: operator
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: a(:, :, :)
      real(wp), contiguous, intent(in) :: b(:, :, :)
      real(wp), intent(out) :: defect
      real(wp), allocatable, dimension(:, :, :) :: of_a, of_b, of_both

      allocate (of_a(operator%rows(domain), operator%components_out, size(x, 3)))
      allocate (of_b, of_both, mold=of_a)
      call operator%tl(domain, x, a, of_a)
      call operator%tl(domain, x, b, of_b)
      call operator%tl(domain, x, a + 0.5_wp*b, of_both)
      of_b = 0.5_wp*of_b
      of_both = of_both - of_a - of_b
      defect = sqrt(inner_product(domain, of_both, of_both)) &
               /(sqrt(inner_product(domain, of_a, of_a)) + sqrt(inner_product(domain, of_b, of_b)))
   end subroutine linearity_defect

   !> Σ a b over all ranks, the same bits on any layout.
   function inner_product(domain, a, b) result(product)
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(in) :: a(:, :, :)
      real(wp), contiguous, intent(in) :: b(:, :, :)
      real(wp) :: product
      real(wp) :: sums(1)
      integer(i8) :: terms(1)

      terms = size(a)
      call domain%communicator%count_sums(terms)
      call sum_columns(domain%communicator, max(terms(1), 1_i8), reshape(a*b, [size(a), 1]), sums)
      product = sums(1)
   end function inner_product

   !> A random field that is the same on any layout; rows first … of all ranks are this rank's.
   subroutine random_field(key, first, x)
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: first
      real(wp), intent(out) :: x(:, :, :)
      type(random_key_type) :: column_key
      integer :: c
      integer :: m

      column_key = key
      do m = 1, size(x, 3)
         do c = 1, size(x, 2)
            column_key%member = (m - 1)*size(x, 2) + c
            call normals(column_key, first, x(:, c, m))
         end do
      end do
   end subroutine random_field
end module da_operator_checks
