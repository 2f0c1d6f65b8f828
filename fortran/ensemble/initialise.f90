!> The first ensemble of a run.
module da_ensemble_initialise
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals, stream_ensemble
   use da_ensemble_type, only: ensemble_type
   use da_ensemble_parameters, only: parameters_type
   use da_model_type, only: model_type
   implicit none
   private
   public :: ensemble_config, read_ensemble, draw_first, draw_from_attractor, draw_normal_field

   character(len=16), parameter :: known_origins(2) = [character(len=16) :: 'climatology', 'truth']

   !> `&ensemble`
   type :: ensemble_config
      integer :: members = 20
      character(len=:), allocatable :: initial
      real(wp) :: initial_sd = 1
      real(wp) :: spin_up = 20
   end type ensemble_config

contains

   subroutine read_ensemble(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(ensemble_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: most_members = 10000
      type(ensemble_config) :: defaults

      if (.not. allocated(config%initial)) config%initial = 'climatology'
      call namelists%open_group('ensemble', 'The ensemble and its first states')
      call namelists%get('members', config%members, 'number of members N_e', minimum=1, &
                         maximum=most_members)
      call namelists%get('initial', config%initial, &
                         'where members start: independent states of the model''s attractor, '// &
                         'or around a first guess: the initial truth plus noise', &
                         known_origins)
      call namelists%get('initial_sd', config%initial_sd, &
                         'error of that first guess, and spread of the members around it', &
                         minimum=0.0_wp)
      call namelists%get('spin_up', config%spin_up, &
                         'model time a member runs to reach the attractor', minimum=0.0_wp)
      if (config%initial == 'truth') then
         if (abs(config%spin_up - defaults%spin_up) > 0) then
            call namelists%reject('spin_up', "is not used with initial = 'truth'")
         end if
      else if (abs(config%initial_sd - defaults%initial_sd) > 0) then
         call namelists%reject('initial_sd', "is not used with initial = '"//config%initial//"'")
      end if
      call namelists%close_group(error)
   end subroutine read_ensemble

   !> The members at cycle 0, or of a new beginning at a later cycle, as `&ensemble` says; truth(n,
   !> components, :) is that of then.
   subroutine draw_first(config, model, domain, seed, cycle, truth, parameters, ensemble)
      type(ensemble_config), intent(in) :: config
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: seed
      integer, intent(in) :: cycle
      real(wp), intent(in) :: truth(:, :, :)
      type(parameters_type), intent(in) :: parameters
      type(ensemble_type), intent(inout) :: ensemble
      type(random_key_type) :: key
      integer :: states

      states = ensemble%states()
      key = random_key_type(seed, stream_ensemble, cycle)
      if (config%initial == 'truth') then
         call perturb(domain, key, truth(:, :states, 1), config%initial_sd, &
                      ensemble%x(:, :states, :))
         call model%set_parameters(domain, ensemble%x)
         call parameters%begin(domain, ensemble%x)
      else
         call draw_from_attractor(model, domain, key, config%spin_up, ensemble%x, parameters)
      end if
   end subroutine draw_first

   !> States of the model after `spin_up` time units from random fields, each member its own, with
   !> the model's own parameters or the first guesses of those that are estimated.
   subroutine draw_from_attractor(model, domain, key, spin_up, x, parameters)
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: spin_up
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      type(parameters_type), intent(in), optional :: parameters
      type(random_key_type) :: member_key
      integer :: m

      member_key = key
      do m = 1, size(x, 3)
         member_key%member = m
         call draw_normal_field(domain, member_key, x(:, :, m))
         x(:, :, m) = model%start_mean + model%start_sd*x(:, :, m)
      end do
      call model%set_parameters(domain, x)
      if (present(parameters)) call parameters%begin(domain, x)
      call model%forecast(domain, nint(spin_up/model%dt), x)
   end subroutine draw_from_attractor

   !> Members around a first guess that is itself uncertain: x_m = centre + sd (z_0 + z_m).
   subroutine perturb(domain, key, centre, sd, x)
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), intent(in) :: centre(:, :)
      real(wp), intent(in) :: sd
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      type(random_key_type) :: member_key
      real(wp) :: guess(size(centre, 1), size(centre, 2))
      integer :: m

      member_key = key
      call draw_normal_field(domain, member_key, guess)
      guess = centre + sd*guess
      do m = 1, size(x, 3)
         member_key%member = m
         call draw_normal_field(domain, member_key, x(:, :, m))
         x(:, :, m) = guess + sd*x(:, :, m)
      end do
   end subroutine perturb

   !> Standard normal numbers counted by component and global point.
   subroutine draw_normal_field(domain, key, z)
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), intent(out) :: z(:, :)
      integer :: c

      do c = 1, size(z, 2)
         call normals(key, int(c - 1, i8)*domain%total + domain%first - 1, z(:, c))
      end do
   end subroutine draw_normal_field
end module da_ensemble_initialise
