!> Whether what a run writes can be written where it is to lie, and nothing of others is lost by it.
module da_cycle_places
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type, input_error
   use da_base_file_identity, only: kind_of, file_bytes, longest_name, name_of, kind_none, &
      kind_regular, kind_directory, kind_link
   use da_base_system, only: directory_of, environment, writable_directory
   use da_base_text, only: to_text
   use da_cycle_config, only: config_type
   use da_cycle_files, only: file_type, check_clashes, checkpoint_key, named_outputs, &
      output_files
   use da_io_recognition, only: is_checkpoint_file, is_output_file
   use da_io_run_file, only: partial_name
   implicit none
   private
   public :: check_files, check_owners

contains

   !> No file of a run must be in the way of another one, nor its place of another kind.
   subroutine check_files(communicator, config, error)
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error
      type(file_type), allocatable :: files(:)
      integer :: i

      if (communicator%is_root()) then
         call named_outputs(config, files)
         do i = 1, size(files)
            if (.not. allocated(error)) call check_place(config%namelist, files(i), error)
         end do
         if (.not. allocated(error)) call check_clashes(config, error)
         call output_files(config, files)
         do i = 1, size(files)
            if (.not. allocated(error)) call check_name(config%namelist, files(i), error)
         end do
      end if
      call communicator%agree(error)
   end subroutine check_files

   !> What a run would remove or write over must be this program's. No other run must write it
   !> meanwhile; where a run goes on, these files are read, and looked into then.
   subroutine check_owners(communicator, config, error)
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error
      type(file_type), allocatable :: files(:)
      integer :: i

      if (communicator%is_root()) then
         call named_outputs(config, files)
         do i = 1, size(files)
            if (.not. allocated(error)) call check_owner(config%namelist, files(i), error)
         end do
      end if
      call communicator%agree(error)
   end subroutine check_owners

   !> A file can be made in the directory, and no other thing has its name.
   subroutine check_place(namelist, file, error)
      character(len=*), intent(in) :: namelist
      type(file_type), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: directory

      directory = directory_of(file%path)
      select case (kind_of(file%path))
      case (kind_directory)
         call refuse(namelist, file, 'is a directory; name a file', error)
      case (kind_link)
         call refuse(namelist, file, 'is a symbolic link, which would be lost; name the file '// &
                     'that it leads to', error)
      case (kind_regular, kind_none)
         if (.not. writable_directory(directory)) then
            call refuse(namelist, file, "no file can be written in '"//directory// &
                        "' (does it exist, and may you write there?)", error)
         else if (index(file%path, ':') > 0) then
            if (.not. has_romio()) then
               call refuse(namelist, file, "a path with ':' needs ROMIO; unset OMPI_MCA_io, or "// &
                           'name another', error)
            end if
         end if
      case default
         call refuse(namelist, file, 'is a device or a pipe; name a file', error)
      end select
   end subroutine check_place

   !> As for the given name, so for what is derived from it.
   subroutine check_name(namelist, file, error)
      character(len=*), intent(in) :: namelist
      type(file_type), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
      !> PATH_MAX of Linux, less the final zero and what the parallel file system's driver adds.
      integer, parameter :: longest_path = 4095 - 64
      integer :: longest
      integer :: kind

      kind = kind_of(file%path)
      longest = longest_name(directory_of(file%path))
      if (len(name_of(file%path)) > longest) then
         call refuse(namelist, file, 'has a name of '//to_text(len(name_of(file%path)))// &
                     ' bytes; '//to_text(longest)//' are the most here', error)
      else if (len(file%path) > longest_path) then
         call refuse(namelist, file, 'has a path of '//to_text(len(file%path))//' bytes; '// &
                     to_text(longest_path)//' are the most', error)
      else if (kind /= kind_none .and. kind /= kind_regular) then
         call refuse(namelist, file, 'is there already and is no regular file; remove it, or '// &
                     'name another', error)
      end if
   end subroutine check_name

   subroutine check_owner(namelist, file, error)
      character(len=*), intent(in) :: namelist
      type(file_type), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
      type(file_type) :: partial
      logical :: known

      known = file%key /= checkpoint_key
      if (.not. known) known = file_bytes(file%path) < 0
      if (.not. known) known = is_checkpoint_file(file%path)
      if (.not. known) then
         call refuse(namelist, file, 'is there already and is no checkpoint of da_cycle; '// &
                     'remove it, or name another', error)
         return
      end if
      partial = file
      partial%path = partial_name(file%path)
      ! Empty it is where a run was killed as it made it.
      if (file_bytes(partial%path) <= 0) return
      if (file%key == checkpoint_key) then
         known = is_checkpoint_file(partial%path)
      else
         known = is_output_file(partial%path)
      end if
      if (.not. known) call refuse(namelist, partial, 'is there already and was not written by '// &
                                   'da_cycle; remove it, or name another', error)
   end subroutine check_owner

   subroutine refuse(namelist, file, reason, error)
      character(len=*), intent(in) :: namelist
      type(file_type), intent(in) :: file
      character(len=*), intent(in) :: reason
      type(error_type), allocatable, intent(out) :: error

      call input_error(error, namelist//': '//file%place()//': '//reason)
   end subroutine refuse

   !> Open MPI's own parallel files, where the user asks for them, take no path with ':' for long.
   function has_romio() result(yes)
      logical :: yes
      character(len=:), allocatable :: choice

      choice = environment('OMPI_MCA_io')
      yes = index(choice, 'ompio') == 0 .or. index(choice, '^') == 1
   end function has_romio
end module da_cycle_places
