!> Sums over the domain that do not depend on the order of the terms, nor on who holds them.
!>
!> Each term is cut at two fixed positions below the largest one (Demmel & Nguyen 2013, Fast
!> reproducible floating-point summation, with two folds); the pieces are so short that their sums
!> are exact, hence independent of order, and what is cut off is below the rounding error of an
!> ordinary sum. A few products are not worth that: every rank gathers the terms and adds all
!> of them in their order.
module da_base_reproducible_sum
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   use da_base_communicator, only: communicator_type
   implicit none
   private
   public :: sum_columns, sum_products

   !> Independent partial sums, so that the processor can add them side by side.
   integer, parameter :: lanes = 8
   !> Products beyond which no rank computes all.
   integer(i8), parameter :: few = 131072

contains

   !> sums(k) = Σ x(:, k) over all ranks; `terms` is the number of terms of a column over all ranks.
   subroutine sum_columns(communicator, terms, x, sums)
      type(communicator_type), intent(in) :: communicator
      integer(i8), intent(in) :: terms
      real(wp), contiguous, intent(in) :: x(:, :)
      real(wp), intent(out) :: sums(:)
      real(wp), dimension(size(x, 2)) :: bound
      real(wp), dimension(2*size(x, 2)) :: folds
      real(wp) :: cut(2)
      integer :: k

      do k = 1, size(x, 2)
         bound(k) = magnitude(size(x, 1), x(:, k))
      end do
      call communicator%maxima(bound)
      do k = 1, size(x, 2)
         cut = cuts(bound(k), terms)
         call fold_sum(size(x, 1), x(:, k), cut(1), cut(2), folds(2*k - 1), folds(2*k))
      end do
      call communicator%exact_sums(folds)
      do k = 1, size(x, 2)
         sums(k) = total(folds(2*k - 1), folds(2*k), bound(k))
      end do
   end subroutine sum_columns

   !> sums(i, j) = Σ x(:, i) y(:, j) over all ranks, whose parts follow one another in the order of
   !> the ranks; where `symmetric`, y is x and half the work is done.
   subroutine sum_products(communicator, terms, x, y, symmetric, sums)
      type(communicator_type), intent(in) :: communicator
      integer(i8), intent(in) :: terms
      real(wp), contiguous, intent(in) :: x(:, :)
      real(wp), contiguous, intent(in) :: y(:, :)
      logical, intent(in) :: symmetric
      real(wp), intent(out) :: sums(:, :)

      if (terms*size(sums) <= few) then
         call sum_gathered_products(communicator, x, y, sums)
      else
         call sum_folded_products(communicator, terms, x, y, symmetric, sums)
      end if
   end subroutine sum_products

   subroutine sum_gathered_products(communicator, x, y, sums)
      type(communicator_type), intent(in) :: communicator
      real(wp), contiguous, intent(in) :: x(:, :)
      real(wp), contiguous, intent(in) :: y(:, :)
      real(wp), intent(out) :: sums(:, :)
      real(wp) :: own(size(x, 2) + size(y, 2), size(x, 1))
      real(wp), allocatable :: rows(:, :)
      integer :: c

      do c = 1, size(x, 2)
         own(c, :) = x(:, c)
      end do
      do c = 1, size(y, 2)
         own(size(x, 2) + c, :) = y(:, c)
      end do
      call communicator%gather_rows(own, rows)
      call add_products(size(x, 2), size(y, 2), size(rows, 2), rows, sums)
   end subroutine sum_gathered_products

   !> sums(i, k) = Σ_j rows(i, j) rows(m + k, j), j ascending.
   pure subroutine add_products(m, n, terms, rows, sums)
      integer, intent(in) :: m
      integer, intent(in) :: n
      integer, intent(in) :: terms
      real(wp), intent(in) :: rows(m + n, terms)
      real(wp), intent(out) :: sums(m, n)
      integer :: i
      integer :: j
      integer :: k

      sums = 0
      do j = 1, terms
         do k = 1, n
            do i = 1, m
               sums(i, k) = sums(i, k) + rows(i, j)*rows(m + k, j)
            end do
         end do
      end do
   end subroutine add_products

   subroutine sum_folded_products(communicator, terms, x, y, symmetric, sums)
      type(communicator_type), intent(in) :: communicator
      integer(i8), intent(in) :: terms
      real(wp), contiguous, intent(in) :: x(:, :)
      real(wp), contiguous, intent(in) :: y(:, :)
      logical, intent(in) :: symmetric
      real(wp), intent(out) :: sums(:, :)
      real(wp) :: folds(2*size(x, 2)*size(y, 2))
      real(wp) :: bounds(size(x, 2) + size(y, 2))
      real(wp) :: unit(2)
      real(wp) :: bound
      integer :: columns
      integer :: i
      integer :: j
      integer :: k

      columns = size(x, 2)
      do i = 1, columns
         bounds(i) = magnitude(size(x, 1), x(:, i))
      end do
      if (symmetric) then
         bounds(columns + 1:) = bounds(:columns)
      else
         do j = 1, size(y, 2)
            bounds(columns + j) = magnitude(size(y, 1), y(:, j))
         end do
      end if
      call communicator%maxima(bounds)
      bounds = power_above(bounds)
      unit = cuts(1.0_wp, terms)
      k = 0
      do j = 1, size(y, 2)
         do i = merge(j, 1, symmetric), columns
            bound = bounds(i)*bounds(columns + j)
            call fold_product(size(x, 1), x(:, i), y(:, j), unit(1)*bound, unit(2)*bound, &
                  folds(k + 1), folds(k + 2))
            k = k + 2
         end do
      end do
      call communicator%exact_sums(folds(:k))
      k = 0
      do j = 1, size(y, 2)
         do i = merge(j, 1, symmetric), columns
            sums(i, j) = total(folds(k + 1), folds(k + 2), bounds(i)*bounds(columns + j))
            if (symmetric) sums(j, i) = sums(i, j)
            k = k + 2
         end do
      end do
   end subroutine sum_folded_products

   !> The largest absolute value; huge where a value is not finite.
   pure function magnitude(n, x) result(largest)
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp) :: largest
      real(wp), dimension(lanes) :: most, doubt
      integer :: whole
      integer :: i

      most = 0
      doubt = 0
      whole = n - mod(n, lanes)
      do i = 1, whole, lanes
         most = max(most, abs(x(i:i + lanes - 1)))
         doubt = doubt + 0*x(i:i + lanes - 1)
      end do
      do i = whole + 1, n
         most(1) = max(most(1), abs(x(i)))
         doubt(1) = doubt(1) + 0*x(i)
      end do
      largest = maxval(most)
      if (.not. all(abs(doubt) <= 0)) largest = huge(largest)
   end function magnitude

   !> The two numbers whose addition and subtraction cuts a term below `bound` at a fixed position.
   pure function cuts(bound, terms) result(cut)
      real(wp), intent(in) :: bound
      integer(i8), intent(in) :: terms
      real(wp) :: cut(2)
      real(wp), parameter :: middle = 1.5_wp
      integer :: top
      integer :: room

      if (.not. summable(bound)) then
         cut = 0
         return
      end if
      room = int(bit_size(terms) - leadz(terms))
      top = exponent(bound) + room
      cut(1) = scale(middle, top)
      cut(2) = scale(middle, top - digits(bound) + room + 1)
   end function cuts

   !> The power of two at or above a bound: products of such are exact.
   elemental function power_above(bound) result(power)
      real(wp), intent(in) :: bound
      real(wp) :: power

      power = bound
      if (summable(bound)) power = scale(1.0_wp, exponent(bound))
   end function power_above

   !> Neither zero, nor so large that a cut would overflow, nor so small that one would vanish.
   elemental function summable(bound) result(yes)
      real(wp), intent(in) :: bound
      logical :: yes

      yes = bound > tiny(bound)*2.0_wp**120 .and. bound < huge(bound)*2.0_wp**(-60)
   end function summable

   elemental function total(first, second, bound) result(sum_of_folds)
      real(wp), intent(in) :: first
      real(wp), intent(in) :: second
      real(wp), intent(in) :: bound
      real(wp) :: sum_of_folds

      if (summable(bound)) then
         sum_of_folds = first + second
      else if (bound < 1) then
         sum_of_folds = 0
      else
         sum_of_folds = ieee_value(first, ieee_quiet_nan)
      end if
   end function total

   pure subroutine fold_sum(n, x, cut1, cut2, first, second)
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: cut1
      real(wp), intent(in) :: cut2
      real(wp), intent(out) :: first
      real(wp), intent(out) :: second
      real(wp), dimension(lanes) :: s1, s2, q, r
      integer :: whole
      integer :: i

      s1 = 0
      s2 = 0
      whole = n - mod(n, lanes)
      do i = 1, whole, lanes
         q = (x(i:i + lanes - 1) + cut1) - cut1
         r = x(i:i + lanes - 1) - q
         s1 = s1 + q
         s2 = s2 + ((r + cut2) - cut2)
      end do
      do i = whole + 1, n
         q(1) = (x(i) + cut1) - cut1
         r(1) = x(i) - q(1)
         s1(1) = s1(1) + q(1)
         s2(1) = s2(1) + ((r(1) + cut2) - cut2)
      end do
      first = sum_lanes(s1)
      second = sum_lanes(s2)
   end subroutine fold_sum

   pure subroutine fold_product(n, x, y, cut1, cut2, first, second)
      integer, intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: y(n)
      real(wp), intent(in) :: cut1
      real(wp), intent(in) :: cut2
      real(wp), intent(out) :: first
      real(wp), intent(out) :: second
      real(wp), dimension(lanes) :: s1, s2, t, q, r
      integer :: whole
      integer :: i

      s1 = 0
      s2 = 0
      whole = n - mod(n, lanes)
      do i = 1, whole, lanes
         t = x(i:i + lanes - 1)*y(i:i + lanes - 1)
         q = (t + cut1) - cut1
         r = t - q
         s1 = s1 + q
         s2 = s2 + ((r + cut2) - cut2)
      end do
      do i = whole + 1, n
         t(1) = x(i)*y(i)
         q(1) = (t(1) + cut1) - cut1
         r(1) = t(1) - q(1)
         s1(1) = s1(1) + q(1)
         s2(1) = s2(1) + ((r(1) + cut2) - cut2)
      end do
      first = sum_lanes(s1)
      second = sum_lanes(s2)
   end subroutine fold_product

   !> The lanes' sum in a tree: it is exact, so any order gives the same.
   pure function sum_lanes(s) result(total)
      real(wp), intent(in) :: s(lanes)
      real(wp) :: total

      total = ((s(1) + s(5)) + (s(3) + s(7))) + ((s(2) + s(6)) + (s(4) + s(8)))
   end function sum_lanes
end module da_base_reproducible_sum
