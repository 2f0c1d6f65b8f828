!> The covariances of a model's climate, from free runs.
module da_covariance_climatology
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   implicit none
   private
   public :: climatological_covariances, add_lag_products, keep_finite

contains

   !> Leave out runs that are not finite on some rank: a random start may be too far from the
   !> attractor for the model's time step.
   subroutine keep_finite(domain, x)
      type(domain_type), intent(in) :: domain
      real(wp), allocatable, intent(inout) :: x(:, :, :)
      integer, allocatable :: finite(:)
      integer :: lost
      integer :: m

      allocate (finite(0))
      do m = 1, size(x, 3)
         lost = merge(0, 1, all(abs(x(:, :, m)) <= huge(1.0_wp)))
         if (domain%communicator%largest(lost) == 0) finite = [finite, m]
      end do
      if (size(finite) < size(x, 3)) x = x(:, :, finite)
   end subroutine keep_finite

   !> covariances(lag, component): of values `lag` points apart, 0 … lags, averaged over the circle
   !> and over samples of all runs in x(n, components, runs), `apart` time units apart; x moves on.
   subroutine climatological_covariances(model, domain, samples, apart, x, covariances)
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: samples
      real(wp), intent(in) :: apart
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      real(wp), intent(out) :: covariances(0:, :)
      real(wp) :: means(size(x, 2))
      real(wp) :: sample_means(size(x, 2))
      integer :: lag
      integer :: sample

      covariances = 0
      means = 0
      do sample = 1, samples
         call model%forecast(domain, max(1, nint(apart/model%dt)), x)
         call add_lag_products(domain, x, covariances, sample_means)
         means = means + sample_means
      end do
      covariances = covariances/samples
      means = means/samples
      do lag = 0, ubound(covariances, 1)
         covariances(lag, :) = covariances(lag, :) - means**2
      end do
   end subroutine climatological_covariances

   !> Add the products of values `lag` points apart, averaged over the circle and the fields, and
   !> give the mean values.
   subroutine add_lag_products(domain, x, products, means)
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), intent(inout) :: products(0:, :)
      real(wp), intent(out) :: means(:)
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
      real(wp), allocatable :: terms(:, :)
      real(wp), allocatable :: padded(:)
      real(wp), allocatable :: averages(:)
      integer :: columns
      integer :: lags
      integer :: lag
      integer :: m
      integer :: c

      lags = ubound(products, 1)
      columns = size(x, 2)*size(x, 3)
      allocate (left(0, columns), right(lags, columns), padded(domain%n + lags))
      allocate (terms(domain%n, 0:lags + 1))
      call domain%fetch_halo(columns, x, left, right)
      means = 0
      do m = 1, size(x, 3)
         do c = 1, size(x, 2)
            padded(:domain%n) = x(:, c, m)
            padded(domain%n + 1:) = right(:, (m - 1)*size(x, 2) + c)
            do lag = 0, lags
               terms(:, lag) = padded(:domain%n)*padded(lag + 1:lag + domain%n)
            end do
            terms(:, lags + 1) = padded(:domain%n)
            averages = domain%mean_of_points(terms)
            products(:, c) = products(:, c) + averages(:lags + 1)/size(x, 3)
            means(c) = means(c) + averages(lags + 2)/size(x, 3)
         end do
      end do
   end subroutine add_lag_products
end module da_covariance_climatology
