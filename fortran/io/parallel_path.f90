!> Paths as PnetCDF takes them: to it, and to ROMIO below it, 'run_12:00.nc' is the file '00.nc' of
!> a file system 'run_12'. Such a path is given its file system.
module da_io_parallel_path
   use da_base_file_identity, only: on_nfs
   use da_base_system, only: directory_of
   implicit none
   private
   public :: parallel_path

contains

   function parallel_path(path) result(name)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: name

      name = path
      if (index(path, ':') == 0) return
      if (on_nfs(directory_of(path))) then
         name = 'nfs:'//path
      else
         name = 'ufs:'//path
      end if
   end function parallel_path
end module da_io_parallel_path
