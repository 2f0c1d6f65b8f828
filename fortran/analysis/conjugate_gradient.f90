!> Preconditioned conjugate gradients for the quadratic cost functions of a batch of states.
!>
!> In the space of controls the Hessian is A = I + U^T G^T G U: preconditioned by the background,
!> with all eigenvalues at or above one. A p = b is solved from p = 0; the scalars of the iteration
!> are those of Lanczos' tridiagonal matrix, whose eigenvalues approach those of A (Golub & Van Loan
!> 2013, section 11.3).
module da_analysis_conjugate_gradient
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   implicit none
   private
   public :: quadratic_type, minimisation_type, minimise, batch_products

   !> A symmetric positive definite operator on controls v(n, components, batch), column by column.
   type, abstract :: quadratic_type
   contains
      procedure(apply), deferred :: apply
   end type quadratic_type

   abstract interface
      subroutine apply(self, domain, p, ap)
         import :: quadratic_type, domain_type, wp
         class(quadratic_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         real(wp), contiguous, intent(in) :: p(:, :, :)
         real(wp), contiguous, intent(out) :: ap(:, :, :)
      end subroutine apply
   end interface

   !> How a minimisation went; series by iteration, from 0, and column of the batch.
   type :: minimisation_type
      integer :: iterations = 0
      real(wp), allocatable :: gradient_norm(:, :)
      !> ½ p^T A p - b^T p
      real(wp), allocatable :: decrease(:, :)
      !> Lanczos' matrix: diagonal(iteration, batch), and what stands beside it.
      real(wp), allocatable :: diagonal(:, :)
      real(wp), allocatable :: beside(:, :)
   end type minimisation_type

contains

   !> p with A p ≈ b: until every column's gradient has fallen by `reduction`, or `most` iterations.
   subroutine minimise(quadratic, domain, b, reduction, most, p, history)
      class(quadratic_type), intent(in) :: quadratic
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: b(:, :, :)
      real(wp), intent(in) :: reduction
      integer, intent(in) :: most
      real(wp), contiguous, intent(out) :: p(:, :, :)
      type(minimisation_type), intent(out) :: history
      real(wp), allocatable, dimension(:, :, :) :: residual, direction, image
      real(wp), dimension(size(b, 3)) :: along, norm2, first, previous, step, turn, last_step
      integer :: batch
      integer :: k
      integer :: m

      batch = size(b, 3)
      allocate (history%gradient_norm(0:most, batch), history%decrease(0:most, batch))
      allocate (history%diagonal(most, batch), history%beside(most, batch), source=0.0_wp)
      allocate (image, mold=b)
      residual = b
      direction = b
      p = 0
      norm2 = batch_products(domain, residual, residual)
      first = norm2
      history%gradient_norm(0, :) = sqrt(norm2)
      history%decrease(0, :) = 0
      turn = 0
      last_step = 1
      do k = 1, most
         if (all(norm2 <= reduction**2*first)) exit
         call quadratic%apply(domain, direction, image)
         along = batch_products(domain, direction, image)
         step = 0
         where (along > 0) step = norm2/along
         do m = 1, batch
            p(:, :, m) = p(:, :, m) + step(m)*direction(:, :, m)
            residual(:, :, m) = residual(:, :, m) - step(m)*image(:, :, m)
         end do
         history%decrease(k, :) = history%decrease(k - 1, :) - 0.5_wp*step*norm2
         where (step > 0) history%diagonal(k, :) = 1/step + turn/last_step
         previous = norm2
         norm2 = batch_products(domain, residual, residual)
         history%gradient_norm(k, :) = sqrt(norm2)
         turn = 0
         where (previous > 0) turn = norm2/previous
         where (step > 0) history%beside(k, :) = sqrt(turn)/step
         last_step = merge(step, 1.0_wp, step > 0)
         do m = 1, batch
            direction(:, :, m) = residual(:, :, m) + turn(m)*direction(:, :, m)
         end do
         history%iterations = k
      end do
   end subroutine minimise

   !> Σ a b of each column of a batch, over all ranks; the same bits on any layout.
   function batch_products(domain, a, b) result(products)
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(in) :: a(:, :, :)
      real(wp), contiguous, intent(in) :: b(:, :, :)
      real(wp) :: products(size(a, 3))
      real(wp), allocatable :: terms(:, :)
      integer :: first
      integer :: m
      integer :: c

      allocate (terms(size(a, 1)*size(a, 2), size(a, 3)))
      do m = 1, size(a, 3)
         do c = 1, size(a, 2)
            first = (c - 1)*size(a, 1)
            terms(first + 1:first + size(a, 1), m) = a(:, c, m)*b(:, c, m)
         end do
      end do
      call sum_columns(domain%communicator, int(domain%total, i8)*size(a, 2), terms, products)
   end function batch_products
end module da_analysis_conjugate_gradient
