!> Networks of twins: the same on any layout, at the right places, with the right probabilities.
module test_networks
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type, heads, coins
   use da_observation_network, only: network_type, network_config, new_network
   use testing, only: testing_type
   implicit none
   private
   public :: test_networks_suite

   integer, parameter :: cycles = 40

contains

   subroutine test_networks_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: sizes(3) = [13, 40, 500]
      type(network_config) :: config
      integer :: s

      call check_coins(tests)
      call check_checkerboard(tests)
      call check_uniform(tests)
      call check_points(tests)
      do s = 1, size(sizes)
         config = settings('given')
         config%stride = 0.7_wp
         config%offset = 0.1_wp
         call check_network(tests, config, sizes(s), 'a row')
         config%drift = 1.3_wp
         call check_network(tests, config, sizes(s), 'a moving row')
         config%positions = [12.5_wp, 3.0_wp, 0.0_wp, 3.0_wp, 7.25_wp, nearest(13.0_wp, -1.0_wp)]
         config%drift = -0.37_wp
         config%every = 3
         call check_network(tests, config, sizes(s), 'a moving list')
         config = settings('random_positions')
         config%count = 3
         call check_network(tests, config, sizes(s), 'few random positions')
         config%count = 1000
         config%every = 2
         call check_network(tests, config, sizes(s), 'many random positions')
         config = settings('random_points')
         config%probability = 0.37_wp
         call check_network(tests, config, sizes(s), 'random points')
         config%probability = 1
         call check_network(tests, config, sizes(s), 'all points')
      end do
   end subroutine test_networks_suite

   function settings(name) result(config)
      character(len=*), intent(in) :: name
      type(network_config) :: config

      config%name = name
      allocate (config%positions(0))
   end function settings

   !> Each rank has its part of what one rank alone has, in order and on its slab; given places are
   !> where the formula puts them; rows are counted as they come.
   subroutine check_network(tests, config, points, name)
      type(testing_type), intent(inout) :: tests
      type(network_config), intent(in) :: config
      integer, intent(in) :: points
      character(len=*), intent(in) :: name
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(network_type) :: network
      type(network_type) :: network_whole
      type(error_type), allocatable :: error
      real(wp), allocatable :: positions(:)
      real(wp), allocatable :: all_positions(:)
      integer(i8), allocatable :: numbers(:)
      integer(i8), allocatable :: all_numbers(:)
      integer(i8) :: rows
      integer(i8) :: before
      logical :: same
      logical :: ordered
      logical :: counted
      logical :: placed
      integer :: cycle
      integer :: n

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      call new_network(config, domain, 5, cycles, network, error)
      call new_network(config, whole, 5, cycles, network_whole, error)
      rows = 0
      same = .true.
      ordered = .true.
      counted = .true.
      placed = .true.
      do cycle = 1, cycles
         counted = counted .and. network%rows_before(cycle) == rows
         call network%lay_out(domain, cycle, positions, numbers)
         call network_whole%lay_out(whole, cycle, all_positions, all_numbers)
         n = size(positions)
         before = domain%communicator%count_before(int(n, i8))
         rows = rows + size(all_positions)
         same = same .and. size(numbers) == n .and. before + n <= size(all_positions)
         if (.not. same) exit
         same = all(abs(positions - all_positions(before + 1:before + n)) <= 0) .and. &
                all(numbers == all_numbers(before + 1:before + n))
         ordered = ordered .and. all(positions(2:) >= positions(:n - 1)) .and. &
                   all(int(positions) + 1 >= domain%first .and. int(positions) + 1 <= domain%last)
         if (mod(cycle, config%every) /= 0) then
            placed = placed .and. size(all_positions) == 0
         else if (config%name == 'given') then
            placed = placed .and. all(on_circle(all_positions - given(all_numbers, cycle)) &
                                      < 1.0e-10_wp)
         end if
      end do
      counted = counted .and. network%rows_before(cycles + 1) == rows
      call tests%check(same, name//': the same on any layout')
      call tests%check(ordered, name//': in order, and on the slab')
      call tests%check(counted, name//': rows are counted')
      call tests%check(placed, name//': in the right cycles and places')

   contains

      elemental function given(number, cycle) result(position)
         integer(i8), intent(in) :: number
         integer, intent(in) :: cycle
         real(wp) :: position

         position = config%offset + number*config%stride
         if (size(config%positions) > 0) position = config%positions(number + 1)
         position = position + (cycle - 1)*config%drift
      end function given

      !> Distance round the circle.
      elemental function on_circle(difference) result(distance)
         real(wp), intent(in) :: difference
         real(wp) :: distance

         distance = modulo(difference, real(points, wp))
         distance = min(distance, points - distance)
      end function on_circle
   end subroutine check_network

   !> Every second point, shifted by one each step.
   subroutine check_checkerboard(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(network_config) :: config
      type(network_type) :: network
      type(error_type), allocatable :: error
      real(wp), allocatable :: positions(:)
      integer(i8), allocatable :: numbers(:)
      logical :: right
      integer :: cycle
      integer :: i

      call new_domain(8, alone(), domain, error)
      config = settings('given')
      config%stride = 2
      config%drift = 1
      call new_network(config, domain, 5, cycles, network, error)
      right = .true.
      do cycle = 1, cycles
         call network%lay_out(domain, cycle, positions, numbers)
         right = right .and. all(abs(positions - [(mod(cycle - 1, 2) + 2*i, i=0, 3)]) <= 0)
      end do
      call tests%check(right, 'a checkerboard: every second point, shifted each step')
   end subroutine check_checkerboard

   !> Positions in a third of the circle are binomially distributed: mean and variance, which is
   !> smaller where positions avoid one another.
   subroutine check_uniform(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: draws = 4000
      integer, parameter :: positions_a_draw = 300
      real(wp), parameter :: share = 1.0_wp/3
      real(wp), parameter :: expected = positions_a_draw*share
      real(wp), parameter :: variance = expected*(1 - share)
      type(domain_type) :: domain
      type(network_config) :: config
      type(network_type) :: network
      type(error_type), allocatable :: error
      real(wp), allocatable :: positions(:)
      integer(i8), allocatable :: numbers(:)
      real(wp) :: within(draws)
      real(wp) :: fraction(draws)
      logical :: complete
      integer :: cycle

      call new_domain(40, alone(), domain, error)
      config = settings('random_positions')
      config%count = positions_a_draw
      call new_network(config, domain, 5, draws, network, error)
      complete = .true.
      do cycle = 1, draws
         call network%lay_out(domain, cycle, positions, numbers)
         complete = complete .and. size(positions) == positions_a_draw
         within(cycle) = count(positions >= 11 .and. positions < 11 + 40*share)
         fraction(cycle) = sum(positions - int(positions))/positions_a_draw
      end do
      call tests%check(complete, 'random positions are as many as asked for')
      call tests%check_small(abs(sum(within)/draws - expected), 4*sqrt(variance/draws), &
                             'random positions are uniform on the circle')
      call tests%check_small(abs(sum((within - expected)**2)/draws - variance), &
                             4*variance*sqrt(2.0_wp/draws), 'and independent of one another')
      call tests%check_small(abs(sum(fraction)/draws - 0.5_wp), &
                             4/sqrt(12.0_wp*draws*positions_a_draw), 'and uniform within a cell')
   end subroutine check_uniform

   !> Points are drawn with their probability, each by itself.
   subroutine check_points(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: draws = 500
      integer, parameter :: points = 200
      real(wp), parameter :: probability = 0.3_wp
      type(domain_type) :: domain
      type(network_config) :: config
      type(network_type) :: network
      type(error_type), allocatable :: error
      real(wp), allocatable :: positions(:)
      integer(i8), allocatable :: numbers(:)
      real(wp) :: drawn
      real(wp) :: pairs
      integer :: cycle

      call new_domain(points, alone(), domain, error)
      config = settings('random_points')
      config%probability = probability
      call new_network(config, domain, 5, draws, network, error)
      drawn = 0
      pairs = 0
      do cycle = 1, draws
         call network%lay_out(domain, cycle, positions, numbers)
         drawn = drawn + size(positions)
         pairs = pairs + count(numbers(2:) == numbers(:size(numbers) - 1) + 1)
      end do
      call tests%check_small(abs(drawn/(draws*points) - probability), &
                             4*sqrt(probability*(1 - probability)/(draws*points)), &
                             'points are drawn with their probability')
      call tests%check_small(abs(pairs/(draws*(points - 1)) - probability**2), &
                             8*probability/sqrt(real(draws*points, wp)), &
                             'neighbouring points are drawn independently')
   end subroutine check_points

   subroutine check_coins(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: blocks = 2000
      integer(i8), parameter :: tosses = 300
      type(random_key_type) :: key
      real(wp) :: counts(blocks)
      integer :: ones
      integer :: b

      key = random_key_type(seed=7, stream=3, cycle=11, member=2)
      counts = [(real(heads(key, 3_i8*b, tosses), wp), b=1, blocks)]
      call tests%check_small(abs(sum(counts)/blocks - 0.5_wp*tosses), &
                             4*sqrt(0.25_wp*tosses/blocks), 'half of the coins fall on heads')
      call tests%check_small(abs(sum((counts - 0.5_wp*tosses)**2)/blocks - 0.25_wp*tosses), &
                             4*0.25_wp*tosses*sqrt(2.0_wp/blocks), 'and they are independent')
      call tests%check(heads(key, 0_i8, 0_i8) == 0, 'no coin falls on no head')
      call tests%check(popcnt(coins(key, 1_i8, 1.0_wp)) == 64, 'probability one sets every bit')
      ones = sum([(popcnt(coins(key, int(b, i8), 2.0_wp**(-6))), b=1, blocks)])
      call tests%check_small(abs(ones - real(blocks, wp)), 4*sqrt(real(blocks, wp)), &
                             'a small probability sets few bits')
   end subroutine check_coins
end module test_networks
