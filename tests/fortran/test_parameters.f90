!> Parameters beside the state: the model that has one, and how an ensemble of them is kept.
module test_parameters
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_ensemble_inflation, only: inflate, add_noise, inflation_config, background_memory_type, &
      remember_background, relax
   use da_ensemble_parameters, only: parameters_type, parameters_config, new_parameters
   use da_ensemble_type, only: ensemble_type
   use da_model_lorenz96, only: lorenz96_type, lorenz96_config, new_lorenz96
   use da_model_lorenz96_forced, only: lorenz96_forced_type, lorenz96_forced_config, &
      new_lorenz96_forced
   use da_operator_checks, only: random_field
   use testing, only: testing_type
   implicit none
   private
   public :: test_parameters_suite

   integer, parameter :: points = 23
   integer, parameter :: members = 6

contains

   subroutine test_parameters_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error
      logical, parameter :: scopes(2) = [.false., .true.]
      integer :: s

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call check_model(tests, domain)
      do s = 1, size(scopes)
         call check_layout(tests, domain, whole, scopes(s))
         call check_steps(tests, domain, scopes(s))
      end do
      call check_inflation(tests, domain)
      call check_known(tests, domain)
   end subroutine test_parameters_suite

   !> With one forcing everywhere it is Lorenz-96, and keeps the forcing to the bit.
   subroutine check_model(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, parameter :: steps = 20
      real(wp), parameter :: forcing = 7.3_wp
      real(wp), parameter :: two_pi = 6.283185307179586_wp
      type(lorenz96_type) :: model
      type(lorenz96_forced_type) :: forced
      real(wp) :: x(domain%n, 1, 1)
      real(wp) :: augmented(domain%n, 2, 1)
      real(wp) :: wave(domain%n)
      integer :: i

      model = new_lorenz96(lorenz96_config(n=points, forcing=forcing))
      forced = new_lorenz96_forced(lorenz96_forced_config(n=points, forcing=forcing))
      call random_field(random_key_type(seed=1), int(domain%first - 1, i8), x)
      x = 2 + 3*x
      augmented(:, 1, :) = x(:, 1, :)
      call forced%set_parameters(domain, augmented)
      call model%forecast(domain, steps, x)
      call forced%forecast(domain, steps, augmented)
      call tests%check_small(maxval(abs(augmented(:, 1, :) - x(:, 1, :))), 1.0e-11_wp, &
                             'lorenz96_forced with one forcing is lorenz96')
      call tests%check(all(abs(augmented(:, 2, :) - forcing) <= 0), 'a forecast keeps parameters')
      forced = new_lorenz96_forced(lorenz96_forced_config(n=points, amplitude=2.0_wp, &
                                                          wave_number=3))
      call forced%set_parameters(domain, augmented)
      wave = [(2*sin(two_pi*3*(domain%first + i - 2)/points), i=1, domain%n)]
      call tests%check_small(maxval(abs(augmented(:, 2, 1) - 8 - wave)), 1.0e-12_wp, &
                             'the forcing makes a wave round the circle')
   end subroutine check_model

   !> First ensemble, walk and settling give the same bits on any layout.
   subroutine check_layout(tests, domain, whole, local)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      type(domain_type), intent(in) :: whole
      logical, intent(in) :: local
      type(parameters_type) :: parameters
      real(wp) :: x(domain%n, 2, members)
      real(wp) :: x_whole(whole%n, 2, members)

      parameters = new_parameters(parameters_config(estimate=.true., local=local, &
                                                    random_walk=0.1_wp, minimum_sd=2.0_wp, &
                                                    correlation_length=merge(2.0_wp, 0.0_wp, &
                                                                             local)), 1, points, 3)
      call random_field(random_key_type(seed=1), int(domain%first - 1, i8), x)
      call random_field(random_key_type(seed=1), 0_i8, x_whole)
      call through(domain, x)
      call through(whole, x_whole)
      call tests%check(all(abs(x - x_whole(domain%first:domain%last, :, :)) <= 0), &
                       'parameters have the same bits on any layout')

   contains

      subroutine through(part, values)
         type(domain_type), intent(in) :: part
         real(wp), intent(inout) :: values(:, :, :)
         real(wp) :: ramp(part%n)
         integer :: i

         call parameters%begin(part, values)
         call parameters%walk(part, 4, values)
         ramp = [(0.1_wp*modulo(part%first + i, 5), i=1, part%n)]
         values(:, 2, 3) = values(:, 2, 3) + ramp
         call parameters%settle(part, values)
      end subroutine through
   end subroutine check_layout

   !> The first ensemble is as asked for, the walk leaves the mean where it is, the spread keeps its
   !> floor, a global parameter is the same everywhere; the state is not touched.
   subroutine check_steps(tests, domain, local)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: local
      integer, parameter :: many = 400
      type(parameters_type) :: parameters
      type(ensemble_type) :: ensemble
      real(wp), dimension(domain%n, 2) :: mean, walked, sd
      integer :: m

      parameters = new_parameters(parameters_config(estimate=.true., local=local, &
                                                    first_guess=5.0_wp, first_sd=0.5_wp, &
                                                    random_walk=0.2_wp, minimum_sd=0.8_wp), 1, &
                                  points, 3)
      ensemble%members = many
      allocate (ensemble%x(domain%n, 2, many), source=1.0_wp)
      call parameters%begin(domain, ensemble%x)
      call ensemble%mean(mean)
      call ensemble%spread(mean, sd)
      call tests%check_small(maxval(abs(mean(:, 2) - 5)), 4*0.5_wp/sqrt(real(many, wp)), &
                             'the first guess of a parameter')
      call tests%check_small(maxval(abs(sd(:, 2) - 0.5_wp)), 0.1_wp, 'the spread of that guess')
      call parameters%walk(domain, 1, ensemble%x)
      call ensemble%mean(walked)
      call ensemble%spread(walked, sd)
      call tests%check_small(maxval(abs(walked - mean)), 1.0e-13_wp, 'a walk keeps the mean')
      call tests%check_small(maxval(abs(sd(:, 2)**2 - 0.25_wp - 0.04_wp)), 0.1_wp, &
                             'a walk widens the spread')
      call parameters%settle(domain, ensemble%x)
      call ensemble%mean(mean)
      call ensemble%spread(mean, sd)
      call tests%check_small(maxval(abs(sd(:, 2) - 0.8_wp)), 1.0e-12_wp, 'the least spread')
      call tests%check_small(maxval(abs(mean - walked)), 1.0e-13_wp, 'and the mean with it')
      call tests%check(all(abs(ensemble%x(:, 1, :) - 1) <= 0), 'the state is not touched')
      do m = 1, many, 100
         if (.not. local) call tests%check(maxval(ensemble%x(:, 2, m)) &
                                           <= minval(ensemble%x(:, 2, m)), &
                                           'a global parameter is the same everywhere')
      end do
   end subroutine check_steps

   !> No inflation touches a parameter.
   subroutine check_inflation(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      type(inflation_config), parameter :: config = inflation_config(rtpp=0.4_wp, rtps=0.5_wp)
      type(ensemble_type) :: ensemble
      type(background_memory_type) :: memory
      real(wp) :: before(domain%n, 2, members)
      real(wp) :: work(domain%n, 2)

      ensemble%members = members
      ensemble%parameters = 1
      allocate (ensemble%x(domain%n, 2, members))
      call random_field(random_key_type(seed=1), int(domain%first - 1, i8), ensemble%x)
      before = ensemble%x
      call remember_background(config, ensemble, work, memory)
      call inflate(1.5_wp, ensemble, work)
      call add_noise(domain, random_key_type(seed=2), 0.3_wp, ensemble)
      call relax(config, memory, ensemble, work)
      call tests%check(all(abs(ensemble%x(:, 2, :) - before(:, 2, :)) <= 0), &
                       'no inflation of parameters')
      call tests%check(all(abs(ensemble%x(:, 1, :) - before(:, 1, :)) > 0), &
                       'inflation of the state beside them')
   end subroutine check_inflation

   !> Parameters that are not estimated stay as they are.
   subroutine check_known(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      type(parameters_type) :: parameters
      real(wp) :: x(domain%n, 2, members)
      real(wp) :: before(domain%n, 2, members)

      parameters = new_parameters(parameters_config(), 1, points, 3)
      call random_field(random_key_type(seed=1), int(domain%first - 1, i8), x)
      before = x
      call parameters%begin(domain, x)
      call parameters%walk(domain, 1, x)
      call parameters%settle(domain, x)
      call tests%check(all(abs(x - before) <= 0), 'known parameters are not touched')
   end subroutine check_known
end module test_parameters
