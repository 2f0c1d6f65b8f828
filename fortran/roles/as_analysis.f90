!> A network as the analysis; the run's own scheme stays as the one that takes over from it.
module da_roles_as_analysis
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_analysis_network_analysis, only: network_analysis_type, fallback_config
   use da_network_file, only: network_file_type
   use da_roles_type, only: network_role_type, parts_type, not_used
   implicit none
   private
   public :: as_analysis_type, new_as_analysis

   !> From the ensemble's mean for all members, or each member's from perturbed observations.
   character(len=*), parameter :: from_mean = 'mean'
   character(len=*), parameter :: perturbed = 'perturbed'
   character(len=9), parameter :: known_departures(2) = [character(len=9) :: from_mean, perturbed]

   type, extends(network_role_type) :: as_analysis_type
      !> Of observations, that an analysis of several members sees.
      character(len=:), allocatable :: departures
      type(fallback_config) :: fallback
   contains
      procedure :: configure
      procedure :: check
      procedure :: fit
      procedure :: take
   end type as_analysis_type

contains

   function new_as_analysis() result(self)
      type(as_analysis_type) :: self

      self%key = 'analysis'
      self%meaning = 'network that makes the analyses; analysis in &cycle is what takes over '// &
                     'when it fails'
      self%file_role%name = 'analysis'
      self%file_role%sees_departures = .true.
   end function new_as_analysis

   subroutine configure(self, namelists)
      class(as_analysis_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists

      self%departures = from_mean
      call namelists%get('departures', self%departures, &
                         'with analysis and members above 1: the observations'' departures '// &
                         'from the ensemble''s mean, or each member''s own, of perturbed '// &
                         'observations', known_departures)
      call namelists%get('fallback_limit', self%fallback%limit, &
                         'with analysis: mean square of the innovations, in units of the '// &
                         'observations'' errors, that puts the network in doubt; 0: never', &
                         minimum=0.0_wp)
      call namelists%get('fallback_patience', self%fallback%patience, &
                         'cycles above that limit before analysis in &cycle takes over', minimum=1)
      call namelists%get('fallback_duration', self%fallback%duration, &
                         'cycles for which it does', minimum=1)
   end subroutine configure

   subroutine check(self, files, namelists)
      class(as_analysis_type), intent(in) :: self
      character(len=*), intent(in) :: files(:)
      type(namelists_type), intent(inout) :: namelists
      type(fallback_config) :: defaults

      if (.not. self%wanted()) then
         if (self%departures /= from_mean) call namelists%reject('departures', not_used)
         if (self%fallback%limit > 0) call namelists%reject('fallback_limit', not_used)
      end if
      if (self%fallback%limit > 0) return
      if (self%fallback%patience /= defaults%patience) then
         call namelists%reject('fallback_patience', not_used)
      end if
      if (self%fallback%duration /= defaults%duration) then
         call namelists%reject('fallback_duration', not_used)
      end if
   end subroutine check

   subroutine fit(self, parts, error)
      class(as_analysis_type), intent(in) :: self
      type(parts_type), intent(in) :: parts
      type(error_type), allocatable, intent(out) :: error

      if (parts%judged .or. parts%analysis%diagnosed%asks()) then
         call input_error(error, parts%namelist//': &networks analysis: a network tells '// &
                          'nothing that &impact and &diagnostics ask for: leave them out')
      else if (self%fallback%limit > 0 .and. parts%analysis%window > 0) then
         call input_error(error, parts%namelist//': &networks fallback_limit: the scheme that '// &
                          'takes over must have no window; take a filter, or var3d')
      end if
   end subroutine fit

   subroutine take(self, network, parts, error)
      class(as_analysis_type), intent(in) :: self
      type(network_file_type), intent(in) :: network
      type(parts_type), intent(inout) :: parts
      type(error_type), allocatable, intent(out) :: error
      type(network_analysis_type), allocatable :: taken

      call check_members(self, parts, network%metadata%trained%members, error)
      if (allocated(error)) return
      allocate (taken)
      taken%name = 'network'
      taken%network = network%operator
      taken%memory = network%metadata%memory
      taken%perturbed = self%departures == perturbed
      taken%gross_error_limit = parts%gross_error_limit
      taken%fallback = self%fallback
      taken%seed = parts%analysis%seed
      taken%steps = parts%steps
      if (self%fallback%limit > 0) call move_alloc(parts%analysis, taken%other)
      call move_alloc(taken, parts%analysis)
   end subroutine take

   !> Members that share their mean's departures stay together only if the network learned it.
   subroutine check_members(self, parts, trained, error)
      class(as_analysis_type), intent(in) :: self
      type(parts_type), intent(in) :: parts
      integer, intent(in) :: trained
      type(error_type), allocatable, intent(out) :: error

      if (self%departures == perturbed) then
         if (parts%members > 1) return
         call input_error(error, parts%namelist//": &networks departures = '"//perturbed// &
                          "': needs members above 1 in &ensemble; a single state takes the "// &
                          'observations as they are')
      else if (parts%members > 1 .and. trained == 1) then
         call input_error(error, parts%namelist//': &ensemble members = '// &
                          to_text(parts%members)//': '//self%path//' learned with a single '// &
                          'state, and members that share their mean''s departures would drift '// &
                          "apart; set departures = '"//perturbed//"' in &networks, or members = 1")
      end if
   end subroutine check_members
end module da_roles_as_analysis
