!> Whether the file of local analyses is the one that a checkpoint tells of.
module da_io_study_check
   use netcdf, only: nf90_open, nf90_close, nf90_inquire_variable, nf90_inquire_dimension, &
      nf90_get_var, nf90_nowrite, nf90_noerr, nf90_double, nf90_max_name, nf90_max_var_dims
   use da_base_kinds, only: wp, i8
   use da_base_checksum, only: checksum_type
   use da_base_error, only: error_type, input_error
   use da_io_seal, only: advice
   use da_io_written, only: written_type, check_header
   implicit none
   private
   public :: check_studies, nothing_rewritten

   !> Of its header only the number of observations changes.
   character(len=1), parameter :: nothing_rewritten(0) = [character(len=1) ::]

contains

   !> Header and values must be those that were written; what came after them does not count.
   subroutine check_studies(path, written, error)
      character(len=*), intent(in) :: path
      type(written_type), intent(in) :: written
      type(error_type), allocatable, intent(out) :: error
      type(checksum_type) :: found
      character(len=nf90_max_name) :: name
      integer :: file
      integer :: status
      integer :: v

      call check_header(path, written, nothing_rewritten, .true., error)
      if (allocated(error)) return
      status = nf90_open(path, nf90_nowrite, file)
      if (status /= nf90_noerr) then
         call input_error(error, path//': cannot be opened to go on'//advice)
         return
      end if
      do v = 1, size(written%variables)
         if (written%variables(v)%count == 0) cycle
         call sum_of_variable(file, v, written%variables(v)%count, name, found)
         if (found%total == written%variables(v)%total) cycle
         call input_error(error, path//': cannot be opened to go on: '//trim(name)//' is not '// &
                          'as this run left it'//advice)
         exit
      end do
      status = nf90_close(file)
   end subroutine check_studies

   !> The checksum of a variable's first `count` numbers, record by record; nothing of what cannot
   !> be read.
   subroutine sum_of_variable(file, variable, count, name, checksum)
      integer, intent(in) :: file
      integer, intent(in) :: variable
      integer(i8), intent(in) :: count
      character(len=*), intent(out) :: name
      type(checksum_type), intent(out) :: checksum
      integer :: dimensions(nf90_max_var_dims)
      integer, allocatable :: start(:)
      integer, allocatable :: counts(:)
      real(wp), allocatable :: values(:)
      integer(i8), allocatable :: words(:)
      integer(i8) :: done
      integer :: status
      integer :: type_code
      integer :: rank
      integer :: length
      integer :: d

      status = nf90_inquire_variable(file, variable, name=name, xtype=type_code, ndims=rank, &
                                     dimids=dimensions)
      allocate (start(rank), counts(rank), source=1)
      do d = 1, rank - 1
         status = nf90_inquire_dimension(file, dimensions(d), len=counts(d))
      end do
      length = product(counts)
      if (rank == 1) then
         length = int(count)
         counts = length
      end if
      allocate (values(length), words(length))
      do done = 0, count - 1, length
         start(rank) = int(done/length) + 1
         if (type_code == nf90_double) then
            status = nf90_get_var(file, variable, values, start=start, count=counts)
            if (status == nf90_noerr) call checksum%add(values, done + 1)
         else
            status = nf90_get_var(file, variable, words, start=start, count=counts)
            if (status == nf90_noerr) call checksum%add(words, done + 1)
         end if
      end do
   end subroutine sum_of_variable
end module da_io_study_check
