!> The static background-error covariance of a variational analysis, as a namelist describes it.
module da_covariance_background
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_system, only: directory_of
   use da_covariance_climatology, only: climatological_covariances
   use da_covariance_correlation, only: known_correlations, correlation, correlation_reach
   use da_covariance_diagonal, only: new_diagonal
   use da_covariance_homogeneous, only: homogeneous_type, new_homogeneous
   use da_covariance_type, only: covariance_type
   use da_model_type, only: model_type
   implicit none
   private
   public :: background_config, read_background, read_covariance, new_background, climate_lags

   character(len=11), parameter :: known_kinds(4) = [character(len=11) :: &
      'climatology', 'file', 'homogeneous', 'diagonal']
   !> Of what a file holds: it is a covariance already.
   real(wp), parameter :: factor_of_file = 1

   !> `&background`
   type :: background_config
      character(len=:), allocatable :: covariance
      real(wp) :: factor = 0.02_wp
      real(wp) :: sd = 0.5_wp
      character(len=:), allocatable :: correlation
      real(wp) :: length = 2
      !> Empty: none is read.
      character(len=:), allocatable :: file
      !> What the file holds: of values `lag` points apart, covariances(0:lags, components).
      real(wp), allocatable :: covariances(:, :)
   end type background_config

contains

   subroutine read_background(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(background_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('background', 'The background-error covariance B, used by '// &
                                'variational analyses')
      call read_covariance(namelists, config)
      call namelists%close_group(error)
   end subroutine read_background

   !> The keys of a covariance in the group that is open; what `config` has are their defaults.
   subroutine read_covariance(namelists, config)
      type(namelists_type), intent(inout) :: namelists
      type(background_config), intent(inout) :: config
      type(background_config) :: defaults

      if (.not. allocated(config%covariance)) config%covariance = trim(known_kinds(1))
      config%correlation = trim(known_correlations(1))
      config%file = ''
      defaults = config
      call namelists%get('covariance', config%covariance, &
                         'that of the model''s climate times factor; that of a file times '// &
                         'factor; the same round every point, with a correlation function; '// &
                         'independent errors', known_kinds)
      if (config%covariance == 'file') config%factor = factor_of_file
      call namelists%get('factor', config%factor, &
                         'with covariance = ''climatology'' or ''file'': in units of that '// &
                         'covariance; by default 1 with a file', above=0.0_wp)
      call namelists%get('file', config%file, &
                         'with covariance = ''file'': what `dacycle background` wrote; ''@/…'' '// &
                         'lies beside the namelist')
      call namelists%get('sd', config%sd, 'otherwise: standard deviation of the errors', &
                         above=0.0_wp)
      call namelists%get('correlation', config%correlation, &
                         'with covariance = ''homogeneous'': correlation against distance', &
                         known_correlations)
      call namelists%get('length', config%length, 'its length scale in grid points', above=0.0_wp)
      if (config%covariance == 'file') then
         if (len(config%file) == 0) then
            call namelists%reject('file', "is needed with covariance = 'file'")
         end if
      else if (len(config%file) > 0) then
         call refuse('file')
      end if
      if (config%covariance == 'climatology' .or. config%covariance == 'file') then
         if (abs(config%sd - defaults%sd) > 0) call refuse('sd')
      else
         if (abs(config%factor - defaults%factor) > 0) call refuse('factor')
      end if
      if (config%covariance /= 'homogeneous') then
         if (config%correlation /= trim(known_correlations(1))) call refuse('correlation')
         if (abs(config%length - defaults%length) > 0) call refuse('length')
      end if
      if (index(config%file, '@/') == 1) then
         config%file = directory_of(namelists%file)//config%file(2:)
      end if

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, "is not used with covariance = '"//config%covariance//"'")
      end subroutine refuse
   end subroutine read_covariance

   !> The covariance; `climate(n, components, runs)` are states of the model's attractor, from which
   !> the climate's is estimated where it is wanted.
   subroutine new_background(config, model, domain, climate, covariance)
      type(background_config), intent(in) :: config
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(inout) :: climate(:, :, :)
      class(covariance_type), allocatable, intent(out) :: covariance
      integer, parameter :: samples = 200
      real(wp), parameter :: apart = 1
      type(homogeneous_type) :: homogeneous
      real(wp), allocatable :: covariances(:, :)
      integer :: lags
      integer :: lag

      select case (config%covariance)
      case ('diagonal')
         allocate (covariance, source=new_diagonal(spread(config%sd, 1, model%components_in)))
         return
      case ('homogeneous')
         lags = min(correlation_reach(config%correlation, config%length), domain%total/2)
         allocate (covariances(0:lags, model%components_in))
         do lag = 0, lags
            covariances(lag, :) = config%sd**2*correlation(config%correlation, lag/config%length)
         end do
      case ('file')
         covariances = config%factor*config%covariances
      case default
         lags = climate_lags(domain%total)
         allocate (covariances(0:lags, model%components_in))
         call climatological_covariances(model, domain, samples, apart, climate, covariances)
         covariances = config%factor*covariances
         call fade(domain%total, covariances)
      end select
      homogeneous = new_homogeneous(domain%total, covariances)
      allocate (covariance, source=homogeneous)
   end subroutine new_background

   !> How far apart values of the climate are taken to be correlated.
   pure function climate_lags(points) result(lags)
      integer, intent(in) :: points
      integer :: lags
      integer, parameter :: longest = 32

      lags = min(points/2, longest)
   end function climate_lags

   !> Where the lags end within the circle: fade sampled covariances out, noise that they are there.
   pure subroutine fade(points, covariances)
      integer, intent(in) :: points
      real(wp), intent(inout) :: covariances(0:, :)
      integer :: lags
      integer :: lag

      lags = ubound(covariances, 1)
      if (lags == points/2) return
      do lag = lags/2 + 1, lags
         covariances(lag, :) = covariances(lag, :)*(2*(lags + 1 - lag))/real(lags + 2, wp)
      end do
   end subroutine fade
end module da_covariance_background
