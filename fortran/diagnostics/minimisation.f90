!> Tables of what a minimisation tells of itself, under their names.
module da_diagnostics_minimisation
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_diagnostics_type, only: diagnostic_type
   use da_run_type, only: run_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: minimisation_type

   !> The analysis itself has its settings, `&diagnostics`, which say what it must work out.
   type, extends(diagnostic_type) :: minimisation_type
   contains
      procedure :: check
      procedure :: declare
   end type minimisation_type

contains

   subroutine check(self, run, error)
      class(minimisation_type), intent(in) :: self
      type(run_type), intent(in) :: run
      type(error_type), allocatable, intent(out) :: error

      associate (every => run%analysis%diagnosed%every, setup => run%setup)
         if (setup%cycles/every > setup%burn_in/every) return
         call input_error(error, setup%namelist//': &diagnostics every = '//to_text(every)// &
                          ': no minimisation after burn_in = '//to_text(setup%burn_in)// &
                          ' of '//to_text(setup%cycles)//' cycles is looked at')
      end associate
   end subroutine check

   !> Costs of every cycle, and what `&diagnostics` asks for.
   subroutine declare(self, run, tables)
      class(minimisation_type), intent(inout) :: self
      type(run_type), intent(in) :: run
      type(tables_type), intent(inout) :: tables
      integer :: i

      associate (config => run%analysis%diagnosed)
         if (.not. config%costs) return
         call add_each('cost_before', 'cost function at the background')
         call add_each('cost_after', 'cost function at the analysis')
         call add_each('cost_after_background', &
                       'the background''s part of the cost function at the analysis', &
                       reported=.false.)
         call add_each('cost_after_observations', &
                       'the observations'' part of the cost function at the analysis', &
                       reported=.false.)
         call add_each('cost_ratio', &
                       'twice the cost function at the analysis over the observations used')
         if (config%outer_loops > 0) then
            call tables%add_axis('outer_loop', 'outer_loop', 'outer loop, from 1', &
                                 [(real(i, wp), i=1, config%outer_loops)])
            call add_each('gradient_log10', &
                          'log10 of the gradient''s norm after the last inner iteration '// &
                          'over that at the background')
            call add_each('inner_iterations', 'iterations of the inner loop', ['outer_loop'])
         end if
         if (.not. config%asks()) return
         call tables%add_times('diagnosed_time', 'model time of minimisations that are looked '// &
                               'at closely', config%every, run%setup%interval)
         if (config%iterations) call add_iterations()
         if (config%hessian) call add_hessian()
         if (config%analysis_error .and. run%analysis%window > 0) then
            call add('smoothed_spread', 'root of the analysis error variance by the inverse '// &
                     'Hessian at the window''s start')
         end if
         if (config%dfs_samples > 0) then
            call add('dfs', 'degrees of freedom for signal, from random vectors')
            call add('dfs_error', 'standard error of dfs')
         end if
      end associate

   contains

      subroutine add_iterations()
         character(len=10), parameter :: lie_on(2) = [character(len=10) :: 'iteration', &
            'outer_loop']

         call tables%add_axis('iteration', 'iteration', 'inner iteration, 0: before the first', &
                              [(real(i, wp), i=0, run%analysis%diagnosed%inner_iterations)])
         call add('iterate_cost', 'quadratic cost function by inner iteration', lie_on)
         call add('iterate_background_cost', 'the background''s part of iterate_cost', lie_on)
         call add('iterate_observation_cost', 'the observations'' part of iterate_cost', lie_on)
         call add('iterate_gradient', 'norm of the gradient by inner iteration', lie_on)
      end subroutine add_iterations

      subroutine add_hessian()
         call tables%add_axis('eigenvalue', 'eigenvalue', 'eigenvalue, from 1, the largest first', &
                              [(real(i, wp), i=1, run%analysis%diagnosed%eigenvalues)])
         call add('hessian_eigenvalues', 'leading Ritz values of the Hessian', ['eigenvalue'])
         call add('hessian_residuals', 'length of A q - theta q over theta, q of length one', &
                  ['eigenvalue'])
         call add('hessian_condition', 'largest over smallest Ritz value of the Hessian')
         call add('dfs_lanczos', 'degrees of freedom for signal, those of all Ritz values')
      end subroutine add_hessian

      !> Single numbers are reported, the rest is for pictures.
      subroutine add(name, meaning, dimensions)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: meaning
         character(len=*), intent(in), optional :: dimensions(:)
         integer :: place

         call tables%add_table(place, name, meaning, dimensions, run%analysis%diagnosed%every, &
                               'diagnosed_time', reported=.not. present(dimensions))
      end subroutine add

      !> With a row for every cycle.
      subroutine add_each(name, meaning, dimensions, reported)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: meaning
         character(len=*), intent(in), optional :: dimensions(:)
         logical, intent(in), optional :: reported
         integer :: place

         call tables%add_table(place, name, meaning, dimensions, reported=reported)
      end subroutine add_each
   end subroutine declare
end module da_diagnostics_minimisation
