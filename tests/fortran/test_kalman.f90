!> The Kalman filter of one state against matrices: products and solutions in full.
module test_kalman
   use da_analysis_kalman_bands, only: bands_type, new_bands
   use da_analysis_kalman_second_order, only: kalman_type, new_kalman, carried_covariance
   use da_analysis_kalman_settings, only: kalman_config
   use da_analysis_kalman_window, only: kalman_window_type, new_kalman_window
   use da_analysis_type, only: observe_analysis
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_ensemble_type, only: ensemble_type
   use da_model_lorenz96, only: lorenz96_type, lorenz96_config, new_lorenz96
   use da_model_lorenz96_two_scale, only: lorenz96_two_scale_type, lorenz96_two_scale_config, &
      new_lorenz96_two_scale
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_checks, only: random_field
   use da_operator_type, only: operator_type
   use test_ienks, only: advection_type, new_advection, values_on, points
   use test_operators, only: mixture_on
   use test_variational, only: eliminate
   use testing, only: testing_type
   implicit none
   private
   public :: test_kalman_suite

   integer, parameter :: cycles = 3
   real(wp), parameter :: model_error = 0.01_wp
   real(wp), parameter :: inflation = 1.03_wp
   real(wp), parameter :: initial_sd = 0.8_wp

contains

   subroutine test_kalman_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_filter(tests, domain, whole)
      call check_window(tests, domain)
      call check_lost_truth(tests, domain)
      call check_product(tests, new_lorenz96(lorenz96_config(n=points)), 0)
      call check_product(tests, new_lorenz96_two_scale(lorenz96_two_scale_config(n=13, fast=3)), 0)
      call check_product(tests, new_lorenz96(lorenz96_config(n=97)), 12)
      call check_product(tests, new_lorenz96(lorenz96_config(n=50)), 12)
      call check_product(tests, &
                         new_lorenz96_two_scale(lorenz96_two_scale_config(n=61, fast=2)), 12)
      call check_curvature(tests, new_lorenz96(lorenz96_config(n=points)), 0)
      call check_curvature(tests, new_lorenz96(lorenz96_config(n=67)), 12)
      call check_lorenz96_term(tests)
      call check_tiles(tests)
   end subroutine test_kalman_suite

   !> With a linear model and a linear H the filter is the Kalman filter.
   subroutine check_filter(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      type(kalman_type) :: scheme
      type(advection_type) :: model
      type(ensemble_type) :: ensemble
      type(observations_type) :: observations
      type(error_type), allocatable :: error
      real(wp), dimension(points, points) :: m, p
      real(wp) :: x(points)
      real(wp), allocatable, dimension(:, :) :: h, s, gain_transposed
      real(wp), allocatable :: sd(:)
      real(wp) :: wrong
      integer :: cycle
      integer :: i
      integer :: j

      model = new_advection(points)
      scheme = new_kalman(kalman_config(q=model_error, inflation=inflation, reach=0, &
                                        initial_sd=initial_sd))
      scheme%steps = 2
      call scheme%prepare(domain, model)
      ensemble%members = 1
      allocate (ensemble%x(domain%n, 1, 1), ensemble%carried(0))
      call random_field(random_key_type(seed=3), int(domain%first - 1, i8), ensemble%x)
      call scheme%carry_along(domain, ensemble)
      call normals(random_key_type(seed=3, member=1), 0_i8, x)
      m = tangent_linear(model, reshape(x, [points, 1]))
      m = matmul(m, m)
      p = 0
      do i = 1, points
         p(i, i) = initial_sd**2
      end do
      observations = values_on(whole)
      h = observed(whole, observations)
      wrong = 0
      do cycle = 1, cycles
         x = matmul(m, x)
         p = inflation**2*matmul(m, matmul(p, transpose(m)))
         do i = 1, points
            p(i, i) = p(i, i) + model_error
         end do
         s = matmul(h, matmul(p, transpose(h)))
         sd = [(sqrt(s(j, j)), j=1, size(s, 1))]
         do j = 1, observations%n
            s(j, j) = s(j, j) + observations%error_sd(j)**2
         end do
         gain_transposed = matmul(h, p)
         call eliminate(s, gain_transposed)
         x = x + matmul(observations%value - matmul(h, x), gain_transposed)
         p = p - matmul(transpose(gain_transposed), matmul(h, p))
         call filter()
      end do
      call tests%check_small(wrong, 1.0e-12_wp, 'one state: mean and covariance of the Kalman '// &
                             'filter')

   contains

      subroutine filter()
         type(observations_type) :: own
         integer :: distance

         call scheme%forecast(domain, model, cycle, ensemble)
         own = values_on(domain)
         call scheme%update(domain, cycle, own, ensemble, error)
         associate (first => domain%first, last => domain%last, &
                    bands => ensemble%carried(ensemble%place_of(carried_covariance))%x)
            wrong = max(wrong, maxval(abs(ensemble%x(:, 1, 1) - x(first:last))))
            do distance = 0, points/2
               do i = first, last
                  j = modulo(i + distance - 1, points) + 1
                  wrong = max(wrong, abs(bands(i - first + 1, 1, distance + 1) - p(i, j)))
               end do
            end do
         end associate
         do j = 1, own%n
            wrong = max(wrong, abs(own%background_sd(j) - sd(int(own%before) + j)))
         end do
      end subroutine filter
   end subroutine check_filter

   !> With a linear and perfect model a window's end has the filter's analysis.
   subroutine check_window(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, parameter :: many = 5
      type(kalman_type) :: filter
      type(kalman_window_type) :: smoother
      type(ensemble_type), dimension(2) :: ensembles
      type(observations_type) :: observations
      type(observations_type) :: none(0)
      type(advection_type) :: model
      type(error_type), allocatable :: error
      integer :: cycle
      integer :: k

      model = new_advection(points)
      filter = new_kalman(kalman_config(q=0.0_wp, reach=0, initial_sd=initial_sd))
      smoother = new_kalman_window(kalman_config(q=0.0_wp, reach=0, initial_sd=initial_sd, &
                                                 window=3))
      call filter%prepare(domain, model)
      call smoother%prepare(domain, model)
      do k = 1, 2
         ensembles(k)%members = 1
         allocate (ensembles(k)%x(domain%n, 1, 1), ensembles(k)%carried(0))
         call random_field(random_key_type(seed=3), int(domain%first - 1, i8), ensembles(k)%x)
      end do
      call filter%carry_along(domain, ensembles(1))
      call smoother%carry_along(domain, ensembles(2))
      call filter%take_first(ensembles(1))
      call smoother%take_first(ensembles(2))
      do cycle = 1, many
         call filter%forecast(domain, model, cycle, ensembles(1))
         call smoother%forecast(domain, model, cycle, ensembles(2))
         observations = values_on(domain)
         call filter%update(domain, cycle, observations, ensembles(1), error)
         observations = values_on(domain)
         call smoother%update_window(domain, cycle, none, observations, ensembles(2), error)
      end do
      call tests%check_small(maxval(abs(ensembles(1)%x - ensembles(2)%x)), 1.0e-12_wp, &
                             'one state: the end of a window is the filter''s analysis')
      call tests%check_small(maxval(abs(ensembles(1)%sd - ensembles(2)%sd)), 1.0e-12_wp, &
                             'one state: so is its spread')
   end subroutine check_window

   !> A filter that is sure of a wrong state sees it, and believes the observations.
   subroutine check_lost_truth(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      real(wp), parameter :: far = 9
      real(wp), parameter :: sure = 0.01_wp

      call tests%check(distance_left(0.0_wp) > 0.9_wp*far, &
                       'one state: without doubt it stays where it is')
      call tests%check(distance_left(8.0_wp) < 0.1_wp*far, 'one state: a lost truth is found')

   contains

      function distance_left(doubt) result(distance)
         real(wp), intent(in) :: doubt
         real(wp) :: distance
         type(kalman_type) :: scheme
         type(ensemble_type) :: ensemble
         type(observations_type) :: observations
         type(advection_type) :: model
         type(error_type), allocatable :: error
         real(wp) :: largest(1)

         model = new_advection(points)
         scheme = new_kalman(kalman_config(reach=0, initial_sd=sure, doubt=doubt))
         call scheme%prepare(domain, model)
         ensemble%members = 1
         allocate (ensemble%x(domain%n, 1, 1), ensemble%carried(0))
         ensemble%x = 0
         call scheme%carry_along(domain, ensemble)
         observations = values_on(domain)
         observations%value = far
         call scheme%update(domain, 1, observations, ensemble, error)
         call observe_analysis(domain, ensemble, observations)
         largest = 0
         if (observations%n > 0) largest = maxval(abs(observations%analysis - far))
         call domain%communicator%maxima(largest)
         distance = largest(1)
      end function distance_left
   end subroutine check_lost_truth

   !> M P M^T, with P of a short reach: bands against matrices, where no taper acts.
   subroutine check_product(tests, model, reach)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      integer, intent(in) :: reach
      type(domain_type) :: domain
      type(bands_type) :: bands
      type(error_type), allocatable :: error
      real(wp), allocatable, dimension(:, :) :: m, p
      real(wp), allocatable, dimension(:, :, :) :: covariance, x, state
      integer :: kept

      call new_domain(model%points, tests%communicator, domain, error)
      call new_bands(domain, model, reach, bands)
      allocate (state(model%points, model%components_in, 1))
      call random_field(random_key_type(seed=8), 0_i8, state)
      x = state(domain%first:domain%last, :, :)
      kept = merge(bands%ahead, (2*bands%ahead)/3, bands%whole)
      p = covariance_of(model%points, size(state, 2), merge(kept, 5, bands%whole))
      covariance = bands_of(domain, bands%ahead, size(state, 2), p)
      call bands%propagate(model, domain, x, covariance)
      m = tangent_linear(model, state(:, :, 1))
      p = matmul(m, matmul(p, transpose(m)))
      covariance = abs(covariance - bands_of(domain, bands%ahead, size(state, 2), p))
      call tests%check_small(maxval(covariance(:, :, :(kept + 1)*size(state, 2))), 1.0e-11_wp, &
                             model%name//': the bands of M P M^T')
   end subroutine check_product

   !> ½ Σ P_jk ∂²M/∂x_j∂x_k by differences of the whole step.
   subroutine check_curvature(tests, model, reach)
      type(testing_type), intent(inout) :: tests
      class(model_type), intent(in) :: model
      integer, intent(in) :: reach
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(bands_type) :: bands
      type(error_type), allocatable :: error
      real(wp), allocatable, dimension(:, :) :: p, shift
      real(wp), allocatable, dimension(:, :, :) :: covariance, x, ahead, back
      real(wp), parameter :: distance = 1.0e-3_wp
      real(wp), allocatable :: expected(:)
      integer :: j

      call new_domain(model%points, tests%communicator, domain, error)
      call new_domain(model%points, alone(), whole, error)
      call new_bands(domain, model, reach, bands)
      allocate (x(model%points, 1, 1), shift(domain%n, 1), expected(model%points))
      call random_field(random_key_type(seed=8), 0_i8, x)
      p = covariance_of(model%points, 1, 5)
      covariance = bands_of(domain, bands%ahead, 1, p)
      call bands%curvature(model, domain, x(domain%first:domain%last, :, :), covariance, shift)
      expected = 0
      allocate (ahead, back, mold=x)
      do j = 1, model%points
         x(j, 1, 1) = x(j, 1, 1) + distance
         call model%tl(whole, x, reshape(p(:, j), [model%points, 1, 1]), ahead)
         x(j, 1, 1) = x(j, 1, 1) - 2*distance
         call model%tl(whole, x, reshape(p(:, j), [model%points, 1, 1]), back)
         x(j, 1, 1) = x(j, 1, 1) + distance
         expected = expected + (ahead(:, 1, 1) - back(:, 1, 1))/(4*distance)
      end do
      call tests%check_small(maxval(abs(shift(:, 1) - expected(domain%first:domain%last))), &
                             1.0e-9_wp, 'what P adds to the mean in a step')
   end subroutine check_curvature

   !> The term that Lorenz-96 tells is that of a short step.
   subroutine check_lorenz96_term(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: short = 1.0e-4_wp
      type(domain_type) :: domain
      type(lorenz96_type) :: model
      type(bands_type) :: bands
      type(error_type), allocatable :: error
      real(wp), allocatable :: covariance(:, :, :)
      real(wp), allocatable :: tendency(:, :)
      real(wp), allocatable :: shift(:, :)
      real(wp), allocatable :: x(:, :, :)

      model = new_lorenz96(lorenz96_config(n=points, dt=short))
      call new_domain(points, tests%communicator, domain, error)
      call new_bands(domain, model, 0, bands)
      allocate (shift(domain%n, 1), x(domain%n, 1, 1))
      call random_field(random_key_type(seed=8), int(domain%first - 1, i8), x)
      covariance = bands_of(domain, bands%ahead, 1, covariance_of(points, 1, 5))
      call bands%curvature(model, domain, x, covariance, shift)
      call model%second_order(domain, covariance, tendency)
      call tests%check_small(maxval(abs(shift/short - tendency)), 100*short, &
                             'what P adds to the tendency of Lorenz-96')
   end subroutine check_lorenz96_term

   !> A large circle is analysed tile by tile: next to nothing is lost, on any H.
   subroutine check_tiles(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: large = 150
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      type(ensemble_type) :: tiled
      type(ensemble_type) :: full
      type(lorenz96_type) :: model

      model = new_lorenz96(lorenz96_config(n=large))
      call new_domain(large, tests%communicator, domain, error)
      call analyse(24, tiled)
      call analyse(0, full)
      call tests%check_small(maxval(abs(tiled%x - full%x)), 1.0e-3_wp, &
                             'tiles: mean of the analysis')
      call tests%check_small(maxval(abs(tiled%sd - full%sd)), 1.0e-3_wp, &
                             'tiles: spread of the analysis')

   contains

      subroutine analyse(reach, ensemble)
         integer, intent(in) :: reach
         type(ensemble_type), intent(out) :: ensemble
         type(kalman_type) :: scheme
         type(observations_type) :: observations
         integer :: cycle

         scheme = new_kalman(kalman_config(q=model_error, reach=reach, initial_sd=initial_sd))
         call scheme%prepare(domain, model)
         ensemble%members = 1
         allocate (ensemble%x(domain%n, 1, 1), ensemble%carried(0))
         call random_field(random_key_type(seed=3), int(domain%first - 1, i8), ensemble%x)
         ensemble%x = 5 + ensemble%x
         call scheme%carry_along(domain, ensemble)
         do cycle = 1, cycles
            call scheme%forecast(domain, model, cycle, ensemble)
            observations = mixture_on(domain, 2.2_wp)
            observations%value = 2
            observations%error_sd = 1
            call scheme%update(domain, cycle, observations, ensemble, error)
         end do
      end subroutine analyse
   end subroutine check_tiles

   !> A covariance whose elements vary round the circle, and are zero beyond a reach.
   pure function covariance_of(n, components, reach) result(p)
      integer, intent(in) :: n
      integer, intent(in) :: components
      integer, intent(in) :: reach
      real(wp) :: p(n*components, n*components)
      integer :: distance
      integer :: i
      integer :: j

      do j = 1, n*components
         do i = 1, n*components
            distance = abs(point(i) - point(j))
            distance = min(distance, n - distance)
            p(i, j) = 0
            if (distance <= reach) p(i, j) = (1 + sin(0.1_wp*(i + j)) + 0.1_wp*abs(i - j)) &
                                             /(1 + distance**2)
         end do
      end do

   contains

      !> Variables are ordered as fields are: points of a component, then the next component.
      pure integer function point(variable)
         integer, intent(in) :: variable

         point = mod(variable - 1, n) + 1
      end function point
   end function covariance_of

   !> The slab's bands of a matrix.
   pure function bands_of(domain, reach, components, p) result(bands)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: reach
      integer, intent(in) :: components
      real(wp), intent(in) :: p(:, :)
      real(wp) :: bands(domain%n, components, components*(reach + 1))
      integer :: distance
      integer :: c
      integer :: e
      integer :: i
      integer :: j

      do distance = 0, reach
         do e = 1, components
            do c = 1, components
               do i = 1, domain%n
                  j = modulo(domain%first - 1 + i + distance - 1, domain%total) + 1
                  bands(i, c, distance*components + e) = p((c - 1)*domain%total &
                                                          + domain%first - 1 + i, &
                                                          (e - 1)*domain%total + j)
               end do
            end do
         end do
      end do
   end function bands_of

   !> A step's matrix about x(n, components).
   function tangent_linear(model, x) result(m)
      class(model_type), intent(in) :: model
      real(wp), intent(in) :: x(:, :)
      real(wp) :: m(size(x), size(x))
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      real(wp), dimension(size(x, 1), size(x, 2), 1) :: state, unit, column
      real(wp) :: units(size(x))
      integer :: j

      call new_domain(size(x, 1), alone(), whole, error)
      state(:, :, 1) = x
      do j = 1, size(x)
         units = 0
         units(j) = 1
         unit = reshape(units, shape(unit))
         call model%tl(whole, state, unit, column)
         m(:, j) = reshape(column, [size(x)])
      end do
   end function tangent_linear

   !> The matrix of a linear H.
   function observed(whole, observations) result(h)
      type(domain_type), intent(inout) :: whole
      type(observations_type), intent(in) :: observations
      real(wp) :: h(observations%n, points)
      class(operator_type), allocatable :: operator
      real(wp) :: unit(points, 1, 1)
      real(wp) :: column(observations%n, 1, 1)
      integer :: j

      call new_observation_operator(observations, whole, operator)
      do j = 1, points
         unit = 0
         unit(j, 1, 1) = 1
         call operator%forward(whole, unit, column)
         h(:, j) = column(:, 1, 1)
      end do
   end function observed
end module test_kalman
