!> A bias that all observations share, estimated with the state.
!>
!> Each member carries a bias b_m of its own; in observation space it is H(x_m) + b_m. For the
!> analysis the bias is appended to the state, as one more component of each point, so that any
!> filter corrects it through its correlation with what is observed. Then it is averaged over the
!> circle, member by member: a local filter gives it another value at each point (Fertig et al.
!> 2009, Observation bias correction with an ensemble Kalman filter, Tellus 61A), a global one the
!> same. No inflation touches it.
module da_analysis_filter_observation_bias
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals, stream_first_bias, stream_bias_walk
   use da_base_unused_keys, only: refuse_change
   use da_ensemble_parameters, only: keep_spread
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: observation_bias_config, read_observation_bias, carry_bias, walk_bias
   public :: observe_bias, append_bias, detach_bias, carried_bias

   character(len=*), parameter :: carried_bias = 'observation_bias'

   !> `&observation_bias`
   type :: observation_bias_config
      logical :: estimate = .false.
      real(wp) :: first_guess = 0
      real(wp) :: first_sd = 1
      real(wp) :: random_walk = 0
      real(wp) :: minimum_sd = 0
   end type observation_bias_config

contains

   subroutine read_observation_bias(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(observation_bias_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=*), parameter :: unused = 'estimate = .false.'
      type(observation_bias_config) :: defaults

      call namelists%open_group('observation_bias', &
                                'Estimation of a bias that all observations share')
      call namelists%get('estimate', config%estimate, 'correct it with the state')
      call namelists%get('first_guess', config%first_guess, 'mean of the first ensemble')
      call namelists%get('first_sd', config%first_sd, 'standard deviation of the first ensemble', &
                         above=0.0_wp)
      call namelists%get('random_walk', config%random_walk, &
                         'standard deviation of a member''s step each cycle', minimum=0.0_wp)
      call namelists%get('minimum_sd', config%minimum_sd, &
                         'a smaller ensemble spread is widened to this after the analysis', &
                         minimum=0.0_wp)
      if (.not. config%estimate) then
         call refuse_change(namelists, 'first_guess', config%first_guess, &
                            defaults%first_guess, unused)
         call refuse_change(namelists, 'first_sd', config%first_sd, defaults%first_sd, unused)
         call refuse_change(namelists, 'random_walk', config%random_walk, &
                            defaults%random_walk, unused)
         call refuse_change(namelists, 'minimum_sd', config%minimum_sd, defaults%minimum_sd, unused)
      end if
      call namelists%close_group(error)
   end subroutine read_observation_bias

   !> The members' first biases, first_guess + first_sd z_m, become numbers that the ensemble
   !> carries.
   subroutine carry_bias(config, seed, ensemble)
      type(observation_bias_config), intent(in) :: config
      integer, intent(in) :: seed
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: bias(1, 1, ensemble%members)

      if (.not. config%estimate) return
      call normals(random_key_type(seed, stream_first_bias), 0_i8, bias(1, 1, :))
      bias = config%first_guess + config%first_sd*bias
      call ensemble%carry(carried_bias, '', .true., bias)
   end subroutine carry_bias

   !> Before the analysis: a random step of each member, the mean's left out.
   subroutine walk_bias(config, seed, cycle, ensemble)
      type(observation_bias_config), intent(in) :: config
      integer, intent(in) :: seed
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: z(ensemble%members)

      if (.not. (config%estimate .and. config%random_walk > 0)) return
      call normals(random_key_type(seed, stream_bias_walk, cycle), 0_i8, z)
      z = config%random_walk*(z - sum(z)/ensemble%members)
      associate (bias => ensemble%carried(ensemble%place_of(carried_bias))%x)
         bias(1, 1, :) = bias(1, 1, :) + z
      end associate
   end subroutine walk_bias

   !> hx(:, m) ← hx(:, m) + b_m, where the ensemble carries biases.
   subroutine observe_bias(ensemble, n, members, hx)
      type(ensemble_type), intent(in) :: ensemble
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(inout) :: hx(n, members)
      integer :: place
      integer :: m

      place = ensemble%place_of(carried_bias)
      if (place == 0) return
      do m = 1, members
         hx(:, m) = hx(:, m) + ensemble%carried(place)%x(1, 1, m)
      end do
   end subroutine observe_bias

   !> The biases become the last component of each point …
   subroutine append_bias(config, ensemble)
      type(observation_bias_config), intent(in) :: config
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: augmented(:, :, :)
      integer :: components
      integer :: m

      if (.not. config%estimate) return
      components = size(ensemble%x, 2)
      allocate (augmented(size(ensemble%x, 1), components + 1, ensemble%members))
      associate (bias => ensemble%carried(ensemble%place_of(carried_bias))%x)
         do m = 1, ensemble%members
            augmented(:, :components, m) = ensemble%x(:, :, m)
            augmented(:, components + 1, m) = bias(1, 1, m)
         end do
      end associate
      call move_alloc(augmented, ensemble%x)
      ensemble%parameters = ensemble%parameters + 1
   end subroutine append_bias

   !> … and after the analysis its means over the circle.
   subroutine detach_bias(config, domain, ensemble)
      type(observation_bias_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), allocatable :: state(:, :, :)
      real(wp) :: bias(1, ensemble%members)
      integer :: components

      if (.not. config%estimate) return
      components = size(ensemble%x, 2) - 1
      bias(1, :) = domain%mean_of_points(ensemble%x(:, components + 1, :))
      call keep_spread(1, ensemble%members, config%minimum_sd, bias)
      ensemble%carried(ensemble%place_of(carried_bias))%x(1, :, :) = bias
      state = ensemble%x(:, :components, :)
      call move_alloc(state, ensemble%x)
      ensemble%parameters = ensemble%parameters - 1
   end subroutine detach_bias
end module da_analysis_filter_observation_bias
