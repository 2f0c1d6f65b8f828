!> Counts over points: ranks of the truth among the members, and events that members foretold.
module da_verification_counts
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type, uniforms
   implicit none
   private
   public :: count_ranks, count_events

   !> Points whose counts stay in the nearest cache while the members pass by.
   integer, parameter :: block_length = 256

contains

   !> counts(1 + k): at how many points k members lie below the truth (Hamill 2001). A truth equal
   !> to members gets one of the ranks they share at random. Counted are the points 0, every,
   !> 2*every, … of the circle, on all ranks; of several values a point, the first.
   subroutine count_ranks(domain, key, every, components, members, truth, x, counts)
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: every
      integer, intent(in) :: components
      integer, intent(in) :: members
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, members)
      integer(i8), intent(out) :: counts(:)
      integer :: below(domain%n)
      integer :: level(domain%n)
      real(wp) :: lot(1)
      integer :: first
      integer :: last
      integer :: i
      integer :: m

      below = 0
      level = 0
      do first = 1, domain%n, block_length
         last = min(first + block_length - 1, domain%n)
         do m = 1, members
            below(first:last) = below(first:last) &
                                + merge(1, 0, x(first:last, 1, m) < truth(first:last))
            level(first:last) = level(first:last) &
                                + merge(1, 0, abs(x(first:last, 1, m) - truth(first:last)) <= 0)
         end do
      end do
      counts = 0
      do i = first_counted(domain, every), domain%n, every
         if (level(i) > 0) then
            call uniforms(key, int(domain%first + i - 1, i8), lot)
            below(i) = below(i) + int(lot(1)*(level(i) + 1))
         end if
         counts(below(i) + 1) = counts(below(i) + 1) + 1
      end do
      call domain%communicator%count_sums(counts)
   end subroutine count_ranks

   !> forecasts(1 + k): at how many points k members exceed the threshold; occurrences: at how many
   !> of these the truth does.
   subroutine count_events(domain, every, threshold, components, members, truth, x, forecasts, &
                           occurrences)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: every
      real(wp), intent(in) :: threshold
      integer, intent(in) :: components
      integer, intent(in) :: members
      real(wp), intent(in) :: truth(domain%n)
      real(wp), intent(in) :: x(domain%n, components, members)
      integer(i8), intent(out) :: forecasts(:)
      integer(i8), intent(out) :: occurrences(:)
      integer(i8) :: counts(size(forecasts), 2)
      integer(i8) :: all_counts(2*size(forecasts))
      integer :: above(domain%n)
      integer :: first
      integer :: last
      integer :: i
      integer :: m

      above = 1
      do first = 1, domain%n, block_length
         last = min(first + block_length - 1, domain%n)
         do m = 1, members
            above(first:last) = above(first:last) + merge(1, 0, x(first:last, 1, m) > threshold)
         end do
      end do
      counts = 0
      do i = first_counted(domain, every), domain%n, every
         counts(above(i), 1) = counts(above(i), 1) + 1
         if (truth(i) > threshold) counts(above(i), 2) = counts(above(i), 2) + 1
      end do
      all_counts = reshape(counts, shape(all_counts))
      call domain%communicator%count_sums(all_counts)
      forecasts = all_counts(:size(forecasts))
      occurrences = all_counts(size(forecasts) + 1:)
   end subroutine count_events

   !> The first of this slab's points that is counted.
   pure function first_counted(domain, every) result(i)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: every
      integer :: i

      i = 1 + modulo(1 - domain%first, every)
   end function first_counted
end module da_verification_counts
