!> What a run file tells of a filter that lost the truth: attributes, which keep their size so that
!> they can be written again.
module da_io_losses
   use pnetcdf, only: nf90mpi_inq_varid, nf90mpi_put_att, nf90_global
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   use da_verification_record, only: record_type
   implicit none
   private
   public :: write_losses, lost_attribute

   !> The cycle in which the ensemble was not finite any more, 0: in none.
   character(len=*), parameter :: lost_attribute = 'lost_at_cycle'

contains

   !> After the first `done` cycles; of a score that has a limit, how often it lies above.
   subroutine write_losses(file, path, done, record, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      integer, intent(in) :: done
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(inout) :: error
      integer :: variable
      integer :: t

      call expect(nf90mpi_put_att(file, nf90_global, lost_attribute, record%lost_at))
      call expect(nf90mpi_put_att(file, nf90_global, 'restarts', record%restarts(done)))
      do t = 1, size(record%tables%tables)
         associate (table => record%tables%tables(t))
            if (.not. table%lost_above > 0) cycle
            call expect(nf90mpi_inq_varid(file, trim(table%name), variable))
            call expect(nf90mpi_put_att(file, variable, 'lost_above', table%lost_above))
            call expect(nf90mpi_put_att(file, variable, 'lost_fraction', &
                                        record%share_above(t, done)))
         end associate
      end do

   contains

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, 'attributes of losses cannot be written', error)
      end subroutine expect
   end subroutine write_losses
end module da_io_losses
