!> Inflation: what keeps an ensemble wide enough in spite of sampling and model error.
module da_ensemble_inflation
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type
   use da_ensemble_initialise, only: draw_normal_field
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: inflation_config, no_inflation, read_inflation, inflate, add_noise
   public :: background_memory_type, remember_background, relax

   !> `&inflation`; each at its neutral value changes no bit. The default suits the default run:
   !> without any inflation most filters of this size diverge.
   type :: inflation_config
      real(wp) :: prior = 1
      real(wp) :: posterior = 1.03_wp
      real(wp) :: rtpp = 0
      real(wp) :: rtps = 0
      real(wp) :: additive = 0
   end type inflation_config

   type(inflation_config), parameter :: no_inflation = inflation_config(posterior=1.0_wp)

   !> What relaxation needs of the background: its spread, and for RTPP all its anomalies.
   type :: background_memory_type
      real(wp), allocatable :: sd(:, :)
      real(wp), allocatable :: anomalies(:, :, :)
   end type background_memory_type

contains

   subroutine read_inflation(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(inflation_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('inflation', 'Inflation of the ensemble')
      call namelists%get('prior', config%prior, &
                         'factor of the anomalies before the analysis; 1: none', above=0.0_wp)
      call namelists%get('posterior', config%posterior, &
                         'factor of the anomalies after the analysis; 1: none (the default of '// &
                         'enkf_n, and with &adaptive_inflation)', above=0.0_wp)
      call namelists%get('rtpp', config%rtpp, &
                         'relaxation of the analysis anomalies to the background''s '// &
                         '(Zhang et al. 2004); 0: none', minimum=0.0_wp, maximum=1.0_wp)
      call namelists%get('rtps', config%rtps, &
                         'relaxation of the analysis spread to the background''s '// &
                         '(Whitaker & Hamill 2012); 0: none', minimum=0.0_wp)
      call namelists%get('additive', config%additive, &
                         'standard deviation of noise added to each member '// &
                         'before the analysis; 0: none', minimum=0.0_wp)
      call namelists%close_group(error)
   end subroutine read_inflation

   !> x_m ← mean + factor (x_m - mean), parameters left out; `average` is work space of the shape of
   !> the mean.
   subroutine inflate(factor, ensemble, average)
      real(wp), intent(in) :: factor
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(inout) :: average(:, :)
      integer :: states
      integer :: m

      if (abs(factor - 1) <= 0 .or. ensemble%members == 1) return
      states = ensemble%states()
      call ensemble%mean(average)
      do m = 1, ensemble%members
         ensemble%x(:, :states, m) = average(:, :states) &
                                     + factor*(ensemble%x(:, :states, m) - average(:, :states))
      end do
   end subroutine inflate

   !> x_m ← x_m + sd (z_m - mean z), keyed by cycle, member and point.
   subroutine add_noise(domain, key, sd, ensemble)
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: sd
      type(ensemble_type), intent(inout) :: ensemble
      type(random_key_type) :: member_key
      real(wp), dimension(size(ensemble%x, 1), ensemble%states()) :: z, total
      integer :: states
      integer :: m

      if (.not. sd > 0) return
      states = ensemble%states()
      member_key = key
      total = 0
      do m = 1, ensemble%members
         member_key%member = m
         call draw_normal_field(domain, member_key, z)
         total = total + z
         ensemble%x(:, :states, m) = ensemble%x(:, :states, m) + sd*z
      end do
      do m = 1, ensemble%members
         ensemble%x(:, :states, m) = ensemble%x(:, :states, m) - (sd/ensemble%members)*total
      end do
   end subroutine add_noise

   !> Before the analysis: keep what `relax` will need.
   subroutine remember_background(config, ensemble, average, memory)
      type(inflation_config), intent(in) :: config
      type(ensemble_type), intent(in) :: ensemble
      real(wp), intent(inout) :: average(:, :)
      type(background_memory_type), intent(out) :: memory
      integer :: m

      if (.not. (config%rtpp > 0 .or. config%rtps > 0)) return
      call ensemble%mean(average)
      if (config%rtps > 0) then
         allocate (memory%sd, mold=average)
         call ensemble%spread(average, memory%sd)
      end if
      if (config%rtpp > 0) then
         allocate (memory%anomalies, mold=ensemble%x)
         do m = 1, ensemble%members
            memory%anomalies(:, :, m) = ensemble%x(:, :, m) - average
         end do
      end if
   end subroutine remember_background

   !> RTPP: A ← (1 - α) A + α A_b. RTPS: A ← A (α σ_b + (1 - α) σ_a) / σ_a at each point, after
   !> RTPP.
   subroutine relax(config, memory, ensemble, average)
      type(inflation_config), intent(in) :: config
      type(background_memory_type), intent(in) :: memory
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(inout) :: average(:, :)
      real(wp), allocatable :: factor(:, :)
      integer :: states
      integer :: m

      if (.not. (config%rtpp > 0 .or. config%rtps > 0)) return
      states = ensemble%states()
      call ensemble%mean(average)
      if (config%rtpp > 0) then
         do m = 1, ensemble%members
            ensemble%x(:, :states, m) = average(:, :states) &
                                        + (1 - config%rtpp)*(ensemble%x(:, :states, m) &
                                                             - average(:, :states)) &
                                        + config%rtpp*memory%anomalies(:, :states, m)
         end do
      end if
      if (config%rtps > 0) then
         allocate (factor, mold=average)
         call ensemble%spread(average, factor)
         where (factor > 0)
            factor = 1 + config%rtps*(memory%sd - factor)/factor
         elsewhere
            factor = 1
         end where
         do m = 1, ensemble%members
            ensemble%x(:, :states, m) = average(:, :states) &
                                        + factor(:, :states)*(ensemble%x(:, :states, m) &
                                                              - average(:, :states))
         end do
      end if
   end subroutine relax
end module da_ensemble_inflation
