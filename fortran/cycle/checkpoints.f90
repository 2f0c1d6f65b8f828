!> When a run's checkpoints are due, and what is brought to the disk with them.
module da_cycle_checkpoints
   use da_base_domain, only: domain_type
   use da_base_durable, only: durability_type
   use da_base_error, only: error_type
   use da_cycle_config, only: config_type
   use da_cycle_start, only: run_type
   use da_cycle_study, only: tell_studies
   use da_ensemble_type, only: ensemble_type
   use da_io_checkpoint, only: write_checkpoint
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_io_run_file, only: run_file_type
   use da_io_study_file, only: study_file_type
   use da_verification_record, only: record_type
   implicit none
   private
   public :: is_checkpoint, is_due, keep

contains

   pure function is_checkpoint(config, cycle) result(yes)
      type(config_type), intent(in) :: config
      integer, intent(in) :: cycle
      logical :: yes

      yes = .false.
      if (config%checkpoint_every > 0) yes = mod(cycle, config%checkpoint_every) == 0
      yes = yes .and. cycle < config%cycles
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
   subroutine keep(run, cycle, durable, ensemble, record, output, studies, head, error)
      type(run_type), intent(inout) :: run
      integer, intent(in) :: cycle
      logical, intent(in) :: durable
      type(ensemble_type), intent(in) :: ensemble
      type(record_type), intent(in) :: record
      type(run_file_type), intent(inout) :: output
      type(study_file_type), intent(inout) :: studies
      type(checkpoint_head_type), intent(inout) :: head
      type(error_type), allocatable, intent(out) :: error
      integer :: kept

      call output%flush(run%domain, cycle, record, error)
      if (allocated(error)) return
      head%cycle = cycle
      call output%tell_written(run%domain, durable, head%output, error)
      if (allocated(error)) return
      call tell_studies(run%config, run%domain, durable, studies, head%studies, error)
      if (allocated(error)) return
      kept = merge(1, 0, run%truth%must_be_kept())
      call write_checkpoint(run%config%checkpoint, run%domain, head, ensemble%x, &
                            run%truth%x(:, :, :kept), ensemble%carried, durable, error)
   end subroutine keep
end module da_cycle_checkpoints
