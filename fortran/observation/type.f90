!> The observations of one analysis time that lie on this rank's slab, and what has become of each.
module da_observation_type
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   implicit none
   private
   public :: observations_type, new_observations
   public :: qc_assimilated, qc_evaluated, qc_operator_failed, qc_missing, qc_outlier
   public :: qc_codes, qc_meanings, kind_point, known_kinds

   !> Quality-control codes; the numbers are DART's where DART has one.
   integer, parameter :: qc_assimilated = 0
   integer, parameter :: qc_evaluated = 1
   integer, parameter :: qc_operator_failed = 4
   integer, parameter :: qc_missing = 6
   integer, parameter :: qc_outlier = 7

   integer, parameter :: qc_codes(5) = [qc_assimilated, qc_evaluated, qc_operator_failed, &
      qc_missing, qc_outlier]
   character(len=*), parameter :: qc_meanings = &
      'assimilated evaluated_only operator_failed missing_value gross_error'

   !> Value of the state at a position, interpolated linearly between grid points.
   integer, parameter :: kind_point = 1
   integer, parameter :: known_kinds(1) = [kind_point]

   !> Sorted by position, so the ranks' parts follow one another round the circle.
   type :: observations_type
      integer :: n = 0
      !> Observations of this time on all ranks, and on the ranks before this one.
      integer(i8) :: total = 0
      integer(i8) :: before = 0
      !> Model time.
      real(wp) :: time = 0
      !> Number of the observation in its source, from zero: the key of its random numbers.
      integer(i8), allocatable :: row(:)
      !> Grid coordinate: 0 is the first point, fractions lie between points.
      real(wp), allocatable :: position(:)
      integer, allocatable :: kind(:)
      real(wp), allocatable :: value(:)
      real(wp), allocatable :: error_sd(:)
      integer, allocatable :: qc(:)
      !> The ensemble's mean and standard deviation in observation space before the analysis.
      real(wp), allocatable :: background(:)
      real(wp), allocatable :: background_sd(:)
      !> The ensemble's mean in observation space after the analysis, once it has been observed.
      real(wp), allocatable :: analysis(:)
   contains
      procedure :: count_ranks
      procedure :: used
   end type observations_type

contains

   pure function new_observations(n, time) result(self)
      integer, intent(in) :: n
      real(wp), intent(in) :: time
      type(observations_type) :: self

      self%n = n
      self%time = time
      allocate (self%row(n), self%kind(n), self%qc(n))
      allocate (self%position(n), self%value(n), self%error_sd(n))
      allocate (self%background(n), self%background_sd(n))
      self%kind = kind_point
      self%qc = qc_assimilated
   end function new_observations

   !> Tell every rank where its observations stand among those of all.
   subroutine count_ranks(self, domain)
      class(observations_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      integer(i8) :: total(1)

      self%before = domain%communicator%count_before(int(self%n, i8))
      total = self%n
      call domain%communicator%count_sums(total)
      self%total = total(1)
   end subroutine count_ranks

   !> The observations that a filter assimilates.
   pure function used(self) result(mask)
      class(observations_type), intent(in) :: self
      logical :: mask(self%n)

      mask = self%qc == qc_assimilated
   end function used
end module da_observation_type
