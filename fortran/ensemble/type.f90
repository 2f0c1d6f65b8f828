!> An ensemble of states on this rank's slab.
module da_ensemble_type
   use da_base_kinds, only: wp
   use da_ensemble_carried, only: carried_type
   implicit none
   private
   public :: ensemble_type, note_type, mean_of_members, spread_of_members

   integer, parameter :: note_length = 32

   !> Numbers that a scheme tells of one cycle's analysis, the same on all ranks.
   type :: note_type
      character(len=note_length) :: name = ''
      real(wp), allocatable :: values(:)
   end type note_type

   !> x(n, components, members), state index fastest.
   type :: ensemble_type
      integer :: members = 0
      real(wp), allocatable :: x(:, :, :)
      !> How many of the last components are parameters, not state.
      integer :: parameters = 0
      !> What else goes on from cycle to cycle.
      type(carried_type), allocatable :: carried(:)
      !> What the last analysis tells of itself, for the record.
      type(note_type), allocatable :: notes(:)
      !> Standard deviation of a single state's errors, sd(n, components), where the last analysis
      !> tells it.
      real(wp), allocatable :: sd(:, :)
   contains
      procedure :: note
      procedure :: mean
      procedure :: spread => standard_deviation
      procedure :: states
      procedure :: carry
      procedure :: place_of
      procedure :: forget_analysis
   end type ensemble_type

contains

   !> mean(n, components)
   subroutine mean(self, average)
      class(ensemble_type), intent(in) :: self
      real(wp), intent(out) :: average(:, :)

      call mean_of_members(size(average), self%members, self%x, average)
   end subroutine mean

   !> sd(n, components); of a single member what its analysis tells, else zero.
   subroutine standard_deviation(self, average, sd)
      class(ensemble_type), intent(in) :: self
      real(wp), intent(in) :: average(:, :)
      real(wp), intent(out) :: sd(:, :)

      call spread_of_members(size(average), self%members, self%x, average, sd)
      if (allocated(self%sd)) sd = self%sd
   end subroutine standard_deviation

   !> The components of a point that are state.
   pure function states(self) result(components)
      class(ensemble_type), intent(in) :: self
      integer :: components

      components = size(self%x, 2) - self%parameters
   end function states

   !> One more field to carry, of a name that none has yet; x is its first value.
   subroutine carry(self, name, meaning, everywhere, x)
      class(ensemble_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: meaning
      logical, intent(in) :: everywhere
      real(wp), intent(in) :: x(:, :, :)
      type(carried_type), allocatable :: more(:)
      integer :: before

      before = 0
      if (allocated(self%carried)) before = size(self%carried)
      allocate (more(before + 1))
      if (before > 0) more(:before) = self%carried
      more(before + 1)%name = name
      more(before + 1)%meaning = meaning
      more(before + 1)%everywhere = everywhere
      more(before + 1)%x = x
      call move_alloc(more, self%carried)
   end subroutine carry

   !> One more thing to tell of this cycle's analysis.
   pure subroutine note(self, name, values)
      class(ensemble_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      real(wp), intent(in) :: values(:)
      type(note_type) :: one

      if (.not. allocated(self%notes)) allocate (self%notes(0))
      one%name = name
      one%values = values
      self%notes = [self%notes, one]
   end subroutine note

   !> What the last analysis left to be taken up after it.
   pure subroutine forget_analysis(self)
      class(ensemble_type), intent(inout) :: self

      if (allocated(self%notes)) deallocate (self%notes)
      if (allocated(self%sd)) deallocate (self%sd)
   end subroutine forget_analysis

   !> Where the field of that name stands in `carried`; 0: there is none.
   pure function place_of(self, name) result(place)
      class(ensemble_type), intent(in) :: self
      character(len=*), intent(in) :: name
      integer :: place

      place = 0
      if (.not. allocated(self%carried)) return
      do place = size(self%carried), 1, -1
         if (self%carried(place)%name == name) return
      end do
   end function place_of

   pure subroutine mean_of_members(n, members, x, average)
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(in) :: x(n, members)
      real(wp), intent(out) :: average(n)
      integer :: m

      average = x(:, 1)
      do m = 2, members
         average = average + x(:, m)
      end do
      average = average/members
   end subroutine mean_of_members

   !> Standard deviation with members - 1 in the denominator.
   pure subroutine spread_of_members(n, members, x, average, sd)
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(in) :: x(n, members)
      real(wp), intent(in) :: average(n)
      real(wp), intent(out) :: sd(n)
      integer :: m

      sd = 0
      do m = 1, members
         sd = sd + (x(:, m) - average)**2
      end do
      sd = sqrt(sd/max(members - 1, 1))
   end subroutine spread_of_members
end module da_ensemble_type
