!> What a checkpoint knows of an output file that grows beside it, and whether the file is that.
!>
!> Each variable is filled from its beginning, so how many numbers it has says which these are; all
!> is the same on any layout of ranks.
module da_io_written
   use mpi_f08, only: MPI_OFFSET_KIND
   use pnetcdf, only: nf90mpi_inquire, nf90mpi_inq_header_extent, nf90mpi_inquire_variable, &
      nf90mpi_inquire_dimension, nf90mpi_get_var_all, nf90_double, nf90_max_name
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_io_netcdf_status, only: expect_written
   use da_io_seal, only: advice, header_digest
   implicit none
   private
   public :: written_type, new_written, begin_written, check_header, verify_written, share

   !> Of all ranks. Variables are counted as the file counts them, from 1.
   type :: written_type
      integer(i8) :: header_bytes = 0
      character(len=:), allocatable :: header_sha256
      type(checksum_type), allocatable :: variables(:)
   end type written_type

contains

   !> Nothing is written yet.
   pure function new_written(variables) result(self)
      integer, intent(in) :: variables
      type(written_type) :: self

      self%header_sha256 = ''
      allocate (self%variables(variables))
   end function new_written

   !> Nothing is written yet of the variables of a file whose layout is complete.
   subroutine begin_written(file, path, written, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(written_type), intent(out) :: written
      type(error_type), allocatable, intent(inout) :: error
      integer(MPI_OFFSET_KIND) :: bytes
      integer :: variables

      call expect_written(nf90mpi_inquire(file, nvariables=variables), path, 'cannot be laid out', &
                          error)
      call expect_written(nf90mpi_inq_header_extent(file, bytes), path, 'cannot be laid out', error)
      if (allocated(error)) return
      written = new_written(variables)
      written%header_bytes = bytes
   end subroutine begin_written

   !> The file must have the header that was written, but for the values of attributes that are
   !> `rewritten` at the end of a run, and the number of records where that `grows`.
   subroutine check_header(path, written, rewritten, grows, error)
      character(len=*), intent(in) :: path
      type(written_type), intent(in) :: written
      character(len=*), intent(in) :: rewritten(:)
      logical, intent(in) :: grows
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: digest

      digest = header_digest(path, written%header_bytes, rewritten, grows)
      if (len(digest) == 0) then
         call input_error(error, path//': cannot be opened to go on: it is not there, or cut '// &
                          'short'//advice)
      else if (digest /= written%header_sha256) then
         call input_error(error, path//': cannot be opened to go on: it is not the file that '// &
                          'the checkpoint belongs to, or its header is damaged'//advice)
      end if
   end subroutine check_header

   !> What the root knows is known to all.
   subroutine share(communicator, written)
      type(communicator_type), intent(in) :: communicator
      type(written_type), intent(inout) :: written
      integer(i8), allocatable :: sums(:)
      integer :: variables(1)
      integer :: n

      if (communicator%ranks == 1) return
      if (communicator%is_root()) variables = size(written%variables)
      call communicator%broadcast_integers(variables, 0)
      n = variables(1)
      if (.not. communicator%is_root()) written = new_written(n)
      sums = [written%header_bytes, written%variables%count, written%variables%total]
      call communicator%count_sums(sums)
      written%header_bytes = sums(1)
      written%variables%count = sums(2:n + 1)
      written%variables%total = sums(n + 2:)
      call communicator%broadcast_text(written%header_sha256, 0)
   end subroutine share

   !> Read back what was written of each variable of an open file; it must have its checksum.
   subroutine verify_written(file, path, domain, written, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(domain_type), intent(in) :: domain
      type(written_type), intent(in) :: written
      type(error_type), allocatable, intent(inout) :: error
      type(checksum_type) :: found(size(written%variables))
      integer(i8) :: totals(size(written%variables))
      character(len=nf90_max_name) :: name
      integer :: v

      do v = 1, size(written%variables)
         if (written%variables(v)%count == 0) cycle
         call sum_of_variable(file, path, domain, v, written%variables(v)%count, found(v), error)
      end do
      call domain%communicator%agree(error)
      if (allocated(error)) return
      totals = found%total
      call domain%communicator%count_sums(totals)
      do v = 1, size(totals)
         if (totals(v) == written%variables(v)%total) cycle
         call expect_written(nf90mpi_inquire_variable(file, v, name=name), path, 'variable', error)
         if (allocated(error)) return
         call input_error(error, path//': cannot be opened to go on: '//trim(name)//' is not '// &
                          'as this run left it'//advice)
         return
      end do
   end subroutine verify_written

   !> The checksum of this rank's share of a variable's first `count` numbers. Where points of the
   !> circle come first, that is its slab; else a share of what comes last.
   subroutine sum_of_variable(file, path, domain, variable, count, checksum, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: variable
      integer(i8), intent(in) :: count
      type(checksum_type), intent(inout) :: checksum
      type(error_type), allocatable, intent(inout) :: error
      !> Numbers that a rank reads at a time, if records are not longer.
      integer(i8), parameter :: most_read = 500000
      integer(MPI_OFFSET_KIND), allocatable :: lengths(:)
      integer(MPI_OFFSET_KIND), allocatable :: start(:)
      integer(MPI_OFFSET_KIND), allocatable :: counts(:)
      integer(i8) :: records
      !> Of a record, the numbers on its first dimension aside.
      integer(i8) :: columns
      integer(i8) :: first
      integer(i8) :: last
      !> Records at a time; the most that a rank reads.
      integer(i8) :: piece
      integer(i8) :: share
      integer(i8) :: step
      integer :: type_code
      integer :: rank
      logical :: slabs

      call inquire_shape(file, path, variable, type_code, lengths, error)
      if (allocated(error)) return
      rank = size(lengths)
      start = spread(1_MPI_OFFSET_KIND, 1, rank)
      counts = lengths
      slabs = .false.
      if (rank > 1) slabs = lengths(1) == domain%total
      records = count/product(lengths(:rank - 1))
      columns = product(lengths(2:rank - 1))
      associate (this => domain%communicator%rank, ranks => domain%communicator%ranks)
         if (slabs) then
            start(1) = domain%first
            counts(1) = domain%n
            first = 1
            last = records
            share = records
            piece = max(1_i8, most_read/(columns*(domain%total/ranks + 1)))
         else
            first = records*this/ranks + 1
            last = records*(this + 1)/ranks
            share = (records + ranks - 1)/ranks
            piece = max(1_i8, most_read/product(lengths(:rank - 1)))
         end if
      end associate
      do step = 1, (share + piece - 1)/piece
         start(rank) = min(first, lengths(rank))
         counts(rank) = max(0_i8, min(piece, last - first + 1))
         call add_piece()
         first = first + counts(rank)
      end do

   contains

      !> Collective, also where a rank has nothing left.
      subroutine add_piece()
         real(wp), allocatable :: x(:, :, :)
         integer(i8), allocatable :: words(:)
         integer(i8) :: before

         before = (first - 1)*product(lengths(:rank - 1))
         if (type_code /= nf90_double) then
            allocate (words(product(counts)))
            call expect(nf90mpi_get_var_all(file, variable, words, start=start, count=counts))
            call checksum%add(words, before + 1)
         else if (slabs) then
            allocate (x(counts(1), columns, counts(rank)))
            call expect(nf90mpi_get_var_all(file, variable, x, start=start, count=counts))
            call checksum%add_slab(x, domain%total, domain%first, (first - 1)*columns + 1)
         else
            allocate (x(product(counts), 1, 1))
            call expect(nf90mpi_get_var_all(file, variable, x(:, 1, 1), start=start, count=counts))
            call checksum%add(x(:, 1, 1), before + 1)
         end if
      end subroutine add_piece

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, 'cannot be read', error)
      end subroutine expect
   end subroutine sum_of_variable

   subroutine inquire_shape(file, path, variable, type_code, lengths, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      integer, intent(in) :: variable
      integer, intent(out) :: type_code
      integer(MPI_OFFSET_KIND), allocatable, intent(out) :: lengths(:)
      type(error_type), allocatable, intent(inout) :: error
      integer, allocatable :: dimensions(:)
      integer :: rank
      integer :: d

      call expect_written(nf90mpi_inquire_variable(file, variable, xtype=type_code, ndims=rank), &
                          path, 'variable', error)
      if (allocated(error)) return
      allocate (lengths(rank), dimensions(rank))
      call expect_written(nf90mpi_inquire_variable(file, variable, dimids=dimensions), path, &
                          'variable', error)
      do d = 1, rank
         call expect_written(nf90mpi_inquire_dimension(file, dimensions(d), len=lengths(d)), path, &
                             'dimension', error)
      end do
   end subroutine inquire_shape
end module da_io_written
