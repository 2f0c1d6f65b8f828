!> What variational analyses are made of, and how namelists set them.
module da_analysis_variational_parts
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_analysis_variational_background_errors, only: background_errors_type
   use da_analysis_variational_cost_function, only: minimisation_config
   use da_analysis_diagnostics_settings, only: minimised_run_type, read_diagnostics
   use da_analysis_hybrid_covariance, only: read_hybrid, read_hybrid_localisation
   use da_analysis_setup, only: analysis_setup_type, need_ensemble
   use da_analysis_smoother_type, only: smoother_type
   use da_analysis_variational_settings, only: variational_config, read_variational
   use da_analysis_variational_weak_constraint, only: weak_constraint_type, read_weak_constraint
   use da_covariance_background, only: read_background
   implicit none
   private
   public :: variational_parts_type

   type, abstract, extends(smoother_type) :: variational_parts_type
      type(minimisation_config) :: minimisation
      type(background_errors_type) :: errors
      type(weak_constraint_type) :: weak_constraint
      !> Whether an ensemble filter stands beside it.
      logical :: coupled = .false.
   contains
      procedure :: configure
      procedure :: take
   end type variational_parts_type

contains

   !> What variational analyses are made of, with an ensemble filter beside them or not.
   subroutine configure(self, namelists, setup, error)
      class(variational_parts_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error
      type(variational_config) :: config

      call read_variational(namelists, self%name, config, error)
      if (allocated(error)) return
      call read_hybrid(namelists, self%name, self%coupled, setup%members, self%errors%hybrid, error)
      if (allocated(error)) return
      call read_hybrid_localisation(namelists, self%coupled, self%errors%hybrid, error)
      if (allocated(error)) return
      if (self%errors%hybrid%uses_static()) then
         call read_background(namelists, self%errors%background, error)
      end if
      if (allocated(error)) return
      if (self%name == 'var4d') call read_weak_constraint(namelists, self%weak_constraint, error)
      if (allocated(error)) return
      if (setup%error_correlation_length > 0) then
         call input_error(error, namelists%file//': &observations error_correlation_length is '// &
                          "not used with analysis = '"//self%name//"'")
      else if (self%coupled) then
         call need_ensemble(setup, namelists%file, self%name, error)
      else
         call read_diagnosed(self, namelists, setup, config, error)
      end if
      if (allocated(error)) return
      call self%take(config)
      if (self%weak_constraint%active .or. self%errors%hybrid%uses_ensemble()) then
         self%tells_impact = .false.
      end if
      self%gross_error_limit = setup%gross_error_limit
   end subroutine configure

   !> `&diagnostics`, and what it must agree with.
   subroutine read_diagnosed(self, namelists, setup, config, error)
      class(variational_parts_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(variational_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(minimised_run_type) :: run

      run%members = setup%members
      run%outer_loops = config%minimisation%outer_loops
      run%inner_iterations = config%minimisation%inner_iterations
      run%keeps_vectors = config%minimisation%lanczos
      run%preconditioned = config%minimisation%preconditioned
      call read_diagnostics(namelists, run, self%diagnosed, error)
      if (allocated(error)) return
      config%minimisation%watched = self%diagnosed%iterations
      if (self%diagnosed%analysis_error .and. (self%weak_constraint%active .or. config%multiple &
                                               .or. (self%name == 'var3d' .and. &
                                                     config%window > 1))) then
         call input_error(error, namelists%file//': &diagnostics analysis_error = .true. is '// &
                          'for 3D-Var, and 4D-Var without &weak_constraint and multiple')
      end if
   end subroutine read_diagnosed

   !> Window and minimisation as `&variational` says.
   subroutine take(self, config)
      class(variational_parts_type), intent(inout) :: self
      type(variational_config), intent(in) :: config
      !> Gradients, search directions and their images: measured at 10^6 points, less some. With an
      !> ensemble's B they are so many fields a member.
      integer, parameter :: vectors = 12

      self%copies = vectors
      call self%set_window(config%window, config%shift, config%multiple)
      if (self%name == 'var3d') self%smooths = .false.
      self%minimisation = config%minimisation
      self%tells_impact = self%shift == 1 .and. .not. self%multiple .and. &
                          (self%smooths .or. self%window <= 1)
   end subroutine take
end module da_analysis_variational_parts
