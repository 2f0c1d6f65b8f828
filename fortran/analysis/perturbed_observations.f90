!> Perturbed observations, by which an ensemble of analyses has the spread that it should
!> (Fisher 2003).
module da_analysis_perturbed_observations
   use da_base_kinds, only: wp
   use da_base_random, only: random_key_type, normals_of, stream_perturbations
   use da_observation_type, only: observations_type
   implicit none
   private
   public :: perturb_window, centred_perturbations

contains

   !> What an ensemble's members add to the observations of a window, in units of their errors:
   !> normal numbers, the same whenever an observation is used; a single state adds nothing.
   subroutine perturb_window(seed, cycle, observations, weights, members, perturbations)
      integer, intent(in) :: seed
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations(:)
      real(wp), intent(in) :: weights(:)
      integer, intent(in) :: members
      real(wp), allocatable, intent(out) :: perturbations(:, :)
      type(random_key_type) :: key
      integer :: first
      integer :: last
      integer :: k
      integer :: m

      allocate (perturbations(sum(observations%n), members), source=0.0_wp)
      if (members == 1) return
      last = 0
      do k = 1, size(observations)
         first = last + 1
         last = last + observations(k)%n
         key = random_key_type(seed, stream_perturbations, &
                               cycle - size(observations) + k)
         do m = 1, members
            key%member = m
            call normals_of(key, observations(k)%row, perturbations(first:last, m))
            perturbations(first:last, m) = sqrt(weights(k))*perturbations(first:last, m)
            where (.not. observations(k)%used()) perturbations(first:last, m) = 0
         end do
      end do
   end subroutine perturb_window

   !> What members add to the observations of one cycle, perturbations(n, members), in units of
   !> their errors: of mean zero over the members, and of an unbiased variance of one.
   subroutine centred_perturbations(seed, cycle, observations, perturbations)
      integer, intent(in) :: seed
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      real(wp), intent(out) :: perturbations(:, :)
      type(random_key_type) :: key
      real(wp) :: average(observations%n)
      integer :: members
      integer :: m

      members = size(perturbations, 2)
      key = random_key_type(seed, stream_perturbations, cycle)
      average = 0
      do m = 1, members
         key%member = m
         call normals_of(key, observations%row, perturbations(:, m))
         average = average + perturbations(:, m)
      end do
      average = average/members
      do m = 1, members
         perturbations(:, m) = (perturbations(:, m) - average)*sqrt(real(members, wp)/(members - 1))
      end do
   end subroutine centred_perturbations
end module da_analysis_perturbed_observations
