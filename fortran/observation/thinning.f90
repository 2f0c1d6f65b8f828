!> Thinning: of the observations of a kind in a cell, the one nearest the cell's centre is
!> assimilated; the usual cure where errors correlate over distances that the filter takes for
!> independent (Liu & Rabier 2002).
module da_observation_thinning
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_observation_cells, only: cell_of, centre_of, end_of_cell, gather_cells
   use da_observation_type, only: observations_type, qc_thinned
   implicit none
   private
   public :: thinning_config, read_thinning, thin_observations

   !> `&thinning`
   type :: thinning_config
      real(wp) :: spacing = 0
   contains
      procedure :: thins
   end type thinning_config

   !> What is told of an observation; the position first, as `gather_cells` wants it.
   integer, parameter :: told_position = 1
   integer, parameter :: told_row = 2
   integer, parameter :: told_kind = 3

contains

   subroutine read_thinning(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(thinning_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('thinning', 'Fewer observations: one of a kind in each cell')
      call namelists%get('spacing', config%spacing, &
                         'width of the cells in grid points; 0: no thinning', minimum=0.0_wp)
      call namelists%close_group(error)
   end subroutine read_thinning

   pure function thins(self) result(yes)
      class(thinning_config), intent(in) :: self
      logical :: yes

      yes = self%spacing > 0
   end function thins

   !> Collective: of the observations used, mark those that are not to be. Of two that lie equally
   !> near, the one with the smaller row number stays.
   subroutine thin_observations(domain, config, observations)
      type(domain_type), intent(inout) :: domain
      type(thinning_config), intent(in) :: config
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable :: own(:, :)
      real(wp), allocatable :: columns(:, :)
      logical, allocatable :: stays(:)
      integer, allocatable :: mine(:)
      integer :: before
      integer :: first
      integer :: last
      integer :: kind
      integer :: best
      integer :: j

      if (.not. config%thins()) return
      mine = pack([(j, j=1, observations%n)], observations%used())
      allocate (own(told_kind, size(mine)))
      own(told_position, :) = observations%position(mine)
      own(told_row, :) = real(observations%row(mine), wp)
      own(told_kind, :) = observations%kind(mine)
      call gather_cells(domain, config%spacing, own, columns, before)
      allocate (stays(size(columns, 2)), source=.false.)
      first = 1
      do while (first <= size(columns, 2))
         last = end_of_cell(config%spacing, columns, first)
         do kind = nint(minval(columns(told_kind, first:last))), &
            nint(maxval(columns(told_kind, first:last)))
            best = nearest(columns(:, first:last), kind)
            if (best > 0) stays(first + best - 1) = .true.
         end do
         first = last + 1
      end do
      do j = 1, size(mine)
         if (.not. stays(before + j)) observations%qc(mine(j)) = qc_thinned
      end do

   contains

      !> Of a cell's observations of a kind, the one nearest the centre; 0 where there is none.
      pure function nearest(cell, kind) result(best)
         real(wp), intent(in) :: cell(:, :)
         integer, intent(in) :: kind
         integer :: best
         real(wp) :: centre
         real(wp) :: distance
         real(wp) :: least
         integer :: c

         centre = centre_of(cell_of(cell(told_position, 1), config%spacing), config%spacing, &
                            domain%total)
         best = 0
         least = huge(least)
         do c = 1, size(cell, 2)
            if (nint(cell(told_kind, c)) /= kind) cycle
            distance = abs(cell(told_position, c) - centre)
            if (best > 0) then
               if (distance > least) cycle
               if (.not. distance < least .and. cell(told_row, c) > cell(told_row, best)) cycle
            end if
            best = c
            least = distance
         end do
      end function nearest
   end subroutine thin_observations
end module da_observation_thinning
