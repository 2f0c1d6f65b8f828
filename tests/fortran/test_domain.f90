!> Slabs and halos: every point has one owner, halos of any width hold the right points, and folding
!> a halo is the adjoint of fetching it.
module test_domain
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, normals
   use da_base_reproducible_sum, only: sum_columns
   use testing, only: testing_type
   implicit none
   private
   public :: test_domain_suite

contains

   subroutine test_domain_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(4) = [13, 14, 40, 101]
      integer, parameter :: widths(2, 7) = reshape([0, 0, 1, 0, 0, 1, 2, 1, 8, 4, 20, 33, 45, 3], &
                                                   [2, 7])
      type(domain_type) :: domain
      type(error_type), allocatable :: error
      integer :: s
      integer :: w

      call new_domain(tests%communicator%ranks - 1, tests%communicator, domain, error)
      call tests%check(allocated(error), 'more ranks than points are refused')
      do s = 1, size(sizes)
         call new_domain(sizes(s), tests%communicator, domain, error)
         call tests%check(.not. allocated(error), 'a domain can be made')
         call check_owners(tests, domain)
         do w = 1, size(widths, 2)
            call check_halo(tests, domain, widths(:, w))
            call check_fold(tests, domain, widths(:, w))
            call check_rows(tests, domain, widths(:, w))
         end do
      end do
   end subroutine test_domain_suite

   subroutine check_owners(tests, domain)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(in) :: domain
      logical :: right
      integer :: i

      right = .true.
      do i = 1, domain%total
         associate (rank => domain%owner(i))
            right = right .and. domain%first_of(rank) <= i .and. i < domain%first_of(rank + 1)
         end associate
      end do
      call tests%check(right, 'every point has the owner whose slab it lies in')
      call tests%check(abs(domain%n - domain%total/domain%communicator%ranks) <= 1, &
                       'slabs are even')
   end subroutine check_owners

   !> The value that a test field has at a point, counted on round the circle.
   elemental function value(domain, point, column) result(x)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: point
      integer, intent(in) :: column
      real(wp) :: x

      x = modulo(point - 1, domain%total) + 1000*column
   end function value

   subroutine check_halo(tests, domain, width)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: width(2)
      integer, parameter :: columns = 3
      real(wp) :: x(domain%n, columns)
      real(wp) :: left(width(1), columns)
      real(wp) :: right(width(2), columns)
      logical :: same
      integer :: c
      integer :: i

      do c = 1, columns
         x(:, c) = value(domain, [(i, i=domain%first, domain%last)], c)
      end do
      left = -1
      right = -1
      call domain%fetch_halo(columns, x, left, right)
      same = .true.
      do c = 1, columns
         same = same .and. all(abs(left(:, c) - value(domain, [(domain%first - width(1) + i, &
                                                                i=0, width(1) - 1)], c)) <= 0)
         same = same .and. all(abs(right(:, c) - value(domain, [(domain%last + i, i=1, &
                                                                 width(2))], c)) <= 0)
      end do
      call tests%check(same, 'halos hold the points left and right of the slab')
   end subroutine check_halo

   subroutine check_fold(tests, domain, width)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: width(2)
      real(wp) :: x(domain%n, 1)
      real(wp) :: back(domain%n, 1)
      real(wp), dimension(width(1), 1) :: left, left_dual
      real(wp), dimension(width(2), 1) :: right, right_dual
      real(wp) :: terms(domain%n + sum(width), 2)
      real(wp) :: sums(2)

      call normals(random_key_type(seed=1), int(domain%first, i8), x(:, 1))
      call normals(random_key_type(seed=2), int(domain%first, i8), left_dual(:, 1))
      call normals(random_key_type(seed=3), int(domain%first, i8), right_dual(:, 1))
      call domain%fetch_halo(1, x, left, right)
      back = 0
      call domain%fold_halo(1, back, left_dual, right_dual)
      terms = 0
      terms(:domain%n, 1) = x(:, 1)*back(:, 1)
      terms(:sum(width), 2) = [left(:, 1)*left_dual(:, 1), right(:, 1)*right_dual(:, 1)]
      call sum_columns(domain%communicator, int(domain%total, i8)*100, terms, sums)
      call tests%check_small(abs(sums(1) - sums(2)), 1.0e-12_wp*max(1.0_wp, abs(sums(1))), &
                             'folding halos is the adjoint of fetching them')
   end subroutine check_fold

   !> Point i has mod(i, 3) rows that name it.
   subroutine check_rows(tests, domain, width)
      type(testing_type), intent(inout) :: tests
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: width(2)
      integer :: points(domain%n + sum(width))
      integer :: counts(domain%n + sum(width))
      real(wp), allocatable :: rows(:, :)
      logical :: same
      integer :: place
      integer :: i
      integer :: j

      points = [(modulo(domain%first - width(1) + i - 1, domain%total) + 1, i=0, size(points) - 1)]
      counts = mod(points, 3)
      allocate (rows(2, sum(counts)), source=-1.0_wp)
      place = sum(counts(:width(1)))
      do i = width(1) + 1, width(1) + domain%n
         do j = 1, counts(i)
            place = place + 1
            rows(:, place) = [points(i), j]
         end do
      end do
      call domain%fetch_rows(width, counts, rows)
      same = .true.
      place = 0
      do i = 1, size(points)
         do j = 1, counts(i)
            place = place + 1
            same = same .and. all(nint(rows(:, place)) == [points(i), j])
         end do
      end do
      call tests%check(same, 'rows of the halo points arrive in order')
   end subroutine check_rows
end module test_domain
