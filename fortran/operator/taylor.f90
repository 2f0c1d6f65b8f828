!> The Taylor test of a tangent linear, and when it is passed.
!>
!> The remainder of differences to one side is c α + ε/α, to both sides c α² + ε/α, ε the rounding:
!> it falls with the order p of α into a valley as deep as c^{1/(p+1)} ε^{p/(p+1)}, and rises again.
!> That of a wrong tangent linear stays at the size of the mistake. In single precision one side's
!> valley would hide a mistake of a percent: there differences are to both sides.
module da_operator_taylor
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_operator_checks, only: taylor_remainders
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: taylor_type, taylor_test

   integer, parameter :: values = 13
   real(wp), parameter :: alphas(values) = [1.0_wp, 1.0e-1_wp, 1.0e-2_wp, 1.0e-3_wp, 1.0e-4_wp, &
      1.0e-5_wp, 1.0e-6_wp, 1.0e-7_wp, 1.0e-8_wp, 1.0e-9_wp, 1.0e-10_wp, 1.0e-11_wp, 1.0e-12_wp]
   !> How much shallower than ε^{p/(p+1)} the valley at c = 1 may be, by order: 1e-6 in double
   !> precision, 5e-4 in single.
   real(wp), parameter :: margin(2) = [67.0_wp, 20.0_wp]
   !> A decade in which a remainder of order 1 falls to between these is one of steady decay.
   real(wp), parameter :: decade(2) = [0.05_wp, 0.2_wp]
   !> Decades of steady decay wanted, by order: where it falls with α² few fit in.
   integer, parameter :: decades_wanted(2) = [2, 1]

   !> With kinks, p = 1/2: a wrong tangent linear does not fall for so many decades.
   real(wp), parameter :: decade_with_kinks = 0.45_wp
   integer, parameter :: decades_with_kinks = 3
   real(wp), parameter :: margin_with_kinks = 3

   type :: taylor_type
      integer :: order = 1
      real(wp) :: rounding = epsilon(1.0_wp)
      real(wp) :: remainders(values) = 0
   contains
      procedure :: least
      procedure :: allowed
      procedure :: passed
   end type taylor_type

contains

   !> Remainders of an operator at x along a direction; the same bits on any layout of ranks.
   subroutine taylor_test(operator, domain, x, direction, test)
      class(operator_type), intent(in) :: operator
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: direction(:, :, :)
      type(taylor_type), intent(out) :: test

      test%rounding = operator%rounding
      if (operator%rounding > epsilon(1.0_wp)) test%order = 2
      call taylor_remainders(operator, domain, x, direction, alphas, test%remainders, &
                             both_sides=test%order == 2)
   end subroutine taylor_test

   pure function least(self)
      class(taylor_type), intent(in) :: self
      real(wp) :: least

      least = minval(self%remainders)
   end function least

   !> The depth that the valley must reach.
   pure function allowed(self)
      class(taylor_type), intent(in) :: self
      real(wp) :: allowed

      allowed = valley(self)
      if (has_kinks(self) .and. .not. self%least() <= allowed) then
         allowed = margin_with_kinks*self%rounding**(1/3.0_wp)
      end if
   end function allowed

   !> Remainders that are all rounding over a decade: the operator is linear, or as good as that. Or
   !> ones that fall for some decades, and far enough.
   pure function passed(self)
      class(taylor_type), intent(in) :: self
      logical :: passed
      integer :: a
      integer :: run

      associate (r => self%remainders)
         passed = any(max(r(2:), r(:values - 1)) < sqrt(self%rounding))
      end associate
      if (passed) return
      passed = has_kinks(self)
      run = 0
      do a = 1, values - 1
         run = merge(run + 1, 0, steady(self, a))
         if (run >= decades_wanted(self%order)) passed = .true.
      end do
      passed = passed .and. self%least() <= self%allowed()
   end function passed

   !> At the steepness that was found.
   pure function valley(self) result(depth)
      type(taylor_type), intent(in) :: self
      real(wp) :: depth
      real(wp) :: steepness
      integer :: a

      steepness = 1
      do a = 1, minloc(self%remainders, dim=1) - 1
         if (.not. steady(self, a)) cycle
         steepness = max(steepness, self%remainders(a + 1)/alphas(a + 1)**self%order)
      end do
      associate (p => real(self%order, wp))
         depth = margin(self%order)*steepness**(1/(p + 1))*self%rounding**(p/(p + 1))
      end associate
   end function valley

   !> In single precision: many kinks (ReLU) are crossed at any α that rounding allows. Each turns
   !> the slope a little, at random: the remainder falls with the square root of α.
   pure function has_kinks(self) result(yes)
      type(taylor_type), intent(in) :: self
      logical :: yes
      integer :: a
      integer :: run

      yes = .false.
      if (self%order == 1) return
      run = 0
      do a = 1, values - 1
         run = merge(run + 1, 0, self%remainders(a + 1) < decade_with_kinks*self%remainders(a))
         if (run >= decades_with_kinks) yes = .true.
      end do
   end function has_kinks

   !> Whether the remainder falls steadily from one α to the next.
   pure function steady(self, a)
      class(taylor_type), intent(in) :: self
      integer, intent(in) :: a
      logical :: steady
      real(wp) :: ratio

      steady = .false.
      if (.not. self%remainders(a) > 0) return
      ratio = self%remainders(a + 1)/self%remainders(a)
      steady = ratio >= decade(1)**self%order .and. ratio <= decade(2)**self%order
   end function steady
end module da_operator_taylor
