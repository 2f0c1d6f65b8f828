!> All diagnostics of a run, called in turn.
module da_diagnostics_all
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_timer, only: phase_verification
   use da_diagnostics_list, only: entry_type, all_diagnostics
   use da_io_written, only: written_type
   use da_observation_type, only: observations_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_tables, only: tables_type, new_tables
   implicit none
   private
   public :: diagnostics_type

   type :: diagnostics_type
      type(entry_type), allocatable :: list(:)
   contains
      procedure :: configure
      procedure :: ahead
      procedure :: copies
      procedure :: judges
      procedure :: check
      procedure :: declare
      procedure :: see_background
      procedure :: see_analysis
      procedure :: annotate
      procedure :: news
      procedure :: begin
      procedure :: keep
      procedure :: finish
      procedure :: abandon
   end type diagnostics_type

contains

   !> Read the groups of those that this run can have; where these are documented, of all.
   subroutine configure(self, namelists, setup, documented, error)
      class(diagnostics_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup
      logical, intent(in) :: documented
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: group
      integer :: d

      self%list = all_diagnostics()
      group = ''
      do d = 1, size(self%list)
         associate (one => self%list(d)%one)
            if (.not. (documented .or. one%applies(setup))) cycle
            if (one%group /= group) then
               if (len(group) > 0) call namelists%close_group(error)
               if (allocated(error)) return
               group = trim(one%group)
               namelists%alternative = .not. one%applies(setup)
               if (len(group) > 0) call namelists%open_group(group, trim(one%title))
            end if
            if (len(group) > 0) call one%configure(namelists, setup)
         end associate
      end do
      if (len(group) > 0) call namelists%close_group(error)
      namelists%alternative = .false.
   end subroutine configure

   !> How many cycles ahead of its own the truth is asked for.
   pure function ahead(self) result(cycles)
      class(diagnostics_type), intent(in) :: self
      integer :: cycles
      integer :: d

      cycles = 0
      do d = 1, size(self%list)
         cycles = max(cycles, self%list(d)%one%ahead())
      end do
   end function ahead

   !> The most ensembles that are integrated at a time beside that of the run.
   pure function copies(self) result(number)
      class(diagnostics_type), intent(in) :: self
      integer :: number
      integer :: d

      number = 0
      do d = 1, size(self%list)
         number = max(number, self%list(d)%one%copies())
      end do
   end function copies

   !> Whether observations are told what they do to forecasts.
   pure function judges(self) result(yes)
      class(diagnostics_type), intent(in) :: self
      logical :: yes
      integer :: d

      yes = .false.
      do d = 1, size(self%list)
         yes = yes .or. self%list(d)%one%judges()
      end do
   end function judges

   !> Before a run begins: whether it can be watched as the settings ask.
   subroutine check(self, run, error)
      class(diagnostics_type), intent(in) :: self
      type(run_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error
      integer :: d

      do d = 1, size(self%list)
         call self%list(d)%one%check(run, error)
         if (allocated(error)) return
      end do
   end subroutine check

   !> The tables that a run gets; no room is made for them yet.
   subroutine declare(self, run, tables)
      class(diagnostics_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(out) :: tables
      integer :: d

      tables = new_tables(run%setup%cycles)
      do d = 1, size(self%list)
         call self%list(d)%one%declare(run, tables)
      end do
   end subroutine declare

   !> The background of a cycle, and its observations as they are about to be assimilated.
   subroutine see_background(self, domain, run, tables, error)
      class(diagnostics_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      integer :: d

      call domain%timer%start(phase_verification)
      do d = 1, size(self%list)
         call self%list(d)%one%see_background(domain, run, tables, error)
         if (allocated(error)) exit
      end do
      call domain%timer%stop()
   end subroutine see_background

   !> The analysis, and what it tells of itself under the names of tables.
   subroutine see_analysis(self, domain, run, tables, error)
      class(diagnostics_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
      integer :: d
      integer :: i

      call domain%timer%start(phase_verification)
      if (allocated(run%ensemble%notes)) then
         do i = 1, size(run%ensemble%notes)
            call tables%put(tables%place_of(run%ensemble%notes(i)%name), &
                            run%ensemble%notes(i)%values)
         end do
      end if
      do d = 1, size(self%list)
         call self%list(d)%one%see_analysis(domain, run, tables, error)
         if (allocated(error)) exit
      end do
      call domain%timer%stop()
   end subroutine see_analysis

   !> Add to the observations that are about to be written what was found of them in this cycle.
   subroutine annotate(self, observations)
      class(diagnostics_type), intent(in) :: self
      type(observations_type), intent(inout) :: observations
      integer :: d

      do d = 1, size(self%list)
         call self%list(d)%one%annotate(observations)
      end do
   end subroutine annotate

   !> Lines for people after this cycle, each ending in a new line.
   function news(self, cycle, tables) result(text)
      class(diagnostics_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(tables_type), intent(in) :: tables
      character(len=:), allocatable :: text
      character(len=:), allocatable :: line
      integer :: d

      text = ''
      do d = 1, size(self%list)
         line = self%list(d)%one%news(cycle, tables)
         if (len(line) > 0) text = text//line//new_line('a')
      end do
   end function news

   !> Open the files of their own.
   subroutine begin(self, domain, run, version, done, written, error)
      class(diagnostics_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_type), intent(in) :: run
      character(len=*), intent(in) :: version
      integer, intent(in) :: done
      type(written_type), intent(in) :: written
      type(error_type), allocatable, intent(out) :: error
      integer :: d

      do d = 1, size(self%list)
         call self%list(d)%one%begin(domain, run, version, done, written, error)
         if (allocated(error)) return
      end do
   end subroutine begin

   !> Bring these to the disk, and tell a checkpoint what was `written`.
   subroutine keep(self, domain, durable, written, error)
      class(diagnostics_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(written_type), intent(inout) :: written
      type(error_type), allocatable, intent(out) :: error
      integer :: d

      do d = 1, size(self%list)
         call self%list(d)%one%keep(domain, durable, written, error)
         if (allocated(error)) return
      end do
   end subroutine keep

   !> After the last cycle.
   subroutine finish(self, domain, durable, error)
      class(diagnostics_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error
      integer :: d

      do d = 1, size(self%list)
         call self%list(d)%one%finish(domain, durable, error)
         if (allocated(error)) return
      end do
   end subroutine finish

   !> After an error or SIGTERM; `resumable` where a checkpoint lets the run go on.
   subroutine abandon(self, domain, resumable)
      class(diagnostics_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: resumable
      integer :: d

      do d = 1, size(self%list)
         call self%list(d)%one%abandon(domain, resumable)
      end do
   end subroutine abandon
end module da_diagnostics_all
