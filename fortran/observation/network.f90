!> Where a twin's observations lie: at places that are given, which may move round the circle, or
!> drawn at random each cycle.
module da_observation_network
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_network
   use da_base_text, only: to_text
   use da_observation_random_network, only: draw_positions, draw_points, count_points
   implicit none
   private
   public :: network_type, network_config, read_network, new_network

   character(len=16), parameter :: known_networks(3) = [character(len=16) :: &
      'given', 'random_positions', 'random_points']

   type :: network_config
      character(len=:), allocatable :: name
      real(wp) :: stride = 1
      real(wp) :: offset = 0
      real(wp), allocatable :: positions(:)
      real(wp) :: drift = 0
      integer :: count = 20
      real(wp) :: probability = 0.5_wp
      integer :: every = 1
   contains
      procedure :: unused
   end type network_config

   type :: network_type
      type(network_config), private :: config
      integer, private :: seed = 0
      integer, private :: points = 0
      !> Observations of an observed cycle, where each has as many.
      integer(i8), private :: total = 0
      !> A list's positions in order, and their numbers in the list.
      real(wp), allocatable, private :: list(:)
      integer(i8), allocatable, private :: numbers(:)
      !> Points drawn in the cycles before one, with network = 'random_points'.
      integer(i8), allocatable, private :: drawn_before(:)
      !> Numbers are those of the rows of a cycle.
      logical :: numbered = .true.
   contains
      procedure :: lay_out
      procedure :: rows_before
      procedure :: coincide
      procedure, private :: row_position
   end type network_type

contains

   !> Keys of the group that is open.
   subroutine read_network(namelists, config)
      type(namelists_type), intent(inout) :: namelists
      type(network_config), intent(inout) :: config

      config%name = trim(known_networks(1))
      allocate (config%positions(0))
      call namelists%get('network', config%name, &
                         'twin: at given places, or drawn each cycle: positions on the circle, '// &
                         'or grid points', known_networks)
      call namelists%get('stride', config%stride, &
                         'given: distance between observations in grid points', minimum=1.0e-3_wp)
      call namelists%get('offset', config%offset, &
                         'given: position of the first one; fractions lie between points', &
                         minimum=0.0_wp)
      call namelists%get('positions', config%positions, &
                         'given: a list of positions, in place of stride and offset')
      call namelists%get('drift', config%drift, &
                         'given: points that the network moves on round the circle each cycle')
      call namelists%get('count', config%count, &
                         'random_positions: observations a cycle, uniform on the circle', minimum=1)
      call namelists%get('probability', config%probability, &
                         'random_points: that of each grid point to be observed', &
                         above=0.0_wp, maximum=1.0_wp)
      call namelists%get('every', config%every, &
                         'twin: cycles from one with observations to the next', minimum=1)
   end subroutine read_network

   !> The key of a setting that was made and that the network does not use, or any made for a
   !> network where there is none (a file); empty if there is none.
   pure function unused(self, file) result(key)
      class(network_config), intent(in) :: self
      logical, intent(in) :: file
      character(len=:), allocatable :: key
      type(network_config) :: defaults

      key = ''
      if (file .or. self%name /= 'given') then
         if (abs(self%stride - defaults%stride) > 0) key = 'stride'
         if (abs(self%offset - defaults%offset) > 0) key = 'offset'
         if (size(self%positions) > 0) key = 'positions'
         if (abs(self%drift - defaults%drift) > 0) key = 'drift'
      end if
      if (file .or. self%name /= 'random_positions') then
         if (self%count /= defaults%count) key = 'count'
      end if
      if (file .or. self%name /= 'random_points') then
         if (abs(self%probability - defaults%probability) > 0) key = 'probability'
      end if
      if (.not. file) return
      if (self%every /= defaults%every) key = 'every'
      if (self%name /= known_networks(1)) key = 'network'
   end function unused

   !> Check the settings; count what the cycles of a run will have.
   subroutine new_network(config, domain, seed, cycles, network, error)
      type(network_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: seed
      integer, intent(in) :: cycles
      type(network_type), intent(out) :: network
      type(error_type), allocatable, intent(out) :: error

      if (config%every > cycles) then
         call input_error(error, 'every = '//to_text(config%every)//': the run has only '// &
                          to_text(cycles)//' cycles')
         return
      end if
      if (.not. abs(config%drift) < domain%total) then
         call input_error(error, 'drift = '//to_text(config%drift)//': must be less than the '// &
                          'number of grid points, '//to_text(domain%total)//', in size')
         return
      end if
      network%config = config
      network%seed = seed
      network%points = domain%total
      select case (config%name)
      case ('random_positions')
         network%total = config%count
      case ('random_points')
         network%numbered = .false.
         call count_drawn(network, domain, cycles)
         if (network%drawn_before(cycles + 1) == 0) then
            call input_error(error, 'probability = '//to_text(config%probability)// &
                             ': no point is drawn in the '//to_text(cycles)//' cycles')
         end if
      case default
         if (size(config%positions) > 0) then
            call take_list(network, error)
         else
            call take_row(network, error)
         end if
      end select
   end subroutine new_network

   !> Observations at offset, offset + stride, … before the end of the circle.
   subroutine take_row(network, error)
      type(network_type), intent(inout) :: network
      type(error_type), allocatable, intent(out) :: error

      if (network%config%offset >= network%points) then
         call input_error(error, 'offset = '//to_text(network%config%offset)//': must be less '// &
                          'than the number of grid points, '//to_text(network%points))
         return
      end if
      network%total = max(0_i8, int((network%points - network%config%offset) &
                                    /network%config%stride, i8) - 1)
      do while (network%row_position(network%total) < network%points)
         network%total = network%total + 1
      end do
   end subroutine take_row

   !> Place of observation `number` of a row, or of the sorted list, before it drifts.
   elemental function row_position(self, number) result(position)
      class(network_type), intent(in) :: self
      integer(i8), intent(in) :: number
      real(wp) :: position

      if (allocated(self%list)) then
         position = self%list(number + 1)
      else
         position = self%config%offset + number*self%config%stride
      end if
   end function row_position

   !> Observations at listed positions, each with its number in the list.
   subroutine take_list(network, error)
      type(network_type), intent(inout) :: network
      type(error_type), allocatable, intent(out) :: error
      integer :: i

      associate (positions => network%config%positions)
         do i = 1, size(positions)
            if (positions(i) >= 0 .and. positions(i) < network%points) cycle
            call input_error(error, 'positions: '//to_text(positions(i))//' is not on the '// &
                             'circle, 0 … '//to_text(network%points)//' (exclusive)')
            return
         end do
         network%total = size(positions)
         network%numbers = [(int(i - 1, i8), i=1, size(positions))]
         call sort_by_position(positions, network%numbers)
         network%list = positions(network%numbers + 1)
      end associate
   end subroutine take_list

   !> Merge sort; numbers of the same position keep their order.
   recursive pure subroutine sort_by_position(positions, numbers)
      real(wp), intent(in) :: positions(:)
      integer(i8), intent(inout) :: numbers(:)
      integer(i8) :: lower_half(size(numbers)/2)
      integer :: left
      integer :: right
      integer :: place

      if (size(numbers) < 2) return
      call sort_by_position(positions, numbers(:size(lower_half)))
      call sort_by_position(positions, numbers(size(lower_half) + 1:))
      lower_half = numbers(:size(lower_half))
      left = 1
      right = size(lower_half) + 1
      do place = 1, size(numbers)
         if (left > size(lower_half)) exit
         if (right <= size(numbers)) then
            if (positions(numbers(right) + 1) < positions(lower_half(left) + 1)) then
               numbers(place) = numbers(right)
               right = right + 1
               cycle
            end if
         end if
         numbers(place) = lower_half(left)
         left = left + 1
      end do
   end subroutine sort_by_position

   !> The output is laid out before the first cycle, so all cycles' draws are counted then: a small
   !> part of what a forecast costs.
   subroutine count_drawn(network, domain, cycles)
      type(network_type), intent(inout) :: network
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycles
      integer(i8) :: counts(cycles)
      integer :: cycle

      counts = 0
      do cycle = network%config%every, cycles, network%config%every
         counts(cycle) = count_points(key_of(network, cycle), network%config%probability, domain)
      end do
      call domain%communicator%count_sums(counts)
      allocate (network%drawn_before(cycles + 1))
      network%drawn_before(1) = 0
      do cycle = 1, cycles
         network%drawn_before(cycle + 1) = network%drawn_before(cycle) + counts(cycle)
      end do
   end subroutine count_drawn

   pure function key_of(network, cycle) result(key)
      type(network_type), intent(in) :: network
      integer, intent(in) :: cycle
      type(random_key_type) :: key

      key = random_key_type(network%seed, stream_network, cycle)
   end function key_of

   !> A cycle's observations on the slab: positions in order, and numbers that do not depend on the
   !> layout of ranks.
   subroutine lay_out(self, domain, cycle, positions, numbers)
      class(network_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: cycle
      real(wp), allocatable, intent(out) :: positions(:)
      integer(i8), allocatable, intent(out) :: numbers(:)

      if (mod(cycle, self%config%every) /= 0) then
         allocate (positions(0), numbers(0))
         return
      end if
      select case (self%config%name)
      case ('random_positions')
         call draw_positions(key_of(self, cycle), self%config%count, domain, positions, numbers)
      case ('random_points')
         call draw_points(key_of(self, cycle), self%config%probability, domain, positions, numbers)
      case default
         call move(self, domain, modulo((cycle - 1)*self%config%drift, real(self%points, wp)), &
                   positions, numbers)
      end select
   end subroutine lay_out

   !> The given places, moved on by `drift`; those that pass the seam come first.
   subroutine move(self, domain, drift, positions, numbers)
      type(network_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      real(wp), intent(in) :: drift
      real(wp), allocatable, intent(out) :: positions(:)
      integer(i8), allocatable, intent(out) :: numbers(:)
      real(wp) :: shift
      integer(i8) :: seam
      integer(i8) :: j

      shift = drift
      if (shift >= self%points) shift = 0
      seam = first_beyond_seam()
      numbers = [(number_of(j), j=first_from(domain%first - 1), first_from(domain%last) - 1)]
      positions = place_of(numbers)
      if (allocated(self%numbers)) numbers = self%numbers(numbers + 1)

   contains

      !> Of the observations in the order in which they now lie.
      elemental function number_of(place) result(number)
         integer(i8), intent(in) :: place
         integer(i8) :: number

         number = modulo(seam + place, self%total)
      end function number_of

      elemental function place_of(number) result(position)
         integer(i8), intent(in) :: number
         real(wp) :: position

         position = self%row_position(number) + shift
         if (position >= self%points) position = position - self%points
      end function place_of

      pure function first_beyond_seam() result(number)
         integer(i8) :: number
         integer(i8) :: end
         integer(i8) :: middle

         number = 0
         end = self%total
         do while (number < end)
            middle = (number + end)/2
            if (self%row_position(middle) + shift < self%points) then
               number = middle + 1
            else
               end = middle
            end if
         end do
      end function first_beyond_seam

      !> Which is the first, in the order in which they now lie, that does not lie before a point.
      pure function first_from(point) result(place)
         integer, intent(in) :: point
         integer(i8) :: place
         integer(i8) :: end
         integer(i8) :: middle

         place = 0
         end = self%total
         do while (place < end)
            middle = (place + end)/2
            if (place_of(number_of(middle)) < point) then
               place = middle + 1
            else
               end = middle
            end if
         end do
      end function first_from
   end subroutine move

   !> Two listed positions are the same.
   pure function coincide(self) result(yes)
      class(network_type), intent(in) :: self
      logical :: yes

      yes = .false.
      if (allocated(self%list)) yes = any(self%list(2:) <= self%list(:size(self%list) - 1))
   end function coincide

   !> Observations on all ranks in the cycles before one (cycles + 1: those of the run).
   pure function rows_before(self, cycle) result(rows)
      class(network_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer(i8) :: rows

      if (allocated(self%drawn_before)) then
         rows = self%drawn_before(cycle)
      else
         rows = (cycle - 1)/self%config%every*self%total
      end if
   end function rows_before
end module da_observation_network
