!> What a run carries from cycle to cycle beside its states: named fields, kept in checkpoints.
module da_ensemble_carried
   use da_base_kinds, only: wp
   implicit none
   private
   public :: carried_type, name_length, meaning_length

   integer, parameter :: name_length = 32
   integer, parameter :: meaning_length = 80

   !> x(n, components, members), decomposed as the states are; or the same on all ranks, n being 1.
   type :: carried_type
      character(len=name_length) :: name = ''
      !> With it, the first component of the first member is a field of the output.
      character(len=meaning_length) :: meaning = ''
      logical :: everywhere = .false.
      real(wp), allocatable :: x(:, :, :)
   end type carried_type
end module da_ensemble_carried
