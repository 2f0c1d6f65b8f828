!> The serial ensemble adjustment Kalman filter (Anderson 2001) in its two steps (Anderson 2003):
!> the ensemble's values of an observation are shifted and drawn together, and the increments are
!> regressed onto everything around, tapered.
module da_analysis_serial_eakf
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_base_tridiagonal_kernels, only: lanes
   use da_analysis_serial_filter, only: serial_filter_type
   use da_analysis_serial_kernels, only: adjust, regress
   use da_ensemble_localisation, only: localisation_config
   implicit none
   private
   public :: eakf_type, new_eakf

   !> Columns: the members' values.
   type, extends(serial_filter_type) :: eakf_type
   contains
      procedure :: columns_for
      procedure :: assimilate_one
   end type eakf_type

contains

   function new_eakf(localisation) result(self)
      type(localisation_config), intent(in), optional :: localisation
      type(eakf_type) :: self

      self%name = 'eakf'
      self%localises = .true.
      if (present(localisation)) self%localisation = localisation
      self%copies = 1
   end function new_eakf

   pure function columns_for(self, members) result(columns)
      class(eakf_type), intent(in) :: self
      integer, intent(in) :: members
      integer :: columns

      columns = members
   end function columns_for

   pure subroutine assimilate_one(self, key, number, members, columns, chunks, observed, weights, z)
      class(eakf_type), intent(in) :: self
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: number
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(in) :: observed(lanes, columns)
      real(wp), intent(in) :: weights(lanes, chunks)
      real(wp), intent(inout) :: z(lanes, columns, chunks)
      real(wp), dimension(lanes, members) :: increments, slopes

      call adjust(members, observed, increments, slopes)
      call regress(members, chunks, slopes, increments, weights, z)
   end subroutine assimilate_one
end module da_analysis_serial_eakf
