!> What the netCDF libraries report, as our errors.
module da_io_netcdf_status
   use netcdf, only: nf90_noerr, nf90_strerror
   use pnetcdf, only: nf90mpi_strerror
   use da_base_error, only: error_type, input_error, run_error
   implicit none
   private
   public :: expect_read, expect_written

contains

   !> An input file must give what is asked of it: `what` was tried with `file`. The first error is
   !> kept.
   subroutine expect_read(status, file, what, error)
      integer, intent(in) :: status
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: what
      type(error_type), allocatable, intent(inout) :: error

      if (allocated(error) .or. status == nf90_noerr) return
      call input_error(error, file//': '//what//' ('//trim(nf90_strerror(status))//')')
   end subroutine expect_read

   !> A parallel file must take what is written to it. The first error is kept.
   subroutine expect_written(status, file, what, error)
      integer, intent(in) :: status
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: what
      type(error_type), allocatable, intent(inout) :: error

      if (allocated(error) .or. status == nf90_noerr) return
      call run_error(error, file//': '//what//' ('//trim(nf90mpi_strerror(status))//')')
   end subroutine expect_written
end module da_io_netcdf_status
