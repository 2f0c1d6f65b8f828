!> The locks of what a run writes, held from before it reads its input to its end.
module da_cycle_locks
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type
   use da_base_interrupt, only: remove_when_interrupted
   use da_base_lock_file, only: lock_file_type, lock_name
   use da_cycle_config, only: config_type
   use da_cycle_files, only: file_type, named_outputs
   implicit none
   private
   public :: locks_type

   !> Held by the root.
   type :: locks_type
      type(lock_file_type), allocatable, private :: files(:)
   contains
      procedure :: take
      procedure :: release
   end type locks_type

contains

   !> All or an error; those taken until then go with `release`.
   subroutine take(self, communicator, config, error)
      class(locks_type), intent(inout) :: self
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error
      type(file_type), allocatable :: written(:)
      integer :: i

      if (communicator%is_root()) then
         call named_outputs(config, written)
         allocate (self%files(size(written)))
         do i = 1, size(written)
            call self%files(i)%take(written(i)%path, error)
            if (allocated(error)) then
               error%message = config%namelist//': '//written(i)%place()//': '//error%message
               exit
            end if
            call remove_when_interrupted(lock_name(written(i)%path))
         end do
      end if
      call communicator%agree(error)
   end subroutine take

   subroutine release(self)
      class(locks_type), intent(inout) :: self
      integer :: i

      if (.not. allocated(self%files)) return
      do i = 1, size(self%files)
         call self%files(i)%release()
      end do
   end subroutine release
end module da_cycle_locks
