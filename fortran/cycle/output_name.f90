!> What the output is called where the namelist does not say.
module da_cycle_output_name
   use da_base_file_identity, only: kind_of, kind_special, name_of
   implicit none
   private
   public :: default_output

contains

   !> After the namelist, so that a second one in a folder has an output of its own; without one
   !> there is no name, and one from a pipe has none that says anything.
   function default_output(namelist) result(path)
      character(len=*), intent(in) :: namelist
      character(len=:), allocatable :: path
      character(len=*), parameter :: ending = '.nml'
      integer :: length

      path = name_of(namelist)
      if (len(namelist) == 0) return
      length = len(path) - len(ending)
      if (length >= 0) then
         if (path(length + 1:) == ending) path = path(:length)
      end if
      if (len(path) == 0 .or. kind_of(namelist) == kind_special &
          .or. index(namelist, '/dev/') == 1 .or. index(namelist, '/proc/') == 1) path = 'run'
      path = path//'.nc'
   end function default_output
end module da_cycle_output_name
