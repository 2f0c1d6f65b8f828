!> Lanczos' method in the space of controls: approximate eigenpairs of the Hessian, and functions
!> of it that they give.
!>
!> With orthonormal vectors V, T = V^T A V is tridiagonal; its eigenpairs (θ, s) are those of A but
!> for residuals |A V s - θ V s| = β |s_last| (Golub & Van Loan 2013, section 10.1).
module da_analysis_variational_lanczos
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: eigen_type, new_eigen
   use da_base_random, only: random_key_type
   use da_analysis_variational_conjugate_gradient, only: quadratic_type, minimisation_type, &
      batch_products, &
      orthogonalise, products_with, exhausted
   use da_ensemble_initialise, only: draw_normal_field
   implicit none
   private
   public :: ritz_type, spectral_type, find_basis, ritz_pairs, spectral_factor, controls_on_circle

   !> Ritz pairs, by pair (the largest value first) and column of a batch; of columns that have
   !> fewer, the last values are one: that of a direction which no observation sees.
   type :: ritz_type
      real(wp), allocatable :: values(:, :)
      !> |A q - θ q| / θ
      real(wp), allocatable :: residuals(:, :)
      !> Pairs of each column.
      integer, allocatable :: found(:)
      !> q(n, components, batch, pair), where the basis was kept.
      real(wp), allocatable :: vectors(:, :, :, :)
   end type ritz_type

   !> I + Σ_k (f_k - 1) q_k q_k^T: a function f of the Hessian, if the pairs are those with f ≠ 1.
   type :: spectral_type
      real(wp), allocatable :: vectors(:, :, :, :)
      !> f - 1, by column and pair.
      real(wp), allocatable :: changes(:, :)
   contains
      procedure :: apply
   end type spectral_type

contains

   !> Numbers of a control vector on all ranks.
   pure function controls_on_circle(domain, components) result(numbers)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      integer(i8) :: numbers

      numbers = int(domain%total, i8)*components
   end function controls_on_circle

   !> `most` Lanczos vectors from a random one, v(n, components, batch), fewer where there are not
   !> so many dimensions. Where a Krylov space ends, as it does with eigenvalues of several
   !> dimensions, another random vector goes on: no dimension is left out for ever.
   subroutine find_basis(quadratic, domain, key, shape_of_controls, most, history)
      class(quadratic_type), intent(in) :: quadratic
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: shape_of_controls(3)
      integer, intent(in) :: most
      type(minimisation_type), intent(out) :: history
      real(wp), allocatable, dimension(:, :, :) :: next, image, fresh
      real(wp), dimension(shape_of_controls(3)) :: norm
      integer :: steps
      integer :: k
      integer :: m

      associate (batch => shape_of_controls(3))
         steps = int(min(int(most, i8), controls_on_circle(domain, shape_of_controls(2))))
         allocate (history%diagonal(steps, batch), history%beside(steps, batch), source=0.0_wp)
         allocate (history%rank(batch), source=steps)
         allocate (history%basis(shape_of_controls(1), shape_of_controls(2), batch, steps))
         allocate (next(shape_of_controls(1), shape_of_controls(2), batch))
         allocate (image, fresh, mold=next)
         call draw(0, next)
         norm = sqrt(batch_products(domain, next, next))
         do k = 1, steps
            do m = 1, batch
               history%basis(:, :, m, k) = next(:, :, m)/norm(m)
            end do
            call quadratic%apply(domain, history%basis(:, :, :, k), image)
            history%diagonal(k, :) = batch_products(domain, history%basis(:, :, :, k), image)
            next = image
            call orthogonalise(domain, history%basis(:, :, :, :k), next)
            norm = sqrt(batch_products(domain, next, next))
            history%beside(k, :) = norm
            if (k == steps) exit
            if (all(norm > exhausted*history%diagonal(k, :))) cycle
            call draw(k, fresh)
            call orthogonalise(domain, history%basis(:, :, :, :k), fresh)
            do m = 1, batch
               if (norm(m) > exhausted*history%diagonal(k, m)) cycle
               next(:, :, m) = fresh(:, :, m)
               history%beside(k, m) = 0
            end do
            norm = sqrt(batch_products(domain, next, next))
         end do
         history%iterations = steps
         if (steps == controls_on_circle(domain, shape_of_controls(2))) then
            history%beside(steps, :) = 0
         end if
      end associate

   contains

      !> Fresh numbers each time: columns of the batch are members of the key.
      subroutine draw(time, x)
         integer, intent(in) :: time
         real(wp), intent(out) :: x(:, :, :)
         type(random_key_type) :: one
         integer :: column

         one = key
         do column = 1, size(x, 3)
            one%member = key%member + time*size(x, 3) + column
            call draw_normal_field(domain, one, x(:, :, column))
         end do
      end subroutine draw
   end subroutine find_basis

   !> The eigenpairs of Lanczos' matrix. A matrix that is not finite has none.
   subroutine ritz_pairs(history, pairs)
      type(minimisation_type), intent(in) :: history
      type(ritz_type), intent(out) :: pairs
      type(eigen_type) :: eigen
      type(error_type), allocatable :: error
      real(wp), allocatable :: matrix(:, :)
      integer :: batch
      integer :: last
      integer :: i
      integer :: k
      integer :: m

      batch = size(history%rank)
      allocate (pairs%values(history%iterations, batch), source=1.0_wp)
      allocate (pairs%residuals(history%iterations, batch), source=0.0_wp)
      allocate (pairs%found(batch), source=0)
      if (allocated(history%basis)) then
         allocate (pairs%vectors(size(history%basis, 1), size(history%basis, 2), batch, &
                                 history%iterations), source=0.0_wp)
      end if
      do m = 1, batch
         last = history%rank(m)
         if (last == 0) cycle
         allocate (matrix(last, last), source=0.0_wp)
         do k = 1, last
            matrix(k, k) = history%diagonal(k, m)
            if (k < last) matrix(k + 1, k) = history%beside(k, m)
         end do
         call new_eigen(last, eigen)
         call eigen%decompose(matrix, error)
         deallocate (matrix)
         if (allocated(error)) cycle
         pairs%found(m) = last
         do i = 1, last
            associate (s => eigen%vectors(:, last + 1 - i))
               pairs%values(i, m) = eigen%values(last + 1 - i)
               pairs%residuals(i, m) = history%beside(last, m)*abs(s(last))/pairs%values(i, m)
               if (.not. allocated(pairs%vectors)) cycle
               do k = 1, last
                  pairs%vectors(:, :, m, i) = pairs%vectors(:, :, m, i) &
                                              + s(k)*history%basis(:, :, m, k)
               end do
            end associate
         end do
      end do
   end subroutine ritz_pairs

   !> A^{power} by the pairs whose residual is at most `tolerance`, power -1/2 or 1/2.
   subroutine spectral_factor(pairs, inverse, tolerance, factor)
      type(ritz_type), intent(in) :: pairs
      logical, intent(in) :: inverse
      real(wp), intent(in) :: tolerance
      type(spectral_type), intent(out) :: factor
      integer :: i
      integer :: m

      factor%vectors = pairs%vectors
      allocate (factor%changes(size(pairs%values, 2), size(pairs%values, 1)), source=0.0_wp)
      do i = 1, size(pairs%values, 1)
         do m = 1, size(pairs%values, 2)
            if (i > pairs%found(m) .or. .not. pairs%residuals(i, m) <= tolerance) cycle
            if (inverse) then
               factor%changes(m, i) = 1/sqrt(pairs%values(i, m)) - 1
            else
               factor%changes(m, i) = sqrt(pairs%values(i, m)) - 1
            end if
         end do
      end do
   end subroutine spectral_factor

   !> x ← x + Σ_k (f_k - 1) q_k q_k^T x
   subroutine apply(self, domain, x)
      class(spectral_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp) :: along(size(self%changes, 1), size(self%changes, 2))
      integer :: k
      integer :: m

      call products_with(domain, self%vectors, x, along)
      along = along*self%changes
      do k = 1, size(along, 2)
         do m = 1, size(along, 1)
            x(:, :, m) = x(:, :, m) + along(m, k)*self%vectors(:, :, m, k)
         end do
      end do
   end subroutine apply
end module da_analysis_variational_lanczos
