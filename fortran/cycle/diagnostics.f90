!> Tables of what a minimisation tells of itself.
module da_cycle_diagnostics
   use da_base_kinds, only: wp
   use da_analysis_diagnostics_settings, only: diagnostics_config
   use da_ensemble_type, only: ensemble_type
   use da_verification_tables, only: tables_type
   implicit none
   private
   public :: add_diagnostic_tables, take_notes

contains

   !> Costs of every cycle, and what `&diagnostics` asks for; `window` is the analysis' length.
   subroutine add_diagnostic_tables(config, window, cycles, interval, tables)
      type(diagnostics_config), intent(in) :: config
      integer, intent(in) :: window
      integer, intent(in) :: cycles
      real(wp), intent(in) :: interval
      type(tables_type), intent(inout) :: tables
      integer :: i

      if (.not. config%costs) return
      call tables%add_table('cost_before', 'cost function at the background')
      call tables%add_table('cost_after', 'cost function at the analysis')
      call tables%add_table('cost_after_background', &
                            'the background''s part of the cost function at the analysis', &
                            reported=.false.)
      call tables%add_table('cost_after_observations', &
                            'the observations'' part of the cost function at the analysis', &
                            reported=.false.)
      call tables%add_table('cost_ratio', &
                            'twice the cost function at the analysis over the observations used')
      if (config%outer_loops > 0) then
         call tables%add_axis('outer_loop', 'outer_loop', 'outer loop, from 1', &
                              [(real(i, wp), i=1, config%outer_loops)])
         call tables%add_table('gradient_log10', &
                               'log10 of the gradient''s norm after the last inner iteration '// &
                               'over that at the background')
         call tables%add_table('inner_iterations', 'iterations of the inner loop', ['outer_loop'])
      end if
      if (.not. config%asks()) return
      call tables%add_axis('diagnosed_time', 'diagnosed_time', &
                           'model time of minimisations that are looked at closely', &
                           [(i*config%every*interval, i=1, cycles/config%every)])
      if (config%iterations) call add_iterations()
      if (config%hessian) call add_hessian()
      if (config%analysis_error .and. window > 0) then
         call add('smoothed_spread', 'root of the analysis error variance by the inverse '// &
                  'Hessian at the window''s start')
      end if
      if (config%dfs_samples > 0) then
         call add('dfs', 'degrees of freedom for signal, from random vectors')
         call add('dfs_error', 'standard error of dfs')
      end if

   contains

      subroutine add_iterations()
         character(len=10), parameter :: lie_on(2) = [character(len=10) :: 'iteration', &
            'outer_loop']

         call tables%add_axis('iteration', 'iteration', 'inner iteration, 0: before the first', &
                              [(real(i, wp), i=0, config%inner_iterations)])
         call add('iterate_cost', 'quadratic cost function by inner iteration', lie_on)
         call add('iterate_background_cost', 'the background''s part of iterate_cost', lie_on)
         call add('iterate_observation_cost', 'the observations'' part of iterate_cost', lie_on)
         call add('iterate_gradient', 'norm of the gradient by inner iteration', lie_on)
      end subroutine add_iterations

      subroutine add_hessian()
         call tables%add_axis('eigenvalue', 'eigenvalue', 'eigenvalue, from 1, the largest first', &
                              [(real(i, wp), i=1, config%eigenvalues)])
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

         call tables%add_table(name, meaning, dimensions, config%every, 'diagnosed_time', &
                               reported=.not. present(dimensions))
      end subroutine add
   end subroutine add_diagnostic_tables

   !> Put what the analysis of this cycle noted into the tables that are kept, and forget it.
   subroutine take_notes(cycle, ensemble, tables)
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      type(tables_type), intent(inout) :: tables
      integer :: i

      if (allocated(ensemble%sd)) deallocate (ensemble%sd)
      if (.not. allocated(ensemble%notes)) return
      do i = 1, size(ensemble%notes)
         call tables%put(trim(ensemble%notes(i)%name), cycle, ensemble%notes(i)%values)
      end do
      deallocate (ensemble%notes)
   end subroutine take_notes
end module da_cycle_diagnostics
