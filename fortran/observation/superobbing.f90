!> Superobservations: the observations of a kind in a cell, merged into one.
!>
!> With precisions p_j = 1/error_sd_j², position, value and the members' H(x) are the means
!> Σ p_j (·) / Σ p_j, and the error's variance is 1/Σ p_j, as for independent errors (Lorenc 1981),
!> times error_factor². Where the merged observations share a place nothing is lost: the analysis is
!> that of all of them. Elsewhere what varies inside a cell is averaged out.
module da_observation_superobbing
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_observation_cells, only: end_of_cell, gather_cells
   use da_observation_type, only: observations_type, new_observations, qc_merged
   implicit none
   private
   public :: superobbing_config, read_superobbing, merge_observations

   !> `&superobbing`
   type :: superobbing_config
      real(wp) :: width = 0
      real(wp) :: error_factor = 1
   contains
      procedure :: merges
   end type superobbing_config

   !> What is told of an observation, the members' H(x) following; the position first, as
   !> `gather_cells` wants it.
   integer, parameter :: told_position = 1
   integer, parameter :: told_row = 2
   integer, parameter :: told_kind = 3
   integer, parameter :: told_error_sd = 4
   integer, parameter :: told_background_sd = 5
   integer, parameter :: told_background = 6
   integer, parameter :: told_value = 7

contains

   subroutine read_superobbing(namelists, thinned, correlated_errors, config, error)
      type(namelists_type), intent(inout) :: namelists
      logical, intent(in) :: thinned
      logical, intent(in) :: correlated_errors
      type(superobbing_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(superobbing_config) :: defaults

      call namelists%open_group('superobbing', 'Fewer observations: those of a kind in each '// &
                                'cell merged into one')
      call namelists%get('width', config%width, &
                         'of the cells in grid points; 0: no superobservations', minimum=0.0_wp)
      call namelists%get('error_factor', config%error_factor, &
                         'of a superobservation''s error_sd: above 1 where errors are not '// &
                         'independent, or for what varies inside a cell', above=0.0_wp)
      if (config%merges()) then
         if (thinned) call namelists%reject('width', 'is given beside spacing in &thinning: '// &
                                            'give one or the other')
         if (correlated_errors) call namelists%reject('width', 'is for independent errors: '// &
            'error_correlation_length in &observations must be 0')
      else if (abs(config%error_factor - defaults%error_factor) > 0) then
         call namelists%reject('error_factor', 'is not used with width = 0.0')
      end if
      call namelists%close_group(error)
   end subroutine read_superobbing

   pure function merges(self) result(yes)
      class(superobbing_config), intent(in) :: self
      logical :: yes

      yes = self%width > 0
   end function merges

   !> Collective: of the observations used, those that share a cell with no other of their kind, as
   !> they are, and superobservations, which have the row number of their first part; the parts are
   !> marked. `error_sd` are the errors as weighted, hx(n, members) the members in observation
   !> space.
   subroutine merge_observations(domain, config, error_sd, members, hx, observations, merged, &
                                 merged_hx)
      type(domain_type), intent(inout) :: domain
      type(superobbing_config), intent(in) :: config
      type(observations_type), intent(inout) :: observations
      real(wp), intent(in) :: error_sd(observations%n)
      integer, intent(in) :: members
      real(wp), intent(in) :: hx(observations%n, members)
      type(observations_type), intent(out) :: merged
      real(wp), allocatable, intent(out) :: merged_hx(:, :)
      real(wp), allocatable, dimension(:, :) :: own, columns, found
      integer, allocatable :: mine(:)
      integer, allocatable :: parts(:)
      integer :: before
      integer :: first
      integer :: last
      integer :: kind
      integer :: n
      integer :: j

      mine = pack([(j, j=1, observations%n)], observations%used())
      allocate (own(told_value + members, size(mine)))
      own(told_position, :) = observations%position(mine)
      own(told_row, :) = real(observations%row(mine), wp)
      own(told_kind, :) = observations%kind(mine)
      own(told_error_sd, :) = error_sd(mine)
      own(told_background_sd, :) = observations%background_sd(mine)
      own(told_background, :) = observations%background(mine)
      own(told_value, :) = observations%value(mine)
      do j = 1, size(mine)
         own(told_value + 1:, j) = hx(mine(j), :)
      end do
      call gather_cells(domain, config%width, own, columns, before)
      deallocate (own)
      allocate (found(size(columns, 1), size(columns, 2)))
      n = 0
      first = 1
      do while (first <= size(columns, 2))
         last = end_of_cell(config%width, columns, first)
         do kind = nint(minval(columns(told_kind, first:last))), &
            nint(maxval(columns(told_kind, first:last)))
            parts = pack([(j, j=first, last)], nint(columns(told_kind, first:last)) == kind)
            if (size(parts) == 0) cycle
            n = n + 1
            if (size(parts) == 1) then
               found(:, n) = columns(:, parts(1))
            else
               call merge_columns(config%error_factor, members, columns, parts, found(:, n))
               do j = 1, size(parts)
                  if (parts(j) <= before .or. parts(j) > before + size(mine)) cycle
                  observations%qc(mine(parts(j) - before)) = qc_merged
               end do
            end if
            ! Every rank that sees a cell merges it; the one that holds the place keeps the result.
            associate (point => int(found(told_position, n)) + 1)
               if (point < domain%first .or. point > domain%last) n = n - 1
            end associate
         end do
         first = last + 1
      end do
      call unpack_columns(domain, members, observations%time, found(:, :n), merged, merged_hx)
   end subroutine merge_observations

   !> The superobservation of some columns, summed from left to right.
   pure subroutine merge_columns(error_factor, members, columns, parts, merged)
      real(wp), intent(in) :: error_factor
      integer, intent(in) :: members
      real(wp), intent(in) :: columns(:, :)
      integer, intent(in) :: parts(:)
      real(wp), intent(out) :: merged(:)
      real(wp) :: precision
      real(wp) :: total
      real(wp) :: variance
      integer :: first
      integer :: last
      integer :: j
      integer :: m

      first = parts(1)
      last = parts(size(parts))
      total = 0
      merged = 0
      do j = 1, size(parts)
         precision = 1/columns(told_error_sd, parts(j))**2
         total = total + precision
         merged = merged + precision*columns(:, parts(j))
      end do
      merged = merged/total
      ! Rounding must not carry it out of the cell.
      merged(told_position) = min(max(merged(told_position), columns(told_position, first)), &
                                  columns(told_position, last))
      merged(told_row) = columns(told_row, first)
      merged(told_kind) = columns(told_kind, first)
      merged(told_error_sd) = error_factor/sqrt(total)
      variance = 0
      do m = 1, members
         variance = variance + (merged(told_value + m) - merged(told_background))**2
      end do
      merged(told_background_sd) = sqrt(variance/max(members - 1, 1))
   end subroutine merge_columns

   !> Columns as observations, sorted by position, then row number.
   subroutine unpack_columns(domain, members, time, columns, observations, hx)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: members
      real(wp), intent(in) :: time
      real(wp), intent(in) :: columns(:, :)
      type(observations_type), intent(out) :: observations
      real(wp), allocatable, intent(out) :: hx(:, :)
      integer :: order(size(columns, 2))
      integer :: n
      integer :: i
      integer :: j

      n = size(columns, 2)
      do j = 1, n
         i = j
         do while (i > 1)
            if (.not. precedes(columns(:, j), columns(:, order(i - 1)))) exit
            order(i) = order(i - 1)
            i = i - 1
         end do
         order(i) = j
      end do
      observations = new_observations(n, time)
      observations%position = columns(told_position, order)
      observations%row = nint(columns(told_row, order), i8)
      observations%kind = nint(columns(told_kind, order))
      observations%error_sd = columns(told_error_sd, order)
      observations%background_sd = columns(told_background_sd, order)
      observations%background = columns(told_background, order)
      observations%value = columns(told_value, order)
      hx = transpose(columns(told_value + 1:, order))
      call observations%count_ranks(domain)
   end subroutine unpack_columns

   pure function precedes(a, b) result(yes)
      real(wp), intent(in) :: a(:)
      real(wp), intent(in) :: b(:)
      logical :: yes

      yes = a(told_position) < b(told_position)
      if (.not. abs(a(told_position) - b(told_position)) > 0) yes = a(told_row) < b(told_row)
   end function precedes
end module da_observation_superobbing
