!> What is verified beside the scores that every run has: `&verification`.
module da_verification_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: verification_config, read_verification, new_tables

   type :: verification_config
      logical :: crps = .false.
   contains
      procedure :: of_members
   end type verification_config

contains

   subroutine read_verification(namelists, truth_source, members, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: truth_source
      integer, intent(in) :: members
      type(verification_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('verification', 'What is verified beside the scores of every run')
      call namelists%get('crps', config%crps, &
                         'continuous ranked probability score of background and analysis')
      if (config%crps) call need_ensemble('crps', '= .true.')
      call namelists%close_group(error)

   contains

      !> Of what compares the ensemble's distribution with the truth.
      subroutine need_ensemble(key, value)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: value

         call need_truth(key, value)
         if (members < 2) then
            call namelists%reject(key, value//': &ensemble members = '//to_text(members)// &
                                  ' must be at least 2')
         end if
      end subroutine need_ensemble

      subroutine need_truth(key, value)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: value

         if (truth_source == 'none') then
            call namelists%reject(key, value//': there is no truth to verify against '// &
                                  '(source = ''none'' in &truth)')
         end if
      end subroutine need_truth
   end subroutine read_verification

   !> Whether anything is asked of the members themselves.
   pure function of_members(self) result(yes)
      class(verification_config), intent(in) :: self
      logical :: yes

      yes = self%crps
   end function of_members

   !> The tables that the settings ask for, empty.
   pure subroutine new_tables(config, cycles, tables)
      type(verification_config), intent(in) :: config
      integer, intent(in) :: cycles
      type(tables_type), intent(out) :: tables

      tables%cycles = cycles
      allocate (tables%axes(0), tables%tables(0))
      if (config%crps) then
         call tables%add_table('background_crps', 'CRPS of the background ensemble')
         call tables%add_table('analysis_crps', 'CRPS of the analysis ensemble')
         call tables%add_table('background_fair_crps', &
                               'fair CRPS of the background: of what its members were drawn from')
         call tables%add_table('analysis_fair_crps', &
                               'fair CRPS of the analysis: of what its members were drawn from')
      end if
   end subroutine new_tables
end module da_verification_settings
