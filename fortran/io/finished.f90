!> Which run a finished output file is of.
module da_io_finished
   use netcdf, only: nf90_open, nf90_close, nf90_inquire_attribute, nf90_get_att, nf90_nowrite, &
      nf90_global, nf90_noerr
   use da_base_error, only: error_type
   use da_io_classic_header, only: check_complete
   use da_io_losses, only: lost_attribute
   implicit none
   private
   public :: finished_run

contains

   !> The digest of all that made the run, empty for a file that is cut short or no output of ours;
   !> the cycle in which its ensemble was lost, 0 for none.
   subroutine finished_run(path, identity, lost_at)
      character(len=*), intent(in) :: path
      character(len=:), allocatable, intent(out) :: identity
      integer, intent(out) :: lost_at
      character(len=*), parameter :: name = 'run_sha256'
      type(error_type), allocatable :: error
      integer :: file
      integer :: length
      integer :: status

      identity = ''
      lost_at = 0
      call check_complete(path, error)
      if (allocated(error)) return
      if (nf90_open(path, nf90_nowrite, file) /= nf90_noerr) return
      if (nf90_inquire_attribute(file, nf90_global, name, len=length) == nf90_noerr) then
         identity = repeat(' ', length)
         if (nf90_get_att(file, nf90_global, name, identity) /= nf90_noerr) identity = ''
         if (nf90_get_att(file, nf90_global, lost_attribute, lost_at) /= nf90_noerr) identity = ''
      end if
      status = nf90_close(file)
   end subroutine finished_run
end module da_io_finished
