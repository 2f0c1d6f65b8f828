!> How a run begins: new, afresh, or from a checkpoint.
module da_cycle_begin
   use da_base_error, only: error_type, input_error, status_bad_input
   use da_base_interrupt, only: wait_for_checkpoints
   use da_base_system, only: file_exists
   use da_cycle_loss, only: declare_restarts, begin_restarts
   use da_cycle_resume, only: head_of_run, identity_of, check_checkpoint, look_for_output
   use da_cycle_state, only: cycle_state_type
   use da_io_checkpoint, only: read_checkpoint
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_io_recognition, only: remove_checkpoint
   use da_io_run_layout, only: run_description_type
   implicit none
   private
   public :: lay_out, begin_run
   public :: start_new, start_afresh, start_from_checkpoint

   !> How a run begins: new (refused where an unfinished one left a checkpoint), afresh, or from
   !> that.
   integer, parameter :: start_new = 1
   integer, parameter :: start_afresh = 2
   integer, parameter :: start_from_checkpoint = 3

contains

   !> Room for the members and for all that is told of them.
   subroutine lay_out(self)
      class(cycle_state_type), intent(inout) :: self

      call self%run%lay_out(self%domain)
      self%record%cycles = self%config%cycles
      self%record%burn_in = self%config%burn_in
      associate (tables => self%record%tables)
         call self%diagnostics%declare(self%run, tables)
         call declare_restarts(self%config%on_loss, tables)
         call tables%make_room()
         call begin_restarts(tables)
      end associate
   end subroutine lay_out

   !> The state after the cycle that `head` says, and the output file ready for the next: from
   !> nothing or a checkpoint. Nothing is written before all is ready.
   subroutine begin_run(self, start, version, command, error)
      class(cycle_state_type), intent(inout) :: self
      integer, intent(in) :: start
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      type(error_type), allocatable, intent(out) :: error
      type(run_description_type) :: description
      type(checkpoint_head_type) :: checkpoint
      !> A checkpoint; the finished output of this very run; the cycle in which that was lost.
      integer :: found(3)
      logical :: complete
      logical :: removed

      associate (config => self%config, communicator => self%domain%communicator)
         found = 0
         if (communicator%is_root()) found(1) = merge(1, 0, file_exists(config%checkpoint))
         call communicator%broadcast_integers(found, 0)
         if (found(1) == 1 .and. start == start_new) then
            call input_error(error, config%checkpoint//' was left by an unfinished run: go on '// &
                             'with --restart, or begin anew with --fresh')
            return
         end if
         call head_of_run(config, self%domain, version, self%head, error)
         if (allocated(error)) return
         description = description_of(self, version, command)
         if (start == start_from_checkpoint) then
            if (communicator%is_root()) then
               call look_for_output(config%output%path, description%identity, complete, found(3))
               found(2) = merge(1, 0, complete)
            end if
            call communicator%broadcast_integers(found, 0)
            if (found(1) == 1) then
               call check_checkpoint(config, self%domain, self%head, checkpoint, error)
            end if
            if (.not. allocated(error) .and. found(2) == 1) then
               self%head%cycle = config%cycles
               self%record%lost_at = found(3)
               if (communicator%is_root()) call remove_checkpoint(config%checkpoint, removed)
               return
            end if
            if (found(1) == 1) then
               if (.not. allocated(error)) call resume(self, checkpoint, description, error)
               if (allocated(error)) error%status = status_bad_input
               self%head = checkpoint
               return
            end if
         end if
         call self%run%begin(self%domain, error)
         if (allocated(error)) return
         call wait_for_checkpoints()
         if (communicator%is_root()) then
            call remove_checkpoint(config%checkpoint, removed)
            if (.not. removed) call input_error(error, config%checkpoint//': is no checkpoint '// &
                                                'of da_cycle; remove it, or name another')
         end if
         call communicator%agree(error)
         if (allocated(error)) return
         call self%output%create(self%domain, config%output, description, self%record, error)
         if (allocated(error)) then
            error%message = config%namelist//': &output file: '//error%message
            error%status = status_bad_input
         end if
      end associate
   end subroutine begin_run

   !> What the output says of the run.
   function description_of(self, version, command) result(description)
      class(cycle_state_type), intent(in) :: self
      character(len=*), intent(in) :: version
      character(len=*), intent(in) :: command
      type(run_description_type) :: description

      associate (config => self%config, carried => self%run%ensemble%carried)
         description%cycles = config%cycles
         description%interval = config%interval
         description%clock = config%clock
         description%burn_in = config%burn_in
         description%components = config%model%components_in
         description%members = self%run%ensemble%members
         description%has_truth = self%run%truth%exists
         description%observations = self%run%source%rows_before(config%cycles + 1)
         description%carried = pack(carried%name, len_trim(carried%meaning) > 0)
         description%carried_meanings = pack(carried%meaning, len_trim(carried%meaning) > 0)
         description%version = version
         description%command = command
         description%namelist = config%effective
         description%title = config%title
         description%inputs = self%head%inputs
         description%identity = identity_of(self%head)
      end associate
   end function description_of

   !> Go on from a checkpoint of this run; all of it is verified, and the output so far.
   subroutine resume(self, checkpoint, description, error)
      class(cycle_state_type), intent(inout) :: self
      type(checkpoint_head_type), intent(in) :: checkpoint
      type(run_description_type), intent(in) :: description
      type(error_type), allocatable, intent(out) :: error
      integer :: kept

      associate (run => self%run, ensemble => self%run%ensemble)
         kept = merge(1, 0, run%truth%must_be_kept())
         call read_checkpoint(self%config%checkpoint, self%domain, ensemble%x, &
                              run%truth%x(:, :, :kept), ensemble%carried, error)
         if (allocated(error)) return
         run%cycle = checkpoint%cycle
         call run%history%rebuild(run%source, self%domain, checkpoint%cycle, ensemble, error)
         if (allocated(error)) return
         call run%analysis%prepare(self%domain, run%model)
         call wait_for_checkpoints()
         call self%output%reopen(self%domain, self%config%output, description, checkpoint%cycle, &
                                 checkpoint%output, self%record, error)
      end associate
   end subroutine resume
end module da_cycle_begin
