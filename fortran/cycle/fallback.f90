!> What a run tells of the scheme that takes over from a network: a table, a line at each change.
module da_cycle_fallback
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_domain, only: domain_type
   use da_base_text, only: to_text
   use da_analysis_network_analysis, only: note_fallback
   use da_analysis_type, only: analysis_type
   use da_cycle_config, only: config_type
   use da_cycle_progress, only: progress_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: add_fallback_table, report_fallback

contains

   subroutine add_fallback_table(analysis, tables)
      class(analysis_type), intent(in) :: analysis
      type(tables_type), intent(inout) :: tables

      if (len(analysis%successor()) == 0) return
      call tables%add_table(note_fallback, 'whether the scheme of &cycle made the analysis in '// &
                            'the network''s place: 1 or 0')
   end subroutine add_fallback_table

   !> A line for people where `cycle` has another scheme than the one before.
   subroutine report_fallback(domain, config, cycle, tables, progress)
      type(domain_type), intent(in) :: domain
      type(config_type), intent(in) :: config
      integer, intent(in) :: cycle
      type(tables_type), intent(in) :: tables
      type(progress_type), intent(in) :: progress
      logical :: before
      logical :: now

      if (.not. domain%communicator%is_root()) return
      now = took_over(tables, cycle)
      before = .false.
      if (cycle > 1) before = took_over(tables, cycle - 1)
      if (now .eqv. before) return
      call progress%end_line()
      if (now) then
         write (output_unit, '(a)') 'cycle '//to_text(cycle)//': the network gives way to '// &
            config%analysis%successor()
      else
         write (output_unit, '(a)') 'cycle '//to_text(cycle)//': the network is tried again'
      end if
      flush (output_unit)
   end subroutine report_fallback

   pure function took_over(tables, cycle) result(yes)
      type(tables_type), intent(in) :: tables
      integer, intent(in) :: cycle
      logical :: yes
      integer :: t

      yes = .false.
      do t = 1, size(tables%tables)
         if (tables%tables(t)%name == note_fallback) yes = tables%tables(t)%rows(1, cycle) > 0
      end do
   end function took_over
end module da_cycle_fallback
