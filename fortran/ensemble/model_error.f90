!> Stochastic model error: noise that is added to a forecast, and to the truth where the truth's
!> model is said to err.
!>
!> x_1 ← x_1 + sd sqrt(Δt) z after each interval Δt between analyses: white in time, z of unit
!> variance with a correlation length in space; on the first component of each point, the one that
!> is observed. Truth and members each have numbers of their own.
module da_ensemble_model_error
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_model_error, stream_truth_error
   use da_base_timer, only: phase_forecast
   use da_ensemble_noise, only: noise_type, new_noise
   implicit none
   private
   public :: model_error_type, model_error_config, read_model_error, new_model_error

   !> `&model_error`; with both standard deviations zero nothing is drawn and no bit changes.
   type :: model_error_config
      real(wp) :: sd = 0
      real(wp) :: truth_sd = 0
      real(wp) :: correlation_length = 0
   end type model_error_config

   type :: model_error_type
      !> Standard deviations over one interval.
      real(wp), private :: sd = 0
      real(wp), private :: truth_sd = 0
      integer, private :: seed = 0
      type(noise_type), private :: noise
   contains
      procedure :: acts
      procedure :: disturb_members
      procedure :: disturb_truth
   end type model_error_type

contains

   subroutine read_model_error(namelists, truth_source, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: truth_source
      type(model_error_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('model_error', 'Noise that makes a model a stochastic one')
      call namelists%get('sd', config%sd, &
                         'of the noise added to each member''s forecast, per square root of '// &
                         'model time; 0: none', minimum=0.0_wp)
      call namelists%get('truth_sd', config%truth_sd, &
                         'the same for a twin''s truth', minimum=0.0_wp)
      call namelists%get('correlation_length', config%correlation_length, &
                         'in grid points: correlation exp(-d²/(2 L²)); 0: white in space', &
                         minimum=0.0_wp, maximum=1.0e4_wp)
      if (config%truth_sd > 0 .and. truth_source /= 'twin') then
         call namelists%reject('truth_sd', "is not used with &truth source = '"//truth_source//"'")
      end if
      if (config%correlation_length > 0 .and. .not. max(config%sd, config%truth_sd) > 0) then
         call namelists%reject('correlation_length', 'is not used with sd = 0 and truth_sd = 0')
      end if
      call namelists%close_group(error)
   end subroutine read_model_error

   !> Noise for a circle of `points` points and cycles of `interval`.
   function new_model_error(config, points, interval, seed) result(self)
      type(model_error_config), intent(in) :: config
      integer, intent(in) :: points
      real(wp), intent(in) :: interval
      integer, intent(in) :: seed
      type(model_error_type) :: self

      self%sd = config%sd*sqrt(interval)
      self%truth_sd = config%truth_sd*sqrt(interval)
      self%seed = seed
      self%noise = new_noise(points, config%correlation_length)
   end function new_model_error

   !> Whether anything is ever disturbed.
   pure function acts(self) result(yes)
      class(model_error_type), intent(in) :: self
      logical :: yes

      yes = max(self%sd, self%truth_sd) > 0
   end function acts

   subroutine disturb_members(self, domain, cycle, x)
      class(model_error_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(inout) :: x(:, :, :)

      call disturb(self, domain, random_key_type(self%seed, stream_model_error, cycle), self%sd, x)
   end subroutine disturb_members

   subroutine disturb_truth(self, domain, cycle, x)
      class(model_error_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(inout) :: x(:, :, :)

      call disturb(self, domain, random_key_type(self%seed, stream_truth_error, cycle), &
                   self%truth_sd, x)
   end subroutine disturb_truth

   subroutine disturb(self, domain, key, sd, x)
      type(model_error_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: sd
      real(wp), intent(inout) :: x(:, :, :)
      type(random_key_type) :: member_key
      real(wp) :: z(domain%n)
      integer :: m

      if (.not. sd > 0) return
      call domain%timer%start(phase_forecast)
      member_key = key
      do m = 1, size(x, 3)
         member_key%member = m
         call self%noise%draw(domain, member_key, z)
         x(:, 1, m) = x(:, 1, m) + sd*z
      end do
      call domain%timer%stop()
   end subroutine disturb
end module da_ensemble_model_error
