!> Scores of regions: arcs of the circle of points.
module da_verification_regions
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_namelists, only: namelists_type
   use da_base_reproducible_sum, only: sum_columns
   use da_base_text, only: to_text
   implicit none
   private
   public :: region_type, get_regions, in_regions, region_scores

   !> Points first … last, counted from 0; a region whose last point comes before its first goes on
   !> round the circle.
   type :: region_type
      integer :: first = 0
      integer :: last = 0
   contains
      procedure :: points
      procedure :: holds
   end type region_type

contains

   !> Regions of a circle of `points`, as a key of the open group gives them: pairs of points.
   subroutine get_regions(namelists, points, key, meaning, regions)
      type(namelists_type), intent(inout) :: namelists
      integer, intent(in) :: points
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: meaning
      type(region_type), allocatable, intent(out) :: regions(:)
      real(wp), allocatable :: ends(:)
      integer :: i

      allocate (ends(0))
      call namelists%get(key, ends, meaning)
      allocate (regions(size(ends)/2))
      if (mod(size(ends), 2) /= 0) then
         call namelists%reject(key, 'has '//to_text(size(ends))// &
                               ' values: pairs are needed, a first and a last point each')
         return
      end if
      do i = 1, size(ends)
         if (.not. (ends(i) >= 0 .and. ends(i) < points .and. &
                    abs(ends(i) - anint(ends(i))) <= 0)) then
            call namelists%reject(key, '= '//to_text(ends(i))//': must be a point, 0 to '// &
                                  to_text(points - 1))
            return
         end if
      end do
      regions%first = nint(ends(1::2))
      regions%last = nint(ends(2::2))
   end subroutine get_regions

   !> The number of points of a region of a circle of `total`.
   elemental function points(self, total) result(number)
      class(region_type), intent(in) :: self
      integer, intent(in) :: total
      integer :: number

      number = modulo(self%last - self%first, total) + 1
   end function points

   !> Whether a point, counted from 0, is one of a region's.
   elemental function holds(self, point) result(yes)
      class(region_type), intent(in) :: self
      integer, intent(in) :: point
      logical :: yes

      if (self%first <= self%last) then
         yes = point >= self%first .and. point <= self%last
      else
         yes = point >= self%first .or. point <= self%last
      end if
   end function holds

   !> inside(j, r): whether an observation at position(j) belongs to region r, to which its points
   !> and what lies just after each belong.
   pure function in_regions(regions, position) result(inside)
      type(region_type), intent(in) :: regions(:)
      real(wp), intent(in) :: position(:)
      logical :: inside(size(position), size(regions))
      integer :: r

      do r = 1, size(regions)
         inside(:, r) = regions(r)%holds(floor(position))
      end do
   end function in_regions

   !> RMSE, bias and spread of an ensemble mean and standard deviation in each region; without a
   !> truth the first two are not touched. Collective.
   subroutine region_scores(domain, regions, mean, sd, truth, rmse, bias, spread)
      type(domain_type), intent(in) :: domain
      type(region_type), intent(in) :: regions(:)
      real(wp), intent(in) :: mean(:)
      real(wp), intent(in) :: sd(:)
      real(wp), intent(in), optional :: truth(:)
      real(wp), intent(inout) :: rmse(:)
      real(wp), intent(inout) :: bias(:)
      real(wp), intent(out) :: spread(:)
      real(wp), allocatable :: terms(:, :)
      real(wp) :: sums(3)
      integer :: here(size(mean))
      integer :: inside
      integer :: r
      integer :: i

      do r = 1, size(regions)
         inside = 0
         do i = 1, domain%n
            if (.not. regions(r)%holds(domain%first + i - 2)) cycle
            inside = inside + 1
            here(inside) = i
         end do
         allocate (terms(inside, 3), source=0.0_wp)
         terms(:, 1) = sd(here(:inside))**2
         if (present(truth)) then
            terms(:, 3) = mean(here(:inside)) - truth(here(:inside))
            terms(:, 2) = terms(:, 3)**2
         end if
         associate (total => regions(r)%points(domain%total))
            call sum_columns(domain%communicator, int(total, i8), terms, sums)
            sums = sums/total
         end associate
         spread(r) = sqrt(sums(1))
         if (present(truth)) then
            rmse(r) = sqrt(sums(2))
            bias(r) = sums(3)
         end if
         deallocate (terms)
      end do
   end subroutine region_scores
end module da_verification_regions
