!> The examination of an operator at a point: is its tangent linear the derivative, its adjoint the
!> transpose, is it the same on another layout of ranks?
module da_operator_examination
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type
   use da_operator_catalogue, only: entry_type
   use da_operator_checks, only: adjoint_defect, linearity_defect, inner_product, random_field
   use da_operator_taylor, only: taylor_type, taylor_test
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: findings_type, examine, same_on_both

   !> Roundings that inner products of a few hundred numbers may leave, generously: 1e-13 in double
   !> precision.
   real(wp), parameter :: roundings = 450
   !> Points whose variance is looked at.
   integer, parameter :: points_looked_at = 8

   type :: findings_type
      !> Nothing comes out of the operator here: all other numbers are zero.
      logical :: empty = .false.
      !> Rows of the output on all ranks.
      integer(i8) :: rows = 0
      type(taylor_type) :: taylor
      real(wp) :: adjoint = 0
      real(wp) :: linearity = 0
      !> The largest that adjoint and linearity may be.
      real(wp) :: allowed = 0
      !> Of a covariance's root: U U^T is symmetric up to this; the variances of some points.
      real(wp) :: asymmetry = 0
      real(wp) :: variances(points_looked_at) = 0
      logical :: root = .false.
   contains
      procedure :: fault
   end type findings_type

contains

   !> All numbers of one operator; the same bits on any layout of ranks.
   subroutine examine(entry, domain, key, findings)
      type(entry_type), intent(in) :: entry
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      type(findings_type), intent(out) :: findings
      real(wp), allocatable, dimension(:, :, :) :: dx, other, dy, image
      integer(i8) :: counts(1)
      real(wp) :: defect

      findings%allowed = roundings*entry%operator%rounding*sqrt(real(max(entry%depth, 1), wp))
      findings%root = entry%root
      counts = entry%operator%rows(domain)
      call domain%communicator%count_sums(counts)
      findings%rows = counts(1)
      call direction_of(entry, domain, key, dx)
      call draw_rows(entry%operator, domain, key, dy)
      allocate (image, mold=dy)
      call entry%operator%tl(domain, entry%x, dx, image)
      if (inner_product(domain, image, image) <= 0) then
         findings%empty = .true.
         return
      end if
      call taylor_test(entry%operator, domain, entry%x, dx, findings%taylor)
      call adjoint_defect(entry%operator, domain, entry%x, dx, dy, findings%adjoint)
      call adjoint_defect(entry%operator, domain, entry%x, dx, image, defect)
      findings%adjoint = max(findings%adjoint, defect)
      allocate (other, mold=dx)
      call random_field(another(key), int(domain%first - 1, i8), other)
      call linearity_defect(entry%operator, domain, entry%x, dx, other, findings%linearity)
      if (entry%root) call look_at_covariance(entry%operator, domain, entry%x, dx, other, findings)
   end subroutine examine

   pure function another(key) result(other)
      type(random_key_type), intent(in) :: key
      type(random_key_type) :: other

      other = key
      other%cycle = key%cycle + 1
   end function another

   !> Where to from an operator's point: as it says, or at random.
   subroutine direction_of(entry, domain, key, dx)
      type(entry_type), intent(in) :: entry
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), allocatable, intent(out) :: dx(:, :, :)

      if (allocated(entry%direction)) then
         dx = entry%direction
      else
         allocate (dx, mold=entry%x)
         call random_field(key, int(domain%first - 1, i8), dx)
      end if
   end subroutine direction_of

   subroutine draw_rows(operator, domain, key, dy)
      class(operator_type), intent(in) :: operator
      type(domain_type), intent(in) :: domain
      type(random_key_type), intent(in) :: key
      real(wp), allocatable, intent(out) :: dy(:, :, :)
      integer :: rows

      rows = operator%rows(domain)
      allocate (dy(rows, operator%components_out, 1))
      call random_field(another(another(key)), &
                        domain%communicator%count_before(int(rows, i8)), dy)
   end subroutine draw_rows

   !> Symmetry of U U^T, and |U^T e|² at some points round the circle.
   subroutine look_at_covariance(operator, domain, x, a, b, findings)
      class(operator_type), intent(in) :: operator
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: a(:, :, :)
      real(wp), contiguous, intent(in) :: b(:, :, :)
      type(findings_type), intent(inout) :: findings
      real(wp), allocatable, dimension(:, :, :) :: da, db, ca, cb, unit, v
      integer :: point
      integer :: p

      allocate (da(operator%rows(domain), operator%components_out, 1))
      allocate (db, ca, cb, unit, mold=da)
      allocate (v, mold=x)
      call operator%forward(domain, a, da)
      call operator%forward(domain, b, db)
      call operator%ad(domain, x, da, v)
      call operator%forward(domain, v, ca)
      call operator%ad(domain, x, db, v)
      call operator%forward(domain, v, cb)
      findings%asymmetry = abs(inner_product(domain, ca, db) - inner_product(domain, da, cb)) &
                           /sqrt(inner_product(domain, ca, ca)*inner_product(domain, db, db))
      do p = 1, points_looked_at
         point = 1 + int(int(p - 1, i8)*domain%total/points_looked_at)
         unit = 0
         if (point >= domain%first .and. point <= domain%last) then
            unit(point - domain%first + 1, 1, 1) = 1
         end if
         call operator%ad(domain, x, unit, v)
         findings%variances(p) = inner_product(domain, v, v)
      end do
   end subroutine look_at_covariance

   !> What is wrong and what that means; empty where all is right.
   pure function fault(self) result(text)
      class(findings_type), intent(in) :: self
      character(len=:), allocatable :: text

      text = ''
      if (self%empty) then
         if (self%root) text = 'nothing comes out of it: all variances are zero'
         return
      end if
      if (.not. self%taylor%passed()) then
         text = 'the Taylor remainder does not fall in proportion to α'
         if (self%taylor%order == 2) text = text//'²'
         text = text//': its tangent linear is not its derivative'
      else if (.not. self%linearity <= self%allowed) then
         text = 'its tangent linear is not linear'
      else if (.not. self%adjoint <= self%allowed) then
         text = 'the two sides of the dot product differ: its adjoint is not the transpose of '// &
                'its tangent linear'
      else if (self%root) then
         if (.not. self%asymmetry <= self%allowed) then
            text = 'U U^T is not symmetric: it is no covariance'
         else if (.not. all(self%variances > 0 .and. self%variances <= huge(1.0_wp))) then
            text = 'a variance is not above zero'
         end if
      end if
   end function fault

   !> Whether an operator on the domain of all ranks gives the bits of the same one on a domain that
   !> is whole on each rank: forward, tangent linear and adjoint.
   function same_on_both(entry, domain, entry_whole, whole, key) result(same)
      type(entry_type), intent(in) :: entry
      type(domain_type), intent(inout) :: domain
      type(entry_type), intent(in) :: entry_whole
      type(domain_type), intent(inout) :: whole
      type(random_key_type), intent(in) :: key
      logical :: same
      real(wp), allocatable, dimension(:, :, :) :: dx, dx_whole, dy, dy_whole, y, y_whole
      integer :: before
      integer :: rows
      integer :: differing

      call direction_of(entry, domain, key, dx)
      call direction_of(entry_whole, whole, key, dx_whole)
      call draw_rows(entry%operator, domain, key, dy)
      call draw_rows(entry_whole%operator, whole, key, dy_whole)
      rows = size(dy, 1)
      before = int(domain%communicator%count_before(int(rows, i8)))
      allocate (y, mold=dy)
      allocate (y_whole, mold=dy_whole)
      call entry%operator%forward(domain, entry%x, y)
      call entry_whole%operator%forward(whole, entry_whole%x, y_whole)
      differing = count(.not. abs(y - y_whole(before + 1:before + rows, :, :)) <= 0)
      call entry%operator%tl(domain, entry%x, dx, y)
      call entry_whole%operator%tl(whole, entry_whole%x, dx_whole, y_whole)
      differing = differing + count(.not. abs(y - y_whole(before + 1:before + rows, :, :)) <= 0)
      call entry%operator%ad(domain, entry%x, dy, dx)
      call entry_whole%operator%ad(whole, entry_whole%x, dy_whole, dx_whole)
      differing = differing + count(.not. abs(dx - dx_whole(domain%first:domain%last, :, :)) <= 0)
      same = domain%communicator%largest(differing) == 0
   end function same_on_both
end module da_operator_examination
