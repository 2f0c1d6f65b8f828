!> Models that stand for another are that other in all but a step.
module test_wrapped
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp
   use da_model_corrected, only: new_corrected
   use da_model_corrected_tendency, only: new_corrected_tendency
   use da_model_emulator, only: new_emulator
   use da_model_linearised, only: new_linearised
   use da_model_lorenz96_forced, only: lorenz96_forced_type, lorenz96_forced_config, &
      new_lorenz96_forced
   use da_model_lorenz96_tendency, only: new_lorenz96_tendency
   use da_model_state_part, only: state_part_type, new_state_part
   use da_model_type, only: model_type
   use da_operator_type, only: operator_type
   use testing, only: testing_type
   implicit none
   private
   public :: test_wrapped_suite

   !> A model that has another answer to everything that a model may be asked.
   type, extends(lorenz96_forced_type) :: peculiar_type
   contains
      procedure :: rows
      procedure :: get_tendency
   end type peculiar_type

contains

   subroutine test_wrapped_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: points = 41
      type(domain_type) :: domain
      type(peculiar_type) :: model
      type(state_part_type) :: added
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      model%lorenz96_forced_type = new_lorenz96_forced(lorenz96_forced_config( &
         n=points, forcing=9.0_wp, amplitude=2.0_wp, wave_number=3, dt=0.01_wp))
      ! Nothing at its default, which a copy that forgets it would have, too.
      model%start_sd = 3
      model%rounding = 1.0e-7_wp
      added = new_state_part(new_lorenz96_tendency(0.0_wp), model%components_in, model%parameters)
      added%rounding = model%rounding
      call check(new_corrected(model, added, 1), 'corrected')
      call check(new_corrected_tendency(model, added, added), 'corrected tendency')
      call check(new_linearised(model, new_emulator(model, added, model%dt), 1), 'linearised')
      call check(new_emulator(model, added, model%dt), 'emulator')

   contains

      subroutine check(wrapped, what)
         class(model_type), intent(in) :: wrapped
         character(len=*), intent(in) :: what
         real(wp), dimension(domain%n, 2, 3) :: x, expected
         class(operator_type), allocatable :: tendency

         call tests%check(wrapped%rows(domain) == model%rows(domain), what//': rows')
         call wrapped%get_tendency(tendency)
         call tests%check(allocated(tendency) .eqv. what == 'linearised', what//': its tendency')
         call tests%check(wrapped%name == model%name, what//': name')
         call tests%check(wrapped%points == model%points, what//': points')
         call tests%check(wrapped%parameters == model%parameters, what//': parameters')
         call tests%check(wrapped%components_in == model%components_in .and. &
                          wrapped%components_out == model%components_out, what//': components')
         call tests%check(all(.not. abs([wrapped%dt, wrapped%forcing, wrapped%start_mean, &
                                         wrapped%start_sd, wrapped%rounding] &
                                        - [model%dt, model%forcing, model%start_mean, &
                                           model%start_sd, model%rounding]) > 0), &
                          what//': step, climate and rounding')
         expected = 1
         call model%set_parameters(domain, expected)
         x = 1
         call wrapped%set_parameters(domain, x)
         call tests%check(all(.not. abs(x - expected) > 0), what//': its own parameters')
         call wrapped%forecast(domain, 2, x)
         call tests%check(all(.not. abs(x(:, 2, :) - expected(:, 2, :)) > 0), &
                          what//': a forecast keeps parameters')
         call tests%check(any(abs(x(:, 1, :) - expected(:, 1, :)) > 0), what//': a forecast')
      end subroutine check
   end subroutine test_wrapped_suite

   pure function rows(self, domain) result(count)
      class(peculiar_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer :: count

      count = 2*domain%n
   end function rows

   subroutine get_tendency(self, tendency)
      class(peculiar_type), intent(in) :: self
      class(operator_type), allocatable, intent(out) :: tendency

      tendency = new_lorenz96_tendency(self%forcing)
   end subroutine get_tendency
end module test_wrapped
