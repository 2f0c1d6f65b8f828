!> Memory that the output takes.
module da_io_run_memory
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_io_feedback_buffer, only: feedback_buffer_memory
   use da_io_field_buffer, only: field_buffer_memory
   use da_io_run_layout, only: run_file_config, field_truth
   implicit none
   private
   public :: run_file_memory

contains

   !> Bytes, at least, that a rank keeps until they are written, with so many observations of a
   !> cycle on all ranks.
   pure function run_file_memory(config, domain, components, observations, cycles) result(bytes)
      type(run_file_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      real(wp), intent(in) :: observations
      integer, intent(in) :: cycles
      real(wp) :: bytes

      bytes = 0
      if (config%fields_every > 0) then
         bytes = field_buffer_memory(domain, components, field_truth - 1, &
                                     cycles/config%fields_every)
      end if
      if (config%feedback) then
         bytes = bytes + feedback_buffer_memory(domain%communicator%ranks, observations, cycles)
      end if
   end function run_file_memory
end module da_io_run_memory
