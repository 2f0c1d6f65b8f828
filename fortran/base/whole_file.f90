!> A file that is read once: what is looked at and what is used are the same bytes.
module da_base_whole_file
   use da_base_kinds, only: i8
   use da_base_error, only: error_type, input_error
   implicit none
   private
   public :: read_whole_file

contains

   !> All bytes of a file, at most 2 GiB.
   subroutine read_whole_file(path, bytes, error)
      character(len=*), intent(in) :: path
      character(len=:), allocatable, intent(out) :: bytes
      type(error_type), allocatable, intent(out) :: error
      character(len=1) :: first
      integer(i8) :: length
      integer :: status
      integer :: unit

      bytes = ''
      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=status)
      if (status /= 0) then
         call input_error(error, path//': cannot be opened (does it exist, and may you read it?)')
         return
      end if
      inquire (unit=unit, size=length)
      if (length > 0) read (unit, iostat=status) first
      if (status == 0 .and. length <= huge(status)) then
         deallocate (bytes)
         allocate (character(len=max(0_i8, length)) :: bytes)
         read (unit, pos=1, iostat=status) bytes
      end if
      close (unit)
      if (status /= 0) then
         call input_error(error, path//': cannot be read (is it a directory?)')
      else if (length > huge(status)) then
         call input_error(error, path//': is larger than 2 GiB')
      end if
   end subroutine read_whole_file
end module da_base_whole_file
