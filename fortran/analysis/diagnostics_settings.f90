!> What is told of minimisations beside their results: `&diagnostics`.
module da_analysis_diagnostics_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   implicit none
   private
   public :: diagnostics_config, minimised_run_type, read_diagnostics

   character(len=12), parameter :: known_hessians(3) = [character(len=12) :: 'none', &
      'minimisation', 'lanczos']

   type :: diagnostics_config
      !> Whether the scheme minimises a cost at all, and by how many loops inside one another.
      logical :: costs = .false.
      integer :: outer_loops = 0
      integer :: inner_iterations = 0
      integer :: every = 1
      logical :: iterations = .false.
      logical :: hessian = .false.
      !> Whether Lanczos vectors are made for the Hessian about the analysis; else those of the
      !> last inner loop serve.
      logical :: separate = .false.
      integer :: vectors = 40
      integer :: eigenvalues = 10
      integer :: dfs_samples = 0
      logical :: analysis_error = .false.
      integer :: probes = 40
   contains
      procedure :: is_due
      procedure :: asks
      procedure :: numbers_a_cycle
   end type diagnostics_config

   !> What the settings must agree with.
   type :: minimised_run_type
      integer :: members = 1
      integer :: outer_loops = 1
      integer :: inner_iterations = 1
      logical :: keeps_vectors = .false.
      logical :: preconditioned = .false.
   end type minimised_run_type

contains

   subroutine read_diagnostics(namelists, run, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(minimised_run_type), intent(in) :: run
      type(diagnostics_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(diagnostics_config) :: defaults
      character(len=:), allocatable :: hessian

      hessian = trim(known_hessians(1))
      call namelists%open_group('diagnostics', 'What is told of each minimisation, used by '// &
                                'analysis = ''var3d'' and ''var4d''')
      call namelists%get('every', config%every, &
                         'cycles between rows of what this group asks for', minimum=1)
      call namelists%get('iterations', config%iterations, &
                         'the cost, its parts and its gradient''s norm by inner iteration')
      call namelists%get('hessian', hessian, &
                         'eigenvalues of the Hessian: from the Lanczos vectors of the last '// &
                         'inner loop, or from others, about the analysis', known_hessians)
      call namelists%get('vectors', config%vectors, &
                         'with hessian = ''lanczos'': Lanczos vectors', minimum=1)
      call namelists%get('eigenvalues', config%eigenvalues, &
                         'with hessian: leading eigenvalues that are written', minimum=1)
      call namelists%get('dfs_samples', config%dfs_samples, &
                         'random vectors that estimate the degrees of freedom for signal; 0: '// &
                         'no such estimate', minimum=0)
      call namelists%get('analysis_error', config%analysis_error, &
                         'of a single state: the analysis sd is that of the inverse '// &
                         'Hessian; with hessian, of its Lanczos vectors, else each probe has '// &
                         'its own')
      call namelists%get('probes', config%probes, &
                         'with analysis_error: vectors that read its variances off, at '// &
                         'least; exact if there are as many as points', minimum=1)
      config%hessian = hessian /= 'none'
      config%separate = hessian == 'lanczos'
      config%costs = .true.
      config%outer_loops = run%outer_loops
      config%inner_iterations = run%inner_iterations
      call check()
      call namelists%close_group(error)

   contains

      subroutine check()
         if (hessian == 'minimisation' .and. .not. run%keeps_vectors) then
            call namelists%reject('hessian', "= 'minimisation': needs solver = 'lanczos' in "// &
                                  '&variational')
         end if
         if (hessian == 'minimisation' .and. run%preconditioned) then
            call namelists%reject('hessian', "= 'minimisation': with a preconditioner in "// &
                                  "&variational the inner loop is not the Hessian's; take "// &
                                  "'lanczos'")
         end if
         if (.not. config%separate) call refuse_change('vectors', config%vectors, &
                                                       defaults%vectors, "hessian = 'lanczos'")
         if (.not. config%hessian) then
            call refuse_change('eigenvalues', config%eigenvalues, defaults%eigenvalues, 'hessian')
         end if
         if (.not. config%analysis_error) then
            call refuse_change('probes', config%probes, defaults%probes, 'analysis_error')
         else if (run%members > 1) then
            call namelists%reject('analysis_error', '= .true.: &ensemble members = '// &
                                  to_text(run%members)//' have a spread of their own')
         else if (config%every > 1) then
            call namelists%reject('every', '= '//to_text(config%every)// &
                                  ': with analysis_error it must be 1')
         end if
         if (.not. config%asks()) then
            call refuse_change('every', config%every, defaults%every, &
                               'iterations, hessian, dfs_samples or analysis_error')
         end if
      end subroutine check

      subroutine refuse_change(key, value, default, needed)
         character(len=*), intent(in) :: key
         integer, intent(in) :: value
         integer, intent(in) :: default
         character(len=*), intent(in) :: needed

         if (value /= default) call namelists%reject(key, 'is not used without '//needed)
      end subroutine refuse_change
   end subroutine read_diagnostics

   !> Whether anything is asked for beside the costs.
   pure function asks(self) result(yes)
      class(diagnostics_config), intent(in) :: self
      logical :: yes

      yes = self%iterations .or. self%hessian .or. self%dfs_samples > 0 .or. self%analysis_error
   end function asks

   !> Whether this cycle is one of those that are looked at closely.
   pure function is_due(self, cycle) result(yes)
      class(diagnostics_config), intent(in) :: self
      integer, intent(in) :: cycle
      logical :: yes

      yes = self%asks() .and. mod(cycle, self%every) == 0
   end function is_due

   !> How many numbers are kept of each cycle, at most.
   pure function numbers_a_cycle(self) result(numbers)
      class(diagnostics_config), intent(in) :: self
      real(wp) :: numbers
      integer, parameter :: costs = 6
      integer, parameter :: series_by_iteration = 4
      integer, parameter :: numbers_of_hessian = 5

      numbers = 0
      if (self%costs) numbers = costs + self%outer_loops
      if (.not. self%asks()) return
      numbers = numbers + real(numbers_of_hessian, wp)/self%every
      if (self%hessian) numbers = numbers + 2*real(self%eigenvalues, wp)/self%every
      if (self%iterations) then
         numbers = numbers + real(series_by_iteration, wp)*self%outer_loops &
                   *(self%inner_iterations + 1)/self%every
      end if
   end function numbers_a_cycle
end module da_analysis_diagnostics_settings
