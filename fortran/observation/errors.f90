!> The errors of a twin's observations, in units of their standard deviation.
module da_observation_errors
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, normals_of, uniforms, stream_observations, &
      stream_gross_errors, stream_correlated_errors
   use da_observation_correlation, only: correlate
   implicit none
   private
   public :: error_config, read_errors, draw_errors

   character(len=8), parameter :: known_distributions(2) = [character(len=8) :: &
      'gaussian', 'laplace']
   !> Beyond it errors round the circle are one number, and differences drown in rounding.
   real(wp), parameter :: longest_correlation = 1.0e9_wp

   type :: error_config
      real(wp) :: sd = 1
      character(len=:), allocatable :: distribution
      real(wp) :: gross_share = 0
      real(wp) :: gross_factor = 10
      real(wp) :: correlation_length = 0
   contains
      procedure :: unused
   end type error_config

contains

   !> Keys of the group that is open.
   subroutine read_errors(namelists, config)
      type(namelists_type), intent(inout) :: namelists
      type(error_config), intent(inout) :: config
      type(error_config) :: defaults

      config%distribution = trim(known_distributions(1))
      call namelists%get('error_sd', config%sd, 'twin: standard deviation of the errors', &
                         above=0.0_wp)
      call namelists%get('error_distribution', config%distribution, &
                         'twin: distribution of the errors', known_distributions)
      call namelists%get('error_correlation_length', config%correlation_length, &
                         'errors correlate as exp(-distance/length), distance in grid points; '// &
                         '0: not at all', minimum=0.0_wp, maximum=longest_correlation)
      call namelists%get('gross_error_share', config%gross_share, &
                         'twin: share of observations with a gross error', minimum=0.0_wp, &
                         maximum=1.0_wp)
      call namelists%get('gross_error_factor', config%gross_factor, &
                         'twin: how many times larger the gross errors are', above=1.0_wp)
      if (config%correlation_length > 0 .and. config%distribution /= 'gaussian') then
         call namelists%reject('error_correlation_length', &
                               "needs error_distribution = 'gaussian': others do not correlate")
      end if
      if (config%gross_share <= 0 .and. abs(config%gross_factor &
                                                - defaults%gross_factor) > 0) then
         call namelists%reject('gross_error_factor', 'is not used with gross_error_share = 0')
      end if
   end subroutine read_errors

   !> The key of a setting that was made and that observations from a file do not use; empty if
   !> there is none. They may be known to correlate.
   pure function unused(self) result(key)
      class(error_config), intent(in) :: self
      character(len=:), allocatable :: key
      type(error_config) :: defaults

      key = ''
      if (abs(self%sd - defaults%sd) > 0) key = 'error_sd'
      if (self%distribution /= known_distributions(1)) key = 'error_distribution'
      if (self%gross_share > 0) key = 'gross_error_share'
   end function unused

   !> Errors of variance one (gross ones more) of the observations on the slab, which lie at
   !> `positions` in order; their numbers are the keys.
   subroutine draw_errors(config, domain, seed, cycle, positions, numbers, errors)
      type(error_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: seed
      integer, intent(in) :: cycle
      real(wp), intent(in) :: positions(:)
      integer(i8), intent(in) :: numbers(:)
      real(wp), intent(out) :: errors(:)
      real(wp) :: u(1)
      integer :: j

      if (config%distribution == 'laplace') then
         do j = 1, size(errors)
            call uniforms(random_key_type(seed, stream_observations, cycle), numbers(j), u)
            errors(j) = laplace(u(1))
         end do
      else
         call normals_of(random_key_type(seed, stream_observations, cycle), numbers, errors)
      end if
      if (config%correlation_length > 0) then
         call correlate(random_key_type(seed, stream_correlated_errors, cycle), &
                        config%correlation_length, domain, positions, errors)
      end if
      if (config%gross_share <= 0) return
      do j = 1, size(errors)
         call uniforms(random_key_type(seed, stream_gross_errors, cycle), numbers(j), u)
         if (u(1) < config%gross_share) errors(j) = config%gross_factor*errors(j)
      end do
   end subroutine draw_errors

   !> A number of density exp(-√2 |e|)/√2, of variance one, from a uniform one.
   elemental function laplace(u) result(e)
      real(wp), intent(in) :: u
      real(wp) :: e

      e = sign(log(2*min(u, 1 - u))/sqrt(2.0_wp), u - 0.5_wp)
   end function laplace
end module da_observation_errors
