!> All members of a cycle in a run file.
module da_io_members
   use pnetcdf, only: nf90mpi_put_var_all
   use mpi_f08, only: MPI_OFFSET_KIND
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   implicit none
   private
   public :: write_members

contains

   !> Record number `record` of a variable: x(n, components, members) of this rank's slab, and what
   !> it adds to the variable's checksum.
   subroutine write_members(file, path, variable, domain, record, x, checksum, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      integer, intent(in) :: variable
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: record
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(checksum_type), intent(inout) :: checksum
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: values(:, :, :)
      integer(MPI_OFFSET_KIND) :: place
      integer :: status

      place = record
      values = x
      call checksum%add_slab(values, domain%total, domain%first, &
                             (place - 1)*size(x, 2)*size(x, 3) + 1_i8)
      if (size(x, 2) == 1) then
         status = nf90mpi_put_var_all(file, variable, values(:, 1, :), &
                                      start=[int(domain%first, MPI_OFFSET_KIND), &
                                      1_MPI_OFFSET_KIND, place], &
                                      count=[int([domain%n, size(x, 3), 1], MPI_OFFSET_KIND)])
      else
         status = nf90mpi_put_var_all(file, variable, values, &
                                      start=[int([domain%first, 1, 1], MPI_OFFSET_KIND), place], &
                                      count=[int([shape(x), 1], MPI_OFFSET_KIND)])
      end if
      call expect_written(status, path, 'members cannot be written', error)
   end subroutine write_members
end module da_io_members
