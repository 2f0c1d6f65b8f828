!> Fields of some cycles, gathered in memory until they are worth a collective write.
module da_io_field_buffer
   use mpi_f08, only: MPI_OFFSET_KIND
   use pnetcdf, only: nf90mpi_inq_varid, nf90mpi_put_var_all
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   implicit none
   private
   public :: field_buffer_type, new_field_buffer, field_buffer_memory

   !> Values a field may keep; the same number of records on every rank follows from it.
   integer, parameter :: values_kept = 500000

   !> kept(n, components, record, field); all fields of a record are added before the next record's.
   type :: field_buffer_type
      character(len=:), allocatable :: path
      integer :: id = -1
      integer :: first = 1
      integer :: points = 0
      integer :: records = 0
      integer :: first_record = 1
      integer, allocatable :: variables(:)
      real(wp), allocatable :: kept(:, :, :, :)
   contains
      procedure :: add
      procedure :: flush => flush_fields
   end type field_buffer_type

contains

   subroutine new_field_buffer(id, path, names, domain, components, buffer, error)
      integer, intent(in) :: id
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: names(:)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      type(field_buffer_type), intent(out) :: buffer
      type(error_type), allocatable, intent(inout) :: error
      integer :: records
      integer :: f

      buffer%path = path
      buffer%id = id
      buffer%first = domain%first
      buffer%points = domain%total
      records = records_kept(domain, components)
      allocate (buffer%variables(size(names)), buffer%kept(domain%n, components, records, &
                                                           size(names)))
      do f = 1, size(names)
         call expect_written(nf90mpi_inq_varid(id, trim(names(f)), buffer%variables(f)), path, &
                             'has no variable '//trim(names(f)), error)
      end do
   end subroutine new_field_buffer

   pure function records_kept(domain, components) result(records)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      integer :: records

      records = max(1, values_kept/(components*(domain%total/domain%communicator%ranks + 1)))
   end function records_kept

   !> Bytes of so many fields, of which at most so many records are written.
   pure function field_buffer_memory(domain, components, fields, records) result(bytes)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: components
      integer, intent(in) :: fields
      integer, intent(in) :: records
      real(wp) :: bytes
      real(wp), parameter :: bytes_a_value = 8

      bytes = bytes_a_value*domain%n*components*fields &
              *min(records, records_kept(domain, components))
   end function field_buffer_memory

   !> Field number `field` of record number `record`.
   subroutine add(self, record, field, x, checksums, error)
      class(field_buffer_type), intent(inout) :: self
      integer, intent(in) :: record
      integer, intent(in) :: field
      real(wp), intent(in) :: x(:, :)
      type(checksum_type), intent(inout) :: checksums(:)
      type(error_type), allocatable, intent(out) :: error

      if (record - self%first_record + 1 > size(self%kept, 3)) call self%flush(checksums, error)
      if (self%records == 0) self%first_record = record
      self%records = record - self%first_record + 1
      self%kept(:, :, self%records, field) = x
   end subroutine add

   !> Collective: write what is kept, and add it to the checksums of the file's variables.
   subroutine flush_fields(self, checksums, error)
      class(field_buffer_type), intent(inout) :: self
      type(checksum_type), intent(inout) :: checksums(:)
      type(error_type), allocatable, intent(out) :: error
      integer(MPI_OFFSET_KIND) :: start(3)
      integer(MPI_OFFSET_KIND) :: length(3)
      integer(i8) :: column
      integer :: status
      integer :: f

      if (self%records == 0) return
      column = int(self%first_record - 1, i8)*size(self%kept, 2) + 1
      start = [self%first, 1, self%first_record]
      length = [size(self%kept, 1), size(self%kept, 2), self%records]
      do f = 1, size(self%variables)
         call checksums(self%variables(f))%add_slab(self%kept(:, :, :self%records, f), &
                                                    self%points, self%first, column)
         if (length(2) == 1) then
            status = nf90mpi_put_var_all(self%id, self%variables(f), self%kept(:, 1, &
                                                                               :self%records, f), &
                                         start=start([1, 3]), count=length([1, 3]))
         else
            status = nf90mpi_put_var_all(self%id, self%variables(f), self%kept(:, :, &
                                                                               :self%records, f), &
                                         start=start, count=length)
         end if
         call expect_written(status, self%path, 'fields cannot be written', error)
      end do
      self%first_record = self%first_record + self%records
      self%records = 0
   end subroutine flush_fields
end module da_io_field_buffer
