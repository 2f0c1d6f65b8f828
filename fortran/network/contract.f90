!> What every network must satisfy to be an operator, with the numbers that tell whether it does: on
!> circles of any size, cut in any way, for members alone and together.
module da_network_contract
   use da_base_kinds, only: wp, i8
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_random, only: random_key_type, stream_checks
   use da_network_file, only: network_file_type, sample_difference, allowed_difference, &
      relative_difference
   use da_operator_catalogue, only: catalogue_type
   use da_operator_checks, only: random_field
   use da_operator_examination, only: findings_type, examine, same_on_both
   implicit none
   private
   public :: circle_type, circles_of, test_sample, test_circle
   public :: check_names, checks, check_sample

   integer, parameter :: check_sample = 1
   integer, parameter :: check_finite = 2
   integer, parameter :: check_cuts = 3
   integer, parameter :: check_members = 4
   integer, parameter :: check_taylor = 5
   integer, parameter :: check_adjoint = 6
   integer, parameter :: check_linear = 7
   integer, parameter :: check_ranks = 8
   integer, parameter :: checks = 8
   character(len=*), parameter :: check_names(checks) = [character(len=40) :: &
      'sample of the file', 'values that are not finite', 'circle in pieces, and whole', &
      'members alone, and together', 'tangent linear, Taylor remainder', &
      'adjoint, dot product', 'tangent linear is linear', 'other bits than one rank gives']

   !> Points of a circle that people use; tiles of the largest circle, at least.
   integer, parameter :: common_points = 40
   integer, parameter :: tiles_wanted = 2
   integer, parameter :: members = 3

   !> The checks on one circle.
   type :: circle_type
      integer :: points = 0
      logical :: done(checks) = .false.
      logical :: passed(checks) = .true.
      real(wp) :: found(checks) = 0
      real(wp) :: allowed(checks) = 0
      !> No slope there: derivatives prove nothing.
      logical :: flat = .false.
      !> What libtorch says where a call fails.
      character(len=:), allocatable :: message
   end type circle_type

contains

   !> Sizes of circles: the smallest that the halo allows, a common one, and one of several tiles
   !> that no number of ranks divides; all have a point for each rank. Of a network of one circle
   !> that one.
   function circles_of(network, ranks) result(points)
      type(network_file_type), intent(in) :: network
      integer, intent(in) :: ranks
      integer, allocatable :: points(:)
      integer :: many

      if (network%metadata%points > 0) then
         points = [network%metadata%points]
         return
      end if
      points = [max(1, maxval(network%metadata%halo), ranks)]
      if (points(1) < common_points) points = [points, common_points]
      many = points(size(points))
      do
         if (count_of(many) >= tiles_wanted) exit
         many = 2*many
      end do
      points = [points, many + 1]

   contains

      integer function count_of(total)
         integer, intent(in) :: total

         associate (tiles => network%operator%tiles_of(total))
            count_of = tiles%count
         end associate
      end function count_of
   end function circles_of

   !> The file's sample input gives its sample output.
   subroutine test_sample(network, circle, error)
      type(network_file_type), intent(in) :: network
      type(circle_type), intent(out) :: circle
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: difference

      call sample_difference(network, difference, error)
      if (allocated(error)) return
      call network%torch%tensor('sample_input', x, error)
      circle%points = size(x, 1) - sum(network%metadata%halo)
      call note(circle, check_sample, difference, allowed_difference(network))
   end subroutine test_sample

   !> All others on a circle of so many points; the same bits on any layout of ranks. Collective.
   subroutine test_circle(network, domain, circle, error)
      type(network_file_type), intent(in) :: network
      type(domain_type), intent(inout) :: domain
      type(circle_type), intent(out) :: circle
      type(error_type), allocatable, intent(out) :: error
      type(domain_type) :: whole
      type(catalogue_type) :: catalogue
      type(findings_type) :: findings
      real(wp), allocatable, dimension(:, :, :) :: x, dx, x_whole, dx_whole
      integer :: useless

      circle%points = domain%total
      call new_domain(domain%total, alone(), whole, error)
      if (allocated(error)) return
      call draw(network, domain, 1, x, dx, error)
      if (.not. allocated(error)) call draw(network, whole, members, x_whole, dx_whole, error)
      if (allocated(error)) return
      call test_pieces(network, domain, x_whole, circle)
      useless = merge(1, 0, allocated(circle%message) .or. .not. circle%passed(check_finite))
      if (domain%communicator%largest(useless) > 0) return
      associate (operator => network%operator)
         call catalogue%add('network', operator, x, direction=dx)
         call catalogue%add('network', operator, x_whole(:, :, :1), direction=dx_whole(:, :, :1))
      end associate
      call examine(catalogue%entries(1), domain, key(1), findings)
      circle%flat = findings%empty
      if (.not. findings%empty) then
         call note(circle, check_taylor, findings%taylor%least(), findings%taylor%allowed())
         circle%passed(check_taylor) = findings%taylor%passed()
         call note(circle, check_adjoint, findings%adjoint, findings%allowed)
         call note(circle, check_linear, findings%linearity, findings%allowed)
      end if
      if (domain%communicator%ranks == 1) return
      call note(circle, check_ranks, merge(0.0_wp, 1.0_wp, same_on_both( &
         catalogue%entries(1), domain, catalogue%entries(2), whole, key(1))), 0.0_wp)
   end subroutine test_circle

   !> Values that are finite; the circle cut as the ranks are, and elsewhere; each member by itself.
   subroutine test_pieces(network, domain, x, circle)
      type(network_file_type), intent(in) :: network
      type(domain_type), intent(in) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      type(circle_type), intent(inout) :: circle
      real(wp), allocatable, dimension(:, :, :) :: y, pieces
      integer, allocatable :: cuts(:)
      integer :: i
      integer :: m

      associate (n => domain%total, outputs => network%operator%components_out)
         allocate (y(n, outputs, members))
         allocate (pieces, mold=y)
         call evaluate(1, n, 1, members, y)
         if (allocated(circle%message)) return
         call note(circle, check_finite, real(count(.not. abs(y) <= huge(y)), wp), 0.0_wp)
         if (.not. circle%passed(check_finite)) return

         ! A network of one circle cannot be cut.
         if (network%metadata%points == 0) then
            cuts = [1, 2, 2 + n/3, 2 + n/2, &
                    (domain%first_of(i), i=1, domain%communicator%ranks - 1), n + 1]
            i = 1
            do while (i <= n)
               associate (next => minval(cuts, mask=cuts > i))
                  call evaluate(i, next - 1, 1, members, pieces(i:next - 1, :, :))
                  i = next
               end associate
            end do
            if (allocated(circle%message)) return
            call note(circle, check_cuts, relative_difference(pieces, y), &
                      allowed_difference(network))
         end if
         do m = 1, members
            call evaluate(1, n, m, 1, pieces(:, :, m:m))
         end do
         if (allocated(circle%message)) return
         call note(circle, check_members, relative_difference(pieces, y), &
                   allowed_difference(network))
      end associate

   contains

      !> One call for the points from … to of `many` members, with their halo round the circle.
      subroutine evaluate(from, to, member, many, output)
         integer, intent(in) :: from
         integer, intent(in) :: to
         integer, intent(in) :: member
         integer, intent(in) :: many
         real(wp), intent(inout) :: output(:, :, :)
         real(wp), allocatable :: part(:, :, :)
         character(len=:), allocatable :: message
         integer, allocatable :: points(:)
         integer :: p

         associate (halo => network%metadata%halo)
            points = [(modulo(p - 1, domain%total) + 1, p=from - halo(1), to + halo(2))]
         end associate
         allocate (part, mold=output)
         call network%operator%evaluate(x(points, :, member:member + many - 1), part, message)
         if (allocated(message)) circle%message = message
         output = part
      end subroutine evaluate
   end subroutine test_pieces

   !> Members and directions, each channel as large as it is in the file's sample.
   subroutine draw(network, domain, many, x, dx, error)
      type(network_file_type), intent(in) :: network
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: many
      real(wp), allocatable, intent(out) :: x(:, :, :)
      real(wp), allocatable, intent(out) :: dx(:, :, :)
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: sample(:, :, :)
      real(wp) :: mean
      real(wp) :: sd
      integer :: c

      call network%torch%tensor('sample_input', sample, error)
      if (allocated(error)) return
      allocate (x(domain%n, network%operator%components_in, many))
      allocate (dx, mold=x)
      call random_field(key(2), int(domain%first - 1, i8), x)
      call random_field(key(3), int(domain%first - 1, i8), dx)
      do c = 1, size(x, 2)
         mean = sum(sample(:, c, :))/size(sample(:, c, :))
         sd = sqrt(sum((sample(:, c, :) - mean)**2)/size(sample(:, c, :)))
         if (.not. sd > 0) sd = 1
         x(:, c, :) = mean + sd*x(:, c, :)
         dx(:, c, :) = sd*dx(:, c, :)
      end do
   end subroutine draw

   !> The numbers that a check draws.
   pure function key(use)
      integer, intent(in) :: use
      type(random_key_type) :: key
      !> An examination takes some cycles of its key.
      integer, parameter :: cycles_each = 10

      key = random_key_type(seed=1, stream=stream_checks, cycle=cycles_each*use)
   end function key

   pure subroutine note(circle, check, found, allowed)
      type(circle_type), intent(inout) :: circle
      integer, intent(in) :: check
      real(wp), intent(in) :: found
      real(wp), intent(in) :: allowed

      circle%done(check) = .true.
      circle%found(check) = found
      circle%allowed(check) = allowed
      circle%passed(check) = found <= allowed
   end subroutine note
end module da_network_contract
