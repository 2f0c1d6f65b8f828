!> What a run file tells of a filter that lost the truth: attributes, which keep their size so that
!> they can be written again.
module da_io_losses
   use pnetcdf, only: nf90mpi_inq_varid, nf90mpi_put_att, nf90_global
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   use da_verification_record, only: record_type
   use da_verification_scores, only: analysis_rmse, score_names
   implicit none
   private
   public :: write_losses, lost_attribute

   !> The cycle in which the ensemble was not finite any more, 0: in none.
   character(len=*), parameter :: lost_attribute = 'lost_at_cycle'

contains

   !> After the first `done` cycles; `lost_above` counts only where there is a truth.
   subroutine write_losses(file, path, has_truth, lost_above, done, record, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      logical, intent(in) :: has_truth
      real(wp), intent(in) :: lost_above
      integer, intent(in) :: done
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(inout) :: error
      integer :: variable

      call expect(nf90mpi_put_att(file, nf90_global, lost_attribute, record%lost_at))
      call expect(nf90mpi_put_att(file, nf90_global, 'restarts', record%restarts(done)))
      if (.not. has_truth) return
      call expect(nf90mpi_inq_varid(file, trim(score_names(analysis_rmse)), variable))
      call expect(nf90mpi_put_att(file, variable, 'lost_above', lost_above))
      call expect(nf90mpi_put_att(file, variable, 'lost_fraction', &
                                  record%share_above(analysis_rmse, lost_above, done)))

   contains

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, 'attributes of losses cannot be written', error)
      end subroutine expect
   end subroutine write_losses
end module da_io_losses
