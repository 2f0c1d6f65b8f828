!> The local ensemble transform Kalman filter (Hunt et al. 2007): an analysis of its own at each
!> grid point, from the observations around it, their precision tapered with distance.
module da_analysis_local_letkf
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_linear_algebra, only: random_rotation, identity
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_base_text, only: to_text
   use da_base_tridiagonal_kernels, only: lanes, reflect_forwards, reflect_backwards, solve_shifted
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_local_letkf_core, only: work_type, prepare_work, decompose, block_size
   use da_analysis_local_letkf_interpolation, only: interpolate_weights
   use da_analysis_local_letkf_study, only: study_points
   use da_analysis_local_observations, only: local_observations_type, &
      gather_local_observations, adaptivity_type
   use da_analysis_study, only: local_analysis_type, read_study
   use da_ensemble_inflation, only: background_memory_type
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: letkf_type, letkf_config, new_letkf

   !> Of `weights_every`: beyond any radius that localises.
   integer, parameter :: most_points_between = 1000

   !> `&letkf`
   type :: letkf_config
      logical :: rotation = .false.
      integer :: weights_every = 1
      type(adaptivity_type) :: adaptivity
   end type letkf_config

   type, extends(ensemble_filter_type) :: letkf_type
      type(letkf_config) :: config
   contains
      procedure :: read_settings
      procedure :: check_settings
      procedure :: read_studied
      procedure :: assimilate
      procedure :: study
   end type letkf_type

contains

   subroutine read_settings(self, namelists, error)
      class(letkf_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('letkf', 'Local ensemble transform Kalman filter, used by '// &
                                'analysis = ''letkf''')
      call namelists%get('rotation', self%config%rotation, &
                         'turn the analysis anomalies at random each cycle, everywhere alike: '// &
                         'see docs/local_filter.md for what that gains and costs')
      call namelists%get('weights_every', self%config%weights_every, &
                         'compute weights at every so many grid points and interpolate them '// &
                         'linearly between (Yang et al. 2009); 1: at all', minimum=1, &
                         maximum=most_points_between)
      call namelists%get('effective_observations', self%config%adaptivity%effective_observations, &
                         'widen the radius of &localisation where that is needed for tapers to '// &
                         'sum to this, e.g. the number of members (Kirchgessner et al. 2014); '// &
                         '0: nowhere', minimum=0.0_wp)
      call namelists%get('radius_maximum', self%config%adaptivity%radius_maximum, &
                         'with effective_observations: the radius in grid points that it stays '// &
                         'within', minimum=0.0_wp)
      call namelists%close_group(error)
   end subroutine read_settings

   subroutine check_settings(self, file, error)
      class(letkf_type), intent(in) :: self
      character(len=*), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
      character(len=*), parameter :: steep(2) = [character(len=6) :: 'boxcar', 'none']

      associate (wanted => self%config%adaptivity%effective_observations, &
                 maximum => self%config%adaptivity%radius_maximum)
         if (.not. wanted > 0) then
            if (maximum > 0) then
               call input_error(error, file//': &letkf radius_maximum = '//to_text(maximum)// &
                                ': is not used without effective_observations')
            end if
         else if (any(steep == self%localisation%taper)) then
            call input_error(error, file//': &letkf effective_observations = '//to_text(wanted)// &
                             ": cannot be met with &localisation taper = '"// &
                             self%localisation%taper//"': it does not fall steadily; use '"// &
                             "gaspari_cohn'")
         else if (maximum <= self%localisation%radius) then
            call input_error(error, file//': &letkf radius_maximum = '//to_text(maximum)// &
                             ': must be above &localisation radius = '// &
                             to_text(self%localisation%radius)//', the least with '// &
                             'effective_observations')
         end if
      end associate
   end subroutine check_settings

   subroutine read_studied(self, namelists, error)
      class(letkf_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call read_study(namelists, self%config%weights_every, self%studied, error)
   end subroutine read_studied

   function new_letkf(config, localisation) result(self)
      type(letkf_config), intent(in), optional :: config
      type(localisation_config), intent(in), optional :: localisation
      type(letkf_type) :: self

      self%name = 'letkf'
      self%localises = .true.
      if (present(config)) self%config = config
      if (present(localisation)) self%localisation = localisation
   end function new_letkf

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(letkf_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(local_observations_type) :: local
      type(work_type) :: work
      integer :: i
      integer :: last

      call gather_local_observations(domain, self%localisation, self%config%adaptivity, &
                                     self%config%weights_every - 1, observations, anomalies, &
                                     innovations, local)
      call prepare_work(domain, observations, anomalies, innovations, local, work, error)
      if (allocated(error)) return
      work%rotation = rotation_of(self, cycle, ensemble%members)
      do i = 1, domain%n, block_size
         last = min(i + block_size - 1, domain%n)
         if (self%config%weights_every > 1) then
            call interpolate_weights(domain, self%config%weights_every, self%config%rotation, i, &
                                     last, observations, anomalies, innovations, local, work, &
                                     ensemble%x)
         else
            call local%load(observations, anomalies, innovations, i, last)
            call analyse_points(self, local, i, last, domain%n, size(ensemble%x, 2), &
                                ensemble%members, work, ensemble%x)
         end if
      end do
   end subroutine assimilate

   !> What all anomalies of a cycle's analysis are turned by.
   function rotation_of(self, cycle, members) result(rotation)
      class(letkf_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer, intent(in) :: members
      real(wp) :: rotation(members, members)

      rotation = identity(members)
      if (self%config%rotation) then
         call random_rotation(random_key_type(self%seed, stream_rotation, cycle), rotation)
      end if
   end function rotation_of

   !> Local analyses, worked out on copies of observations and ensemble, beside the filter's own.
   subroutine study(self, domain, cycle, observations, ensemble, studies, error)
      class(letkf_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(local_analysis_type), allocatable, intent(out) :: studies(:)
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: seen
      type(observations_type), allocatable :: replaced
      type(ensemble_type) :: turned
      type(background_memory_type) :: memory
      real(wp), allocatable :: anomalies(:, :)
      real(wp), allocatable :: innovations(:)
      integer :: k

      seen = observations
      turned = ensemble
      call self%compute_departures(domain, cycle, seen, turned, replaced, memory, anomalies, &
                                  innovations, error)
      if (allocated(error)) return
      if (allocated(replaced)) seen = replaced
      call study_points(domain, self%localisation, self%config%adaptivity, self%studied%points, &
                        rotation_of(self, cycle, ensemble%members), seen, anomalies, innovations, &
                        turned, studies, error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call self%assimilate(domain, cycle, seen, anomalies, innovations, turned, error)
      if (allocated(error)) return
      do k = 1, size(studies)
         associate (fast => turned%x(studies(k)%point + 2 - domain%first, :, :))
            studies(k)%difference = maxval(abs(fast - studies(k)%analysis))
            studies(k)%analysis = fast
         end associate
      end do
   end subroutine study

   !> The analyses of the slab's points start … last.
   subroutine analyse_points(self, local, start, last, points, components, members, work, x)
      class(letkf_type), intent(in) :: self
      type(local_observations_type), intent(in) :: local
      integer, intent(in) :: start
      integer, intent(in) :: last
      integer, intent(in) :: points
      integer, intent(in) :: components
      integer, intent(in) :: members
      type(work_type), intent(inout) :: work
      real(wp), intent(inout) :: x(points, components, members)
      integer :: c
      integer :: i
      integer :: l
      integer :: m
      integer :: n

      do i = start, last, lanes
         n = min(lanes, last - i + 1)
         call decompose([(min(i + l, last), l=0, lanes - 1)], local, members, work)
         associate (diagonal => work%vectors(:, :, 1), beside => work%vectors(:, :, 2), &
                    factor => work%vectors(:, :, 3), mean_weights => work%vectors(:, :, 4), &
                    anomalies => work%vectors(:, :, 5), turned => work%vectors(:, :, 6), &
                    solution => work%vectors(:, :, 7))
            do c = 1, components
               do m = 1, members
                  anomalies(:n, m) = x(i:i + n - 1, c, m)
                  anomalies(n + 1:, m) = 0
               end do
               call transform_rows(members, work%s, diagonal, beside, factor, mean_weights, &
                                   self%config%rotation, &
                                   work%rotation, size(work%shifts), work%shifts, &
                                   work%node_weights, &
                                   work%solves, turned, solution, anomalies)
               do m = 1, members
                  x(i:i + n - 1, c, m) = anomalies(:n, m)
               end do
            end do
         end associate
      end do
   end subroutine analyse_points

   !> x ← mean + X S^{-1} Y^T d + X S^{-1/2} U, the variables of the lanes side by side.
   pure subroutine transform_rows(members, s, diagonal, beside, factor, mean_weights, rotate, &
                                  rotation, &
                                  nodes, shifts, node_weights, solves, turned, solution, x)
      integer, intent(in) :: members
      real(wp), intent(in) :: s(lanes, members, members)
      real(wp), intent(in), dimension(lanes, members) :: diagonal, beside, factor, mean_weights
      logical, intent(in) :: rotate
      real(wp), intent(in) :: rotation(members, members)
      integer, intent(in) :: nodes
      real(wp), intent(in) :: shifts(nodes)
      real(wp), intent(in) :: node_weights(nodes)
      real(wp), intent(inout) :: solves(lanes, 2, nodes, members)
      real(wp), intent(inout), dimension(lanes, members) :: turned, solution, x
      real(wp), dimension(lanes) :: average, increment, total
      integer :: k
      integer :: m

      average = 0
      do m = 1, members
         average = average + x(:, m)
      end do
      average = average/members
      do m = 1, members
         turned(:, m) = x(:, m) - average
      end do
      call reflect_forwards(members, s, factor, turned)
      increment = 0
      do m = 1, members
         increment = increment + turned(:, m)*mean_weights(:, m)
      end do
      average = average + increment/sqrt(real(members - 1, wp))
      call solve_shifted(members, nodes, diagonal, beside, shifts, node_weights, turned, &
                         solution, solves)
      call reflect_backwards(members, s, factor, solution)
      do m = 1, members
         if (rotate) then
            total = 0
            do k = 1, members
               total = total + solution(:, k)*rotation(k, m)
            end do
         else
            total = solution(:, m)
         end if
         x(:, m) = average + total
      end do
   end subroutine transform_rows
end module da_analysis_local_letkf
