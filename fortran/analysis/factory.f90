!> Analysis schemes by name.
module da_analysis_factory
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_analysis_adaptive_inflation, only: adaptive_inflation_config, read_adaptive_inflation
   use da_analysis_baseline, only: new_climatology, new_free_run
   use da_analysis_diagnostics_settings, only: diagnostics_config, minimised_run_type, &
      read_diagnostics
   use da_analysis_denkf, only: new_denkf
   use da_analysis_eakf, only: new_eakf
   use da_analysis_enkf_n, only: enkf_n_config, new_enkf_n, read_enkf_n
   use da_analysis_ensemble_filter, only: ensemble_filter_type
   use da_analysis_ensrf, only: ensrf_config, new_ensrf, read_ensrf
   use da_analysis_etkf, only: etkf_config, new_etkf, read_etkf
   use da_analysis_hybrid_coupled, only: coupled_type
   use da_analysis_hybrid_covariance, only: hybrid_config, read_hybrid, read_hybrid_localisation
   use da_analysis_hybrid_envar, only: envar_type
   use da_analysis_ienks, only: ienks_type, ienks_config, new_ienks, read_ienks
   use da_analysis_judged_variational, only: judged_variational_type
   use da_analysis_kalman_second_order, only: kalman_type, new_kalman
   use da_analysis_kalman_settings, only: kalman_config, read_kalman
   use da_analysis_kalman_window, only: kalman_window_type, new_kalman_window
   use da_analysis_lagged_smoother, only: read_lag
   use da_analysis_letkf, only: letkf_config, new_letkf, read_letkf, check_letkf
   use da_analysis_local_particle_filter, only: local_particle_filter_config, &
      new_local_particle_filter, read_local_particle_filter
   use da_analysis_observation_bias, only: observation_bias_config, read_observation_bias
   use da_analysis_stochastic_enkf, only: new_stochastic_enkf
   use da_analysis_study, only: study_config, read_study
   use da_analysis_type, only: analysis_type
   use da_analysis_variational, only: variational_type, new_variational
   use da_analysis_variational_settings, only: variational_config, read_variational
   use da_analysis_weak_constraint, only: weak_constraint_type, read_weak_constraint
   use da_covariance_background, only: background_config, read_background
   use da_ensemble_inflation, only: inflation_config, no_inflation, read_inflation
   use da_ensemble_localisation, only: localisation_config, read_localisation
   use da_observation_treatment, only: treatment_config, read_treatment
   implicit none
   private
   public :: known_analyses, read_analysis, document_analyses

   character(len=21), parameter :: known_analyses(17) = [character(len=21) :: &
      'letkf', 'etkf', 'enkf_n', 'denkf', 'stochastic_enkf', 'ensrf', 'eakf', &
      'local_particle_filter', 'var3d', 'var4d', 'e3dvar', 'e4dvar', '4denvar', 'ienks', &
      'kalman_second_order', 'none', 'climatology']

contains

   !> The scheme of that name, set by its groups; the name is one of `known_analyses`.
   subroutine read_analysis(name, namelists, seed, members, gross_error_limit, &
                            error_correlation_length, analysis, error)
      character(len=*), intent(in) :: name
      type(namelists_type), intent(inout) :: namelists
      integer, intent(in) :: seed
      integer, intent(in) :: members
      real(wp), intent(in) :: gross_error_limit
      real(wp), intent(in) :: error_correlation_length
      class(analysis_type), allocatable, intent(out) :: analysis
      type(error_type), allocatable, intent(out) :: error
      class(ensemble_filter_type), allocatable :: filter
      type(etkf_config) :: etkf
      type(enkf_n_config) :: enkf_n
      type(ensrf_config) :: ensrf
      type(letkf_config) :: letkf
      type(local_particle_filter_config) :: particles
      type(localisation_config) :: localisation
      type(study_config) :: studied
      type(diagnostics_config) :: diagnosed
      type(variational_config) :: variational
      type(background_config) :: background
      type(hybrid_config) :: hybrid
      type(weak_constraint_type) :: weak_constraint
      type(judged_variational_type), allocatable :: variation
      class(coupled_type), allocatable :: coupled
      type(ienks_config) :: ienks
      type(ienks_type), allocatable :: smoother
      type(kalman_config) :: kalman
      type(kalman_type), allocatable :: one_state
      type(kalman_window_type), allocatable :: one_state_window

      select case (name)
      case ('none')
         analysis = new_free_run()
      case ('climatology')
         analysis = new_climatology()
      case ('etkf')
         call read_etkf(namelists, etkf, error)
         if (.not. allocated(error)) filter = new_etkf(etkf)
      case ('letkf')
         call read_letkf(namelists, letkf, error)
         if (allocated(error)) return
         call read_localisation(namelists, localisation, error)
         if (allocated(error)) return
         call check_letkf(namelists%file, letkf, localisation, error)
         if (allocated(error)) return
         call read_study(namelists, letkf%weights_every, studied, error)
         if (.not. allocated(error)) filter = new_letkf(letkf, localisation)
      case ('ensrf')
         call read_ensrf(namelists, ensrf, error)
         if (allocated(error)) return
         call read_localisation(namelists, localisation, error)
         if (.not. allocated(error)) filter = new_ensrf(ensrf, localisation)
      case ('eakf')
         call read_localisation(namelists, localisation, error)
         if (.not. allocated(error)) filter = new_eakf(localisation)
      case ('local_particle_filter')
         call read_local_particle_filter(namelists, particles, error)
         if (allocated(error)) return
         call read_localisation(namelists, localisation, error)
         if (.not. allocated(error)) filter = new_local_particle_filter(particles, localisation)
      case ('enkf_n')
         call read_enkf_n(namelists, enkf_n, error)
         if (.not. allocated(error)) filter = new_enkf_n(enkf_n)
         if (.not. allocated(error)) filter%inflation = no_inflation
      case ('denkf')
         filter = new_denkf()
      case ('stochastic_enkf')
         filter = new_stochastic_enkf()
      case ('var3d', 'var4d')
         call read_variation(.false., error)
         if (allocated(error)) return
         allocate (variation)
         call set_variation(variation%variational_type)
         call move_alloc(variation, analysis)
      case ('e3dvar', 'e4dvar', '4denvar')
         call read_variation(.true., error)
         if (allocated(error)) return
         if (name == '4denvar') then
            allocate (envar_type :: coupled)
         else
            allocate (coupled)
         end if
         call set_variation(coupled%variational_type)
         call read_filter_beside(namelists, coupled%hybrid, coupled%filter, error)
         if (allocated(error)) return
         coupled%filter%seed = seed
         call move_alloc(coupled, analysis)
      case ('ienks')
         call read_ienks(namelists, ienks, error)
         if (allocated(error)) return
         smoother = new_ienks(ienks)
         smoother%gross_error_limit = gross_error_limit
         diagnosed%costs = .not. ienks%finite_size
         call move_alloc(smoother, analysis)
      case ('kalman_second_order')
         call read_kalman(namelists, kalman, error)
         if (allocated(error)) return
         if (kalman%window > 0) then
            one_state_window = new_kalman_window(kalman)
            one_state_window%gross_error_limit = gross_error_limit
            call move_alloc(one_state_window, analysis)
         else
            one_state = new_kalman(kalman)
            one_state%gross_error_limit = gross_error_limit
            call move_alloc(one_state, analysis)
         end if
      end select
      if (allocated(error)) return
      if (allocated(filter)) then
         call read_adaptive_inflation(namelists, filter%adaptive_inflation, error)
         if (allocated(error)) return
         if (filter%adaptive_inflation%active) filter%inflation = no_inflation
         call read_inflation(namelists, filter%inflation, error)
         if (allocated(error)) return
         call read_treatment(namelists, error_correlation_length > 0, filter%treatment, error)
         if (allocated(error)) return
         call read_observation_bias(namelists, filter%bias, error)
         if (allocated(error)) return
         if (name /= 'local_particle_filter') call read_lag(namelists, filter%lag, error)
         if (allocated(error)) return
         if (members < 2) then
            call too_few()
            return
         end if
         filter%gross_error_limit = gross_error_limit
         filter%augments = .true.
         call move_alloc(filter, analysis)
      else if (members < 2 .and. name == 'ienks') then
         call too_few()
         return
      else if (members > 1 .and. name == 'kalman_second_order') then
         call input_error(error, namelists%file//': &ensemble members = '//to_text(members)// &
                          ": analysis = '"//name//"' has one state: members = 1")
         return
      else if (error_correlation_length > 0 .and. name == 'kalman_second_order') then
         call input_error(error, namelists%file//': &observations error_correlation_length is '// &
                          "not used with analysis = '"//name//"', whose R is diagonal")
         return
      else if (gross_error_limit > 0 .and. (name == 'none' .or. name == 'climatology')) then
         call input_error(error, namelists%file// &
                          ': &observations gross_error_limit is not used with '// &
                          "analysis = '"//name//"'")
         return
      end if
      analysis%seed = seed
      analysis%studied = studied
      analysis%diagnosed = diagnosed

   contains

      !> What variational analyses are made of, with an ensemble filter beside them or not.
      subroutine read_variation(beside, error)
         logical, intent(in) :: beside
         type(error_type), allocatable, intent(out) :: error

         call read_variational(namelists, name, variational, error)
         if (allocated(error)) return
         call read_hybrid(namelists, name, beside, members, hybrid, error)
         if (allocated(error)) return
         call read_hybrid_localisation(namelists, beside, hybrid, error)
         if (allocated(error)) return
         if (hybrid%uses_static()) call read_background(namelists, background, error)
         if (allocated(error)) return
         if (name == 'var4d') call read_weak_constraint(namelists, weak_constraint, error)
         if (allocated(error)) return
         if (error_correlation_length > 0) then
            call input_error(error, namelists%file// &
                             ': &observations error_correlation_length is not used with '// &
                             "analysis = '"//name//"'")
         else if (beside .and. members < 2) then
            call too_few()
         end if
         if (allocated(error) .or. beside) return
         call read_diagnostics(namelists, minimised_run(variational, members), diagnosed, error)
         if (allocated(error)) return
         variational%minimisation%watched = diagnosed%iterations
         if (diagnosed%analysis_error .and. (weak_constraint%active .or. variational%multiple .or. &
                                             (name == 'var3d' .and. variational%window > 1))) then
            call input_error(error, namelists%file//': &diagnostics analysis_error = .true. '// &
                             'is for 3D-Var, and 4D-Var without &weak_constraint and multiple')
         end if
      end subroutine read_variation

      subroutine set_variation(made)
         type(variational_type), intent(inout) :: made

         made = new_variational(name, variational, background)
         made%hybrid = hybrid
         made%weak_constraint = weak_constraint
         if (weak_constraint%active .or. hybrid%uses_ensemble()) made%tells_impact = .false.
         made%gross_error_limit = gross_error_limit
      end subroutine set_variation

      subroutine too_few()
         call input_error(error, namelists%file//": &ensemble members = 1: analysis = '"// &
                          name//"' needs at least 2")
      end subroutine too_few
   end subroutine read_analysis

   !> The filter of an ensemble beside a variational analysis, and its inflation.
   subroutine read_filter_beside(namelists, hybrid, filter, error)
      type(namelists_type), intent(inout) :: namelists
      type(hybrid_config), intent(in) :: hybrid
      class(ensemble_filter_type), allocatable, intent(out) :: filter
      type(error_type), allocatable, intent(out) :: error
      type(etkf_config) :: etkf
      type(ensrf_config) :: ensrf
      type(letkf_config) :: letkf

      select case (hybrid%filter)
      case ('etkf')
         call read_etkf(namelists, etkf, error)
         if (.not. allocated(error)) filter = new_etkf(etkf)
      case ('ensrf')
         call read_ensrf(namelists, ensrf, error)
         if (.not. allocated(error)) filter = new_ensrf(ensrf, hybrid%localisation)
      case default
         call read_letkf(namelists, letkf, error)
         if (allocated(error)) return
         call check_letkf(namelists%file, letkf, hybrid%localisation, error)
         if (.not. allocated(error)) filter = new_letkf(letkf, hybrid%localisation)
      end select
      if (allocated(error)) return
      call read_inflation(namelists, filter%inflation, error)
      if (allocated(error)) return
      if (abs(filter%inflation%prior - 1) > 0) then
         call input_error(error, namelists%file//': &inflation prior is not used with '// &
                          'ensembles beside a variational analysis; use posterior')
      else if (filter%inflation%additive > 0) then
         call input_error(error, namelists%file//': &inflation additive is not used with '// &
                          'ensembles beside a variational analysis; use posterior')
      end if
   end subroutine read_filter_beside
   !> What settings of diagnostics must agree with.
   pure function minimised_run(config, members) result(run)
      type(variational_config), intent(in) :: config
      integer, intent(in) :: members
      type(minimised_run_type) :: run

      run%members = members
      run%outer_loops = config%minimisation%outer_loops
      run%inner_iterations = config%minimisation%inner_iterations
      run%keeps_vectors = config%minimisation%lanczos
      run%preconditioned = config%minimisation%preconditioned
   end function minimised_run

   !> Every scheme's groups, those of the default one active.
   subroutine document_analyses(namelists)
      type(namelists_type), intent(inout) :: namelists
      type(etkf_config) :: etkf
      type(enkf_n_config) :: enkf_n
      type(ensrf_config) :: ensrf
      type(letkf_config) :: letkf
      type(local_particle_filter_config) :: particles
      type(localisation_config) :: localisation
      type(inflation_config) :: inflation
      type(treatment_config) :: treatment
      type(adaptive_inflation_config) :: adaptive_inflation
      type(observation_bias_config) :: bias
      type(study_config) :: studied
      integer :: lag
      type(diagnostics_config) :: diagnosed
      type(variational_config) :: variational
      type(background_config) :: background
      type(hybrid_config) :: hybrid
      type(weak_constraint_type) :: weak_constraint
      type(ienks_config) :: ienks
      type(kalman_config) :: kalman
      type(error_type), allocatable :: error

      call read_letkf(namelists, letkf, error)
      call read_localisation(namelists, localisation, error)
      call read_study(namelists, letkf%weights_every, studied, error)
      call read_inflation(namelists, inflation, error)
      call read_treatment(namelists, .false., treatment, error)
      call read_adaptive_inflation(namelists, adaptive_inflation, error)
      call read_observation_bias(namelists, bias, error)
      lag = 0
      call read_lag(namelists, lag, error)
      namelists%alternative = .true.
      call read_etkf(namelists, etkf, error)
      call read_enkf_n(namelists, enkf_n, error)
      call read_ensrf(namelists, ensrf, error)
      call read_local_particle_filter(namelists, particles, error)
      call read_variational(namelists, 'var4d', variational, error)
      call read_hybrid(namelists, 'e4dvar', .true., 2, hybrid, error)
      call read_background(namelists, background, error)
      call read_weak_constraint(namelists, weak_constraint, error)
      call read_diagnostics(namelists, minimised_run(variational, 1), diagnosed, error)
      call read_ienks(namelists, ienks, error)
      call read_kalman(namelists, kalman, error)
      namelists%alternative = .false.
   end subroutine document_analyses
end module da_analysis_factory
