!> The local ensemble transform Kalman filter (Hunt et al. 2007): an analysis of its own at each
!> grid point, from the observations around it, their precision tapered with distance.
module da_analysis_letkf
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error
   use da_base_inverse_root, only: inverse_root_nodes
   use da_base_linear_algebra, only: random_rotation, identity
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_base_tridiagonal_kernels, only: lanes, tridiagonalise, reflect_forwards, &
      reflect_backwards, solve_shifted
   use da_analysis_ensemble_filter, only: ensemble_filter_type
   use da_analysis_letkf_kernels, only: stride, local_gram
   use da_analysis_local_observations, only: local_observations_type, gather_local_observations
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: letkf_type, letkf_config, new_letkf, read_letkf

   !> `&letkf`
   type :: letkf_config
      logical :: rotation = .true.
   end type letkf_config

   type, extends(ensemble_filter_type) :: letkf_type
      logical :: rotation = .true.
      type(localisation_config) :: localisation
   contains
      procedure :: assimilate
   end type letkf_type

   !> Beyond this an observation's weight is that of a diverged ensemble, not of a precise
   !> instrument.
   real(wp), parameter :: most_precise = 1.0e30_wp

   !> Points whose observations are brought in together: few enough for these to stay in the cache.
   integer, parameter :: window = 512

   !> What a rank's local analyses share.
   type :: work_type
      real(wp), allocatable :: shifts(:)
      real(wp), allocatable :: node_weights(:)
      real(wp), allocatable :: rotation(:, :)
      real(wp), allocatable :: weights(:, :)
      real(wp), allocatable :: s(:, :, :)
      real(wp), allocatable :: solves(:, :, :, :)
      real(wp), allocatable :: vectors(:, :, :)
   end type work_type

contains

   subroutine read_letkf(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(letkf_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('letkf', 'Local ensemble transform Kalman filter, used by '// &
                                'analysis = ''letkf''')
      call namelists%get('rotation', config%rotation, &
                         'turn the analysis anomalies at random each '//'cycle, everywhere alike')
      call namelists%close_group(error)
   end subroutine read_letkf

   function new_letkf(config, localisation) result(self)
      type(letkf_config), intent(in) :: config
      type(localisation_config), intent(in) :: localisation
      type(letkf_type) :: self

      self%name = 'letkf'
      self%rotation = config%rotation
      self%localisation = localisation
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
      integer :: first
      integer :: last
      integer :: past
      integer :: i

      call gather_local_observations(domain, self%localisation, 0, observations, anomalies, &
                                     innovations, local)
      call prepare_work(domain, observations, anomalies, innovations, local, work, error)
      if (allocated(error)) return
      work%rotation = identity(ensemble%members)
      if (self%rotation) then
         call random_rotation(random_key_type(self%seed, stream_rotation, cycle), work%rotation)
      end if
      do i = 1, domain%n, lanes
         if (mod(i - 1, window) == 0) then
            call local%load(observations, anomalies, innovations, i, min(i + window - 1, domain%n))
         end if
         call local%range_of(i, first, past)
         call local%range_of(min(i + lanes - 1, domain%n), past, last)
         call analyse_block(self, local, i, first, max(last - first + 1, 0), domain%n, &
                            size(ensemble%x, 2), ensemble%members, work, ensemble%x)
      end do
   end subroutine assimilate

   !> Work space, and the nodes of the inverse square root: the same on all ranks, since they follow
   !> from the largest eigenvalue that any point's S can have.
   subroutine prepare_work(domain, observations, anomalies, innovations, local, work, error)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(local_observations_type), intent(inout) :: local
      type(work_type), intent(out) :: work
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance = 1.0e-13_wp
      real(wp) :: length(window)
      real(wp) :: largest(2)
      integer :: members
      integer :: first
      integer :: last
      integer :: block_first
      integer :: longest
      integer :: i
      integer :: j

      members = size(anomalies, 2)
      largest = 0
      do j = 1, size(innovations), window
         length = 0
         last = min(j + window - 1, size(innovations))
         do i = 1, members
            length(:last - j + 1) = length(:last - j + 1) + anomalies(j:last, i)**2
         end do
         largest(1) = max(largest(1), maxval(length))
         if (.not. all(length <= huge(1.0_wp))) largest(1) = huge(1.0_wp)
      end do
      if (.not. all(abs(innovations) <= huge(1.0_wp))) largest(1) = huge(1.0_wp)
      longest = 0
      do i = 1, domain%n
         if (mod(i - 1, window) == 0) then
            call local%place(observations, i, min(i + window - 1, domain%n))
         end if
         call local%range_of(i, first, last)
         largest(2) = max(largest(2), real(last - first + 1, wp))
         if (mod(i - 1, lanes) == 0) block_first = first
         longest = max(longest, last - block_first + 1)
      end do
      call domain%communicator%maxima(largest)
      if (largest(1) > most_precise) then
         call run_error(error, 'the ensemble is not finite any more: it has diverged')
         return
      end if
      call inverse_root_nodes(2.0_wp**exponent(1 + largest(1)*largest(2)), tolerance, work%shifts, &
                              work%node_weights)
      allocate (work%weights(lanes, longest + stride))
      allocate (work%s(lanes, members, members))
      allocate (work%solves(lanes, 2, size(work%shifts), members))
      allocate (work%vectors(lanes, members, 7))
      allocate (work%rotation(members, members))
   end subroutine prepare_work

   !> The analyses of points i … i + lanes - 1 (as far as the slab goes) from n observations.
   subroutine analyse_block(self, local, i, first, n, points, components, members, work, x)
      class(letkf_type), intent(in) :: self
      type(local_observations_type), intent(in) :: local
      integer, intent(in) :: i
      integer, intent(in) :: first
      integer, intent(in) :: n
      integer, intent(in) :: points
      integer, intent(in) :: components
      integer, intent(in) :: members
      type(work_type), intent(inout) :: work
      real(wp), intent(inout) :: x(points, components, members)
      integer :: filled
      integer :: last
      integer :: c
      integer :: m

      filled = stride*((n + stride - 1)/stride)
      call local%weights_of(i, first, work%weights(:, :n))
      work%weights(:, n + 1:filled) = 0
      last = min(i + lanes - 1, points)
      associate (diagonal => work%vectors(:, :, 1), beside => work%vectors(:, :, 2), &
                 factor => work%vectors(:, :, 3), mean_weights => work%vectors(:, :, 4), &
                 anomalies => work%vectors(:, :, 5), turned => work%vectors(:, :, 6), &
                 solution => work%vectors(:, :, 7))
         call local_gram(members, filled, size(local%rows, 1), &
                         local%rows(:, first - local%before:first - local%before + filled), &
                         work%weights, work%s, anomalies)
         call tridiagonalise(members, work%s, diagonal, beside, factor)
         call reflect_forwards(members, work%s, factor, anomalies)
         call solve_shifted(members, 1, diagonal, beside, [0.0_wp], [1.0_wp], anomalies, &
                            mean_weights, work%solves)
         do c = 1, components
            do m = 1, members
               anomalies(:last - i + 1, m) = x(i:last, c, m)
               anomalies(last - i + 2:, m) = 0
            end do
            call transform_rows(members, work%s, diagonal, beside, factor, mean_weights, &
                                self%rotation, &
                                work%rotation, size(work%shifts), work%shifts, work%node_weights, &
                                work%solves, turned, solution, anomalies)
            do m = 1, members
               x(i:last, c, m) = anomalies(:last - i + 1, m)
            end do
         end do
      end associate
   end subroutine analyse_block

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
end module da_analysis_letkf
