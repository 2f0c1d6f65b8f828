!> What watches a run: it sees all of it and changes nothing but tables of its own.
!>
!> After PostProcessor of OOPS: members, truth and observations are `intent(in)`, so that a
!> diagnostic changes no bit of the run.
module da_diagnostics_type
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_ensemble_type, only: ensemble_type
   use da_io_written, only: written_type
   use da_observation_type, only: observations_type
   use da_run_setup, only: setup_type
   use da_run_type, only: run_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: diagnostic_type

   type, abstract :: diagnostic_type
      !> The namelist group that has its keys, shared by neighbours in the list, and what it is
      !> about, which the first of these tells; empty: it has no keys.
      character(len=12) :: group = ''
      character(len=96) :: title = ''
   contains
      procedure :: applies
      procedure :: configure
      procedure :: ahead
      procedure :: copies
      procedure :: judges
      procedure :: check
      procedure(declare), deferred :: declare
      procedure :: see_background
      procedure :: see_analysis
      procedure :: annotate
      procedure :: news
      procedure :: begin
      procedure :: keep
      procedure :: finish
      procedure :: abandon
   end type diagnostic_type

   abstract interface
      !> The tables that a run gets, by its settings and by what it carries.
      subroutine declare(self, run, tables)
         import :: diagnostic_type, run_type, tables_type
         class(diagnostic_type), intent(inout) :: self
         type(run_type), intent(in) :: run
         type(tables_type), intent(inout) :: tables
      end subroutine declare
   end interface

contains

   !> Whether a run can have this group.
   pure function applies(self, setup) result(yes)
      class(diagnostic_type), intent(in) :: self
      type(setup_type), intent(in) :: setup
      logical :: yes

      yes = .true.
   end function applies

   !> Read the keys; the group is open.
   subroutine configure(self, namelists, setup)
      class(diagnostic_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(setup_type), intent(in) :: setup
   end subroutine configure

   !> How many cycles ahead of its own the truth is asked for.
   pure function ahead(self) result(cycles)
      class(diagnostic_type), intent(in) :: self
      integer :: cycles

      cycles = 0
   end function ahead

   !> How many ensembles are integrated beside that of the run.
   pure function copies(self) result(number)
      class(diagnostic_type), intent(in) :: self
      integer :: number

      number = 0
   end function copies

   !> Whether observations are told what they do to forecasts, in `annotate`.
   pure function judges(self) result(yes)
      class(diagnostic_type), intent(in) :: self
      logical :: yes

      yes = .false.
   end function judges

   !> Before a run begins: whether it can be watched as the settings ask.
   subroutine check(self, run, error)
      class(diagnostic_type), intent(in) :: self
      type(run_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error
   end subroutine check

   !> The background of a cycle, and its observations as they are about to be assimilated.
   subroutine see_background(self, domain, run, tables, error)
      class(diagnostic_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
   end subroutine see_background

   !> The analysis. Truths of the cycles before are kept, not yet that of this one.
   subroutine see_analysis(self, domain, run, tables, error)
      class(diagnostic_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(out) :: error
   end subroutine see_analysis

   !> Add to the observations that are about to be written what was found of them in this cycle.
   subroutine annotate(self, observations)
      class(diagnostic_type), intent(in) :: self
      type(observations_type), intent(inout) :: observations
   end subroutine annotate

   !> A line for people after this cycle; empty: none.
   function news(self, cycle, tables) result(text)
      class(diagnostic_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(tables_type), intent(in) :: tables
      character(len=:), allocatable :: text

      text = ''
   end function news

   !> Open a file of its own; after a restart at cycle `done` + 1 the one that was left, as it was
   !> `written`.
   subroutine begin(self, domain, run, version, done, written, error)
      class(diagnostic_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      type(run_type), intent(in) :: run
      character(len=*), intent(in) :: version
      integer, intent(in) :: done
      type(written_type), intent(in) :: written
      type(error_type), allocatable, intent(out) :: error
   end subroutine begin

   !> Bring it to the disk, and tell a checkpoint what was `written`.
   subroutine keep(self, domain, durable, written, error)
      class(diagnostic_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(written_type), intent(inout) :: written
      type(error_type), allocatable, intent(out) :: error
   end subroutine keep

   !> After the last cycle.
   subroutine finish(self, domain, durable, error)
      class(diagnostic_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error
   end subroutine finish

   !> After an error or SIGTERM; `resumable` where a checkpoint lets the run go on.
   subroutine abandon(self, domain, resumable)
      class(diagnostic_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: resumable
   end subroutine abandon
end module da_diagnostics_type
