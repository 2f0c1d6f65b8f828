!> The ranks of a run and what they tell each other; with `da_base_domain` the only code that knows
!> MPI.
module da_base_communicator
   use mpi_f08, only: MPI_Comm, MPI_COMM_WORLD, MPI_COMM_SELF, MPI_Init, MPI_Finalize, &
      MPI_Comm_rank, MPI_Comm_size, &
      MPI_Allreduce, MPI_Bcast, MPI_Exscan, MPI_Sendrecv, MPI_Alltoall, MPI_Alltoallv, &
      MPI_Allgather, MPI_Allgatherv, MPI_Comm_split_type, MPI_Comm_free, &
      MPI_IN_PLACE, MPI_DOUBLE_PRECISION, MPI_INTEGER, MPI_INTEGER8, MPI_CHARACTER, &
      MPI_MAX, MPI_MIN, MPI_SUM, MPI_PROC_NULL, MPI_STATUS_IGNORE, &
      MPI_COMM_TYPE_SHARED, MPI_INFO_NULL
   use da_base_kinds, only: wp, i8
   use da_base_error, only: error_type, input_error
   use da_base_system, only: environment, set_environment
   use da_base_text, only: to_text
   implicit none
   private
   public :: communicator_type, start_communication, stop_communication, alone

   !> A group of ranks, counted from zero.
   type :: communicator_type
      type(MPI_Comm) :: mpi
      integer :: rank = 0
      integer :: ranks = 1
   contains
      procedure :: is_root
      procedure :: handle
      procedure :: maxima
      procedure :: exact_sums
      procedure :: count_sums
      procedure :: largest
      procedure :: broadcast_text
      procedure :: broadcast_integers
      procedure :: count_before
      procedure :: take_from_before
      procedure :: route
      procedure :: gather_rows
      procedure :: agree
      procedure :: ranks_of_node
   end type communicator_type

contains

   !> Start MPI, with ROMIO for parallel files: Open MPI's own I/O guards a file by a semaphore of
   !> its name on the node, and where a run was killed inside, the next one waits for ever. A run of
   !> one rank starts without a daemon, and without Open MPI's folder for a session: that lies in
   !> one of the host and user, and a run that ends may remove it while another makes its own. Also
   !> refuses a launcher of another MPI, which would start N copies of a run of one rank. One
   !> rank looks for no fabrics, which takes most of a start.
   subroutine start_communication(self, error)
      type(communicator_type), intent(out) :: self
      type(error_type), allocatable, intent(out) :: error
      character(len=20), parameter :: launchers(2) = [character(len=20) :: &
         'OMPI_COMM_WORLD_SIZE', 'PMI_SIZE']
      character(len=:), allocatable :: promised
      integer :: i
      integer :: ranks
      integer :: status

      call set_environment('OMPI_MCA_io_ompio_priority', '1')
      call set_environment('OMPI_MCA_ess_singleton_isolated', '1')
      if (.not. is_launched()) then
         call set_environment('OMPI_MCA_orte_create_session_dirs', '0')
         call set_environment('OMPI_MCA_pml', 'ob1')
      end if
      call MPI_Init()
      self%mpi = MPI_COMM_WORLD
      call MPI_Comm_rank(self%mpi, self%rank)
      call MPI_Comm_size(self%mpi, self%ranks)
      do i = 1, size(launchers)
         promised = environment(trim(launchers(i)))
         if (len(promised) == 0) cycle
         read (promised, *, iostat=status) ranks
         if (status /= 0 .or. ranks == self%ranks) cycle
         call input_error(error, 'the launcher started '//promised//' ranks, but MPI sees '// &
                          to_text(self%ranks)//': mpirun belongs to another MPI than da_cycle '// &
                          'was built with')
         return
      end do
      call check_slurm(self%ranks, error)
   end subroutine start_communication

   !> Whether some launcher made this process a rank of a job.
   function is_launched() result(yes)
      logical :: yes
      character(len=20), parameter :: told(5) = [character(len=20) :: 'OMPI_COMM_WORLD_SIZE', &
         'PMIX_RANK', 'PMI_RANK', 'PMI_FD', 'SLURM_STEP_ID']
      integer :: i

      yes = .false.
      do i = 1, size(told)
         if (len(environment(trim(told(i)))) > 0) yes = .true.
      end do
   end function is_launched

   !> srun without a PMI that MPI knows starts copies of a run, each of one rank. Its variables say
   !> nothing of what mpirun started inside of a job.
   subroutine check_slurm(ranks, error)
      integer, intent(in) :: ranks
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: tasks
      character(len=:), allocatable :: number
      integer :: started
      integer :: copy
      integer :: status

      if (ranks > 1) return
      if (len(environment('OMPI_COMM_WORLD_SIZE')//environment('PMI_SIZE')) > 0) return
      started = 1
      copy = 0
      tasks = environment('SLURM_STEP_NUM_TASKS')
      number = environment('SLURM_PROCID')
      if (len(tasks) > 0) read (tasks, *, iostat=status) started
      if (len(number) > 0) read (number, *, iostat=status) copy
      if (started == 1 .and. copy == 0) return
      if (len(tasks) == 0) tasks = environment('SLURM_NTASKS')
      if (len(tasks) == 0) tasks = 'several'
      call input_error(error, 'srun started '//tasks//' tasks, but MPI sees 1 rank: take srun '// &
                       '--mpi=pmix, or mpirun; for a run of its own in each task, unset '// &
                       'SLURM_STEP_NUM_TASKS and SLURM_PROCID')
   end subroutine check_slurm

   !> A rank on its own: what it computes there, every layout must give.
   function alone() result(self)
      type(communicator_type) :: self

      self%mpi = MPI_COMM_SELF
   end function alone

   subroutine stop_communication()
      call MPI_Finalize()
   end subroutine stop_communication

   pure function is_root(self) result(yes)
      class(communicator_type), intent(in) :: self
      logical :: yes

      yes = self%rank == 0
   end function is_root

   !> The communicator as libraries with an older interface take it.
   pure function handle(self) result(number)
      class(communicator_type), intent(in) :: self
      integer :: number

      number = self%mpi%MPI_VAL
   end function handle

   !> Elementwise maximum over the ranks.
   subroutine maxima(self, values)
      class(communicator_type), intent(in) :: self
      real(wp), contiguous, intent(inout) :: values(:)

      if (self%ranks == 1) return
      call MPI_Allreduce(MPI_IN_PLACE, values, size(values), MPI_DOUBLE_PRECISION, MPI_MAX, &
                         self%mpi)
   end subroutine maxima

   !> Elementwise sum over the ranks of numbers whose sums are exact, so that order does not matter.
   subroutine exact_sums(self, values)
      class(communicator_type), intent(in) :: self
      real(wp), contiguous, intent(inout) :: values(:)

      if (self%ranks == 1) return
      call MPI_Allreduce(MPI_IN_PLACE, values, size(values), MPI_DOUBLE_PRECISION, MPI_SUM, &
                         self%mpi)
   end subroutine exact_sums

   !> Elementwise sum of counts over the ranks.
   subroutine count_sums(self, counts)
      class(communicator_type), intent(in) :: self
      integer(i8), contiguous, intent(inout) :: counts(:)

      if (self%ranks == 1) return
      call MPI_Allreduce(MPI_IN_PLACE, counts, size(counts), MPI_INTEGER8, MPI_SUM, self%mpi)
   end subroutine count_sums

   !> The largest value over the ranks.
   function largest(self, value) result(maximum)
      class(communicator_type), intent(in) :: self
      integer, intent(in) :: value
      integer :: maximum

      maximum = value
      if (self%ranks == 1) return
      call MPI_Allreduce(value, maximum, 1, MPI_INTEGER, MPI_MAX, self%mpi)
   end function largest

   !> Everyone gets the text of one rank.
   subroutine broadcast_text(self, text, source)
      class(communicator_type), intent(in) :: self
      character(len=:), allocatable, intent(inout) :: text
      integer, intent(in) :: source
      integer :: length

      if (self%ranks == 1) return
      length = 0
      if (allocated(text)) length = len(text)
      call MPI_Bcast(length, 1, MPI_INTEGER, source, self%mpi)
      if (self%rank /= source) then
         if (allocated(text)) deallocate (text)
         allocate (character(len=length) :: text)
      end if
      if (length > 0) call MPI_Bcast(text, length, MPI_CHARACTER, source, self%mpi)
   end subroutine broadcast_text

   !> Everyone gets the integers of one rank.
   subroutine broadcast_integers(self, values, source)
      class(communicator_type), intent(in) :: self
      integer, contiguous, intent(inout) :: values(:)
      integer, intent(in) :: source

      if (self%ranks == 1) return
      call MPI_Bcast(values, size(values), MPI_INTEGER, source, self%mpi)
   end subroutine broadcast_integers

   !> The sum of a count over the ranks before this one.
   function count_before(self, count) result(before)
      class(communicator_type), intent(in) :: self
      integer(i8), intent(in) :: count
      integer(i8) :: before

      before = 0
      if (self%ranks == 1) return
      call MPI_Exscan(count, before, 1, MPI_INTEGER8, MPI_SUM, self%mpi)
      if (self%rank == 0) before = 0
   end function count_before

   !> In place of its own values each rank gets those of the nearest rank before it that has any;
   !> `found` where there is one. The runs of ranks looked at double (Hillis & Steele 1986).
   subroutine take_from_before(self, has, values, found)
      class(communicator_type), intent(in) :: self
      logical, intent(in) :: has
      real(wp), contiguous, intent(inout) :: values(:)
      logical, intent(out) :: found
      real(wp), dimension(1 + size(values)) :: known, told
      integer :: distance

      known = [merge(1.0_wp, 0.0_wp, has), values]
      call pass_on(1)
      known = told
      distance = 1
      do while (distance < self%ranks)
         call pass_on(distance)
         if (.not. known(1) > 0) known = told
         distance = 2*distance
      end do
      found = known(1) > 0
      if (found) values = known(2:)

   contains

      !> What the rank `distance` before this one knows, nothing where there is none.
      subroutine pass_on(distance)
         integer, intent(in) :: distance
         integer :: before
         integer :: after

         before = merge(self%rank - distance, MPI_PROC_NULL, self%rank >= distance)
         after = merge(self%rank + distance, MPI_PROC_NULL, self%rank + distance < self%ranks)
         told = 0
         call MPI_Sendrecv(known, size(known), MPI_DOUBLE_PRECISION, after, 0, &
                           told, size(told), MPI_DOUBLE_PRECISION, before, 0, self%mpi, &
                           MPI_STATUS_IGNORE)
      end subroutine pass_on
   end subroutine take_from_before

   !> Send each column of `rows` to the rank named in `target`; columns arrive ordered by sender.
   subroutine route(self, rows, target, arrived)
      class(communicator_type), intent(in) :: self
      real(wp), contiguous, intent(in) :: rows(:, :)
      integer, intent(in) :: target(:)
      real(wp), allocatable, intent(out) :: arrived(:, :)
      integer, dimension(0:self%ranks - 1) :: sent, received, sent_start, received_start, next
      real(wp), allocatable :: sorted(:, :)
      integer :: width
      integer :: r
      integer :: j

      width = size(rows, 1)
      sent = 0
      do j = 1, size(target)
         sent(target(j)) = sent(target(j)) + 1
      end do
      call MPI_Alltoall(sent, 1, MPI_INTEGER, received, 1, MPI_INTEGER, self%mpi)
      sent_start(0) = 0
      received_start(0) = 0
      do r = 1, self%ranks - 1
         sent_start(r) = sent_start(r - 1) + sent(r - 1)
         received_start(r) = received_start(r - 1) + received(r - 1)
      end do
      next = sent_start
      allocate (sorted(width, size(target)), arrived(width, sum(received)))
      do j = 1, size(target)
         next(target(j)) = next(target(j)) + 1
         sorted(:, next(target(j))) = rows(:, j)
      end do
      call MPI_Alltoallv(sorted, width*sent, width*sent_start, MPI_DOUBLE_PRECISION, &
                         arrived, width*received, width*received_start, MPI_DOUBLE_PRECISION, &
                         self%mpi)
   end subroutine route

   !> The columns of all ranks' `rows`, in the order of the ranks, on every rank.
   subroutine gather_rows(self, rows, all_rows)
      class(communicator_type), intent(in) :: self
      real(wp), contiguous, intent(in) :: rows(:, :)
      real(wp), allocatable, intent(out) :: all_rows(:, :)
      integer, dimension(0:self%ranks - 1) :: lengths, starts
      integer :: r

      if (self%ranks == 1) then
         all_rows = rows
         return
      end if
      call MPI_Allgather(size(rows), 1, MPI_INTEGER, lengths, 1, MPI_INTEGER, self%mpi)
      starts(0) = 0
      do r = 1, self%ranks - 1
         starts(r) = starts(r - 1) + lengths(r - 1)
      end do
      allocate (all_rows(size(rows, 1), sum(lengths)/size(rows, 1)))
      call MPI_Allgatherv(rows, size(rows), MPI_DOUBLE_PRECISION, all_rows, lengths, starts, &
                          MPI_DOUBLE_PRECISION, self%mpi)
   end subroutine gather_rows

   !> If any rank has an error, all have that of the first such rank.
   subroutine agree(self, error)
      class(communicator_type), intent(in) :: self
      type(error_type), allocatable, intent(inout) :: error
      character(len=:), allocatable :: message
      integer :: first
      integer :: status(1)

      if (self%ranks == 1) return
      first = self%ranks
      if (allocated(error)) first = self%rank
      call MPI_Allreduce(MPI_IN_PLACE, first, 1, MPI_INTEGER, MPI_MIN, self%mpi)
      if (first == self%ranks) return
      status = 0
      if (allocated(error)) then
         message = error%message
         status = error%status
      end if
      call self%broadcast_text(message, first)
      call self%broadcast_integers(status, first)
      if (allocated(error)) deallocate (error)
      allocate (error)
      error%message = message
      error%status = status(1)
   end subroutine agree

   !> How many ranks share the memory of this one's node. Collective.
   function ranks_of_node(self) result(ranks)
      class(communicator_type), intent(in) :: self
      integer :: ranks
      type(MPI_Comm) :: node

      ranks = 1
      if (self%ranks == 1) return
      call MPI_Comm_split_type(self%mpi, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, node)
      call MPI_Comm_size(node, ranks)
      call MPI_Comm_free(node)
   end function ranks_of_node
end module da_base_communicator
