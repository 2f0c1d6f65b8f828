!> What local analyses share: their work space, and the decomposition of S at some points, side by
!> side.
module da_analysis_local_letkf_core
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, lost_error
   use da_base_inverse_root, only: inverse_root_nodes
   use da_base_tridiagonal_kernels, only: lanes, tridiagonalise, reflect_forwards, solve_shifted
   use da_analysis_local_letkf_kernels, only: stride, local_gram
   use da_analysis_local_observations, only: local_observations_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: work_type, prepare_work, decompose, block_size

   !> Beyond this an observation's weight is that of a diverged ensemble, not of a precise
   !> instrument.
   real(wp), parameter :: most_precise = 1.0e30_wp

   !> Points whose observations are brought in together: few enough for these to stay in the cache.
   integer, parameter :: block_size = 512

   !> What a rank's local analyses share.
   type :: work_type
      real(wp), allocatable :: shifts(:)
      real(wp), allocatable :: node_weights(:)
      real(wp), allocatable :: rotation(:, :)
      real(wp), allocatable :: weights(:, :)
      real(wp), allocatable :: s(:, :, :)
      real(wp), allocatable :: solves(:, :, :, :)
      real(wp), allocatable :: factors(:, :, :, :)
      real(wp), allocatable :: vectors(:, :, :)
   end type work_type

contains

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
      real(wp) :: length(block_size)
      real(wp) :: largest(2)
      integer :: members
      integer :: first
      integer :: last
      integer :: i
      integer :: j

      members = size(anomalies, 2)
      largest = 0
      do j = 1, size(innovations), block_size
         length = 0
         last = min(j + block_size - 1, size(innovations))
         do i = 1, members
            length(:last - j + 1) = length(:last - j + 1) + anomalies(j:last, i)**2
         end do
         largest(1) = max(largest(1), maxval(length))
         if (.not. all(length <= huge(1.0_wp))) largest(1) = huge(1.0_wp)
      end do
      if (.not. all(abs(innovations) <= huge(1.0_wp))) largest(1) = huge(1.0_wp)
      do i = 1, domain%n
         if (mod(i - 1, block_size) == 0) then
            call local%place(observations, i, min(i + block_size - 1, domain%n))
         end if
         call local%range_of(i, first, last)
         largest(2) = max(largest(2), real(last - first + 1, wp))
      end do
      call domain%communicator%maxima(largest)
      if (largest(1) > most_precise) then
         call lost_error(error)
         return
      end if
      call inverse_root_nodes(2.0_wp**exponent(1 + largest(1)*largest(2)), tolerance, work%shifts, &
                              work%node_weights)
      allocate (work%weights(lanes, 0))
      allocate (work%s(lanes, members, members))
      allocate (work%solves(lanes, 2, size(work%shifts), members))
      allocate (work%factors(lanes, size(work%shifts), members, 3))
      allocate (work%vectors(lanes, members, 7))
      allocate (work%rotation(members, members))
   end subroutine prepare_work

   !> S = Q T Q^T at some of the slab's points, in the order of the circle: T and the reflections of
   !> Q, and the mean's weights S^{-1} Y^T d, turned by Q^T.
   subroutine decompose(points, local, members, work)
      integer, intent(in) :: points(lanes)
      type(local_observations_type), intent(in) :: local
      integer, intent(in) :: members
      type(work_type), intent(inout) :: work
      integer :: filled
      integer :: first
      integer :: last
      integer :: start
      integer :: past
      integer :: n
      integer :: l

      call local%range_of(points(1), first, last)
      do l = 2, lanes
         call local%range_of(points(l), start, past)
         first = min(first, start)
         last = max(last, past)
      end do
      n = max(last - first + 1, 0)
      filled = stride*((n + stride - 1)/stride)
      call reserve(filled, work%weights)
      call local%weights_of(points, first, work%weights(:, :n))
      work%weights(:, n + 1:filled) = 0
      associate (diagonal => work%vectors(:, :, 1), beside => work%vectors(:, :, 2), &
                 factor => work%vectors(:, :, 3), mean_weights => work%vectors(:, :, 4), &
                 projected => work%vectors(:, :, 5))
         call local_gram(members, filled, size(local%rows, 1), &
                         local%rows(:, first - local%before:first - local%before + filled), &
                         work%weights, work%s, projected)
         call tridiagonalise(members, work%s, diagonal, beside, factor)
         call reflect_forwards(members, work%s, factor, projected)
         call solve_shifted(members, 1, diagonal, beside, [0.0_wp], [1.0_wp], projected, &
                            mean_weights, work%solves)
      end associate
   end subroutine decompose

   subroutine reserve(n, weights)
      integer, intent(in) :: n
      real(wp), allocatable, intent(inout) :: weights(:, :)

      if (size(weights, 2) >= n) return
      deallocate (weights)
      allocate (weights(lanes, 2*n))
   end subroutine reserve
end module da_analysis_local_letkf_core
