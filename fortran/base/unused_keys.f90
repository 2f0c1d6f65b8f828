!> Keys that a choice leaves without use: one that is set all the same is refused.
module da_base_unused_keys
   use da_base_kinds, only: wp
   use da_base_namelists, only: namelists_type
   implicit none
   private
   public :: refuse_change

contains

   !> Reject a key of the open group whose value is not its default; `reason` tells what it is not
   !> used with.
   subroutine refuse_change(namelists, key, value, default, reason)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: key
      real(wp), intent(in) :: value
      real(wp), intent(in) :: default
      character(len=*), intent(in) :: reason

      if (abs(value - default) > 0) call namelists%reject(key, 'is not used with '//reason)
   end subroutine refuse_change
end module da_base_unused_keys
