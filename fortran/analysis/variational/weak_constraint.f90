!> Weak-constraint 4D-Var (Trémolet 2006): the model errs, and its error is estimated with the
!> state, as forcings of the cycles of a window.
!>
!> J(x_0, η) = ½ ‖x_0 - x_b‖²_B + ½ Σ_k ‖η_k - η_b,k‖²_Q + ½ Σ ‖y - H(x_k)‖²_R, x_k = M(x_{k-1}) +
!> η_k. State and forcings are one control, their covariance diag(B, Q, …, Q); the minimisation does
!> not know. A cycle's first guess is `memory` times the forcing of the cycle before, or of the
!> window before; in later windows it is what the last one found. `first_guess` is where another
!> operator's correction of the model would enter.
!>
!> In an ensemble of analyses with a stochastic model the noise that a member's forecast got belongs
!> to its first guess, so that the members differ as the model's errors do.
module da_analysis_variational_weak_constraint
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_analysis_variational_forcing, only: forcing_type
   use da_covariance_background, only: background_config, read_covariance, new_background
   use da_covariance_blocks, only: new_blocks
   use da_covariance_type, only: covariance_type
   use da_ensemble_type, only: ensemble_type, mean_of_members
   use da_model_type, only: model_type
   implicit none
   private
   public :: weak_constraint_type, read_weak_constraint

   character(len=8), parameter :: known_forcings(3) = [character(len=8) :: &
      'none', 'cycle', 'constant']
   character(len=5), parameter :: known_times(2) = [character(len=5) :: 'cycle', 'steps']
   character(len=*), parameter :: carried_forcings = 'window_forcings'
   character(len=*), parameter :: carried_mean = 'model_forcing'
   character(len=*), parameter :: carried_forecast = 'undisturbed_forecast'

   !> `&weak_constraint`, and Q.
   type :: weak_constraint_type
      logical :: active = .false.
      logical, private :: constant = .false.
      logical, private :: every_step = .false.
      real(wp), private :: memory = 0
      type(background_config) :: background
      class(covariance_type), allocatable, private :: covariance
   contains
      procedure :: wants_climate
      procedure :: prepare
      procedure :: carry_along
      procedure :: widen
      procedure :: forcing
      procedure :: fill
      procedure :: keep
      procedure :: take_noise
      procedure :: forecast
      procedure :: against_noise
   end type weak_constraint_type

contains

   subroutine read_weak_constraint(namelists, self, error)
      type(namelists_type), intent(inout) :: namelists
      type(weak_constraint_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: first_sd = 0.1_wp
      type(background_config) :: defaults
      character(len=:), allocatable :: forcings
      character(len=:), allocatable :: added

      forcings = trim(known_forcings(1))
      added = trim(known_times(1))
      self%background%covariance = 'diagonal'
      self%background%sd = first_sd
      call namelists%open_group('weak_constraint', 'Model error as forcings in the control, '// &
                                'used by analysis = ''var4d''; Q is their covariance')
      call namelists%get('forcings', forcings, &
                         'none: the model is taken as perfect (strong constraint); one a cycle '// &
                         'of the window; one for all its cycles', known_forcings)
      call namelists%get('added', added, &
                         'to a cycle''s forecast: once, at its end, or in equal shares at each '// &
                         'of its model steps', known_times)
      call namelists%get('memory', self%memory, &
                         'first guess of a new forcing, in units of the one before; 0: none', &
                         minimum=0.0_wp, maximum=1.0_wp)
      defaults = self%background
      call read_covariance(namelists, self%background)
      if (self%background%covariance == 'file') then
         call namelists%reject('covariance', "= 'file': is for &background only")
      end if
      if (forcings == 'none') then
         if (added /= trim(known_times(1))) call refuse('added')
         if (self%memory > 0) call refuse('memory')
         if (self%background%covariance /= defaults%covariance) call refuse('covariance')
         if (abs(self%background%sd - defaults%sd) > 0) call refuse('sd')
      end if
      self%active = forcings /= 'none'
      self%constant = forcings == 'constant'
      self%every_step = added == 'steps'
      call namelists%close_group(error)

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, "is not used with forcings = 'none'")
      end subroutine refuse
   end subroutine read_weak_constraint

   !> Whether Q is made of states of the model's attractor.
   pure function wants_climate(self) result(yes)
      class(weak_constraint_type), intent(in) :: self
      logical :: yes

      yes = self%active
      if (yes) yes = self%background%covariance == 'climatology'
   end function wants_climate

   !> Q; `climate` as `new_background` takes it.
   subroutine prepare(self, model, domain, climate)
      class(weak_constraint_type), intent(inout) :: self
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(inout) :: climate(:, :, :)

      if (.not. self%active) return
      call new_background(self%background, model, domain, climate, self%covariance)
   end subroutine prepare

   !> Room for the members' forcings of a window of so many cycles, and for their mean.
   subroutine carry_along(self, window, ensemble)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: window
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: nothing(:, :, :)
      integer :: components

      if (.not. self%active) return
      components = size(ensemble%x, 2)
      allocate (nothing(size(ensemble%x, 1), components*forcings_of(self, window), &
                        ensemble%members), source=0.0_wp)
      call ensemble%carry(carried_forcings, '', .false., nothing)
      call ensemble%carry(carried_mean, 'mean of the model-error forcings of the last cycle', &
                          .false., nothing(:, :components, :1))
      if (ensemble%members == 1 .or. self%constant) return
      call ensemble%carry(carried_forecast, '', .false., nothing(:, :components, :))
   end subroutine carry_along

   !> How many forcings act in so many cycles.
   pure function forcings_of(self, cycles) result(count)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: cycles
      integer :: count

      count = merge(1, cycles, self%constant)
   end function forcings_of

   !> The covariance of the state at the start becomes that of the control for so many cycles.
   subroutine widen(self, cycles, covariance)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: cycles
      class(covariance_type), allocatable, intent(inout) :: covariance
      class(covariance_type), allocatable :: state

      if (.not. self%active) return
      call move_alloc(covariance, state)
      allocate (covariance, source=new_blocks(state, self%covariance, forcings_of(self, cycles)))
   end subroutine widen

   !> How the forcings act on the model's states in cycles of so many steps.
   pure function forcing(self, model, steps) result(acting)
      class(weak_constraint_type), intent(in) :: self
      class(model_type), intent(in) :: model
      integer, intent(in) :: steps
      type(forcing_type) :: acting

      if (.not. self%active) return
      acting%components = model%components_in
      acting%forced = model%components_in - model%parameters
      acting%steps = steps
      acting%constant = self%constant
      acting%every_step = self%every_step
   end function forcing

   !> The control's background for so many cycles: the states at the start, and the first guess of
   !> the forcings.
   subroutine fill(self, cycles, start, ensemble, control)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: cycles
      real(wp), intent(in) :: start(:, :, :)
      type(ensemble_type), intent(in) :: ensemble
      real(wp), allocatable, intent(out) :: control(:, :, :)
      integer :: components

      if (.not. self%active) then
         control = start
         return
      end if
      components = size(start, 2)
      allocate (control(size(start, 1), components*(1 + forcings_of(self, cycles)), size(start, 3)))
      control(:, :components, :) = start
      associate (guess => ensemble%carried(ensemble%place_of(carried_forcings))%x)
         control(:, components + 1:, :) = guess(:, :size(control, 2) - components, &
                                                    :size(start, 3))
      end associate
   end subroutine fill

   !> Carry the forcings that were found in a window of so many cycles, whose start then moves by
   !> some; cycles that it has not reached yet get their first guess.
   subroutine keep(self, cycles, moved, control, ensemble)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: cycles
      integer, intent(in) :: moved
      real(wp), intent(in) :: control(:, :, :)
      type(ensemble_type), intent(inout) :: ensemble
      integer :: components
      integer :: last

      if (.not. self%active) return
      components = size(ensemble%x, 2)
      last = components*forcings_of(self, cycles)
      associate (mean => ensemble%carried(ensemble%place_of(carried_mean))%x)
         call mean_of_members(size(mean), ensemble%members, &
                              control(:, last + 1:last + components, :), mean)
      end associate
      associate (carried => ensemble%carried(ensemble%place_of(carried_forcings))%x)
         if (self%constant) then
            carried = self%memory*control(:, components + 1:, :)
         else
            carried(:, :last - moved*components, :) = &
               control(:, (1 + moved)*components + 1:components + last, :)
            call first_guess(self, cycles - moved, control(:, last + 1:last + components, :), &
                             carried)
         end if
      end associate
   end subroutine keep

   !> Of the forcings that follow the first `known` ones, from the latest one that was found.
   subroutine first_guess(self, known, latest, forcings)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: known
      real(wp), intent(in) :: latest(:, :, :)
      real(wp), intent(inout) :: forcings(:, :, :)
      real(wp) :: share
      integer :: components
      integer :: k

      components = size(latest, 2)
      share = 1
      do k = known, size(forcings, 2)/components - 1
         share = self%memory*share
         forcings(:, k*components + 1:(k + 1)*components, :) = share*latest
      end do
   end subroutine first_guess

   !> The newest forcings' background gets what was added to the members since their forecast.
   subroutine take_noise(self, ensemble, control)
      class(weak_constraint_type), intent(in) :: self
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(inout) :: control(:, :, :)
      integer :: place
      integer :: before

      place = ensemble%place_of(carried_forecast)
      if (.not. self%active .or. place == 0) return
      before = size(control, 2) - size(ensemble%x, 2)
      control(:, before + 1:, :) = control(:, before + 1:, :) &
                                   + (ensemble%x - ensemble%carried(place)%x)
   end subroutine take_noise

   pure function against_noise(self, members) result(reason)
      class(weak_constraint_type), intent(in) :: self
      integer, intent(in) :: members
      character(len=:), allocatable :: reason

      reason = ''
      if (members == 1) then
         reason = 'with one member forecasts the mean, without noise; the errors of its model '// &
                  'are those of &weak_constraint, only truth_sd may be above 0'
      else if (self%constant .or. self%every_step) then
         reason = 'takes noise with &weak_constraint forcings = ''cycle'', added = ''cycle'' '// &
                  'only: it is added once a cycle'
      end if
   end function against_noise

   !> A cycle's forecast with its first guess of the forcing, the cycle being so many after the
   !> window's start.
   subroutine forecast(self, domain, model, steps, cycles, ensemble)
      class(weak_constraint_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: steps
      integer, intent(in) :: cycles
      type(ensemble_type), intent(inout) :: ensemble
      type(forcing_type) :: acting
      real(wp), allocatable :: control(:, :, :)
      integer :: place
      integer :: step

      if (self%active .and. self%memory > 0) then
         acting = self%forcing(model, steps)
         call self%fill(cycles, ensemble%x, ensemble, control)
         do step = (cycles - 1)*steps + 1, cycles*steps
            call model%forecast(domain, 1, ensemble%x)
            call acting%act(step, control, ensemble%x)
         end do
      else
         call model%forecast(domain, steps, ensemble%x)
      end if
      place = ensemble%place_of(carried_forecast)
      if (place > 0) ensemble%carried(place)%x = ensemble%x
   end subroutine forecast
end module da_analysis_variational_weak_constraint
