!> A network as the analysis (data assimilation network; Boudier et al. 2023; Bocquet et al. 2024).
!>
!> x_a = x_f + network(x_f, H^T R^{-1} (y - H(x̄_f))), member by member; the observations come as a
!> field, zero where nothing is observed. What else the network writes is its memory: fields that
!> it reads in the next cycle.
!>
!> Nothing in a departure from the mean tells a member where the others are, and a network that
!> learned with one state lets them drift apart as the model does. With departures of its own,
!> y + e_m - H(x_m), e_m ~ N(0, R), each member is a single state's analysis; together they are an
!> ensemble of data assimilations (Fisher 2003), whose spread is that of the errors.
module da_analysis_network_analysis
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_reproducible_sum, only: sum_columns
   use da_base_text, only: to_text
   use da_analysis_perturbed_observations, only: centred_perturbations
   use da_analysis_type, only: analysis_type, observe_background
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_type, only: observations_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: network_analysis_type, fallback_config, carried_memory, carried_watch, note_fallback

   character(len=*), parameter :: carried_memory = 'network_memory'
   character(len=*), parameter :: carried_watch = 'network_watch'
   !> 1 in a cycle whose analysis the other scheme made, else 0.
   character(len=*), parameter :: note_fallback = 'network_fallback'

   !> When another scheme takes over.
   type :: fallback_config
      !> Mean square of the innovations, in units of the observations' errors, above which the
      !> network is in doubt; 0: never.
      real(wp) :: limit = 0
      !> Cycles above it before the other scheme takes over, and for how many.
      integer :: patience = 5
      integer :: duration = 50
   end type fallback_config

   !> `watch`, carried: cycles above the limit so far; cycles that the other scheme has left.
   type, extends(analysis_type) :: network_analysis_type
      class(operator_type), allocatable :: network
      integer :: memory = 0
      !> Whether each member has its own departures, from perturbed observations.
      logical :: perturbed = .false.
      real(wp) :: gross_error_limit = 0
      type(fallback_config) :: fallback
      class(analysis_type), allocatable :: other
   contains
      procedure :: prepare
      procedure :: carry_along
      procedure :: successor
      procedure :: update
   end type network_analysis_type

contains

   subroutine prepare(self, domain, model)
      class(network_analysis_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model

      if (allocated(self%other)) call self%other%prepare(domain, model)
   end subroutine prepare

   pure function successor(self) result(text)
      class(network_analysis_type), intent(in) :: self
      character(len=:), allocatable :: text

      text = ''
      if (.not. allocated(self%other)) return
      text = self%other%name//': innovations above fallback_limit = '// &
             to_text(self%fallback%limit)//' for '//to_text(self%fallback%patience)//' cycles'
   end function successor

   subroutine carry_along(self, domain, ensemble)
      class(network_analysis_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: memory(:, :, :)
      real(wp) :: watch(1, 2, 1)

      if (self%memory > 0) then
         allocate (memory(domain%n, self%memory, ensemble%members), source=0.0_wp)
         call ensemble%carry(carried_memory, '', .false., memory)
      end if
      if (.not. allocated(self%other)) return
      watch = 0
      call ensemble%carry(carried_watch, '', .true., watch)
      call self%other%carry_along(domain, ensemble)
   end subroutine carry_along

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(network_analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: hx(:, :)
      logical :: trusted

      call observe_background(domain, ensemble, observations, hx)
      call check_gross_errors(self%gross_error_limit, observations)
      trusted = .true.
      if (allocated(self%other)) then
         call judge(self, domain, observations, ensemble, trusted)
         call ensemble%note(note_fallback, [merge(0.0_wp, 1.0_wp, trusted)])
      end if
      if (trusted) then
         call assimilate(self, domain, cycle, observations, hx, ensemble)
      else
         call self%other%update(domain, cycle, observations, ensemble, error)
         if (self%memory > 0) ensemble%carried(ensemble%place_of(carried_memory))%x = 0
      end if
   end subroutine update

   subroutine assimilate(self, domain, cycle, observations, hx, ensemble)
      class(network_analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: hx(:, :)
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable, dimension(:, :, :) :: input, output, field
      integer :: states
      integer :: m

      states = size(ensemble%x, 2)
      if (self%perturbed) then
         call own_sensitivities(self%seed, domain, cycle, observations, hx, ensemble, field)
      else
         call mean_sensitivity(domain, observations, ensemble, field)
      end if
      allocate (input(size(ensemble%x, 1), 2*states + self%memory, ensemble%members))
      allocate (output(size(ensemble%x, 1), states + self%memory, ensemble%members))
      input(:, :states, :) = ensemble%x
      do m = 1, ensemble%members
         input(:, states + 1:2*states, m) = field(:, :, min(m, size(field, 3)))
      end do
      if (self%memory == 0) then
         call self%network%forward(domain, input, output)
      else
         associate (memory => ensemble%carried(ensemble%place_of(carried_memory))%x)
            input(:, 2*states + 1:, :) = memory
            call self%network%forward(domain, input, output)
            memory = output(:, states + 1:, :)
         end associate
      end if
      ensemble%x = ensemble%x + output(:, :states, :)
   end subroutine assimilate

   !> field(n, states, 1) = H^T R^{-1} (y - H(x̄))
   subroutine mean_sensitivity(domain, observations, ensemble, field)
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      real(wp), allocatable, intent(out) :: field(:, :, :)
      class(operator_type), allocatable :: operator
      real(wp) :: average(size(ensemble%x, 1), size(ensemble%x, 2), 1)
      real(wp) :: departures(observations%n, 1, 1)

      departures = 0
      where (observations%used())
         departures(:, 1, 1) = (observations%value - observations%background) &
                               /observations%error_sd**2
      end where
      call ensemble%mean(average(:, :, 1))
      call new_observation_operator(observations, domain, operator)
      allocate (field, mold=average)
      call operator%ad(domain, average, departures, field)
   end subroutine mean_sensitivity

   !> field(n, states, members) = H^T R^{-1} (y + e_m - H(x_m))
   subroutine own_sensitivities(seed, domain, cycle, observations, hx, ensemble, field)
      integer, intent(in) :: seed
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: hx(:, :)
      type(ensemble_type), intent(in) :: ensemble
      real(wp), allocatable, intent(out) :: field(:, :, :)
      class(operator_type), allocatable :: operator
      real(wp) :: departures(observations%n, 1, ensemble%members)
      integer :: m

      call centred_perturbations(seed, cycle, observations, departures(:, 1, :))
      do m = 1, ensemble%members
         where (observations%used())
            departures(:, 1, m) = (observations%value - hx(:, m))/observations%error_sd**2 &
                                  + departures(:, 1, m)/observations%error_sd
         elsewhere
            departures(:, 1, m) = 0
         end where
      end do
      call new_observation_operator(observations, domain, operator)
      allocate (field, mold=ensemble%x)
      call operator%ad(domain, ensemble%x, departures, field)
   end subroutine own_sensitivities

   !> Whether the network may go on: its innovations must not stay above the limit.
   subroutine judge(self, domain, observations, ensemble, trusted)
      class(network_analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      logical, intent(out) :: trusted
      real(wp) :: terms(observations%n, 2)
      real(wp) :: sums(2)

      terms = 0
      where (observations%used())
         terms(:, 1) = ((observations%value - observations%background)/observations%error_sd)**2
         terms(:, 2) = 1
      end where
      call sum_columns(domain%communicator, max(observations%total, 1_i8), terms, sums)
      associate (watch => ensemble%carried(ensemble%place_of(carried_watch))%x(1, :, 1))
         if (watch(2) > 0) then
            watch(2) = watch(2) - 1
            trusted = .false.
            return
         end if
         watch(1) = merge(watch(1) + 1, 0.0_wp, sums(1) > self%fallback%limit*sums(2))
         trusted = watch(1) < self%fallback%patience
         if (.not. trusted) watch = [0.0_wp, real(self%fallback%duration - 1, wp)]
      end associate
   end subroutine judge
end module da_analysis_network_analysis
