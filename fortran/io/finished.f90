!> Which run a finished output file is of.
module da_io_finished
   use netcdf, only: nf90_open, nf90_close, nf90_inquire_attribute, nf90_get_att, nf90_nowrite, &
      nf90_global, nf90_noerr
   use da_base_error, only: error_type
   use da_io_classic_header, only: check_complete
   implicit none
   private
   public :: finished_run

contains

   !> The digest of all that made the run; empty for a file that is cut short or no output of ours.
   function finished_run(path) result(identity)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: identity
      character(len=*), parameter :: name = 'run_sha256'
      type(error_type), allocatable :: error
      integer :: file
      integer :: length
      integer :: status

      identity = ''
      call check_complete(path, error)
      if (allocated(error)) return
      if (nf90_open(path, nf90_nowrite, file) /= nf90_noerr) return
      if (nf90_inquire_attribute(file, nf90_global, name, len=length) == nf90_noerr) then
         identity = repeat(' ', length)
         if (nf90_get_att(file, nf90_global, name, identity) /= nf90_noerr) identity = ''
      end if
      status = nf90_close(file)
   end function finished_run
end module da_io_finished
