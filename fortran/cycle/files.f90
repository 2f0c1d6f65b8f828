!> Every file of a run: those that it reads, and those that it writes, by which key.
module da_cycle_files
   use da_base_error, only: error_type, input_error
   use da_base_file_identity, only: file_identity_type, identify
   use da_base_lock_file, only: lock_name, takeover_name
   use da_cycle_config, only: config_type
   use da_io_run_file, only: partial_name
   implicit none
   private
   public :: file_type, input_files, named_outputs, output_files, check_clashes
   public :: checkpoint_key, namelist_key

   character(len=*), parameter :: namelist_key = 'namelist'
   character(len=*), parameter :: checkpoint_key = '&checkpoint file'

   !> `key` names it in the namelist, as `given`; `path` is what is opened. `sha256` is that of the
   !> bytes that were read, empty where it must be taken from the file.
   type :: file_type
      character(len=:), allocatable :: key
      character(len=:), allocatable :: given
      character(len=:), allocatable :: path
      character(len=:), allocatable :: sha256
   contains
      procedure :: place
   end type file_type

contains

   !> What a run reads.
   subroutine input_files(config, files)
      type(config_type), intent(in) :: config
      type(file_type), allocatable, intent(out) :: files(:)
      integer :: r

      allocate (files(0))
      call add(namelist_key, config%namelist)
      call add('&truth file', config%truth%file)
      call add('&observations file', config%observations%file)
      call add('&background file', config%analysis%covariance_file())
      do r = 1, size(config%networks%roles)
         associate (role => config%networks%roles(r)%role)
            if (.not. role%wanted()) cycle
            call add('&networks '//role%key, role%path)
            files(size(files))%sha256 = role%sha256
         end associate
      end do

   contains

      subroutine add(key, path)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: path

         if (len(path) > 0) call append(files, key, path, path)
      end subroutine add
   end subroutine input_files

   !> What a run writes, by the names that it has in the end.
   subroutine named_outputs(config, files)
      type(config_type), intent(in) :: config
      type(file_type), allocatable, intent(out) :: files(:)

      allocate (files(0))
      call append(files, '&output file', config%output%path, config%output%path)
      call append(files, checkpoint_key, config%checkpoint, config%checkpoint)
      associate (study => config%analysis%studied)
         if (study%wanted()) call append(files, '&study file', study%file, study%file)
      end associate
   end subroutine named_outputs

   !> What a run writes, provisional names and locks included.
   subroutine output_files(config, files)
      type(config_type), intent(in) :: config
      type(file_type), allocatable, intent(out) :: files(:)
      type(file_type), allocatable :: named(:)
      integer :: i

      call named_outputs(config, named)
      allocate (files(0))
      do i = 1, size(named)
         associate (key => named(i)%key, path => named(i)%path)
            call append(files, key, path, path)
            call append(files, key, path, partial_name(path))
            call append(files, key, path, lock_name(path))
            call append(files, key, path, takeover_name(path))
         end associate
      end do
   end subroutine output_files

   !> Element by element: gfortran 12 spoils texts of any length in array constructors.
   subroutine append(files, key, given, path)
      type(file_type), allocatable, intent(inout) :: files(:)
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: given
      character(len=*), intent(in) :: path
      type(file_type), allocatable :: longer(:)
      integer :: i

      allocate (longer(size(files) + 1))
      do i = 1, size(files)
         longer(i) = files(i)
      end do
      longer(size(longer))%key = key
      longer(size(longer))%given = given
      longer(size(longer))%path = path
      longer(size(longer))%sha256 = ''
      call move_alloc(longer, files)
   end subroutine append

   !> A file that is written must be none of those that are read, and be written for one purpose.
   subroutine check_clashes(config, error)
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error
      type(file_type), allocatable, dimension(:) :: read_files, written
      type(file_identity_type), allocatable, dimension(:) :: read_identities, identities
      integer :: i
      integer :: j

      call input_files(config, read_files)
      call output_files(config, written)
      allocate (read_identities(size(read_files)), identities(size(written)))
      do i = 1, size(read_files)
         read_identities(i) = identify(read_files(i)%path)
      end do
      do i = 1, size(written)
         identities(i) = identify(written(i)%path)
         do j = 1, size(read_files)
            if (.not. identities(i)%is(read_identities(j))) cycle
            call input_error(error, config%namelist//': '//written(i)%place()// &
                             ': is read by this run as '//read_files(j)%place()// &
                             ' and would be overwritten; name another')
            return
         end do
         do j = 1, i - 1
            if (.not. identities(i)%is(identities(j))) cycle
            call input_error(error, config%namelist//': '//written(i)%place()// &
                             ': is written by this run as '//written(j)%place()// &
                             ', too; name another')
            return
         end do
      end do
   end subroutine check_clashes

   !> "&output file = 'run.nc', written as run.nc.part".
   pure function place(self) result(text)
      class(file_type), intent(in) :: self
      character(len=:), allocatable :: text

      text = self%key//" = '"//self%given//"'"
      if (self%path /= self%given) text = text//', written as '//self%path
   end function place
end module da_cycle_files
