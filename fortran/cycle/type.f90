!> The cycle: begin, step after step, finish. The program, its checks and others' programs make
!> these calls.
module da_cycle_type
   use da_base_communicator, only: communicator_type
   use da_base_durable, only: durability_type, new_durability
   use da_base_error, only: error_type, status_lost
   use da_base_system, only: file_exists, remove_file
   use da_base_text, only: to_text
   use da_cycle_begin, only: lay_out, begin_run
   use da_cycle_checkpoints, only: is_checkpoint, is_due, keep
   use da_cycle_config, only: config_type
   use da_cycle_loss, only: begin_again, lose, lost_before, end_lost
   use da_cycle_open, only: open_run
   use da_cycle_output, only: write_cycle
   use da_cycle_state, only: cycle_state_type
   use da_io_recognition, only: remove_checkpoint
   use da_io_run_file, only: partial_name
   implicit none
   private
   public :: cycle_type

   type, extends(cycle_state_type) :: cycle_type
      type(durability_type), private :: durability
   contains
      procedure :: open => open_cycle
      procedure :: begin
      procedure :: begin_state
      procedure :: is_complete
      procedure :: step
      procedure :: forecast
      procedure :: analyse
      procedure :: checkpoint
      procedure :: abandon
      procedure :: finish
   end type cycle_type

contains

   !> Check everything that a run needs, files included, and open its input; nothing is written.
   subroutine open_cycle(self, communicator, config, error)
      class(cycle_type), intent(inout) :: self
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error

      call open_run(self, communicator, config, error)
   end subroutine open_cycle

   !> The state at cycle 0 alone, without output: for what steps by `forecast`.
   subroutine begin_state(self, error)
      class(cycle_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error

      call lay_out(self)
      call self%run%begin(self%domain, error)
   end subroutine begin_state

   !> The state at cycle 0 or that of a checkpoint, and the files that are written, ready for the
   !> next cycle. `start` is one of those of `da_cycle_begin`.
   subroutine begin(self, start, version, command, error)
      class(cycle_type), intent(inout) :: self
      integer, intent(in) :: start
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      type(error_type), allocatable, intent(out) :: error

      self%durability = new_durability()
      call lay_out(self)
      call begin_run(self, start, version, command, error)
      if (allocated(error) .or. self%is_complete()) return
      self%record%lost_at = lost_before(self)
      call self%diagnostics%begin(self%domain, self%run, version, self%head%cycle, &
                                  self%head%studies, error)
   end subroutine begin

   !> Whether all cycles are done.
   pure function is_complete(self) result(yes)
      class(cycle_type), intent(in) :: self
      logical :: yes

      yes = self%head%cycle >= self%config%cycles
   end function is_complete

   !> One cycle more, to its analysis and what is written of it; with an ensemble that is lost, the
   !> truth and its observations alone. Collective, errors too.
   subroutine step(self, error)
      class(cycle_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error

      call self%forecast(error)
      if (.not. allocated(error)) call self%analyse(error)
      if (.not. allocated(error)) call write_cycle(self, error)
      call self%domain%communicator%agree(error)
      if (.not. allocated(error)) self%head%cycle = self%run%cycle
   end subroutine step

   !> From the analysis before to the background of the next cycle, with its observations.
   subroutine forecast(self, error)
      class(cycle_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error

      call self%run%forecast(self%domain, self%record%lost_at > 0, error)
      self%record%tables%cycle = self%run%cycle
   end subroutine forecast

   !> From the background to the analysis, and what is told of both. A filter that loses its
   !> ensemble begins again, once, or is lost from here on.
   subroutine analyse(self, error)
      class(cycle_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      logical :: again

      again = self%config%on_loss == 'restart'
      do while (self%record%lost_at == 0)
         call assimilate(self, error)
         if (.not. allocated(error)) exit
         if (error%status /= status_lost) return
         deallocate (error)
         if (again) then
            again = .false.
            call begin_again(self)
         else
            self%record%lost_at = self%run%cycle
         end if
      end do
      if (self%record%lost_at > 0) then
         call lose(self)
      else
         call self%diagnostics%see_analysis(self%domain, self%run, self%record%tables, error)
         call self%run%ensemble%forget_analysis()
         if (allocated(error)) return
      end if
      call self%run%remember()
   end subroutine analyse

   !> Background, what watches it, and analysis. The error of an ensemble that is not finite is that
   !> of its loss.
   subroutine assimilate(self, error)
      class(cycle_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error

      call self%run%estimate(self%domain, 1, error)
      if (allocated(error)) return
      call self%diagnostics%see_background(self%domain, self%run, self%record%tables, error)
      if (.not. allocated(error)) then
         call self%run%analyse(self%domain, error)
         call self%run%estimate(self%domain, 2, error)
      end if
      if (allocated(error)) then
         error%message = 'cycle '//to_text(self%run%cycle)//': '//error%message
      end if
   end subroutine assimilate

   !> Write a checkpoint of the last complete cycle, where one is due or `wanted`.
   subroutine checkpoint(self, wanted, error)
      class(cycle_type), intent(inout) :: self
      logical, intent(in) :: wanted
      type(error_type), allocatable, intent(out) :: error

      if (.not. (wanted .or. is_checkpoint(self))) return
      call keep(self, is_due(self%domain, self%durability), error)
   end subroutine checkpoint

   !> Close all files of a run that does not go on; what no checkpoint can take up again is removed.
   subroutine abandon(self)
      class(cycle_type), intent(inout) :: self
      logical :: resumable

      resumable = file_exists(self%config%checkpoint)
      call self%output%abandon()
      call self%diagnostics%abandon(self%domain, resumable)
      if (self%domain%communicator%is_root() .and. .not. resumable) then
         call remove_file(partial_name(self%config%output%path))
      end if
   end subroutine abandon

   !> After the last cycle: the files get their statistics and their names. Its ensemble's loss
   !> is an error, though the file is whole.
   subroutine finish(self, error)
      class(cycle_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      logical :: durable
      logical :: removed

      durable = is_due(self%domain, self%durability)
      call self%diagnostics%finish(self%domain, durable, error)
      if (allocated(error)) return
      call self%output%finish(self%domain, self%record, durable, error)
      if (allocated(error)) return
      if (self%domain%communicator%is_root()) then
         call remove_checkpoint(self%config%checkpoint, removed)
      end if
      call end_lost(self, error)
   end subroutine finish
end module da_cycle_type
