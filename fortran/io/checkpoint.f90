!> The state of a run after a cycle: what a later start needs to go on to the same bits.
module da_io_checkpoint
   use pnetcdf, only: nf90mpi_create, nf90mpi_open, nf90mpi_close, nf90mpi_def_dim, &
      nf90mpi_def_var, &
      nf90mpi_put_att, nf90mpi_get_att, nf90mpi_inquire_attribute, nf90mpi_enddef, &
      nf90mpi_inq_varid, &
      nf90mpi_inq_dimid, nf90mpi_inquire_dimension, nf90mpi_put_var_all, nf90mpi_get_var_all, &
      nf90_clobber, nf90_64bit_data, nf90_nowrite, nf90_double, nf90_global
   use mpi_f08, only: MPI_OFFSET_KIND, MPI_INFO_NULL
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error
   use da_base_system, only: rename_file
   use da_base_timer, only: phase_output
   use da_ensemble_carried, only: carried_type
   use da_io_classic_header, only: check_complete
   use da_io_netcdf_status, only: expect_written
   use da_io_parallel_path, only: parallel_path
   implicit none
   private
   public :: write_checkpoint, read_checkpoint

contains

   !> Write a checkpoint beside its place and put it there in one step: there is always a whole one.
   subroutine write_checkpoint(path, domain, cycle, namelist, ensemble, truth, carried, error)
      character(len=*), intent(in) :: path
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      character(len=*), intent(in) :: namelist
      real(wp), contiguous, intent(in) :: ensemble(:, :, :)
      real(wp), contiguous, intent(in) :: truth(:, :, :)
      type(carried_type), intent(in) :: carried(:)
      type(error_type), allocatable, intent(out) :: error
      integer :: id
      integer :: ensemble_variable
      integer :: truth_variable
      integer :: carried_variables(size(carried))
      integer :: f
      logical :: renamed

      call domain%timer%start(phase_output)
      call expect(nf90mpi_create(domain%communicator%handle(), parallel_path(path//'.part'), &
                                 ior(nf90_clobber, nf90_64bit_data), MPI_INFO_NULL%MPI_VAL, id))
      if (.not. allocated(error)) then
         call expect(nf90mpi_put_att(id, nf90_global, 'cycle', cycle))
         call expect(nf90mpi_put_att(id, nf90_global, 'namelist', namelist))
         call define('ensemble', '', domain%total, shape(ensemble), ensemble_variable)
         call define('truth', 'truth_', domain%total, shape(truth), truth_variable)
         do f = 1, size(carried)
            call define(trim(carried(f)%name), trim(carried(f)%name)//'_', &
                        merge(1, domain%total, carried(f)%everywhere), shape(carried(f)%x), &
                        carried_variables(f))
         end do
         call expect(nf90mpi_enddef(id))
         call put(ensemble_variable, ensemble, .false.)
         call put(truth_variable, truth, .false.)
         do f = 1, size(carried)
            call put(carried_variables(f), carried(f)%x, carried(f)%everywhere)
         end do
         call expect(nf90mpi_close(id))
      end if
      call domain%communicator%agree(error)
      if (domain%communicator%is_root() .and. .not. allocated(error)) then
         call rename_file(path//'.part', path, renamed)
         if (.not. renamed) call run_error(error, path//'.part cannot be renamed to '//path)
      end if
      call domain%communicator%agree(error)
      call domain%timer%stop()

   contains

      !> A variable of so many points on all ranks, components and members as in `lengths(2:3)`.
      subroutine define(name, prefix, points, lengths, variable)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: prefix
         integer, intent(in) :: points
         integer, intent(in) :: lengths(3)
         integer, intent(out) :: variable
         integer :: dimensions(3)

         if (lengths(3) == 0) return
         call expect(nf90mpi_def_dim(id, prefix//'x', int(points, MPI_OFFSET_KIND), dimensions(1)))
         call expect(nf90mpi_def_dim(id, prefix//'component', int(lengths(2), MPI_OFFSET_KIND), &
                                     dimensions(2)))
         call expect(nf90mpi_def_dim(id, prefix//'member', int(lengths(3), MPI_OFFSET_KIND), &
                                     dimensions(3)))
         call expect(nf90mpi_def_var(id, name, nf90_double, dimensions, variable))
      end subroutine define

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

   !> Read a checkpoint back, on any number of ranks; `ensemble`, `truth` and what is carried have
   !> their shapes already.
   subroutine read_checkpoint(path, domain, cycle, namelist, ensemble, truth, carried, error)
      character(len=*), intent(in) :: path
      type(domain_type), intent(in) :: domain
      integer, intent(out) :: cycle
      character(len=:), allocatable, intent(out) :: namelist
      real(wp), contiguous, intent(inout) :: ensemble(:, :, :)
      real(wp), contiguous, intent(inout) :: truth(:, :, :)
      type(carried_type), intent(inout) :: carried(:)
      type(error_type), allocatable, intent(out) :: error
      integer(MPI_OFFSET_KIND) :: length
      integer :: id
      integer :: f

      if (domain%communicator%is_root()) call check_complete(path, error)
      if (allocated(error)) error%message = error%message//'; begin anew with --fresh'
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call expect(nf90mpi_open(domain%communicator%handle(), parallel_path(path), nf90_nowrite, &
                               MPI_INFO_NULL%MPI_VAL, id))
      if (allocated(error)) return
      call expect(nf90mpi_get_att(id, nf90_global, 'cycle', cycle))
      call expect(nf90mpi_inquire_attribute(id, nf90_global, 'namelist', len=length))
      if (.not. allocated(error)) then
         allocate (character(len=length) :: namelist)
         call expect(nf90mpi_get_att(id, nf90_global, 'namelist', namelist))
         call get('ensemble', '', .false., ensemble)
         call get('truth', 'truth_', .false., truth)
         do f = 1, size(carried)
            call get(trim(carried(f)%name), trim(carried(f)%name)//'_', carried(f)%everywhere, &
                     carried(f)%x)
         end do
      end if
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
         if (allocated(error)) return
         if (any(found /= [merge(1, domain%total, everywhere), size(x, 2), size(x, 3)])) then
            call run_error(error, path//': '//name//' has another shape than this run')
            return
         end if
         call expect(nf90mpi_get_var_all(id, variable, x, &
                                         start=int([merge(1, domain%first, everywhere), 1, 1], &
                                                   MPI_OFFSET_KIND), &
                                         count=int(shape(x), MPI_OFFSET_KIND)))
      end subroutine get

      subroutine expect(status)
         integer, intent(in) :: status

         call expect_written(status, path, &
                             'is not a readable checkpoint; begin anew with --fresh', error)
      end subroutine expect
   end subroutine read_checkpoint
end module da_io_checkpoint
