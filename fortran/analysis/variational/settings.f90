!> `&variational`: windows and their minimisation.
module da_analysis_variational_settings
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_analysis_variational_cost_function, only: minimisation_config
   implicit none
   private
   public :: variational_config, read_variational

   !> Of an inner loop, whose gradients' norms are kept.
   integer, parameter :: most_iterations = 100000

   character(len=7), parameter :: known_solvers(2) = [character(len=7) :: 'cg', 'lanczos']
   character(len=7), parameter :: known_preconditioners(2) = [character(len=7) :: 'none', &
      'lanczos']

   !> `&variational`
   type :: variational_config
      !> Cycles of the window; 3D-Var has none, or those of a first guess at the appropriate time.
      integer :: window = 4
      integer :: shift = 1
      logical :: multiple = .false.
      type(minimisation_config) :: minimisation
   end type variational_config

contains

   subroutine read_variational(namelists, name, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: name
      type(variational_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      integer, parameter :: longest_window = 1000
      character(len=:), allocatable :: solver
      character(len=:), allocatable :: preconditioner

      if (three_dimensional(name)) config%window = 0
      solver = trim(known_solvers(1))
      preconditioner = trim(known_preconditioners(1))
      call namelists%open_group('variational', 'Minimisation, used by analysis = ''var3d'', '// &
                                '''var4d'', ''e3dvar'', ''e4dvar'' and ''4denvar''')
      call namelists%get('window', config%window, &
                         'cycles from the window''s start to its end, the analysis; var3d: 0, '// &
                         'or those of 3D-FGAT; e3dvar: 0', &
                         minimum=merge(0, 1, three_dimensional(name)), &
                         maximum=merge(0, longest_window, name == 'e3dvar'))
      if (name == 'var3d') config%shift = max(config%window, 1)
      call namelists%get('shift', config%shift, &
                         'cycles from analysis to analysis, which takes the observations of '// &
                         'all of them; at most the window, and all of it with 3D-FGAT', minimum=1)
      call namelists%get('multiple', config%multiple, &
                         'var4d: assimilate observations in all windows that they fall in, '// &
                         'with weights that sum to one')
      call namelists%get('outer_loops', config%minimisation%outer_loops, &
                         'linearisations about the latest state; one is enough where all is '// &
                         'linear', minimum=1)
      call namelists%get('inner_iterations', config%minimisation%inner_iterations, &
                         'most iterations of conjugate gradients in an outer loop', minimum=1, &
                         maximum=most_iterations)
      call namelists%get('gradient_reduction', config%minimisation%gradient_reduction, &
                         'an inner loop ends where the gradient''s norm has fallen to this '// &
                         'fraction', above=0.0_wp, maximum=1.0_wp)
      call namelists%get('solver', solver, &
                         'of inner loops: conjugate gradients, or the same with gradients that '// &
                         'are kept, and kept orthogonal', known_solvers)
      call namelists%get('preconditioner', preconditioner, &
                         'of the second outer loop and those after: none, or by the Lanczos '// &
                         'vectors of those before', known_preconditioners)
      config%minimisation%lanczos = solver == 'lanczos'
      config%minimisation%preconditioned = preconditioner == 'lanczos'
      if (config%minimisation%preconditioned) then
         if (.not. config%minimisation%lanczos) then
            call namelists%reject('preconditioner', "= 'lanczos': needs solver = 'lanczos'")
         else if (config%minimisation%outer_loops == 1) then
            call namelists%reject('preconditioner', &
                                  "= 'lanczos': is not used with outer_loops = 1")
         end if
      end if
      if (config%multiple .and. name /= 'var4d') then
         call namelists%reject('multiple', "is not used with analysis = '"//name//"'")
      end if
      if (three_dimensional(name)) then
         if (config%shift /= max(config%window, 1)) then
            call namelists%reject('shift', '= '//to_text(config%shift)//": analysis = '"//name// &
                                  "' takes the observations of each window once: leave it out")
         end if
      else if (config%shift > config%window) then
         call namelists%reject('shift', '= '//to_text(config%shift)//': must be at most window '// &
                               '= '//to_text(config%window))
      end if
      call namelists%close_group(error)
   end subroutine read_variational

   pure function three_dimensional(name) result(yes)
      character(len=*), intent(in) :: name
      logical :: yes

      yes = name == 'var3d' .or. name == 'e3dvar'
   end function three_dimensional
end module da_analysis_variational_settings
