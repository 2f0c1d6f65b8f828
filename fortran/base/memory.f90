!> Memory: what this process has held, and what it and the others of its node can still get (Linux).
module da_base_memory
   use da_base_kinds, only: wp
   implicit none
   private
   public :: peak_memory, available_memory, own_limit

   real(wp), parameter :: kibibyte = 1024
   character(len=*), parameter :: groups = '/sys/fs/cgroup'
   integer, parameter :: longest_line = 4096

contains

   !> The most memory this process has held, in MiB (zero where it cannot be told).
   function peak_memory() result(mebibytes)
      real(wp) :: mebibytes

      mebibytes = max(0.0_wp, number_after('/proc/self/status', 'VmHWM:'))/kibibyte
   end function peak_memory

   !> What processes of this node can still get together, in bytes (huge where not known): of the
   !> machine's memory, and of what the control groups of this process leave.
   function available_memory() result(bytes)
      real(wp) :: bytes
      real(wp) :: free

      bytes = huge(bytes)
      free = number_after('/proc/meminfo', 'MemAvailable:')
      if (free >= 0) bytes = free*kibibyte
      bytes = min(bytes, left_by_groups())
   end function available_memory

   !> What this process alone may still get, in bytes (huge where there is no limit): `ulimit -v`
   !> and `ulimit -d`.
   function own_limit() result(bytes)
      real(wp) :: bytes
      real(wp) :: limit

      bytes = huge(bytes)
      limit = number_after('/proc/self/limits', 'Max address space')
      if (limit >= 0) then
         bytes = limit - max(0.0_wp, number_after('/proc/self/status', 'VmSize:'))*kibibyte
      end if
      limit = number_after('/proc/self/limits', 'Max data size')
      if (limit >= 0) then
         bytes = min(bytes, limit - max(0.0_wp, number_after('/proc/self/status', &
                                                             'VmData:'))*kibibyte)
      end if
      bytes = max(bytes, 0.0_wp)
   end function own_limit

   !> The least that a control group of this process, or one above it, leaves: in version 2 of the
   !> kernel's interface, or in version 1. What the group holds of files can be given back.
   function left_by_groups() result(bytes)
      real(wp) :: bytes
      character(len=longest_line) :: line
      character(len=:), allocatable :: path
      integer :: unit
      integer :: status
      integer :: slash

      bytes = huge(bytes)
      open (newunit=unit, file='/proc/self/cgroup', action='read', status='old', iostat=status)
      if (status /= 0) return
      do
         read (unit, '(a)', iostat=status) line
         if (status /= 0) exit
         if (line(:3) == '0::') then
            path = trim(line(4:))
         else if (index(line, ':memory:') > 0) then
            path = '/memory'//trim(line(index(line, ':memory:') + len(':memory:'):))
         else
            cycle
         end if
         do
            bytes = min(bytes, left_by(groups//path, 'memory.max', 'memory.current', &
                                       'inactive_file '), &
                        left_by(groups//path, 'memory.limit_in_bytes', 'memory.usage_in_bytes', &
                                'total_inactive_file '))
            slash = index(path, '/', back=.true.)
            if (slash == 0) exit
            path = path(:slash - 1)
         end do
      end do
      close (unit)
   end function left_by_groups

   !> Of one group, whose files have these names.
   function left_by(folder, limit_file, usage_file, of_files) result(bytes)
      character(len=*), intent(in) :: folder
      character(len=*), intent(in) :: limit_file
      character(len=*), intent(in) :: usage_file
      character(len=*), intent(in) :: of_files
      real(wp) :: bytes
      real(wp) :: limit
      real(wp) :: usage

      bytes = huge(bytes)
      limit = number_after(folder//'/'//limit_file, '')
      usage = number_after(folder//'/'//usage_file, '')
      if (limit < 0 .or. usage < 0) return
      bytes = max(0.0_wp, limit - usage &
                  + max(0.0_wp, number_after(folder//'/memory.stat', of_files)))
   end function left_by

   !> The first number of the first line of a file that begins so; below zero where there is none,
   !> as in a limit that is `unlimited` or `max`.
   function number_after(file, beginning) result(number)
      character(len=*), intent(in) :: file
      character(len=*), intent(in) :: beginning
      real(wp) :: number
      character(len=longest_line) :: line
      integer :: unit
      integer :: status

      number = -1
      open (newunit=unit, file=file, action='read', status='old', iostat=status)
      if (status /= 0) return
      do
         read (unit, '(a)', iostat=status) line
         if (status /= 0) exit
         if (index(line, beginning) /= 1) cycle
         read (line(len(beginning) + 1:), *, iostat=status) number
         if (status /= 0) number = -1
         exit
      end do
      close (unit)
   end function number_after
end module da_base_memory
