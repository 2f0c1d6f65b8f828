!> The examination of operators finds what is wrong with them: deliberately wrong ones fail.
module test_checks
   use, intrinsic :: iso_fortran_env, only: real32
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_covariance_diagonal, only: new_diagonal
   use da_model_lorenz96, only: lorenz96_config, new_lorenz96
   use da_operator_catalogue, only: catalogue_type
   use da_operator_checks, only: random_field
   use da_operator_examination, only: findings_type, examine, same_on_both
   use da_operator_repetition, only: new_repetition
   use da_operator_type, only: operator_type
   use testing, only: testing_type
   implicit none
   private
   public :: test_checks_suite

   integer, parameter :: points = 41

   !> y = x², and mistakes of some size.
   type, extends(operator_type) :: square_type
      !> The tangent linear is so much too steep.
      real(wp) :: too_steep = 0
      !> The adjoint is that of a tangent linear so much steeper.
      real(wp) :: not_transposed = 0
      !> The tangent linear has a quadratic part.
      real(wp) :: bent = 0
      !> Added on all ranks but the first.
      real(wp) :: on_others = 0
      !> All is rounded to single precision.
      logical :: single = .false.
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type square_type

contains

   subroutine forward(self, domain, x, y)
      class(square_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)

      y = x**2
      if (domain%communicator%rank > 0) y = y + self%on_others
      if (self%single) y = real(y, real32)
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(square_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)

      dy = 2*x*(1 + self%too_steep)*dx + self%bent*dx**2
      if (self%single) dy = real(dy, real32)
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(square_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)

      dx = 2*x*(1 + self%too_steep + self%not_transposed)*dy
      if (self%single) dx = real(dx, real32)
   end subroutine ad

   subroutine test_checks_suite(tests)
      type(testing_type), intent(inout) :: tests
      real(wp), parameter :: small = 1.0e-4_wp
      real(wp), parameter :: tiny = 1.0e-11_wp
      real(wp), parameter :: small_single = 1.0e-3_wp
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(error_type), allocatable :: error

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call expect(square_type(), '', .false.)
      call expect(square_type(too_steep=small), 'not its derivative', .false.)
      call expect(square_type(not_transposed=tiny), 'not the transpose', .false.)
      call expect(square_type(bent=tiny), 'not linear', .false.)
      call expect(new_lorenz96(lorenz96_config(n=points)), '', .false.)
      call expect(new_repetition(new_lorenz96(lorenz96_config(n=points)), 20), '', .false.)
      call expect(new_diagonal([0.5_wp]), '', .true.)
      call expect(square_type(), 'not symmetric', .true.)
      call expect(in_single(square_type()), '', .false.)
      call expect(in_single(square_type(too_steep=small_single)), 'not its derivative', .false.)
      call expect(in_single(square_type(not_transposed=small_single)), 'not the transpose', .false.)
      call expect(in_single(square_type(bent=0.2_wp*small_single)), 'not linear', .false.)
      ! What it computes in is asked for, not assumed.
      call expect(square_type(single=.true.), 'not its derivative', .false.)
      call expect_empty()
      call expect_same(square_type(), .true.)
      call expect_same(square_type(on_others=tiny), tests%communicator%ranks == 1)

   contains

      function in_single(exact) result(operator)
         type(square_type), intent(in) :: exact
         type(square_type) :: operator

         operator = exact
         operator%single = .true.
         operator%rounding = epsilon(1.0_real32)
      end function in_single

      !> An examination must find this fault; empty: none.
      subroutine expect(operator, fault, root)
         class(operator_type), intent(in) :: operator
         character(len=*), intent(in) :: fault
         logical, intent(in) :: root
         type(findings_type) :: findings
         character(len=:), allocatable :: found

         call look(operator, root, 1.0_wp, findings)
         found = findings%fault()
         call tests%check(index(found, fault) > 0 .and. (len(found) > 0 .eqv. len(fault) > 0), &
                          "fault '"//fault//"' expected, '"//found//"' found")
      end subroutine expect

      !> Nothing is proved where nothing comes out, and that is said.
      subroutine expect_empty()
         type(findings_type) :: findings

         call look(square_type(), .false., 0.0_wp, findings)
         call tests%check(findings%empty .and. len(findings%fault()) == 0, &
                          'an operator without output is told apart')
         call look(new_diagonal([0.0_wp]), .true., 1.0_wp, findings)
         call tests%check(len(findings%fault()) > 0, 'a covariance without variance is at fault')
      end subroutine expect_empty

      subroutine look(operator, root, scale, findings)
         class(operator_type), intent(in) :: operator
         logical, intent(in) :: root
         real(wp), intent(in) :: scale
         type(findings_type), intent(out) :: findings
         type(catalogue_type) :: catalogue
         real(wp) :: x(domain%n, 1, 1)

         call random_field(random_key_type(seed=1), int(domain%first - 1, i8), x)
         call catalogue%add('one before', operator, x)
         call catalogue%add('operator', operator, scale*x, root=root)
         call examine(catalogue%entries(2), domain, random_key_type(seed=2), findings)
      end subroutine look

      subroutine expect_same(operator, same)
         class(operator_type), intent(in) :: operator
         logical, intent(in) :: same
         type(catalogue_type) :: catalogue
         type(catalogue_type) :: catalogue_whole
         real(wp) :: x(domain%n, 1, 1)
         real(wp) :: x_whole(whole%n, 1, 1)

         call random_field(random_key_type(seed=1), int(domain%first - 1, i8), x)
         call random_field(random_key_type(seed=1), 0_i8, x_whole)
         call catalogue%add('operator', operator, x)
         call catalogue_whole%add('operator', operator, x_whole)
         call tests%check((same_on_both(catalogue%entries(1), domain, catalogue_whole%entries(1), &
                                        whole, random_key_type(seed=2))) .eqv. same, &
                          'layouts are compared')
      end subroutine expect_same
   end subroutine test_checks_suite
end module test_checks
