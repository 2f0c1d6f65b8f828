!> The background-error covariance of a hybrid analysis, B = (1 - β) B_c + β L ∘ X X^T: a static one
!> and that of the ensemble at the window's start, localised (Hamill & Snyder 2000; Lorenc 2003).
module da_analysis_hybrid_covariance
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_covariance_ensemble, only: ensemble_covariance_type, new_ensemble_covariance
   use da_covariance_homogeneous, only: homogeneous_type, new_homogeneous
   use da_covariance_hybrid, only: new_hybrid
   use da_covariance_type, only: covariance_type
   use da_covariance_uniform, only: new_uniform
   use da_ensemble_localisation, only: localisation_config, read_localisation, cutoff, tapers
   implicit none
   private
   public :: hybrid_config, read_hybrid, read_hybrid_localisation, new_localisation
   public :: new_hybrid_errors

   character(len=5), parameter :: known_filters(3) = [character(len=5) :: 'letkf', 'etkf', 'ensrf']

   !> `&hybrid`, and the `&localisation` of the ensemble's covariance.
   type :: hybrid_config
      !> β
      real(wp) :: weight = 0
      real(wp) :: inflation = 1
      character(len=:), allocatable :: filter
      type(localisation_config) :: localisation
   contains
      procedure :: uses_static
      procedure :: uses_ensemble
   end type hybrid_config

contains

   !> Of an analysis that is coupled to an ensemble filter or not.
   subroutine read_hybrid(namelists, name, coupled, members, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: name
      logical, intent(in) :: coupled
      integer, intent(in) :: members
      type(hybrid_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: coupled_weight = 0.5_wp

      config%filter = trim(known_filters(1))
      if (coupled) config%weight = coupled_weight
      call namelists%open_group('hybrid', 'Covariance of the ensemble as background-error '// &
                                'covariance, used by variational analyses')
      call namelists%get('weight', config%weight, &
                         'of the ensemble''s localised covariance in B, that of &background '// &
                         'having the rest; 0 by default with ''var3d'' and ''var4d''', &
                         minimum=0.0_wp, maximum=1.0_wp)
      call namelists%get('inflation', config%inflation, &
                         'factor of the anomalies in that covariance; 1: none', above=0.0_wp)
      call namelists%get('filter', config%filter, &
                         'with ''e3dvar'', ''e4dvar'' and ''4denvar'': what analyses the '// &
                         'anomalies, set by its own group', known_filters)
      if (.not. coupled .and. config%filter /= trim(known_filters(1))) then
         call namelists%reject('filter', "is not used with analysis = '"//name//"'")
      end if
      if (.not. config%uses_ensemble()) then
         if (abs(config%inflation - 1) > 0) then
            call namelists%reject('inflation', 'is not used with weight = 0')
         end if
      else if (members < 2) then
         call namelists%reject('weight', 'is above 0: an ensemble of at least 2 members is '// &
                               'needed (&ensemble members)')
      end if
      call namelists%close_group(error)
   end subroutine read_hybrid

   !> `&localisation`, where the ensemble's covariance or the filter beside it needs one.
   subroutine read_hybrid_localisation(namelists, coupled, config, error)
      type(namelists_type), intent(inout) :: namelists
      logical, intent(in) :: coupled
      type(hybrid_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      if (.not. (config%uses_ensemble() .or. (coupled .and. config%filter /= 'etkf'))) return
      call read_localisation(namelists, config%localisation, error)
      if (allocated(error)) return
      if (config%uses_ensemble() .and. config%localisation%taper == 'boxcar') then
         call input_error(error, namelists%file//": &localisation taper = 'boxcar': is no "// &
                          "correlation function, which the ensemble's covariance needs; "// &
                          "use 'gaspari_cohn'")
      end if
   end subroutine read_hybrid_localisation

   pure function uses_static(self) result(yes)
      class(hybrid_config), intent(in) :: self
      logical :: yes

      yes = self%weight < 1
   end function uses_static

   pure function uses_ensemble(self) result(yes)
      class(hybrid_config), intent(in) :: self
      logical :: yes

      yes = self%weight > 0
   end function uses_ensemble

   !> The taper as a correlation matrix, known by its root. What is not positive of its spectrum, on
   !> a short circle or where the taper is cut, is left out; the variances are 1 all the same.
   subroutine new_localisation(config, domain, localisation)
      type(localisation_config), intent(in) :: config
      type(domain_type), intent(in) :: domain
      class(covariance_type), allocatable, intent(out) :: localisation
      type(homogeneous_type) :: root
      real(wp), allocatable :: row(:, :)
      integer :: lags
      integer :: lag

      if (config%taper == 'none') then
         allocate (localisation, source=new_uniform())
         return
      end if
      lags = int(min(cutoff(config), real(domain%total/2, wp)))
      allocate (row(0:lags, 1))
      call tapers(config, lags + 1, [(real(lag, wp), lag=0, lags)], row(:, 1))
      root = new_homogeneous(domain%total, row)
      root%kernel = root%kernel/sqrt(sum(root%kernel(:root%reach, 1)**2) &
                                     + sum(root%kernel(1:root%left, 1)**2))
      allocate (localisation, source=root)
   end subroutine new_localisation

   !> B of the ensemble x(n, components, members) and the static covariance, which a weight of 1
   !> does without.
   subroutine new_hybrid_errors(config, x, localisation, static, covariance)
      type(hybrid_config), intent(in) :: config
      real(wp), intent(in) :: x(:, :, :)
      class(covariance_type), intent(in) :: localisation
      class(covariance_type), allocatable, intent(in) :: static
      class(covariance_type), allocatable, intent(out) :: covariance
      type(ensemble_covariance_type) :: flow

      flow = new_ensemble_covariance(x, localisation)
      flow%anomalies = config%inflation*flow%anomalies
      if (config%uses_static()) then
         allocate (covariance, source=new_hybrid(static, flow, config%weight))
      else
         allocate (covariance, source=flow)
      end if
   end subroutine new_hybrid_errors
end module da_analysis_hybrid_covariance
