!> Whether a file is one that this program wrote: only such a one may be removed or written over.
module da_io_recognition
   use netcdf, only: nf90_open, nf90_close, nf90_inquire_attribute, nf90_get_att, nf90_inq_varid, &
      nf90_nowrite, nf90_global, nf90_noerr, nf90_char, nf90_int
   use da_base_file_identity, only: kind_of, kind_regular, file_bytes
   use da_base_system, only: remove_file
   implicit none
   private
   public :: is_checkpoint_file, is_output_file, remove_checkpoint

contains

   !> It has the number of a cycle, which run files have not, a namelist and an ensemble.
   function is_checkpoint_file(path) result(yes)
      character(len=*), intent(in) :: path
      logical :: yes
      integer :: id
      integer :: kind
      integer :: variable

      call open_classic(path, id, yes)
      if (.not. yes) return
      yes = nf90_inquire_attribute(id, nf90_global, 'cycle', xtype=kind) == nf90_noerr
      if (yes) yes = kind == nf90_int
      if (yes) yes = nf90_inquire_attribute(id, nf90_global, 'namelist', xtype=kind) == nf90_noerr
      if (yes) yes = kind == nf90_char
      if (yes) yes = nf90_inq_varid(id, 'ensemble', variable) == nf90_noerr
      call close(id)
   end function is_checkpoint_file

   !> A run file or a file of studies: dacycle is its source.
   function is_output_file(path) result(yes)
      character(len=*), intent(in) :: path
      logical :: yes
      character(len=*), parameter :: program = 'dacycle '
      integer, parameter :: longest = 100
      character(len=longest) :: source
      integer :: id
      integer :: kind
      integer :: length

      call open_classic(path, id, yes)
      if (.not. yes) return
      yes = nf90_inquire_attribute(id, nf90_global, 'source', xtype=kind, len=length) == nf90_noerr
      if (yes) yes = kind == nf90_char .and. length <= longest
      source = ''
      if (yes) yes = nf90_get_att(id, nf90_global, 'source', source) == nf90_noerr
      if (yes) yes = index(source, program) == 1
      call close(id)
   end function is_output_file

   !> Remove a checkpoint, and one that was being written; `ok` is false where what is there is
   !> none, and stays.
   subroutine remove_checkpoint(path, ok)
      character(len=*), intent(in) :: path
      logical, intent(out) :: ok

      if (is_checkpoint_file(path//'.part')) call remove_file(path//'.part')
      ok = file_bytes(path) < 0
      if (ok) return
      ok = kind_of(path) == kind_regular
      if (ok) ok = is_checkpoint_file(path)
      if (ok) call remove_file(path)
   end subroutine remove_checkpoint

   !> Only the formats that the program writes are looked into.
   subroutine open_classic(path, id, ok)
      character(len=*), intent(in) :: path
      integer, intent(out) :: id
      logical, intent(out) :: ok
      character(len=3) :: magic
      integer :: unit
      integer :: status

      ok = .false.
      id = -1
      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=status)
      if (status /= 0) return
      read (unit, iostat=status) magic
      close (unit)
      if (status /= 0 .or. magic /= 'CDF') return
      ok = nf90_open(path, nf90_nowrite, id) == nf90_noerr
   end subroutine open_classic

   subroutine close(id)
      integer, intent(in) :: id
      integer :: status

      status = nf90_close(id)
   end subroutine close
end module da_io_recognition
