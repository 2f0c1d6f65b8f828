!> The namelist file: read by one rank, known to all.
module da_app_input
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type, new_namelists
   use da_cycle_config, only: config_type, read_config
   implicit none
   private
   public :: read_input

contains

   subroutine read_input(communicator, path, config, error)
      type(communicator_type), intent(in) :: communicator
      character(len=*), intent(in) :: path
      type(config_type), intent(out) :: config
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: namelists
      character(len=:), allocatable :: text

      text = ''
      if (communicator%is_root()) call read_text(path, text, error)
      call communicator%agree(error)
      if (allocated(error)) return
      call communicator%broadcast_text(text, 0)
      call new_namelists(text, path, namelists, error)
      if (.not. allocated(error)) call read_config(namelists, config, error)
   end subroutine read_input

   !> Byte by byte, as from a pipe there is no other way.
   subroutine read_text(path, text, error)
      character(len=*), intent(in) :: path
      character(len=:), allocatable, intent(out) :: text
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: most_bytes = 10000000
      integer :: unit
      integer :: status
      integer :: length

      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=status)
      if (status /= 0) then
         call input_error(error, path// &
                          ': the namelist file cannot be opened (does it exist, and may you '// &
                          'read it?)')
         return
      end if
      allocate (character(len=most_bytes) :: text)
      do length = 0, most_bytes - 1
         read (unit, iostat=status) text(length + 1:length + 1)
         if (status /= 0) exit
      end do
      text = text(:length)
      close (unit)
      if (status == 0) then
         call input_error(error, path//': is too large to be a namelist file')
      else if (.not. is_iostat_end(status)) then
         call input_error(error, path//': the namelist file cannot be read (is it a directory?)')
      end if
   end subroutine read_text
end module da_app_input
