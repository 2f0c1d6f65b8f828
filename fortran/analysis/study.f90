!> Local analyses laid open: which ones a run is asked for, and all that one of them is made of.
module da_analysis_study
   use da_base_kinds, only: wp, i8
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   implicit none
   private
   public :: study_config, read_study, local_analysis_type, new_local_analysis, gather_studies

   !> `&study`: grid points, counted from 0, and the cycles in which they are studied: a list, or
   !> every so many.
   type :: study_config
      integer, allocatable :: points(:)
      integer, allocatable :: cycles(:)
      integer :: every = 0
      character(len=:), allocatable :: file
   contains
      procedure :: wanted
      procedure :: is_due
      procedure :: number_before
   end type study_config

   !> One local analysis. The mean's increment is Σ_m (x_m - mean) mean_weights(m), the analysis
   !> anomaly of member m is Σ_k (x_k - mean) transform(k, m), x the background.
   type :: local_analysis_type
      !> Place among the studies of its cycle, from 1.
      integer :: number = 0
      integer :: point = 0
      !> Σ of the tapers; trace of the influence matrix, Σ (λ - 1)/λ over the eigenvalues λ of S.
      real(wp) :: effective_observations = 0
      real(wp) :: signal_freedom = 0
      !> Largest difference between members here, by an eigen-decomposition, and the filter's.
      real(wp) :: difference = 0
      real(wp), allocatable :: eigenvalues(:)
      real(wp), allocatable :: mean_weights(:)
      real(wp), allocatable :: transform(:, :)
      !> (component, member), the analysis as the filter made it, before any inflation of it.
      real(wp), allocatable :: background(:, :)
      real(wp), allocatable :: analysis(:, :)
      !> The observations used, from left to right; rows count from 0 in their source.
      integer(i8), allocatable :: row(:)
      real(wp), allocatable :: position(:)
      real(wp), allocatable :: distance(:)
      real(wp), allocatable :: value(:)
      real(wp), allocatable :: expected(:)
      real(wp), allocatable :: error_sd(:)
      real(wp), allocatable :: taper(:)
      !> (member, observation), not scaled.
      real(wp), allocatable :: anomalies(:, :)
   contains
      procedure, private :: packed
   end type local_analysis_type

   integer, parameter :: head = 6
   integer, parameter :: columns = 7

contains

   subroutine read_study(namelists, weights_every, config, error)
      type(namelists_type), intent(inout) :: namelists
      integer, intent(in) :: weights_every
      type(study_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer :: i

      config%file = ''
      call namelists%open_group('study', 'Local analyses laid open, used by analysis = ''letkf''')
      call get_integers('points', 'grid points whose local analyses are written, counted from 0', &
                        config%points)
      call get_integers('cycles', 'a list of cycles in which they are', config%cycles)
      call namelists%get('every', config%every, 'in place of a list: cycles between them', &
                         minimum=0)
      call namelists%get('file', config%file, 'netCDF file (CDF-5); needed if there are points')
      do i = 1, size(config%points)
         if (modulo(config%points(i), weights_every) == 0) cycle
         call namelists%reject('points', '= '//to_text(config%points(i))// &
                               ': with &letkf weights_every = '//to_text(weights_every)// &
                               ' there are analyses of their own at multiples of it alone')
      end do
      if (size(config%points) == 0) then
         if (size(config%cycles) > 0) call namelists%reject('cycles', 'are given without points')
         if (config%every > 0) call namelists%reject('every', 'is given without points')
         if (len(config%file) > 0) call namelists%reject('file', 'is given without points')
      else
         if (size(config%cycles) > 0 .and. config%every > 0) then
            call namelists%reject('every', 'is given beside cycles: give one or the other')
         else if (size(config%cycles) == 0 .and. config%every == 0) then
            call namelists%reject('cycles', 'are needed with points, or every')
         end if
         if (len(config%file) == 0) call namelists%reject('file', 'is needed with points')
      end if
      call namelists%close_group(error)

   contains

      !> Whole numbers that ascend.
      subroutine get_integers(key, meaning, values)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: meaning
         integer, allocatable, intent(out) :: values(:)
         real(wp), allocatable :: numbers(:)
         integer :: k

         allocate (numbers(0))
         call namelists%get(key, numbers, meaning)
         allocate (values(size(numbers)), source=0)
         do k = 1, size(numbers)
            if (.not. (numbers(k) >= 0 .and. numbers(k) <= huge(1)) .or. &
                abs(numbers(k) - aint(numbers(k))) > 0) then
               call namelists%reject(key, 'has '//to_text(numbers(k))// &
                                     ': integers from 0 on are needed')
               return
            end if
            values(k) = int(numbers(k))
            if (k == 1) cycle
            if (values(k) <= values(k - 1)) then
               call namelists%reject(key, 'has '//to_text(values(k))//' behind '// &
                                     to_text(values(k - 1))//': they must ascend')
            end if
         end do
      end subroutine get_integers
   end subroutine read_study

   !> Whether there is anything to study.
   pure function wanted(self) result(yes)
      class(study_config), intent(in) :: self
      logical :: yes

      yes = .false.
      if (allocated(self%points)) yes = size(self%points) > 0
   end function wanted

   pure function is_due(self, cycle) result(yes)
      class(study_config), intent(in) :: self
      integer, intent(in) :: cycle
      logical :: yes

      yes = .false.
      if (.not. self%wanted()) return
      if (self%every > 0) then
         yes = mod(cycle, self%every) == 0
      else
         yes = any(self%cycles == cycle)
      end if
   end function is_due

   !> Local analyses that are studied in the cycles 1 … cycle - 1.
   pure function number_before(self, cycle) result(number)
      class(study_config), intent(in) :: self
      integer, intent(in) :: cycle
      integer :: number

      if (self%every > 0) then
         number = (cycle - 1)/self%every
      else
         number = count(self%cycles < cycle)
      end if
      number = number*size(self%points)
   end function number_before

   pure function new_local_analysis(members, components, n) result(self)
      integer, intent(in) :: members
      integer, intent(in) :: components
      integer, intent(in) :: n
      type(local_analysis_type) :: self

      allocate (self%eigenvalues(members), self%mean_weights(members))
      allocate (self%transform(members, members))
      allocate (self%background(components, members), self%analysis(components, members))
      allocate (self%row(n), self%position(n), self%distance(n), self%value(n), self%expected(n))
      allocate (self%error_sd(n), self%taper(n), self%anomalies(members, n))
   end function new_local_analysis

   !> The local analyses of all ranks on the root, in the order of their numbers; none elsewhere.
   subroutine gather_studies(communicator, members, components, own, all)
      type(communicator_type), intent(in) :: communicator
      integer, intent(in) :: members
      integer, intent(in) :: components
      type(local_analysis_type), intent(in) :: own(:)
      type(local_analysis_type), allocatable, intent(out) :: all(:)
      real(wp), allocatable :: sent(:, :)
      real(wp), allocatable :: arrived(:, :)
      integer :: target(size(own))
      integer :: length
      integer :: k

      length = 0
      do k = 1, size(own)
         length = max(length, size(own(k)%packed()))
      end do
      length = communicator%largest(length)
      allocate (sent(length, size(own)), source=0.0_wp)
      do k = 1, size(own)
         associate (values => own(k)%packed())
            sent(:size(values), k) = values
         end associate
      end do
      target = 0
      call communicator%route(sent, target, arrived)
      allocate (all(size(arrived, 2)))
      do k = 1, size(arrived, 2)
         all(nint(arrived(1, k))) = unpacked(members, components, arrived(:, k))
      end do
   end subroutine gather_studies

   pure function packed(self) result(values)
      class(local_analysis_type), intent(in) :: self
      real(wp), allocatable :: values(:)

      values = [real(self%number, wp), real(self%point, wp), real(size(self%row), wp), &
                self%effective_observations, self%signal_freedom, self%difference, &
                self%eigenvalues, self%mean_weights, &
                reshape(self%transform, [size(self%transform)]), &
                reshape(self%background, [size(self%background)]), &
                reshape(self%analysis, [size(self%analysis)]), &
                real(self%row, wp), self%position, self%distance, self%value, self%expected, &
                self%error_sd, self%taper, reshape(self%anomalies, [size(self%anomalies)])]
   end function packed

   pure function unpacked(members, components, values) result(self)
      integer, intent(in) :: members
      integer, intent(in) :: components
      real(wp), intent(in) :: values(:)
      type(local_analysis_type) :: self
      real(wp) :: observations(nint(values(3)), columns)
      integer :: n
      integer :: k

      n = nint(values(3))
      self = new_local_analysis(members, components, n)
      self%number = nint(values(1))
      self%point = nint(values(2))
      self%effective_observations = values(4)
      self%signal_freedom = values(5)
      self%difference = values(6)
      k = head
      self%eigenvalues = values(k + 1:k + members)
      self%mean_weights = values(k + members + 1:k + 2*members)
      k = k + 2*members
      self%transform = reshape(values(k + 1:k + members**2), [members, members])
      k = k + members**2
      self%background = reshape(values(k + 1:k + components*members), [components, members])
      k = k + components*members
      self%analysis = reshape(values(k + 1:k + components*members), [components, members])
      k = k + components*members
      observations = reshape(values(k + 1:k + columns*n), [n, columns])
      self%row = nint(observations(:, 1), i8)
      self%position = observations(:, 2)
      self%distance = observations(:, 3)
      self%value = observations(:, 4)
      self%expected = observations(:, 5)
      self%error_sd = observations(:, 6)
      self%taper = observations(:, 7)
      k = k + columns*n
      self%anomalies = reshape(values(k + 1:k + members*n), [members, n])
   end function unpacked
end module da_analysis_study
