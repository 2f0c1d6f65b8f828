!> The local particle filter (Poterjoy 2016): serial, with weights that are tapered like an EnKF's
!> gain and particles that are merged where a plain particle filter would copy them. Nothing in it
!> supposes that H is linear or that the ensemble is Gaussian.
module da_analysis_serial_local_particle_filter
   use da_base_kinds, only: wp, i8
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, uniforms, stream_resampling
   use da_base_text, only: to_text
   use da_base_tridiagonal_kernels, only: lanes
   use da_analysis_serial_particle_kernels, only: likelihoods, resample, merge_particles, &
      map_distributions
   use da_analysis_serial_filter, only: serial_filter_type
   use da_ensemble_localisation, only: localisation_config
   implicit none
   private
   public :: local_particle_filter_type, local_particle_filter_config
   public :: new_local_particle_filter

   !> `&local_particle_filter`
   type :: local_particle_filter_config
      real(wp) :: alpha = 0.95_wp
      logical :: kddm = .false.
   end type local_particle_filter_config

   !> Columns: the particles, the prior particles, and the weights of these.
   type, extends(serial_filter_type) :: local_particle_filter_type
      type(local_particle_filter_config) :: config
   contains
      procedure :: read_settings
      procedure :: columns_for
      procedure :: begin
      procedure :: finish
      procedure :: assimilate_one
   end type local_particle_filter_type

   integer, parameter :: kept = 3

contains

   subroutine read_settings(self, namelists, error)
      class(local_particle_filter_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('local_particle_filter', &
                                'Local particle filter (Poterjoy 2016), used by '// &
                                'analysis = ''local_particle_filter''')
      call namelists%get('alpha', self%config%alpha, &
                         'how far an observation can empty a particle''s weight: it keeps '// &
                         '1 - alpha', above=0.0_wp)
      if (self%config%alpha >= 1) then
         call namelists%reject('alpha', '= '//to_text(self%config%alpha)//': must be below 1')
      end if
      call namelists%get('kddm', self%config%kddm, &
                         'at the end map the particles onto the kernel density of the weighted '// &
                         'prior particles')
      call namelists%close_group(error)
   end subroutine read_settings

   function new_local_particle_filter(config, localisation) result(self)
      type(local_particle_filter_config), intent(in), optional :: config
      type(localisation_config), intent(in), optional :: localisation
      type(local_particle_filter_type) :: self

      self%name = 'local_particle_filter'
      self%copies = kept
      self%can_smooth = .false.
      self%localises = .true.
      if (present(config)) self%config = config
      if (present(localisation)) self%localisation = localisation
   end function new_local_particle_filter

   pure function columns_for(self, members) result(columns)
      class(local_particle_filter_type), intent(in) :: self
      integer, intent(in) :: members
      integer :: columns

      columns = kept*members
   end function columns_for

   pure subroutine begin(self, members, columns, chunks, z)
      class(local_particle_filter_type), intent(in) :: self
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, columns, chunks)

      z(:, members + 1:2*members, :) = z(:, :members, :)
      z(:, 2*members + 1:, :) = 1.0_wp/members
   end subroutine begin

   pure subroutine finish(self, members, columns, chunks, z)
      class(local_particle_filter_type), intent(in) :: self
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, columns, chunks)

      if (self%config%kddm) call map_distributions(members, chunks, z)
   end subroutine finish

   pure subroutine assimilate_one(self, key, number, members, columns, chunks, observed, weights, z)
      class(local_particle_filter_type), intent(in) :: self
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: number
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(in) :: observed(lanes, columns)
      real(wp), intent(in) :: weights(lanes, chunks)
      real(wp), intent(inout) :: z(lanes, columns, chunks)
      type(random_key_type) :: resampling
      real(wp), dimension(lanes, members) :: likelihood, prior_likelihood
      real(wp) :: u(1)
      integer :: chosen(members)

      resampling = key
      resampling%stream = stream_resampling
      call uniforms(resampling, number, u)
      call likelihoods(members, observed(:, :members), likelihood)
      call likelihoods(members, observed(:, members + 1:2*members), prior_likelihood)
      call resample(members, likelihood(1, :), u(1), chosen)
      call merge_particles(members, chunks, self%config%alpha, prior_likelihood, &
                           sum(likelihood(1, :)), chosen, weights, z)
   end subroutine assimilate_one
end module da_analysis_serial_local_particle_filter
