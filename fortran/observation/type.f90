!> The observations of one analysis time that lie on this rank's slab, and what has become of each.
module da_observation_type
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_observation_kinds, only: kind_parameters_type, kind_value, kind_average
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: observations_type, new_observations
   public :: qc_assimilated, qc_evaluated, qc_operator_failed, qc_thinned, qc_missing, qc_outlier, &
      qc_merged
   public :: qc_codes, qc_meanings

   !> Quality-control codes; the numbers are DART's where DART has one.
   integer, parameter :: qc_assimilated = 0
   integer, parameter :: qc_evaluated = 1
   integer, parameter :: qc_operator_failed = 4
   !> Not used because of the namelist.
   integer, parameter :: qc_thinned = 5
   integer, parameter :: qc_missing = 6
   integer, parameter :: qc_outlier = 7
   !> Assimilated as part of a superobservation; DART has none.
   integer, parameter :: qc_merged = 9

   character(len=*), parameter :: qc_meanings = &
      'assimilated evaluated_only operator_failed thinned missing_value gross_error '// &
      'part_of_superobservation'
   integer, parameter :: qc_codes(7) = [qc_assimilated, qc_evaluated, qc_operator_failed, &
      qc_thinned, qc_missing, qc_outlier, qc_merged]

   !> Sorted by position, so the ranks' parts follow one another round the circle.
   type :: observations_type
      integer :: n = 0
      !> Observations of this time on all ranks, and on the ranks before this one.
      integer(i8) :: total = 0
      integer(i8) :: before = 0
      !> Averages of this time on all ranks.
      integer(i8) :: averages = 0
      type(kind_parameters_type) :: parameters
      !> Where allocated, the analysis takes the observations as values of this field of the state,
      !> of whatever kind they are.
      class(operator_type), allocatable :: field
      !> Model time.
      real(wp) :: time = 0
      !> Number of the observation in its source, from zero: the key of its random numbers.
      integer(i8), allocatable :: row(:)
      !> Grid coordinate: 0 is the first point, fractions lie between points.
      real(wp), allocatable :: position(:)
      integer, allocatable :: kind(:)
      real(wp), allocatable :: value(:)
      real(wp), allocatable :: error_sd(:)
      !> Errors correlate as exp(-distance/correlation_length), distance in grid points and not
      !> across the circle's seam; 0: not at all.
      real(wp) :: correlation_length = 0
      integer, allocatable :: qc(:)
      !> The ensemble's mean and standard deviation in observation space before the analysis.
      real(wp), allocatable :: background(:)
      real(wp), allocatable :: background_sd(:)
      !> The ensemble's mean in observation space after the analysis, once it has been observed.
      real(wp), allocatable :: analysis(:)
      !> Of the precision in the analysis, where robust quality control sets it; 0: not used.
      real(wp), allocatable :: weight(:)
      !> On a forecast's error, where it is asked for.
      real(wp), allocatable :: impact(:)
   contains
      procedure :: count_ranks
      procedure :: used
      procedure :: is_used
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
      self%kind = kind_value
      self%qc = qc_assimilated
   end function new_observations

   !> Tell every rank where its observations stand among those of all, and of which kinds they are.
   subroutine count_ranks(self, domain)
      class(observations_type), intent(inout) :: self
      type(domain_type), intent(in) :: domain
      integer(i8) :: counts(2)

      self%before = domain%communicator%count_before(int(self%n, i8))
      counts = [self%n, count(self%kind == kind_average)]
      call domain%communicator%count_sums(counts)
      self%total = counts(1)
      self%averages = counts(2)
   end subroutine count_ranks

   !> The observations that a filter assimilates.
   pure function used(self) result(mask)
      class(observations_type), intent(in) :: self
      logical :: mask(self%n)

      mask = self%qc == qc_assimilated
   end function used

   !> Whether a filter assimilates observation j.
   elemental function is_used(self, j) result(yes)
      class(observations_type), intent(in) :: self
      integer, intent(in) :: j
      logical :: yes

      yes = self%qc(j) == qc_assimilated
   end function is_used
end module da_observation_type
