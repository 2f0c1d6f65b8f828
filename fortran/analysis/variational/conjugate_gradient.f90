!> Preconditioned conjugate gradients for the quadratic cost functions of a batch of states.
!>
!> In the space of controls the Hessian is A = I + U^T G^T G U: preconditioned by the background,
!> with all eigenvalues at or above one. A p = b is solved from p = 0; the scalars of the iteration
!> are those of Lanczos' tridiagonal matrix, whose eigenvalues approach those of A (Golub & Van Loan
!> 2013, section 11.3).
module da_analysis_variational_conjugate_gradient
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_reproducible_sum, only: sum_columns
   implicit none
   private
   public :: quadratic_type, minimisation_type, minimise, batch_products, orthogonalise, &
      products_with

   !> A Krylov space ends where the next vector is but rounding.
   real(wp), parameter, public :: exhausted = 1.0e-13_wp

   !> A symmetric positive definite operator on controls v(n, components, batch), column by column:
   !> A itself, or C^T A C with a preconditioner C.
   type, abstract :: quadratic_type
   contains
      procedure(apply), deferred :: apply
      procedure :: controls
      procedure :: gradient_squares
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
      !> ½ |offset + p|², where an offset is given.
      real(wp), allocatable :: background_cost(:, :)
      !> Lanczos' matrix: diagonal(iteration, batch), and what stands beside it.
      real(wp), allocatable :: diagonal(:, :)
      real(wp), allocatable :: beside(:, :)
      !> The iterations of a column until its Krylov space was exhausted.
      integer, allocatable :: rank(:)
      !> Lanczos' vectors, the gradients at length one: basis(n, components, batch, iteration);
      !> only where they are kept.
      real(wp), allocatable :: basis(:, :, :, :)
   end type minimisation_type

contains

   !> p with A p ≈ b: until every column's gradient has fallen by `reduction`, or `most` iterations.
   !> Where `keep` is true the gradients are kept, and each is made orthogonal to all before it:
   !> Lanczos' method with full reorthogonalisation, without the ghosts that rounding brings.
   subroutine minimise(quadratic, domain, b, reduction, most, p, history, keep, offset)
      class(quadratic_type), intent(in) :: quadratic
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: b(:, :, :)
      real(wp), intent(in) :: reduction
      integer, intent(in) :: most
      real(wp), contiguous, intent(out) :: p(:, :, :)
      type(minimisation_type), intent(out) :: history
      logical, intent(in), optional :: keep
      real(wp), contiguous, intent(in), optional :: offset(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: residual, direction, image
      real(wp), dimension(size(b, 3)) :: along, norm2, measured, first, previous, step, turn, &
         last_step
      logical :: keeps
      logical :: goes_on(size(b, 3))
      integer :: batch
      integer :: k
      integer :: m

      batch = size(b, 3)
      keeps = .false.
      if (present(keep)) keeps = keep
      allocate (history%gradient_norm(0:most, batch), history%decrease(0:most, batch))
      allocate (history%diagonal(most, batch), history%beside(most, batch), source=0.0_wp)
      allocate (history%rank(batch), source=0)
      if (keeps) allocate (history%basis(size(b, 1), size(b, 2), batch, most))
      if (present(offset)) allocate (history%background_cost(0:most, batch))
      allocate (image, mold=b)
      residual = b
      direction = b
      p = 0
      norm2 = batch_products(domain, residual, residual)
      call quadratic%gradient_squares(domain, residual, norm2, measured)
      first = measured
      history%gradient_norm(0, :) = sqrt(measured)
      history%decrease(0, :) = 0
      if (present(offset)) then
         history%background_cost(0, :) = 0.5_wp*batch_products(domain, offset, offset)
      end if
      turn = 0
      last_step = 1
      goes_on = .true.
      do k = 1, most
         if (all(measured <= reduction**2*first)) exit
         if (keeps) then
            call keep_normalised(size(b(:, :, 1)), batch, residual, sign_of(k), norm2, &
                                 history%basis(:, :, :, k))
         end if
         call quadratic%apply(domain, direction, image)
         along = batch_products(domain, direction, image)
         step = 0
         where (along > 0) step = norm2/along
         do m = 1, batch
            p(:, :, m) = p(:, :, m) + step(m)*direction(:, :, m)
            residual(:, :, m) = residual(:, :, m) - step(m)*image(:, :, m)
         end do
         if (keeps) call orthogonalise(domain, history%basis(:, :, :, :k), residual)
         history%decrease(k, :) = history%decrease(k - 1, :) - 0.5_wp*step*norm2
         where (step > 0) history%diagonal(k, :) = 1/step + turn/last_step
         previous = norm2
         norm2 = batch_products(domain, residual, residual)
         call quadratic%gradient_squares(domain, residual, norm2, measured)
         history%gradient_norm(k, :) = sqrt(measured)
         turn = 0
         where (previous > 0) turn = norm2/previous
         where (step > 0) history%beside(k, :) = sqrt(turn)/step
         where (goes_on .and. step > 0) history%rank = k
         goes_on = goes_on .and. history%beside(k, :) > exhausted*history%diagonal(k, :)
         last_step = merge(step, 1.0_wp, step > 0)
         do m = 1, batch
            direction(:, :, m) = residual(:, :, m) + turn(m)*direction(:, :, m)
         end do
         history%iterations = k
         if (present(offset)) then
            call quadratic%controls(domain, p, image)
            image = offset + image
            history%background_cost(k, :) = 0.5_wp*batch_products(domain, image, image)
         end if
      end do
   end subroutine minimise

   !> v = C p; here there is no preconditioner.
   subroutine controls(self, domain, p, v)
      class(quadratic_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: p(:, :, :)
      real(wp), contiguous, intent(out) :: v(:, :, :)

      v = p
   end subroutine controls

   !> The squared norms of the gradients r before preconditioning, of C^T r and its own, `norm2`.
   subroutine gradient_squares(self, domain, gradient, norm2, squares)
      class(quadratic_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: gradient(:, :, :)
      real(wp), intent(in) :: norm2(:)
      real(wp), intent(out) :: squares(:)

      squares = norm2
   end subroutine gradient_squares

   !> Lanczos' vectors are the gradients with signs in turn: so what stands beside the diagonal is
   !> positive.
   pure integer function sign_of(iteration)
      integer, intent(in) :: iteration

      sign_of = 1 - 2*mod(iteration - 1, 2)
   end function sign_of

   pure subroutine keep_normalised(n, batch, x, factor, norm2, kept)
      integer, intent(in) :: n
      integer, intent(in) :: batch
      real(wp), intent(in) :: x(n, batch)
      integer, intent(in) :: factor
      real(wp), intent(in) :: norm2(batch)
      real(wp), intent(out) :: kept(n, batch)
      integer :: m

      kept = 0
      do m = 1, batch
         if (norm2(m) > 0) kept(:, m) = factor*x(:, m)/sqrt(norm2(m))
      end do
   end subroutine keep_normalised

   !> Take from x its parts along orthonormal vectors, basis(n, components, batch, vector); twice,
   !> which is enough (Giraud et al. 2005).
   subroutine orthogonalise(domain, basis, x)
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(in) :: basis(:, :, :, :)
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp) :: along(size(x, 3), size(basis, 4))
      integer :: again
      integer :: j
      integer :: m

      do again = 1, 2
         call products_with(domain, basis, x, along)
         do j = 1, size(basis, 4)
            do m = 1, size(x, 3)
               x(:, :, m) = x(:, :, m) - along(m, j)*basis(:, :, m, j)
            end do
         end do
      end do
   end subroutine orthogonalise

   !> along(batch, vector): of each column of x with its own vectors, in one reduction.
   subroutine products_with(domain, basis, x, along)
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(in) :: basis(:, :, :, :)
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), intent(out) :: along(:, :)
      real(wp), allocatable :: terms(:, :, :)
      real(wp) :: sums(size(along))
      integer :: j

      allocate (terms(size(x, 1)*size(x, 2), size(x, 3), size(basis, 4)))
      do j = 1, size(basis, 4)
         terms(:, :, j) = reshape(basis(:, :, :, j)*x, [size(terms, 1), size(terms, 2)])
      end do
      call sum_columns(domain%communicator, int(domain%total, i8)*size(x, 2), &
                       reshape(terms, [size(terms, 1), size(sums)]), sums)
      along = reshape(sums, shape(along))
   end subroutine products_with

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
end module da_analysis_variational_conjugate_gradient
