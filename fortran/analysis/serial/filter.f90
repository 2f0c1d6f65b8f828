!> Filters that take one observation after another, each seen by what earlier ones have left
!> (Whitaker & Hamill 2002; Anderson 2003), its influence tapered with distance.
!>
!> Observations in the blocks of a colour change nothing of each other's surroundings, so every rank
!> takes the blocks that touch its slab, from left to right; blocks on its border are computed by
!> both neighbours, with the same bits. Then ranks exchange halos, and the other colour follows.
module da_analysis_serial_filter
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, lost_error
   use da_base_random, only: random_key_type
   use da_base_tridiagonal_kernels, only: lanes
   use da_analysis_filter_ensemble_filter, only: ensemble_filter_type
   use da_analysis_serial_blocks, only: blocks_type, new_blocks
   use da_analysis_serial_targets, only: targets_type, gather_targets, chunk_of
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: serial_filter_type

   type, abstract, extends(ensemble_filter_type) :: serial_filter_type
   contains
      procedure :: assimilate
      procedure :: complete
      procedure :: begin
      procedure :: finish
      procedure(columns_for), deferred :: columns_for
      procedure(assimilate_one), deferred :: assimilate_one
   end type serial_filter_type

   abstract interface
      !> Numbers that the filter keeps of a target: at least one a member.
      pure function columns_for(self, members) result(columns)
         import :: serial_filter_type
         class(serial_filter_type), intent(in) :: self
         integer, intent(in) :: members
         integer :: columns
      end function columns_for

      !> Update the targets `z` by one observation: `observed` is what is kept of the observation,
      !> the same in each lane, its value 0 and its error 1; `weights` taper its influence; `key`
      !> and `number` are those of its random numbers.
      pure subroutine assimilate_one(self, key, number, members, columns, chunks, observed, &
                                     weights, z)
         import :: serial_filter_type, random_key_type, i8, wp, lanes
         class(serial_filter_type), intent(in) :: self
         type(random_key_type), intent(in) :: key
         integer(i8), intent(in) :: number
         integer, intent(in) :: members
         integer, intent(in) :: columns
         integer, intent(in) :: chunks
         real(wp), intent(in) :: observed(lanes, columns)
         real(wp), intent(in) :: weights(lanes, chunks)
         real(wp), intent(inout) :: z(lanes, columns, chunks)
      end subroutine assimilate_one
   end interface

   !> Beyond this many observation errors a member's distance from an observation is that of a
   !> diverged ensemble.
   real(wp), parameter :: farthest = 1.0e15_wp

contains

   !> From the members' values, in the first columns, to what the filter keeps; most keep them as
   !> they are.
   pure subroutine begin(self, members, columns, chunks, z)
      class(serial_filter_type), intent(in) :: self
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, columns, chunks)
   end subroutine begin

   !> From what the filter keeps back to the members' values.
   pure subroutine finish(self, members, columns, chunks, z)
      class(serial_filter_type), intent(in) :: self
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, columns, chunks)
   end subroutine finish

   !> What is left to do with the slab's state when all observations are in.
   subroutine complete(self, cycle, ensemble)
      class(serial_filter_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
   end subroutine complete

   subroutine assimilate(self, domain, cycle, observations, anomalies, innovations, ensemble, error)
      class(serial_filter_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), allocatable, intent(inout) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(blocks_type) :: blocks
      type(targets_type) :: targets
      real(wp), allocatable :: weights(:, :)
      real(wp), allocatable :: observed(:, :)
      integer :: columns
      integer :: colour

      call check_divergence(domain, anomalies, innovations, error)
      if (allocated(error)) return
      blocks = new_blocks(domain, self%localisation)
      columns = self%columns_for(ensemble%members)
      call gather_targets(domain, self%localisation, blocks, columns, observations, anomalies, &
                          innovations, ensemble%x, targets)
      call convert_own(self, domain, ensemble%members, targets, .true.)
      allocate (weights(lanes, size(targets%z, 3)), observed(lanes, columns))
      do colour = 0, blocks%colours() - 1
         call targets%exchange(domain)
         call assimilate_colour(self, domain, random_key_type(self%seed, cycle=cycle), blocks, &
                                colour, ensemble%members, targets, weights, observed)
      end do
      call convert_own(self, domain, ensemble%members, targets, .false.)
      call targets%store_state(size(ensemble%x, 1), size(ensemble%x, 2), ensemble%members, &
                               ensemble%x)
      call self%complete(cycle, ensemble)
   end subroutine assimilate

   subroutine check_divergence(domain, anomalies, innovations, error)
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: far(1)

      far = merge(0, 1, all(abs(anomalies) <= farthest) .and. all(abs(innovations) <= farthest))
      call domain%communicator%maxima(far)
      if (far(1) > 0) call lost_error(error)
   end subroutine check_divergence

   !> The chunks that hold the slab's own targets, from the members' values or back to them.
   subroutine convert_own(self, domain, members, targets, forth)
      class(serial_filter_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: members
      type(targets_type), intent(inout) :: targets
      logical, intent(in) :: forth
      integer :: own(2)

      own = chunk_of(targets%run_of(1, domain%n))
      if (forth) then
         call self%begin(members, targets%columns, own(2) - own(1) + 1, targets%z(1, 1, own(1)))
      else
         call self%finish(members, targets%columns, own(2) - own(1) + 1, targets%z(1, 1, own(1)))
      end if
   end subroutine convert_own

   !> All blocks of a colour whose observations reach the slab.
   subroutine assimilate_colour(self, domain, key, blocks, colour, members, targets, weights, &
                                observed)
      class(serial_filter_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      type(blocks_type), intent(in) :: blocks
      integer, intent(in) :: colour
      integer, intent(in) :: members
      type(targets_type), intent(inout) :: targets
      real(wp), contiguous, intent(inout) :: weights(:, :)
      real(wp), contiguous, intent(inout) :: observed(:, :)
      integer :: block
      integer :: first
      integer :: last

      block = 0
      if (blocks%number > 1) block = blocks%first_touching(colour, domain%first)
      do
         first = blocks%first_of(block)
         last = blocks%first_of(block + 1) - 1
         if (first - blocks%reach > domain%last) exit
         call assimilate_block(self, key, blocks, first - domain%first + 1, &
                               last - domain%first + 1, members, targets, weights, observed)
         if (blocks%number == 1) exit
         block = block + 2
      end do
   end subroutine assimilate_colour

   !> The observations of the cells first … last, one after another.
   subroutine assimilate_block(self, key, blocks, first, last, members, targets, weights, observed)
      class(serial_filter_type), intent(in) :: self
      type(random_key_type), intent(in) :: key
      type(blocks_type), intent(in) :: blocks
      integer, intent(in) :: first
      integer, intent(in) :: last
      integer, intent(in) :: members
      type(targets_type), intent(inout) :: targets
      real(wp), contiguous, intent(inout) :: weights(:, :)
      real(wp), contiguous, intent(inout) :: observed(:, :)
      integer :: inside(2)
      integer :: ends(2)
      integer :: cell
      integer :: t

      do cell = first, last
         if (blocks%number == 1) then
            ends = targets%run_of(first, last)
         else
            ends = targets%run_of(cell - blocks%reach, cell + blocks%reach)
         end if
         ends = chunk_of(ends)
         inside = targets%run_of(cell, cell)
         do t = inside(1) + targets%components, inside(2)
            call targets%weights_around(t, ends(1), ends(2) - ends(1) + 1, weights)
            call targets%spread_values(t, observed)
            call self%assimilate_one(key, int(targets%number(t), i8), members, targets%columns, &
                                     ends(2) - ends(1) + 1, observed, weights, &
                                     targets%z(1, 1, ends(1)))
         end do
      end do
   end subroutine assimilate_block
end module da_analysis_serial_filter
