!> Parameters of the model, estimated as components of the state: first guess, random walk, and
!> what an analysis must keep to.
!>
!> The last components of each point are parameters. A filter corrects them through their
!> correlation with what is observed; no inflation touches them. One that is the same everywhere
!> ('global') is averaged over the circle after each analysis, member by member, as local filters
!> give it another value at each point (Fertig et al. 2009 treat biases so).
module da_ensemble_parameters
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals, stream_first_parameters, &
      stream_parameter_walk
   use da_base_unused_keys, only: refuse_change
   use da_ensemble_noise, only: noise_type, new_noise
   use da_ensemble_type, only: mean_of_members, spread_of_members
   implicit none
   private
   public :: parameters_type, parameters_config, read_parameters, new_parameters, keep_spread

   character(len=6), parameter :: known_scopes(2) = [character(len=6) :: 'global', 'local']

   !> `&parameters`
   type :: parameters_config
      logical :: estimate = .false.
      logical :: local = .false.
      real(wp) :: first_guess = 8
      real(wp) :: first_sd = 1
      real(wp) :: correlation_length = 0
      real(wp) :: random_walk = 0
      real(wp) :: minimum_sd = 0
   end type parameters_config

   type :: parameters_type
      type(parameters_config), private :: config
      !> How many components they are.
      integer, private :: components = 0
      integer, private :: seed = 0
      type(noise_type), private :: noise
   contains
      procedure :: begin
      procedure :: walk
      procedure :: settle
      procedure, private :: draw
   end type parameters_type

contains

   subroutine read_parameters(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(parameters_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      character(len=*), parameter :: unused = 'estimate = .false.'
      type(parameters_config) :: defaults
      character(len=:), allocatable :: scope

      scope = 'global'
      call namelists%open_group('parameters', 'Estimation of the model''s parameters, used by '// &
                                'model = ''lorenz96_forced''')
      call namelists%get('estimate', config%estimate, &
                         'correct them with the state; otherwise they are the model''s own')
      call namelists%get('scope', scope, 'one number for the circle, or one for each point', &
                         known_scopes)
      call namelists%get('first_guess', config%first_guess, 'mean of the first ensemble')
      call namelists%get('first_sd', config%first_sd, 'standard deviation of the first ensemble', &
                         above=0.0_wp)
      call namelists%get('correlation_length', config%correlation_length, &
                         'local: of first ensemble and random walk, in grid points: '// &
                         'correlation exp(-d²/(2 L²)); 0: white', minimum=0.0_wp, maximum=1.0e4_wp)
      call namelists%get('random_walk', config%random_walk, &
                         'standard deviation of a member''s step each cycle', minimum=0.0_wp)
      call namelists%get('minimum_sd', config%minimum_sd, &
                         'a smaller ensemble spread is widened to this after the analysis', &
                         minimum=0.0_wp)
      config%local = scope == 'local'
      if (.not. config%estimate) then
         if (config%local) call namelists%reject('scope', 'is not used with estimate = .false.')
         call refuse_change(namelists, 'first_guess', config%first_guess, &
                            defaults%first_guess, unused)
         call refuse_change(namelists, 'first_sd', config%first_sd, defaults%first_sd, unused)
         call refuse_change(namelists, 'random_walk', config%random_walk, &
                            defaults%random_walk, unused)
         call refuse_change(namelists, 'minimum_sd', config%minimum_sd, defaults%minimum_sd, unused)
      end if
      if (config%correlation_length > 0 .and. .not. config%local) then
         call namelists%reject('correlation_length', "is not used with scope = 'global'")
      end if
      call namelists%close_group(error)
   end subroutine read_parameters

   !> Of a model with so many parameters a point, on a circle of `points` points.
   function new_parameters(config, components, points, seed) result(self)
      type(parameters_config), intent(in) :: config
      integer, intent(in) :: components
      integer, intent(in) :: points
      integer, intent(in) :: seed
      type(parameters_type) :: self

      self%config = config
      self%components = components
      self%seed = seed
      self%noise = new_noise(points, config%correlation_length)
   end function new_parameters

   !> The first ensemble: first_guess + first_sd z_m.
   subroutine begin(self, domain, x)
      class(parameters_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(inout) :: x(:, :, :)
      real(wp) :: z(size(x, 1), size(x, 3))
      integer :: p

      if (.not. self%config%estimate) return
      do p = 1, self%components
         call self%draw(domain, random_key_type(self%seed, stream_first_parameters), p, z)
         x(:, size(x, 2) - self%components + p, :) = self%config%first_guess &
                                                     + self%config%first_sd*z
      end do
   end subroutine begin

   !> Before the analysis: a random step of each member, the mean's left out.
   subroutine walk(self, domain, cycle, x)
      class(parameters_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), intent(inout) :: x(:, :, :)
      real(wp) :: z(size(x, 1), size(x, 3))
      real(wp) :: average(size(x, 1))
      integer :: component
      integer :: m
      integer :: p

      if (.not. (self%config%estimate .and. self%config%random_walk > 0)) return
      do p = 1, self%components
         component = size(x, 2) - self%components + p
         call self%draw(domain, random_key_type(self%seed, stream_parameter_walk, cycle), p, z)
         call mean_of_members(size(z, 1), size(z, 2), z, average)
         do m = 1, size(x, 3)
            x(:, component, m) = x(:, component, m) + self%config%random_walk*(z(:, m) - average)
         end do
      end do
   end subroutine walk

   !> After the analysis: global parameters the same everywhere, and a spread that is not too small.
   subroutine settle(self, domain, x)
      class(parameters_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(inout) :: x(:, :, :)
      real(wp) :: values(size(x, 1), size(x, 3))
      real(wp) :: means(size(x, 3))
      integer :: component
      integer :: m
      integer :: p

      if (.not. self%config%estimate) return
      do p = 1, self%components
         component = size(x, 2) - self%components + p
         values = x(:, component, :)
         if (.not. self%config%local) then
            means = domain%mean_of_points(values)
            do m = 1, size(x, 3)
               values(:, m) = means(m)
            end do
         end if
         call keep_spread(size(values, 1), size(values, 2), self%config%minimum_sd, values)
         x(:, component, :) = values
      end do
   end subroutine settle

   !> Where the members' standard deviation is below the minimum, their anomalies are stretched to
   !> it.
   pure subroutine keep_spread(n, members, minimum_sd, values)
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(in) :: minimum_sd
      real(wp), intent(inout) :: values(n, members)
      real(wp) :: average(n)
      real(wp) :: sd(n)
      integer :: m

      if (.not. minimum_sd > 0) return
      call mean_of_members(n, members, values, average)
      call spread_of_members(n, members, values, average, sd)
      do m = 1, members
         where (sd > 0 .and. sd < minimum_sd)
            values(:, m) = average + (minimum_sd/sd)*(values(:, m) - average)
         end where
      end do
   end subroutine keep_spread

   !> Standard normal numbers z(n, members) of parameter p: fields, or one number a member.
   subroutine draw(self, domain, key, p, z)
      class(parameters_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: p
      real(wp), intent(out) :: z(:, :)
      type(random_key_type) :: member_key
      real(wp) :: one(1)
      integer :: m

      member_key = key
      do m = 1, size(z, 2)
         member_key%member = (p - 1)*size(z, 2) + m
         if (self%config%local) then
            call self%noise%draw(domain, member_key, z(:, m))
         else
            call normals(member_key, 0_i8, one)
            z(:, m) = one(1)
         end if
      end do
   end subroutine draw
end module da_ensemble_parameters
