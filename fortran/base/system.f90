!> The few services of the operating system that a run needs.
module da_base_system
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_long, c_null_char, c_funptr, c_ptr, &
      c_null_ptr, c_associated, c_f_procpointer
   implicit none
   private
   public :: rename_file, remove_file, file_exists, writable_directory, directory_of
   public :: program_file
   public :: output_is_watched, environment, set_environment, one_thread, keep_memory
   public :: cores

   integer(c_int), parameter :: may_write_and_enter = 3
   !> _SC_NPROCESSORS_ONLN of Linux
   integer(c_int), parameter :: processors_online = 84
   !> PATH_MAX of Linux
   integer, parameter :: longest_path = 4096
   !> glibc's names of its options. Larger blocks go back to the system at once: in the heap they
   !> would leave gaps that nothing fits into.
   integer(c_int), parameter :: m_trim_threshold = -1
   integer(c_int), parameter :: m_mmap_threshold = -3
   integer(c_int), parameter :: most_kept = 32*2**20
   integer(c_int), parameter :: largest_kept = 2*2**20

   interface
      function c_rename(from, to) result(status) bind(c, name='rename')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: from(*)
         character(kind=c_char), intent(in) :: to(*)
         integer(c_int) :: status
      end function c_rename
      function c_unlink(path) result(status) bind(c, name='unlink')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int) :: status
      end function c_unlink
      function c_access(path, mode) result(status) bind(c, name='access')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int), value :: mode
         integer(c_int) :: status
      end function c_access
      function c_realpath(path, resolved) result(address) bind(c, name='realpath')
         import :: c_char, c_ptr
         character(kind=c_char), intent(in) :: path(*)
         character(kind=c_char), intent(out) :: resolved(*)
         type(c_ptr) :: address
      end function c_realpath
      function c_setenv(name, value, overwrite) result(status) bind(c, name='setenv')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: name(*)
         character(kind=c_char), intent(in) :: value(*)
         integer(c_int), value :: overwrite
         integer(c_int) :: status
      end function c_setenv
      function c_mallopt(option, value) result(done) bind(c, name='mallopt')
         import :: c_int
         integer(c_int), value :: option
         integer(c_int), value :: value
         integer(c_int) :: done
      end function c_mallopt
      function c_isatty(descriptor) result(yes) bind(c, name='isatty')
         import :: c_int
         integer(c_int), value :: descriptor
         integer(c_int) :: yes
      end function c_isatty
      function c_getppid() result(process) bind(c, name='getppid')
         import :: c_int
         integer(c_int) :: process
      end function c_getppid
      function c_open(path, flags) result(descriptor) bind(c, name='open')
         import :: c_char, c_int
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int), value :: flags
         integer(c_int) :: descriptor
      end function c_open
      function c_close(descriptor) result(status) bind(c, name='close')
         import :: c_int
         integer(c_int), value :: descriptor
         integer(c_int) :: status
      end function c_close
      function c_sysconf(name) result(value) bind(c, name='sysconf')
         import :: c_int, c_long
         integer(c_int), value :: name
         integer(c_long) :: value
      end function c_sysconf
      function c_dlsym(handle, symbol) result(address) bind(c, name='dlsym')
         import :: c_ptr, c_char, c_funptr
         type(c_ptr), value :: handle
         character(kind=c_char), intent(in) :: symbol(*)
         type(c_funptr) :: address
      end function c_dlsym
   end interface

   abstract interface
      subroutine set_threads(threads) bind(c)
         import :: c_int
         integer(c_int), value :: threads
      end subroutine set_threads
   end interface

contains

   !> Put a finished file under its final name, in one step.
   subroutine rename_file(from, to, ok)
      character(len=*), intent(in) :: from
      character(len=*), intent(in) :: to
      logical, intent(out) :: ok

      ok = c_rename(from//c_null_char, to//c_null_char) == 0
   end subroutine rename_file

   subroutine remove_file(path)
      character(len=*), intent(in) :: path
      integer(c_int) :: status

      status = c_unlink(path//c_null_char)
   end subroutine remove_file

   function file_exists(path) result(yes)
      character(len=*), intent(in) :: path
      logical :: yes

      inquire (file=path, exist=yes)
   end function file_exists

   !> Whether files can be created in a directory.
   function writable_directory(path) result(yes)
      character(len=*), intent(in) :: path
      logical :: yes

      yes = c_access(path//c_null_char, may_write_and_enter) == 0
   end function writable_directory

   pure function directory_of(path) result(directory)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: directory
      integer :: slash

      slash = index(path, '/', back=.true.)
      if (slash == 0) then
         directory = '.'
      else
         directory = path(:max(slash - 1, 1))
      end if
   end function directory_of

   !> The path of the program that runs (Linux; elsewhere as it was called).
   function program_file() result(path)
      character(len=:), allocatable :: path
      character(kind=c_char) :: resolved(longest_path)
      integer :: length
      integer :: i

      if (c_associated(c_realpath('/proc/self/exe'//c_null_char, resolved))) then
         length = findloc(resolved, c_null_char, dim=1) - 1
         allocate (character(len=length) :: path)
         do i = 1, length
            path(i:i) = resolved(i)
         end do
      else
         call get_command_argument(0, length=length)
         allocate (character(len=length) :: path)
         call get_command_argument(0, path)
      end if
   end function program_file

   !> Whether somebody sees standard output on a terminal. mpirun hands every rank a terminal of its
   !> own, so there it is mpirun's standard output that counts (Linux; elsewhere the answer is no).
   function output_is_watched() result(yes)
      logical :: yes
      integer(c_int), parameter :: standard_output = 1
      !> O_WRONLY, O_NONBLOCK and O_NOCTTY of Linux
      integer(c_int), parameter :: look_only = 1 + 2048 + 256
      character(len=40) :: path
      integer(c_int) :: descriptor
      integer(c_int) :: status

      yes = c_isatty(standard_output) == 1
      if (.not. yes) return
      if (len(environment('OMPI_COMM_WORLD_SIZE')) == 0) return
      write (path, '("/proc/",i0,"/fd/1")') c_getppid()
      descriptor = c_open(trim(path)//c_null_char, look_only)
      yes = .false.
      if (descriptor < 0) return
      yes = c_isatty(descriptor) == 1
      status = c_close(descriptor)
   end function output_is_watched

   !> The value of an environment variable, empty where it is not set.
   function environment(name) result(value)
      character(len=*), intent(in) :: name
      character(len=:), allocatable :: value
      integer :: length

      call get_environment_variable(name, length=length)
      allocate (character(len=length) :: value)
      if (length > 0) call get_environment_variable(name, value)
   end function environment

   !> Set an environment variable of this process, unless the user has set it.
   subroutine set_environment(name, value)
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: value
      integer(c_int), parameter :: keep = 0
      integer(c_int) :: status

      status = c_setenv(name//c_null_char, value//c_null_char, keep)
   end subroutine set_environment

   !> Cores of this machine.
   function cores() result(count)
      integer :: count

      count = int(c_sysconf(processors_online))
   end function cores

   !> One BLAS thread a rank, whatever library stands behind LAPACK: ranks must not fight for cores.
   subroutine one_thread()
      procedure(set_threads), pointer :: set
      type(c_funptr) :: address
      integer(c_int), parameter :: one = 1

      address = c_dlsym(c_null_ptr, 'openblas_set_num_threads'//c_null_char)
      if (c_associated(address)) then
         call c_f_procpointer(address, set)
         call set(one)
      end if
   end subroutine one_thread

   !> Memory that a cycle gives back stays with the program for the next one; by default the C
   !> library returns it to the system, and every cycle pays for fresh pages again.
   subroutine keep_memory()
      integer(c_int) :: done

      done = c_mallopt(m_trim_threshold, most_kept)
      done = c_mallopt(m_mmap_threshold, largest_kept)
   end subroutine keep_memory
end module da_base_system
