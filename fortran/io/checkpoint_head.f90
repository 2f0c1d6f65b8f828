!> What a checkpoint says of its run, in its header.
module da_io_checkpoint_head
   use pnetcdf, only: nf90mpi_put_att, nf90mpi_get_att, nf90mpi_inquire_attribute, &
      nf90_global, nf90_noerr
   use mpi_f08, only: MPI_OFFSET_KIND
   use da_base_kinds, only: i8
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   use da_io_seal, only: advice, format_version
   use da_io_written, only: written_type, new_written
   implicit none
   private
   public :: checkpoint_head_type, put_head, get_head

   type :: checkpoint_head_type
      integer :: cycle = 0
      !> Of the program.
      character(len=:), allocatable :: version
      !> Of the namelist, what a restart must agree with.
      character(len=:), allocatable :: namelist
      !> A line for each file that the run reads: who names it, and its digest.
      character(len=:), allocatable :: inputs
      !> The output file and that of local analyses, up to this cycle.
      type(written_type) :: output
      type(written_type) :: studies
   end type checkpoint_head_type

contains

   !> Into a file that is being defined.
   subroutine put_head(file, path, head, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(checkpoint_head_type), intent(in) :: head
      type(error_type), allocatable, intent(inout) :: error

      call expect(nf90mpi_put_att(file, nf90_global, 'format_version', format_version))
      call put_text('source', head%version)
      call expect(nf90mpi_put_att(file, nf90_global, 'cycle', head%cycle))
      call put_text('namelist', head%namelist)
      call put_text('inputs', head%inputs)
      call put_written('output', head%output)
      call put_written('studies', head%studies)

   contains

      subroutine put_written(name, written)
         character(len=*), intent(in) :: name
         type(written_type), intent(in) :: written

         if (.not. allocated(written%variables)) return
         call put_text(name//'_header_sha256', written%header_sha256)
         call put_long(name//'_header_bytes', [written%header_bytes])
         call put_long(name//'_counts', written%variables%count)
         call put_long(name//'_checksums', written%variables%total)
      end subroutine put_written

      subroutine put_text(name, text)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: text

         call expect(nf90mpi_put_att(file, nf90_global, name, text))
      end subroutine put_text

      subroutine put_long(name, values)
         character(len=*), intent(in) :: name
         integer(i8), intent(in) :: values(:)
         integer(i8) :: written(size(values))

         written = values
         call expect(nf90mpi_put_att(file, nf90_global, name, written))
      end subroutine put_long

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, 'checkpoint cannot be written', error)
      end subroutine expect
   end subroutine put_head

   subroutine get_head(file, path, head, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(checkpoint_head_type), intent(inout) :: head
      type(error_type), allocatable, intent(inout) :: error

      call expect(nf90mpi_get_att(file, nf90_global, 'cycle', head%cycle))
      call get_text('source', head%version)
      call get_text('namelist', head%namelist)
      call get_text('inputs', head%inputs)
      call get_written('output', head%output)
      call get_written('studies', head%studies)

   contains

      !> There need be none.
      subroutine get_written(name, written)
         character(len=*), intent(in) :: name
         type(written_type), intent(out) :: written
         integer(MPI_OFFSET_KIND) :: variables
         integer(i8) :: bytes(1)
         integer(i8), allocatable :: values(:)

         if (nf90mpi_inquire_attribute(file, nf90_global, name//'_counts', len=variables) &
             /= nf90_noerr) return
         written = new_written(int(variables))
         allocate (values(variables))
         call get_text(name//'_header_sha256', written%header_sha256)
         call expect(nf90mpi_get_att(file, nf90_global, name//'_header_bytes', bytes))
         written%header_bytes = bytes(1)
         call expect(nf90mpi_get_att(file, nf90_global, name//'_counts', values))
         written%variables%count = values
         call expect(nf90mpi_get_att(file, nf90_global, name//'_checksums', values))
         written%variables%total = values
      end subroutine get_written

      subroutine get_text(name, text)
         character(len=*), intent(in) :: name
         character(len=:), allocatable, intent(out) :: text
         integer(MPI_OFFSET_KIND) :: length

         length = 0
         call expect(nf90mpi_inquire_attribute(file, nf90_global, name, len=length))
         allocate (character(len=length) :: text)
         if (length > 0) call expect(nf90mpi_get_att(file, nf90_global, name, text))
      end subroutine get_text

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, 'is not a readable checkpoint'//advice, error)
      end subroutine expect
   end subroutine get_head
end module da_io_checkpoint_head
