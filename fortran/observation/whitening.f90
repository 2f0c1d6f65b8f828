!> Observations with correlated errors, turned into as many with independent ones.
!>
!> Errors whose correlation is exp(-distance/L) along the circle cut at position 0 are a Markov
!> chain, so R^(-1/2) has two diagonals. With e_j the innovation (or a member's anomaly) over
!> error_sd and ρ_j = exp(-(s_j - s_{j-1})/L), j - 1 being the observation used before j,
!>
!> ẽ_j = (e_j - ρ_j e_{j-1}) / sqrt(1 - ρ_j²), ẽ_1 = e_1
!>
!> have the identity for covariance (Gauss-Markov process; Rue & Held 2005, ch. 1). Every filter
!> takes them as it takes independent ones.
module da_observation_whitening
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: whiten

   !> What the chain's last link on the ranks before tells, the anomalies following.
   integer, parameter :: link_position = 1
   integer, parameter :: link_row = 2
   integer, parameter :: link_innovation = 3

contains

   !> Collective: scaled anomalies(n, members) and innovations(n) in place; what is not used stays
   !> zero.
   subroutine whiten(domain, observations, anomalies, innovations, error)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), contiguous, intent(inout) :: anomalies(:, :)
      real(wp), intent(inout) :: innovations(:)
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: link(link_innovation + size(anomalies, 2))
      real(wp), dimension(observations%n) :: rho, scale
      integer, dimension(observations%n) :: previous
      integer :: m

      if (.not. observations%correlation_length > 0) return
      call chain(domain, observations, anomalies, innovations, previous, link, rho, scale, error)
      call domain%communicator%agree(error)
      if (allocated(error)) return
      call difference(link(link_innovation), innovations)
      do m = 1, size(anomalies, 2)
         call difference(link(link_innovation + m), anomalies(:, m))
      end do

   contains

      !> From right to left, so that the neighbour is still as it was.
      pure subroutine difference(before, e)
         real(wp), intent(in) :: before
         real(wp), intent(inout) :: e(:)
         integer :: j

         do j = size(e), 1, -1
            if (.not. observations%is_used(j)) cycle
            if (previous(j) > 0) then
               e(j) = (e(j) - rho(j)*e(previous(j)))*scale(j)
            else
               e(j) = (e(j) - rho(j)*before)*scale(j)
            end if
         end do
      end subroutine difference
   end subroutine whiten

   !> The observation used before each (0: it is `link`, of a rank before), its correlation and
   !> 1/sqrt(1 - ρ²).
   subroutine chain(domain, observations, anomalies, innovations, previous, link, rho, scale, error)
      type(domain_type), intent(in) :: domain
      type(observations_type), intent(in) :: observations
      real(wp), intent(in) :: anomalies(:, :)
      real(wp), intent(in) :: innovations(:)
      integer, intent(out) :: previous(:)
      real(wp), intent(out) :: link(:)
      real(wp), intent(out) :: rho(:)
      real(wp), intent(out) :: scale(:)
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: position
      integer(i8) :: row
      logical :: linked
      integer :: last
      integer :: j

      last = 0
      do j = 1, observations%n
         if (.not. observations%is_used(j)) cycle
         previous(j) = last
         last = j
      end do
      link = 0
      if (last > 0) then
         link(link_position) = observations%position(last)
         link(link_row) = real(observations%row(last), wp)
         link(link_innovation) = innovations(last)
         link(link_innovation + 1:) = anomalies(last, :)
      end if
      call domain%communicator%take_from_before(last > 0, link, linked)
      if (.not. linked) link = 0
      do j = 1, observations%n
         if (.not. observations%is_used(j)) cycle
         rho(j) = 0
         scale(j) = 1
         if (previous(j) > 0) then
            position = observations%position(previous(j))
            row = observations%row(previous(j))
         else if (linked) then
            position = link(link_position)
            row = nint(link(link_row), i8)
         else
            cycle
         end if
         rho(j) = exp(-(observations%position(j) - position)/observations%correlation_length)
         if (1 - rho(j)**2 <= epsilon(rho)) then
            call input_error(error, 'observations '//to_text(row)//' and '// &
                             to_text(observations%row(j))//' both lie at position '// &
                             to_text(position)//': with error_correlation_length > 0 their '// &
                             'errors are the same number; thin them (&thinning), or leave one out')
            return
         end if
         scale(j) = 1/sqrt(1 - rho(j)**2)
      end do
   end subroutine chain
end module da_observation_whitening
