!> All of a run that is under way.
module da_cycle_state
   use da_base_domain, only: domain_type
   use da_cycle_config, only: config_type
   use da_diagnostics_all, only: diagnostics_type
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_io_run_file, only: run_file_type
   use da_run_type, only: run_type
   use da_verification_record, only: record_type
   implicit none
   private
   public :: cycle_state_type

   type :: cycle_state_type
      type(config_type) :: config
      type(domain_type) :: domain
      type(run_type) :: run
      type(diagnostics_type) :: diagnostics
      type(record_type) :: record
      type(run_file_type) :: output
      !> What a checkpoint would say; its cycle is the last that is complete.
      type(checkpoint_head_type) :: head
      !> For the log, a line each.
      character(len=:), allocatable :: notes
   end type cycle_state_type
end module da_cycle_state
