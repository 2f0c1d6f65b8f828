!> The contract of every operator: Taylor, dot product, the same bits on any layout.
!>
!> A new operator joins with one line in `test_operators_suite`.
module test_operators
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_covariance_diagonal, only: diagonal_type, new_diagonal
   use da_covariance_ensemble, only: ensemble_covariance_type, new_ensemble_covariance
   use da_covariance_homogeneous, only: homogeneous_type, new_homogeneous
   use da_covariance_hybrid, only: hybrid_type, new_hybrid
   use da_covariance_uniform, only: uniform_type, new_uniform
   use da_model_corrected_tendency, only: corrected_tendency_type, new_corrected_tendency
   use da_model_lorenz96, only: lorenz96_type, lorenz96_config, new_lorenz96
   use da_model_lorenz96_cubic, only: lorenz96_cubic_type, lorenz96_cubic_config, new_lorenz96_cubic
   use da_model_lorenz96_forced, only: lorenz96_forced_type, lorenz96_forced_config, &
      new_lorenz96_forced
   use da_model_lorenz96_tendency, only: lorenz96_tendency_type, new_lorenz96_tendency
   use da_model_lorenz96_two_scale, only: lorenz96_two_scale_type, lorenz96_two_scale_config, &
      new_lorenz96_two_scale
   use da_model_state_part, only: state_part_type, new_state_part
   use da_observation_interpolation, only: interpolation_type, new_interpolation
   use da_observation_kinds, only: known_kinds
   use da_observation_mixture, only: mixture_type, new_mixture
   use da_observation_type, only: observations_type, new_observations
   use da_operator_checks, only: taylor_remainders, adjoint_defect, random_field
   use da_operator_composition, only: composition_type, new_composition
   use da_operator_repetition, only: repetition_type, new_repetition
   use da_operator_type, only: operator_type
   use testing, only: testing_type
   implicit none
   private
   public :: test_operators_suite, observations_on, mixture_on

contains

   subroutine test_operators_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(4) = [13, 40, 41, 5000]
      !> Far from the kinks of some kinds, where no remainder is small.
      real(wp), parameter :: one_sign = 20
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(lorenz96_type) :: model
      type(lorenz96_cubic_type) :: cubic
      type(lorenz96_forced_type) :: forced
      type(lorenz96_two_scale_type) :: two_scale
      type(lorenz96_two_scale_type) :: one_fast
      type(lorenz96_tendency_type) :: tendency
      type(corrected_tendency_type) :: corrected
      type(state_part_type) :: state_part
      type(interpolation_type) :: observe
      type(interpolation_type) :: observe_whole
      type(mixture_type) :: mixture
      type(mixture_type) :: mixture_whole
      type(mixture_type) :: wide
      type(mixture_type) :: wide_whole
      type(composition_type) :: two_steps
      type(repetition_type) :: three_steps
      type(composition_type) :: observed
      type(composition_type) :: observed_whole
      type(error_type), allocatable :: error
      integer :: s

      do s = 1, size(sizes)
         call new_domain(sizes(s), tests%communicator, domain, error)
         call new_domain(sizes(s), alone(), whole, error)
         model = new_lorenz96(lorenz96_config(n=sizes(s)))
         observe = new_interpolation(observations_on(domain), domain)
         observe_whole = new_interpolation(observations_on(whole), whole)
         two_steps = new_composition(model, model)
         three_steps = new_repetition(model, 3)
         observed = new_composition(model, observe)
         observed_whole = new_composition(model, observe_whole)
         call check_operator(tests, 'lorenz96', model, model, domain, whole)
         tendency = new_lorenz96_tendency(model%forcing)
         corrected = new_corrected_tendency(model, tendency, new_lorenz96_tendency(0.5_wp))
         call check_operator(tests, 'lorenz96 tendency', tendency, tendency, domain, whole)
         call check_operator(tests, 'corrected tendency', corrected, corrected, domain, whole)
         cubic = new_lorenz96_cubic(lorenz96_cubic_config(n=sizes(s)))
         two_scale = new_lorenz96_two_scale(lorenz96_two_scale_config(n=sizes(s), fast=3))
         one_fast = new_lorenz96_two_scale(lorenz96_two_scale_config(n=sizes(s), fast=1))
         call check_operator(tests, 'lorenz96_cubic', cubic, cubic, domain, whole)
         forced = new_lorenz96_forced(lorenz96_forced_config(n=sizes(s)))
         call check_operator(tests, 'lorenz96_forced', forced, forced, domain, whole)
         state_part = new_state_part(tendency, 2, 1)
         call check_operator(tests, 'tendency beside a parameter', state_part, state_part, domain, &
                             whole)
         state_part = new_state_part(forced, 2, 1)
         call check_operator(tests, 'what sees a parameter', state_part, state_part, domain, whole)
         call check_operator(tests, 'lorenz96_two_scale', two_scale, two_scale, domain, whole)
         call check_operator(tests, 'one fast variable', one_fast, one_fast, domain, whole)
         call check_operator(tests, 'interpolation', observe, observe_whole, domain, whole)
         mixture = new_mixture(mixture_on(domain, 2.2_wp), domain)
         mixture_whole = new_mixture(mixture_on(whole, 2.2_wp), whole)
         call check_operator(tests, 'all kinds', mixture, mixture_whole, domain, whole, one_sign)
         wide = new_mixture(mixture_on(domain, 6.5_wp), domain)
         wide_whole = new_mixture(mixture_on(whole, 6.5_wp), whole)
         call check_operator(tests, 'wide averages', wide, wide_whole, domain, whole, one_sign)
         call check_operator(tests, 'two model steps', two_steps, two_steps, domain, whole)
         call check_operator(tests, 'three model steps', three_steps, three_steps, domain, whole)
         call check_operator(tests, 'observed model', observed, observed_whole, domain, whole)
         call check_covariances(tests, domain, whole)
      end do
   end subroutine test_operators_suite

   !> Square roots of covariances are linear operators like others.
   subroutine check_covariances(tests, domain, whole)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      integer, parameter :: lags = 5
      integer, parameter :: members = 3
      real(wp) :: covariances(0:lags, 2)
      type(diagonal_type) :: diagonal
      type(homogeneous_type) :: homogeneous
      type(homogeneous_type) :: localisation
      type(ensemble_covariance_type) :: ensemble
      type(ensemble_covariance_type) :: ensemble_whole
      type(uniform_type) :: uniform
      type(hybrid_type) :: hybrid
      type(hybrid_type) :: hybrid_whole
      real(wp) :: x(domain%n, 2, members)
      real(wp) :: x_whole(whole%n, 2, members)
      integer :: i

      covariances(:, 1) = [(1 - i/(lags + 1.0_wp), i=0, lags)]
      covariances(:, 2) = 0.3_wp*covariances(:, 1)**2
      diagonal = new_diagonal([0.5_wp, 2.0_wp])
      homogeneous = new_homogeneous(domain%total, covariances)
      localisation = new_homogeneous(domain%total, covariances(:, :1))
      call random_field(random_key_type(seed=4), int(domain%first - 1, i8), x)
      call random_field(random_key_type(seed=4), 0_i8, x_whole)
      ensemble = new_ensemble_covariance(x, localisation)
      ensemble_whole = new_ensemble_covariance(x_whole, localisation)
      hybrid = new_hybrid(homogeneous, ensemble, 0.4_wp)
      hybrid_whole = new_hybrid(homogeneous, ensemble_whole, 0.4_wp)
      call check_operator(tests, 'diagonal covariance', diagonal, diagonal, domain, whole)
      call check_operator(tests, 'homogeneous covariance', homogeneous, homogeneous, domain, whole)
      call check_operator(tests, 'ensemble covariance', ensemble, ensemble_whole, domain, whole)
      call check_operator(tests, 'hybrid covariance', hybrid, hybrid_whole, domain, whole)
      uniform = new_uniform()
      ensemble = new_ensemble_covariance(x, uniform)
      ensemble_whole = new_ensemble_covariance(x_whole, uniform)
      call check_operator(tests, 'uniform covariance', uniform, uniform, domain, whole)
      call check_operator(tests, 'ensemble covariance, not localised', ensemble, ensemble_whole, &
                          domain, whole)
   end subroutine check_covariances

   !> Observations between points, several in some cells and none in others.
   function observations_on(domain) result(observations)
      type(domain_type), intent(in) :: domain
      type(observations_type) :: observations
      real(wp) :: position
      integer :: pass
      integer :: n
      integer :: i
      integer :: j

      do pass = 1, 2
         n = 0
         do i = domain%first, domain%last
            do j = 1, mod(i, 4)
               position = i - 1 + 0.3_wp*(j - 1)
               n = n + 1
               if (pass == 2) observations%position(n) = position
            end do
         end do
         if (pass == 1) observations = new_observations(n, 0.0_wp)
      end do
      call observations%count_ranks(domain)
   end function observations_on

   !> The same observations with all kinds in turn.
   function mixture_on(domain, half_width) result(observations)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: half_width
      type(observations_type) :: observations
      integer :: j

      observations = observations_on(domain)
      observations%kind = [(known_kinds(mod(int(observations%before) + j, size(known_kinds)) + 1), &
                            j=1, observations%n)]
      observations%parameters%exponent = 1.5_wp
      observations%parameters%cap = 1000
      observations%parameters%half_width = half_width
      call observations%count_ranks(domain)
   end function mixture_on

   !> `operator` on the domain of all ranks, and the same one on a domain that is whole on this
   !> rank; `average` is that of the state.
   subroutine check_operator(tests, name, operator, operator_whole, domain, whole, average)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: name
      class(operator_type), intent(in) :: operator
      class(operator_type), intent(in) :: operator_whole
      type(domain_type), intent(inout) :: domain
      type(domain_type), intent(inout) :: whole
      real(wp), intent(in), optional :: average
      integer, parameter :: batch = 3
      real(wp), parameter :: alphas(3) = [1.0e-2_wp, 1.0e-3_wp, 1.0e-4_wp]
      real(wp), parameter :: rounding = 1.0e-9_wp
      real(wp), allocatable, dimension(:, :, :) :: x, dx, dy, x_whole, dx_whole, dy_whole
      real(wp) :: remainders(size(alphas))
      real(wp) :: defect
      real(wp) :: shift
      integer(i8) :: before

      before = domain%communicator%count_before(int(operator%rows(domain), i8))
      allocate (x(domain%n, operator%components_in, batch), x_whole(whole%n, &
                                                                    operator%components_in, batch))
      allocate (dx, mold=x)
      allocate (dx_whole, mold=x_whole)
      allocate (dy(operator%rows(domain), operator%components_out, batch))
      allocate (dy_whole(operator_whole%rows(whole), operator%components_out, batch))
      call random_field(random_key_type(seed=1), int(domain%first - 1, i8), x)
      call random_field(random_key_type(seed=2), int(domain%first - 1, i8), dx)
      call random_field(random_key_type(seed=3), before, dy)
      call random_field(random_key_type(seed=1), 0_i8, x_whole)
      call random_field(random_key_type(seed=2), 0_i8, dx_whole)
      call random_field(random_key_type(seed=3), 0_i8, dy_whole)
      shift = 2.3_wp
      if (present(average)) shift = average
      x = shift + 3.6_wp*x
      x_whole = shift + 3.6_wp*x_whole

      call taylor_remainders(operator, domain, x, dx, alphas, remainders)
      call tests%check(all(remainders < rounding) .or. &
                       all(abs(remainders(2:)/remainders(:2) - 0.1_wp) < 0.01_wp), &
                       name//': the Taylor remainder falls linearly')
      call adjoint_defect(operator, domain, x, dx, dy, defect)
      call tests%check_small(defect, 1.0e-13_wp, name//': dot product')
      call check_layout()

   contains

      subroutine check_layout()
         real(wp), allocatable, dimension(:, :, :) :: y, y_whole, back, back_whole
         integer :: rows

         allocate (y, mold=dy)
         allocate (y_whole, mold=dy_whole)
         allocate (back, mold=x)
         allocate (back_whole, mold=x_whole)
         rows = size(y, 1)
         call operator%forward(domain, x, y)
         call operator_whole%forward(whole, x_whole, y_whole)
         call tests%check(all(abs(y - y_whole(before + 1:before + rows, :, :)) <= 0), &
                          name//': forward gives the same bits on any layout')
         call operator%tl(domain, x, dx, y)
         call operator_whole%tl(whole, x_whole, dx_whole, y_whole)
         call tests%check(all(abs(y - y_whole(before + 1:before + rows, :, :)) <= 0), &
                          name//': the tangent linear gives the same bits on any layout')
         call operator%ad(domain, x, dy, back)
         call operator_whole%ad(whole, x_whole, dy_whole, back_whole)
         call tests%check(all(abs(back - back_whole(domain%first:domain%last, :, :)) <= 0), &
                          name//': the adjoint gives the same bits on any layout')
      end subroutine check_layout
   end subroutine check_operator
end module test_operators
