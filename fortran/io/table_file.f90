!> The scores and other tables of a run in its output file.
module da_io_table_file
   use mpi_f08, only: MPI_OFFSET_KIND
   use pnetcdf, only: nf90mpi_def_dim, nf90mpi_def_var, nf90mpi_put_att, nf90mpi_inq_dimid, &
      nf90mpi_inq_varid, nf90mpi_put_var_all, nf90mpi_get_var_all, nf90_double, nf90_noerr
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_error, only: error_type
   use da_io_netcdf_status, only: expect_written
   use da_verification_record, only: record_type, statistics_type
   use da_verification_tables, only: table_type, tables_type
   implicit none
   private
   public :: define_tables, write_axes, read_tables, write_tables, write_table_statistics

contains

   !> Dimensions, variables and attributes, in a file that is being defined and has its `time`.
   subroutine define_tables(file, path, record, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(inout) :: error
      integer, allocatable :: ids(:)
      integer :: a
      integer :: d
      integer :: t
      integer :: id

      associate (axes => record%tables%axes, tables => record%tables%tables)
         do a = 1, size(axes)
            id = dimension(axes(a)%dimension, axes(a)%length)
            call variable(axes(a)%name, [id], axes(a)%meaning, id)
         end do
         do t = 1, size(tables)
            allocate (ids(0))
            do d = 1, size(tables(t)%dimensions)
               if (tables(t)%dimensions(d) == '') cycle
               ids = [ids, dimension(tables(t)%dimensions(d), 0)]
            end do
            ids = [ids, dimension(tables(t)%row_dimension, size(tables(t)%rows, 2))]
            call variable(tables(t)%name, ids, tables(t)%meaning, id)
            call put_statistics(file, id, path, record, t, 0, error)
            call expect_written(nf90mpi_put_att(file, id, 'burn_in', record%burn_in), path, &
                                'attribute burn_in', error)
            deallocate (ids)
         end do
      end associate

   contains

      !> The dimension of this name, new where there is none yet.
      function dimension(name, length) result(id)
         character(len=*), intent(in) :: name
         integer, intent(in) :: length
         integer :: id

         if (nf90mpi_inq_dimid(file, trim(name), id) == nf90_noerr) return
         call expect_written(nf90mpi_def_dim(file, trim(name), int(length, MPI_OFFSET_KIND), id), &
                             path, 'dimension '//trim(name), error)
      end function dimension

      subroutine variable(name, dimensions, meaning, id)
         character(len=*), intent(in) :: name
         integer, intent(in) :: dimensions(:)
         character(len=*), intent(in) :: meaning
         integer, intent(out) :: id

         call expect_written(nf90mpi_def_var(file, trim(name), nf90_double, dimensions, id), path, &
                             'variable '//trim(name), error)
         call expect_written(nf90mpi_put_att(file, id, 'long_name', trim(meaning)), path, &
                             'attribute long_name', error)
         call expect_written(nf90mpi_put_att(file, id, 'units', '1'), path, 'attribute units', &
                             error)
      end subroutine variable
   end subroutine define_tables

   !> The values of the axes.
   subroutine write_axes(file, path, tables, is_root, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(tables_type), intent(in) :: tables
      logical, intent(in) :: is_root
      type(error_type), allocatable, intent(inout) :: error
      real(wp), allocatable :: values(:)
      integer(MPI_OFFSET_KIND) :: count(1)
      integer :: id
      integer :: a

      do a = 1, size(tables%axes)
         values = tables%axes(a)%values
         count = merge(size(values), 0, is_root)
         call look_up(file, path, tables%axes(a)%name, id, error)
         call expect_written(nf90mpi_put_var_all(file, id, values, start=[1_MPI_OFFSET_KIND], &
                                                 count=count), path, &
                             trim(tables%axes(a)%name)//' cannot be written', error)
      end do
   end subroutine write_axes

   !> The rows of the first `done` cycles, on every rank.
   subroutine read_tables(file, path, done, tables, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      integer, intent(in) :: done
      type(tables_type), intent(inout) :: tables
      type(error_type), allocatable, intent(inout) :: error
      integer(MPI_OFFSET_KIND), allocatable :: start(:)
      integer(MPI_OFFSET_KIND), allocatable :: count(:)
      real(wp), allocatable :: values(:)
      integer :: rows
      integer :: id
      integer :: t

      do t = 1, size(tables%tables)
         associate (table => tables%tables(t))
            rows = done/table%every
            call look_up(file, path, table%name, id, error)
            call place_of_rows(tables, table, 1, rows, start, count)
            allocate (values(size(table%rows, 1)*rows))
            call expect_written(nf90mpi_get_var_all(file, id, values, start=start, count=count), &
                                path, trim(table%name)//' cannot be read', error)
            table%rows(:, :rows) = reshape(values, [size(table%rows, 1), rows])
            deallocate (values)
         end associate
      end do
   end subroutine read_tables

   !> The rows of the cycles after `before`, up to `done`; they are added to the checksums of the
   !> file's variables.
   subroutine write_tables(file, path, before, done, tables, is_root, checksums, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      integer, intent(in) :: before
      integer, intent(in) :: done
      type(tables_type), intent(in) :: tables
      logical, intent(in) :: is_root
      type(checksum_type), intent(inout) :: checksums(:)
      type(error_type), allocatable, intent(inout) :: error
      integer(MPI_OFFSET_KIND), allocatable :: start(:)
      integer(MPI_OFFSET_KIND), allocatable :: count(:)
      real(wp), allocatable :: values(:)
      integer :: first
      integer :: last
      integer :: id
      integer :: t

      do t = 1, size(tables%tables)
         associate (table => tables%tables(t))
            first = before/table%every + 1
            last = done/table%every
            call look_up(file, path, table%name, id, error)
            call place_of_rows(tables, table, first, max(last - first + 1, 0), start, count)
            if (.not. is_root) count = 0
            if (product(count) == 0) start = 1
            values = reshape(table%rows(:, first:last), [size(table%rows, 1) &
                                                         *max(last - first + 1, 0)])
            if (is_root .and. .not. allocated(error)) then
               call checksums(id)%add(values, int(first - 1, i8)*size(table%rows, 1) + 1)
            end if
            call expect_written(nf90mpi_put_var_all(file, id, values, start=start, count=count), &
                                path, trim(table%name)//' cannot be written', error)
         end associate
      end do
   end subroutine write_tables

   !> Statistics of every column after all cycles, as attributes.
   subroutine write_table_statistics(file, path, record, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      type(record_type), intent(in) :: record
      type(error_type), allocatable, intent(inout) :: error
      integer :: id
      integer :: t

      do t = 1, size(record%tables%tables)
         call look_up(file, path, record%tables%tables(t)%name, id, error)
         call put_statistics(file, id, path, record, t, record%cycles, error)
      end do
   end subroutine write_table_statistics

   !> They keep their size, so they can be written again.
   subroutine put_statistics(file, variable, path, record, table, done, error)
      integer, intent(in) :: file
      integer, intent(in) :: variable
      character(len=*), intent(in) :: path
      type(record_type), intent(in) :: record
      integer, intent(in) :: table
      integer, intent(in) :: done
      type(error_type), allocatable, intent(inout) :: error
      type(statistics_type) :: statistics(size(record%tables%tables(table)%rows, 1))
      integer :: c

      do c = 1, size(statistics)
         if (done > 0) statistics(c) = record%statistics(table, c, done)
      end do
      call put('time_mean', statistics%mean)
      call put('standard_error', statistics%standard_error)
      call put('maximum', statistics%maximum)

   contains

      subroutine put(name, values)
         character(len=*), intent(in) :: name
         real(wp), intent(in) :: values(:)
         real(wp) :: written(size(values))

         written = values
         call expect_written(nf90mpi_put_att(file, variable, name, written), path, &
                             'attribute '//name, error)
      end subroutine put
   end subroutine put_statistics

   !> Where rows lie in a table's variable.
   pure subroutine place_of_rows(tables, table, first, rows, start, count)
      type(tables_type), intent(in) :: tables
      type(table_type), intent(in) :: table
      integer, intent(in) :: first
      integer, intent(in) :: rows
      integer(MPI_OFFSET_KIND), allocatable, intent(out) :: start(:)
      integer(MPI_OFFSET_KIND), allocatable, intent(out) :: count(:)
      integer :: d

      allocate (start(0), count(0))
      do d = 1, size(table%dimensions)
         if (table%dimensions(d) == '') cycle
         start = [start, 1_MPI_OFFSET_KIND]
         count = [count, int(tables%length(table%dimensions(d)), MPI_OFFSET_KIND)]
      end do
      start = [start, int(first, MPI_OFFSET_KIND)]
      count = [count, int(rows, MPI_OFFSET_KIND)]
   end subroutine place_of_rows

   subroutine look_up(file, path, name, id, error)
      integer, intent(in) :: file
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: name
      integer, intent(out) :: id
      type(error_type), allocatable, intent(inout) :: error

      call expect_written(nf90mpi_inq_varid(file, trim(name), id), path, &
                          'has no variable '//trim(name), error)
   end subroutine look_up
end module da_io_table_file
