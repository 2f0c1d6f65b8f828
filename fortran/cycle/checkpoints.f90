!> When a run's checkpoints are due, and what is brought to the disk with them.
module da_cycle_checkpoints
   use da_base_domain, only: domain_type
   use da_base_durable, only: durability_type
   use da_base_error, only: error_type
   use da_cycle_state, only: cycle_state_type
   use da_io_checkpoint, only: write_checkpoint
   implicit none
   private
   public :: is_checkpoint, is_due, keep

contains

   !> Whether the settings ask for one after this cycle.
   pure function is_checkpoint(self) result(yes)
      class(cycle_state_type), intent(in) :: self
      logical :: yes

      associate (every => self%config%checkpoint_every, cycle => self%head%cycle)
         yes = .false.
         if (every > 0) yes = mod(cycle, every) == 0
         yes = yes .and. cycle < self%config%cycles
      end associate
   end function is_checkpoint

   !> Whether what is written now must outlast a power cut; the root's clock decides.
   function is_due(domain, durability) result(yes)
      type(domain_type), intent(in) :: domain
      type(durability_type), intent(inout) :: durability
      logical :: yes
      integer :: due(1)

      due = merge(1, 0, durability%is_due())
      call domain%communicator%broadcast_integers(due, 0)
      yes = due(1) == 1
   end function is_due

   !> Bring the output up to date, then write a checkpoint.
   subroutine keep(self, durable, error)
      class(cycle_state_type), intent(inout) :: self
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error
      integer :: kept

      associate (domain => self%domain, head => self%head, truth => self%run%truth)
         call self%output%flush(domain, head%cycle, self%record, error)
         if (allocated(error)) return
         call self%output%tell_written(domain, durable, head%output, error)
         if (allocated(error)) return
         call self%diagnostics%keep(domain, durable, head%studies, error)
         if (allocated(error)) return
         kept = merge(1, 0, truth%must_be_kept())
         call write_checkpoint(self%config%checkpoint, domain, head, self%run%ensemble%x, &
                               truth%x(:, :, :kept), self%run%ensemble%carried, durable, error)
      end associate
   end subroutine keep
end module da_cycle_checkpoints
