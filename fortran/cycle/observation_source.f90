!> Where the observations of a cycle come from: made from the truth, or read from a file.
module da_cycle_observation_source
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals_of, stream_observations
   use da_base_text, only: to_text
   use da_base_timer, only: phase_observations
   use da_io_observation_file, only: observation_file_type, open_observation_file
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type, new_observations, qc_assimilated
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: observation_source_type, observation_source_config, read_observation_source
   public :: new_observation_source

   character(len=4), parameter :: known_sources(2) = [character(len=4) :: 'twin', 'file']

   !> `&observations`
   type :: observation_source_config
      character(len=:), allocatable :: source
      character(len=:), allocatable :: file
      real(wp) :: stride = 1
      real(wp) :: offset = 0
      real(wp), allocatable :: positions(:)
      real(wp) :: error_sd = 1
      real(wp) :: bias = 0
      real(wp) :: gross_error_limit = 0
   end type observation_source_config

   type :: observation_source_type
      type(observation_source_config), private :: config
      type(observation_file_type), allocatable, private :: file
      !> A twin's observations a cycle, on all ranks; this rank's positions and their numbers.
      integer(i8), private :: total = 0
      real(wp), allocatable, private :: positions(:)
      integer(i8), allocatable, private :: numbers(:)
      integer, private :: seed = 0
      real(wp), private :: interval = 0
   contains
      procedure :: observe
      procedure :: rows_before
   end type observation_source_type

contains

   subroutine read_observation_source(namelists, truth_source, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: truth_source
      type(observation_source_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(observation_source_config) :: defaults

      config%source = 'twin'
      config%file = ''
      allocate (config%positions(0))
      call namelists%open_group('observations', 'The observations')
      call namelists%get('source', config%source, 'made from the truth, or read from a file', &
                         known_sources)
      call namelists%get('file', config%file, &
                         'with source = ''file'': netCDF file with time, position, '// &
                         'value, error_sd, kind; ''@/…'' lies beside the namelist')
      call namelists%get('stride', config%stride, &
                         'twin: distance between observations in grid points', minimum=1.0e-3_wp)
      call namelists%get('offset', config%offset, &
                         'twin: position of the first one; fractions lie between '// &
                         'points', minimum=0.0_wp)
      call namelists%get('positions', config%positions, &
                         'twin: a list of positions, in place of stride and '//'offset')
      call namelists%get('error_sd', config%error_sd, 'twin: standard deviation of the errors', &
                         above=0.0_wp)
      call namelists%get('bias', config%bias, 'twin: added to all observations')
      call namelists%get('gross_error_limit', config%gross_error_limit, &
                         'reject innovations beyond so many '// &
                         'expected standard deviations; 0: none', minimum=0.0_wp)
      if (config%source == 'file') then
         if (len(config%file) == 0) call namelists%reject('file', "is needed with source = 'file'")
         if (abs(config%stride - defaults%stride) > 0) call refuse('stride')
         if (abs(config%offset - defaults%offset) > 0) call refuse('offset')
         if (size(config%positions) > 0) call refuse('positions')
         if (abs(config%error_sd - defaults%error_sd) > 0) call refuse('error_sd')
         if (abs(config%bias) > 0) call refuse('bias')
      else
         if (len(config%file) > 0) call refuse('file')
         if (truth_source == 'none') then
            call namelists%reject('source', &
                                  "= 'twin': &truth source = 'none' leaves nothing to observe")
         end if
         if (size(config%positions) > 0) then
            if (abs(config%stride - defaults%stride) > 0 .or. abs(config%offset &
                                                                  - defaults%offset) > 0) then
               call namelists%reject('positions', &
                                     'are given beside stride or offset: give one or the other')
            end if
         end if
      end if
      call namelists%close_group(error)

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, "is not used with source = '"//config%source//"'")
      end subroutine refuse
   end subroutine read_observation_source

   !> Opens and checks the file, or lays out the observing network.
   subroutine new_observation_source(config, domain, seed, cycles, interval, source, error)
      type(observation_source_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: seed
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(observation_source_type), intent(out) :: source
      type(error_type), allocatable, intent(out) :: error

      source%config = config
      source%seed = seed
      source%interval = interval
      if (config%source == 'file') then
         allocate (source%file)
         call open_observation_file(config%file, domain, cycles, interval, source%file, error)
         if (allocated(error)) error%message = 'file: '//error%message
      else if (size(config%positions) > 0) then
         call lay_out_list(config%positions, domain, source, error)
      else
         call lay_out_row(config, domain, source, error)
      end if
   end subroutine new_observation_source

   !> Observations at offset, offset + stride, … .
   subroutine lay_out_row(config, domain, source, error)
      type(observation_source_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      type(observation_source_type), intent(inout) :: source
      type(error_type), allocatable, intent(out) :: error
      integer(i8) :: first
      integer(i8) :: next
      integer(i8) :: j

      if (config%offset >= domain%total) then
         call input_error(error, 'offset = '//to_text(config%offset)//': must be less than '// &
                          'the number of grid points, '//to_text(domain%total))
         return
      end if
      source%total = first_at_or_beyond(real(domain%total, wp))
      first = first_at_or_beyond(real(domain%first - 1, wp))
      next = first_at_or_beyond(real(domain%last, wp))
      source%numbers = [(j, j=first, next - 1)]
      source%positions = position_of(source%numbers)

   contains

      elemental function position_of(number) result(position)
         integer(i8), intent(in) :: number
         real(wp) :: position

         position = config%offset + number*config%stride
      end function position_of

      !> Number of the first observation that does not lie before a place.
      function first_at_or_beyond(place) result(number)
         real(wp), intent(in) :: place
         integer(i8) :: number

         number = max(0_i8, int((place - config%offset)/config%stride, i8) - 1)
         do while (position_of(number) < place)
            number = number + 1
         end do
      end function first_at_or_beyond
   end subroutine lay_out_row

   !> Observations at listed positions; this rank's are sorted, each keeps its number in the list.
   subroutine lay_out_list(positions, domain, source, error)
      real(wp), intent(in) :: positions(:)
      type(domain_type), intent(in) :: domain
      type(observation_source_type), intent(inout) :: source
      type(error_type), allocatable, intent(out) :: error
      integer(i8) :: number
      real(wp) :: position
      integer :: i
      integer :: j

      do i = 1, size(positions)
         if (positions(i) >= 0 .and. positions(i) < domain%total) cycle
         call input_error(error, 'positions: '//to_text(positions(i))//' is not on the '// &
                          'circle, 0 … '//to_text(domain%total)//' (exclusive)')
         return
      end do
      source%total = size(positions)
      source%numbers = pack([(int(i - 1, i8), i=1, size(positions))], &
                            int(positions) + 1 >= domain%first .and. int(positions) &
                            + 1 <= domain%last)
      source%positions = positions(source%numbers + 1)
      do i = 2, size(source%positions)
         number = source%numbers(i)
         position = source%positions(i)
         j = i - 1
         do while (j >= 1)
            if (source%positions(j) <= position) exit
            source%positions(j + 1) = source%positions(j)
            source%numbers(j + 1) = source%numbers(j)
            j = j - 1
         end do
         source%positions(j + 1) = position
         source%numbers(j + 1) = number
      end do
   end subroutine lay_out_list

   !> The observations of a cycle on this rank's slab.
   subroutine observe(self, domain, cycle, truth, observations, error)
      class(observation_source_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), contiguous, intent(in) :: truth(:, :, :)
      type(observations_type), intent(out) :: observations
      type(error_type), allocatable, intent(out) :: error

      call domain%timer%start(phase_observations)
      if (allocated(self%file)) then
         call self%file%read_observations(domain, cycle, self%interval, observations, error)
      else
         call make(self, domain, cycle, truth, observations)
      end if
      call domain%timer%stop()
   end subroutine observe

   !> y = H(x_t) + bias + error_sd z
   subroutine make(self, domain, cycle, truth, observations)
      class(observation_source_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      real(wp), contiguous, intent(in) :: truth(:, :, :)
      type(observations_type), intent(out) :: observations
      class(operator_type), allocatable :: operator
      real(wp) :: exact(size(self%positions), 1, 1)

      observations = new_observations(size(self%positions), cycle*self%interval)
      observations%position = self%positions
      observations%row = (cycle - 1)*self%total + self%numbers
      observations%error_sd = self%config%error_sd
      observations%qc = qc_assimilated
      call observations%count_ranks(domain)
      call new_observation_operator(observations, domain, operator)
      call operator%forward(domain, truth, exact)
      call normals_of(random_key_type(self%seed, stream_observations, cycle), self%numbers, &
                      observations%value)
      observations%value = exact(:, 1, 1) + self%config%bias &
                           + observations%error_sd*observations%value
   end subroutine make

   !> Observations on all ranks in the cycles before one (cycles + 1: those of the run).
   pure function rows_before(self, cycle) result(rows)
      class(observation_source_type), intent(in) :: self
      integer, intent(in) :: cycle
      integer(i8) :: rows

      if (allocated(self%file)) then
         rows = self%file%first_row(cycle)
      else
         rows = (cycle - 1)*self%total
      end if
   end function rows_before
end module da_cycle_observation_source
