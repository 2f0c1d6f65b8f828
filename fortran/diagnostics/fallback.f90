!> What a run tells of the scheme that takes over from a network: a table, a line at each change.
module da_diagnostics_fallback
   use da_base_text, only: to_text
   use da_analysis_network_analysis, only: note_fallback
   use da_diagnostics_type, only: diagnostic_type
   use da_run_type, only: run_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: fallback_type

   type, extends(diagnostic_type) :: fallback_type
      private
      !> Where the table stands; 0: there is none.
      integer :: took_over = 0
      character(len=:), allocatable :: successor
   contains
      procedure :: declare
      procedure :: news
   end type fallback_type

contains

   subroutine declare(self, run, tables)
      class(fallback_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables

      self%successor = run%analysis%successor()
      if (len(self%successor) == 0) return
      call tables%add_table(self%took_over, note_fallback, 'whether the scheme of &cycle made '// &
                            'the analysis in the network''s place: 1 or 0')
   end subroutine declare

   !> Where `cycle` has another scheme than the one before.
   function news(self, cycle, tables) result(text)
      class(fallback_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(tables_type), intent(in) :: tables
      character(len=:), allocatable :: text
      logical :: before
      logical :: now

      text = ''
      if (self%took_over == 0) return
      now = tables%value(self%took_over, cycle) > 0
      before = .false.
      if (cycle > 1) before = tables%value(self%took_over, cycle - 1) > 0
      if (now .and. .not. before) then
         text = 'cycle '//to_text(cycle)//': the network gives way to '//self%successor
      else if (before .and. .not. now) then
         text = 'cycle '//to_text(cycle)//': the network is tried again'
      end if
   end function news
end module da_diagnostics_fallback
