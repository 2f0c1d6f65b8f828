!> The state of a run after a cycle: what a later start needs to go on to the same bits.
!>
!> A checkpoint tells how its arrays add up, and what the output file held then. It ends in a seal,
!> so that a whole one is known from any other.
module da_io_checkpoint
   use pnetcdf, only: nf90mpi_create, nf90mpi_open, nf90mpi_close, nf90mpi_sync, nf90mpi_def_dim, &
      nf90mpi_def_var, nf90mpi_put_att, nf90mpi_get_att, nf90mpi_enddef, nf90mpi_inq_varid, &
      nf90mpi_inq_dimid, nf90mpi_inquire_dimension, nf90mpi_put_var_all, nf90mpi_get_var_all, &
      nf90mpi_inq_header_extent, nf90mpi_inq_varoffset, &
      nf90_clobber, nf90_64bit_data, nf90_nowrite, nf90_char, nf90_double, nf90_global
   use mpi_f08, only: MPI_OFFSET_KIND, MPI_INFO_NULL
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type
   use da_base_durable, only: put_in_place
   use da_base_error, only: error_type, input_error, run_error
   use da_base_timer, only: phase_output
   use da_ensemble_carried, only: carried_type
   use da_io_checkpoint_head, only: checkpoint_head_type, put_head, get_head
   use da_io_netcdf_status, only: expect_written
   use da_io_parallel_path, only: parallel_path
   use da_io_seal, only: advice, check_seal, write_seal, seal_length
   implicit none
   private
   public :: write_checkpoint, read_checkpoint_head, read_checkpoint

contains

   !> Write a checkpoint beside its place and put it there in one step: there is always a whole one.
   subroutine write_checkpoint(path, domain, head, ensemble, truth, carried, durable, error)
      character(len=*), intent(in) :: path
      type(domain_type), intent(inout) :: domain
      type(checkpoint_head_type), intent(in) :: head
      real(wp), contiguous, intent(in) :: ensemble(:, :, :)
      real(wp), contiguous, intent(in) :: truth(:, :, :)
      type(carried_type), intent(in) :: carried(:)
      !> It must outlast a power cut.
      logical, intent(in) :: durable
      type(error_type), allocatable, intent(out) :: error
      !> Of the ensemble, the truth, and what is carried.
      integer(i8) :: totals(2 + size(carried))
      integer(MPI_OFFSET_KIND) :: header_bytes
      integer(MPI_OFFSET_KIND) :: seal_offset
      integer :: id
      integer :: variables(2 + size(carried))
      integer :: seal
      integer :: f
      logical :: done

      call domain%timer%start(phase_output)
      totals(1) = total_of(domain, .false., ensemble)
      totals(2) = total_of(domain, .false., truth)
      do f = 1, size(carried)
         totals(2 + f) = total_of(domain, carried(f)%everywhere, carried(f)%x)
      end do
      call domain%communicator%count_sums(totals)
      call expect(nf90mpi_create(domain%communicator%handle(), parallel_path(path//'.part'), &
                                 ior(nf90_clobber, nf90_64bit_data), MPI_INFO_NULL%MPI_VAL, id))
      if (.not. allocated(error)) then
         call put_head(id, path, head, error)
         call define('ensemble', '', domain%total, shape(ensemble), totals(1), variables(1))
         call define('truth', 'truth_', domain%total, shape(truth), totals(2), variables(2))
         do f = 1, size(carried)
            call define(trim(carried(f)%name), trim(carried(f)%name)//'_', &
                        merge(1, domain%total, carried(f)%everywhere), shape(carried(f)%x), &
                        totals(2 + f), variables(2 + f))
         end do
         call define_seal()
         call expect(nf90mpi_enddef(id))
         call expect(nf90mpi_inq_header_extent(id, header_bytes))
         call expect(nf90mpi_inq_varoffset(id, seal, seal_offset))
         call put(variables(1), ensemble, .false.)
         call put(variables(2), truth, .false.)
         do f = 1, size(carried)
            call put(variables(2 + f), carried(f)%x, carried(f)%everywhere)
         end do
         if (durable .and. domain%communicator%ranks > 1) call expect(nf90mpi_sync(id))
         call expect(nf90mpi_close(id))
      end if
      call domain%communicator%agree(error)
      if (domain%communicator%is_root() .and. .not. allocated(error)) then
         call write_seal(path//'.part', header_bytes, seal_offset, done)
         if (done) call put_in_place(path//'.part', path, durable, done)
         if (.not. done) call run_error(error, path//'.part cannot be completed and renamed to '// &
                                        path)
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()

   contains

      !> A variable of so many points on all ranks, components and members as in `lengths(2:3)`.
      subroutine define(name, prefix, points, lengths, total, variable)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: prefix
         integer, intent(in) :: points
         integer, intent(in) :: lengths(3)
         integer(i8), intent(in) :: total
         integer, intent(out) :: variable
         integer :: dimensions(3)

         if (lengths(3) == 0) return
         call expect(nf90mpi_def_dim(id, prefix//'x', int(points, MPI_OFFSET_KIND), dimensions(1)))
         call expect(nf90mpi_def_dim(id, prefix//'component', int(lengths(2), MPI_OFFSET_KIND), &
                                     dimensions(2)))
         call expect(nf90mpi_def_dim(id, prefix//'member', int(lengths(3), MPI_OFFSET_KIND), &
                                     dimensions(3)))
         call expect(nf90mpi_def_var(id, name, nf90_double, dimensions, variable))
         call expect(nf90mpi_put_att(id, variable, 'checksum', total))
      end subroutine define

      !> Of all variables the last one, so it ends the file; filled when all else is there.
      subroutine define_seal()
         integer :: dimension

         call expect(nf90mpi_def_dim(id, 'seal', int(seal_length, MPI_OFFSET_KIND), dimension))
         call expect(nf90mpi_def_var(id, 'seal', nf90_char, [dimension], seal))
      end subroutine define_seal

      !> Each rank its part; what is the same everywhere comes from the root.
      subroutine put(variable, x, everywhere)
         integer, intent(in) :: variable
         real(wp), contiguous, intent(in) :: x(:, :, :)
         logical, intent(in) :: everywhere
         real(wp), allocatable :: member(:, :)
         integer :: start
         integer :: m

         start = merge(1, domain%first, everywhere)
         do m = 1, size(x, 3)
            member = x(:, :, m)
            if (everywhere .and. .not. domain%communicator%is_root()) member = x(:0, :, m)
            call expect(nf90mpi_put_var_all(id, variable, member, &
                                            start=int([start, 1, m], MPI_OFFSET_KIND), &
                                            count=int([shape(member), 1], MPI_OFFSET_KIND)))
         end do
      end subroutine put

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, 'checkpoint cannot be written', error)
      end subroutine expect
   end subroutine write_checkpoint

   !> What a checkpoint says of its run: after this its header is known to be whole.
   subroutine read_checkpoint_head(path, communicator, head, error)
      character(len=*), intent(in) :: path
      type(communicator_type), intent(in) :: communicator
      type(checkpoint_head_type), intent(out) :: head
      type(error_type), allocatable, intent(out) :: error
      integer :: id

      if (communicator%is_root()) call check_seal(path, error)
      call communicator%agree(error)
      if (allocated(error)) return
      call expect_read(nf90mpi_open(communicator%handle(), parallel_path(path), nf90_nowrite, &
                                    MPI_INFO_NULL%MPI_VAL, id), path, error)
      if (allocated(error)) return
      call get_head(id, path, head, error)
      call expect_read(nf90mpi_close(id), path, error)
      call communicator%agree(error)
   end subroutine read_checkpoint_head

   !> Read the states of a checkpoint back, on any number of ranks; `ensemble`, `truth` and what is
   !> carried have their shapes already.
   subroutine read_checkpoint(path, domain, ensemble, truth, carried, error)
      character(len=*), intent(in) :: path
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(inout) :: ensemble(:, :, :)
      real(wp), contiguous, intent(inout) :: truth(:, :, :)
      type(carried_type), intent(inout) :: carried(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: id
      integer :: f

      call expect(nf90mpi_open(domain%communicator%handle(), parallel_path(path), nf90_nowrite, &
                               MPI_INFO_NULL%MPI_VAL, id))
      if (allocated(error)) return
      call get('ensemble', '', .false., ensemble)
      call get('truth', 'truth_', .false., truth)
      do f = 1, size(carried)
         call get(trim(carried(f)%name), trim(carried(f)%name)//'_', carried(f)%everywhere, &
                  carried(f)%x)
      end do
      call expect(nf90mpi_close(id))
      call domain%communicator%agree(error)

   contains

      subroutine get(name, prefix, everywhere, x)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: prefix
         logical, intent(in) :: everywhere
         real(wp), contiguous, intent(inout) :: x(:, :, :)
         character(len=9), parameter :: dimensions(3) = [character(len=9) :: 'x', 'component', &
            'member']
         integer(MPI_OFFSET_KIND) :: found(3)
         integer(i8) :: written
         integer(i8) :: totals(1)
         integer :: variable
         integer :: dimension
         integer :: d

         if (size(x, 3) == 0 .or. allocated(error)) return
         call expect(nf90mpi_inq_varid(id, name, variable))
         do d = 1, size(dimensions)
            call expect(nf90mpi_inq_dimid(id, prefix//trim(dimensions(d)), dimension))
            if (allocated(error)) return
            call expect(nf90mpi_inquire_dimension(id, dimension, len=found(d)))
         end do
         call expect(nf90mpi_get_att(id, variable, 'checksum', written))
         if (allocated(error)) return
         if (any(found /= [merge(1, domain%total, everywhere), size(x, 2), size(x, 3)])) then
            call run_error(error, path//': '//name//' has another shape than this run')
            return
         end if
         call expect(nf90mpi_get_var_all(id, variable, x, &
                                         start=int([merge(1, domain%first, everywhere), 1, 1], &
                                                   MPI_OFFSET_KIND), &
                                         count=int(shape(x), MPI_OFFSET_KIND)))
         call domain%communicator%agree(error)
         if (allocated(error)) return
         totals = total_of(domain, everywhere, x)
         call domain%communicator%count_sums(totals)
         if (totals(1) == written) return
         call input_error(error, path//': is not a readable checkpoint: '//name//' is damaged'// &
                          advice)
      end subroutine get

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_read(status, path, error)
      end subroutine expect
   end subroutine read_checkpoint

   !> What this rank adds to the checksum of an array; of one that is everywhere the root adds all.
   pure function total_of(domain, everywhere, x) result(total)
      type(domain_type), intent(in) :: domain
      logical, intent(in) :: everywhere
      real(wp), contiguous, intent(in) :: x(:, :, :)
      integer(i8) :: total
      type(checksum_type) :: checksum

      if (.not. everywhere) then
         call checksum%add_slab(x, domain%total, domain%first, 1_i8)
      else if (domain%communicator%is_root()) then
         call checksum%add_slab(x, size(x, 1), 1, 1_i8)
      end if
      total = checksum%total
   end function total_of

   subroutine expect_read(status, path, error)
      integer, intent(in) :: status
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(inout) :: error

      call expect_written(status, path, 'is not a readable checkpoint'//advice, error)
   end subroutine expect_read
end module da_io_checkpoint
