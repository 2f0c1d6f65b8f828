!> The observations of the last cycles, for analyses that assimilate those of a window.
!>
!> They are kept as they came from their source. No checkpoint holds them: after a restart they come
!> from there again, a twin's from the truths that are carried.
module da_run_history
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_run_observation_source, only: observation_source_type
   use da_run_past_truth, only: recall_truth
   use da_ensemble_type, only: ensemble_type
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: history_type, new_history

   !> A ring: the observations of a cycle take the place of those `size(kept)` cycles older.
   type :: history_type
      type(observations_type), allocatable, private :: kept(:)
   contains
      procedure :: remember
      procedure :: recall
      procedure :: rebuild
   end type history_type

contains

   !> Room for the observations of so many cycles.
   function new_history(cycles) result(self)
      integer, intent(in) :: cycles
      type(history_type) :: self

      allocate (self%kept(cycles))
   end function new_history

   subroutine remember(self, cycle, observations)
      class(history_type), intent(inout) :: self
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations

      if (size(self%kept) > 0) self%kept(slot(self, cycle)) = observations
   end subroutine remember

   !> Those of the cycles before one, as many as are kept, oldest first.
   subroutine recall(self, cycle, past)
      class(history_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(observations_type), allocatable, intent(out) :: past(:)
      integer :: k

      allocate (past(min(size(self%kept), cycle - 1)))
      do k = 1, size(past)
         past(k) = self%kept(slot(self, cycle - size(past) + k - 1))
      end do
   end subroutine recall

   !> After a restart: those up to the last cycle that was done.
   subroutine rebuild(self, source, domain, done, ensemble, error)
      class(history_type), intent(inout) :: self
      type(observation_source_type), intent(inout) :: source
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: done
      type(ensemble_type), intent(in) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      type(observations_type) :: observations
      real(wp), allocatable :: truth(:, :, :)
      integer :: cycle

      do cycle = max(done - size(self%kept), 0) + 1, done
         call recall_truth(domain, cycle, ensemble, truth)
         call source%observe(domain, cycle, truth, observations, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call self%remember(cycle, observations)
      end do
   end subroutine rebuild

   pure integer function slot(self, cycle)
      type(history_type), intent(in) :: self
      integer, intent(in) :: cycle

      slot = mod(cycle, size(self%kept)) + 1
   end function slot
end module da_run_history
