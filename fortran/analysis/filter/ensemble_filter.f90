!> What all ensemble filters share: inflation, the ensemble in observation space, quality control.
module da_analysis_filter_ensemble_filter
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_inflation
   use da_analysis_filter_adaptive_inflation, only: adaptive_inflation_config, &
      read_adaptive_inflation, &
      carry_inflation, inflate_adaptively, learn_inflation
   use da_analysis_smoother_lagged, only: read_lag, carry_lagged, append_lagged, detach_lagged, &
      remember_analysis
   use da_analysis_filter_observation_bias, only: observation_bias_config, read_observation_bias, &
      carry_bias, walk_bias, &
      append_bias, detach_bias
   use da_analysis_setup, only: analysis_setup_type, need_ensemble
   use da_analysis_type, only: analysis_type, observe_background
   use da_ensemble_inflation, only: inflation_config, no_inflation, read_inflation, inflate, &
      add_noise, background_memory_type, &
      remember_background, relax
   use da_ensemble_localisation, only: localisation_config, read_localisation
   use da_ensemble_type, only: ensemble_type
   use da_observation_quality_control, only: check_gross_errors
   use da_observation_treatment, only: treatment_config, read_treatment, screen_observations, &
      replace_observations
   use da_observation_type, only: observations_type, qc_assimilated
   use da_observation_whitening, only: whiten
   implicit none
   private
   public :: ensemble_filter_type, scale_by_errors

   type, abstract, extends(analysis_type) :: ensemble_filter_type
      type(inflation_config) :: inflation
      type(adaptive_inflation_config) :: adaptive_inflation
      type(observation_bias_config) :: bias
      real(wp) :: gross_error_limit = 0
      type(treatment_config) :: treatment
      !> Of the smoother, in cycles; whether the filter can have one.
      integer :: lag = 0
      logical :: can_smooth = .true.
      !> How observations lose influence with distance, where they do.
      logical :: localises = .false.
      type(localisation_config) :: localisation
   contains
      procedure :: configure
      procedure :: configure_beside
      procedure :: read_settings
      procedure :: check_settings
      procedure :: read_studied
      procedure :: carry_along
      procedure :: take_first
      procedure :: lags
      procedure :: update
      procedure :: weighs_observations
      procedure :: compute_departures
      procedure(assimilate), deferred :: assimilate
   end type ensemble_filter_type

   abstract interface
      !> The filter proper. `anomalies(n, members)` are those of the ensemble in observation space
      !> over error_sd sqrt(members - 1), `innovations(n)` those of its mean over error_sd; both are
      !> zero for observations that are not used. Correlated errors are whitened.
      subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, &
                            error)
         import :: ensemble_filter_type, domain_type, observations_type, ensemble_type, &
            error_type, wp
         class(ensemble_filter_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         integer, intent(in) :: cycle
         type(observations_type), intent(in) :: observations
         real(wp), allocatable, intent(inout) :: anomalies(:, :)
         real(wp), intent(in) :: innovations(:)
         type(ensemble_type), intent(inout) :: ensemble
         type(error_type), allocatable, intent(out) :: error
      end subroutine assimilate
   end interface

contains

   !> The filter's own group, and what all filters share.
   subroutine configure(self, namelists, setup, error)
      class(ensemble_filter_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error

      call self%read_settings(namelists, error)
      if (allocated(error)) return
      if (self%localises) call read_localisation(namelists, self%localisation, error)
      if (allocated(error)) return
      call self%check_settings(namelists%file, error)
      if (allocated(error)) return
      call self%read_studied(namelists, error)
      if (allocated(error)) return
      call read_adaptive_inflation(namelists, self%adaptive_inflation, error)
      if (allocated(error)) return
      if (self%adaptive_inflation%active) self%inflation = no_inflation
      call read_inflation(namelists, self%inflation, error)
      if (allocated(error)) return
      call read_treatment(namelists, setup%error_correlation_length > 0, self%treatment, error)
      if (allocated(error)) return
      call read_observation_bias(namelists, self%bias, error)
      if (allocated(error)) return
      if (self%can_smooth) call read_lag(namelists, self%lag, error)
      if (allocated(error)) return
      call need_ensemble(setup, namelists%file, self%name, error)
      self%gross_error_limit = setup%gross_error_limit
      self%augments = .true.
   end subroutine configure

   !> For the ensemble beside a variational analysis, with the taper that both share.
   subroutine configure_beside(self, namelists, setup, localisation, error)
      class(ensemble_filter_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(localisation_config), intent(in) :: localisation
      type(error_type), allocatable, intent(out) :: error

      self%seed = setup%seed
      call self%read_settings(namelists, error)
      if (allocated(error)) return
      self%localisation = localisation
      call self%check_settings(namelists%file, error)
      if (allocated(error)) return
      call read_inflation(namelists, self%inflation, error)
      if (allocated(error)) return
      if (abs(self%inflation%prior - 1) > 0) then
         call refuse('prior')
      else if (self%inflation%additive > 0) then
         call refuse('additive')
      end if

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call input_error(error, namelists%file//': &inflation '//key//' is not used with '// &
                          'ensembles beside a variational analysis; use posterior')
      end subroutine refuse
   end subroutine configure_beside

   !> The filter's own group; some have none.
   subroutine read_settings(self, namelists, error)
      class(ensemble_filter_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
   end subroutine read_settings

   !> What these and the localisation must agree on.
   subroutine check_settings(self, file, error)
      class(ensemble_filter_type), intent(in) :: self
      character(len=*), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
   end subroutine check_settings

   !> Which of its analyses are to be studied, where it can tell of them.
   subroutine read_studied(self, namelists, error)
      class(ensemble_filter_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error
   end subroutine read_studied

   subroutine carry_along(self, domain, ensemble)
      class(ensemble_filter_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble

      call carry_inflation(self%adaptive_inflation, domain, ensemble)
      call carry_bias(self%bias, self%seed, ensemble)
      call carry_lagged(self%lag, ensemble)
   end subroutine carry_along

   subroutine take_first(self, ensemble)
      class(ensemble_filter_type), intent(in) :: self
      type(ensemble_type), intent(inout) :: ensemble

      call remember_analysis(self%lag, ensemble)
   end subroutine take_first

   pure function lags(self) result(cycles)
      class(ensemble_filter_type), intent(in) :: self
      integer :: cycles

      cycles = self%lag
   end function lags

   subroutine update(self, domain, cycle, observations, ensemble, error)
      class(ensemble_filter_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(observations_type), allocatable :: replaced
      type(background_memory_type) :: memory
      real(wp), allocatable :: anomalies(:, :)
      real(wp), allocatable :: innovations(:)
      real(wp), allocatable :: average(:, :)

      call self%compute_departures(domain, cycle, observations, ensemble, replaced, memory, &
                                  anomalies, innovations, error)
      if (allocated(error)) return
      call append_lagged(self%lag, cycle, ensemble)
      call append_bias(self%bias, ensemble)
      if (allocated(replaced)) then
         call self%assimilate(domain, cycle, replaced, anomalies, innovations, ensemble, error)
      else
         call self%assimilate(domain, cycle, observations, anomalies, innovations, ensemble, error)
      end if
      if (allocated(error)) return
      call detach_bias(self%bias, domain, ensemble)
      call detach_lagged(self%lag, cycle, ensemble)
      allocate (average(size(ensemble%x, 1), size(ensemble%x, 2)))
      call relax(self%inflation, memory, ensemble, average)
      call inflate(self%inflation%posterior, ensemble, average)
      call remember_analysis(self%lag, ensemble)
   end subroutine update

   pure function weighs_observations(self) result(yes)
      class(ensemble_filter_type), intent(in) :: self
      logical :: yes

      yes = self%treatment%robust%weighs()
   end function weighs_observations

   !> All that comes before the filter proper: inflation, the ensemble in observation space, quality
   !> control; `replaced` are the observations that the filter shall see, where they are others.
   subroutine compute_departures(self, domain, cycle, observations, ensemble, replaced, memory, &
                                anomalies, innovations, error)
      class(ensemble_filter_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(observations_type), allocatable, intent(out) :: replaced
      type(background_memory_type), intent(out) :: memory
      real(wp), allocatable, intent(out) :: anomalies(:, :)
      real(wp), allocatable, intent(out) :: innovations(:)
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: hx(:, :)
      real(wp), allocatable :: average(:, :)

      allocate (average(size(ensemble%x, 1), size(ensemble%x, 2)))
      call add_noise(domain, random_key_type(self%seed, stream_inflation, cycle), &
                     self%inflation%additive, ensemble)
      call inflate(self%inflation%prior, ensemble, average)
      call inflate_adaptively(self%adaptive_inflation, ensemble, average)
      call walk_bias(self%bias, self%seed, cycle, ensemble)
      call remember_background(self%inflation, ensemble, average, memory)
      deallocate (average)
      call observe_background(domain, ensemble, observations, hx)
      call check_gross_errors(self%gross_error_limit, observations)
      call screen_observations(domain, self%treatment, observations)
      if (self%treatment%replaces()) then
         allocate (replaced)
         call replace_observations(domain, self%treatment, observations, hx, replaced)
         call scale(replaced)
      else
         call scale(observations)
      end if

   contains

      subroutine scale(seen)
         type(observations_type), intent(in) :: seen

         call learn_inflation(self%adaptive_inflation, domain, seen, ensemble)
         allocate (innovations(seen%n))
         call scale_by_errors(seen, hx, anomalies, innovations)
         call whiten(domain, seen, anomalies, innovations, error)
      end subroutine scale
   end subroutine compute_departures

   !> Observation space in units in which R is the identity and the anomalies' product the
   !> covariance; hx becomes the anomalies, in place.
   subroutine scale_by_errors(observations, hx, anomalies, innovations)
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: hx(:, :)
      real(wp), allocatable, intent(out) :: anomalies(:, :)
      real(wp), intent(out) :: innovations(:)
      integer, parameter :: block = 1024
      real(wp) :: factor(block)
      logical :: used(block)
      integer :: members
      integer :: first
      integer :: n
      integer :: j
      integer :: m

      members = size(hx, 2)
      do first = 0, observations%n - 1, block
         n = min(block, observations%n - first)
         do j = 1, n
            associate (sd => observations%error_sd(first + j), i => first + j)
               used(j) = observations%qc(i) == qc_assimilated
               factor(j) = 0
               innovations(i) = 0
               if (.not. used(j)) cycle
               factor(j) = 1/(sd*sqrt(real(members - 1, wp)))
               innovations(i) = (observations%value(i) - observations%background(i))/sd
            end associate
         end do
         do m = 1, members
            do j = 1, n
               hx(first + j, m) = (hx(first + j, m) - observations%background(first + j))*factor(j)
            end do
            where (.not. used(:n)) hx(first + 1:first + n, m) = 0
         end do
      end do
      call move_alloc(hx, anomalies)
   end subroutine scale_by_errors
end module da_analysis_filter_ensemble_filter
