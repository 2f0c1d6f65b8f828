!> `da_cycle --check-adjoint`: the operators of a namelist, examined as its run would use them.
module da_cycle_checks
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp
   use da_base_communicator, only: communicator_type, alone
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error
   use da_base_random, only: random_key_type, stream_checks
   use da_base_text, only: to_text, pad
   use da_cycle_config, only: config_type
   use da_cycle_start, only: run_type, start_run, first_ensemble
   use da_ensemble_type, only: ensemble_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_catalogue, only: catalogue_type, entry_type
   use da_operator_examination, only: findings_type, examine, same_on_both
   use da_operator_repetition, only: new_repetition
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: check_adjoint

   !> Beside that of the window's end, observation operators of so many cycles.
   integer, parameter :: cycles_listed = 2
   !> Values of an ensemble that every rank may hold besides, for the test of layouts.
   real(wp), parameter :: most_held = 4.0e6_wp
   integer, parameter :: name_width = 34
   character(len=*), parameter :: heading = '     rows  Taylor remainder, log10 at alpha = 1, '// &
      '0.1, ... 1e-12'//'                       least   adjoint    linear'
   character(len=*), parameter :: about_single = 'float32: where such a network has a part, '// &
      'differences are to both sides and fall with alpha^2,'// &
      new_line('a')//'into a valley below 5e-4 c^(1/3); adjoint, linear: 5.4e-5 sqrt(operators)'

contains

   !> Examine all operators and print what was found; an error where one is at fault.
   subroutine check_adjoint(communicator, config, run, error)
      type(communicator_type), intent(in) :: communicator
      type(config_type), intent(in) :: config
      type(run_type), intent(inout) :: run
      type(error_type), allocatable, intent(out) :: error
      type(catalogue_type) :: catalogue
      type(findings_type) :: findings
      character(len=:), allocatable :: faults
      logical :: single
      integer :: e

      call list_operators(run, catalogue, error)
      if (allocated(error)) return
      faults = ''
      single = .false.
      call say(pad('operator', name_width)//heading)
      do e = 1, size(catalogue%entries)
         associate (entry => catalogue%entries(e))
            call examine(entry, run%domain, key_of(config, e), findings)
            call say(pad(entry%name, name_width)//line_of(findings))
            single = single .or. findings%taylor%order == 2
            call add_fault(entry%name, findings%fault())
            if (entry%root .and. .not. findings%empty) call say(line_of_covariance(findings))
         end associate
      end do
      if (single) call say(about_single)
      if (communicator%ranks > 1) call compare_layouts(config, run, catalogue, error)
      if (allocated(error)) return
      if (len(faults) > 0) then
         call run_error(error, config%namelist//': '//faults)
      else
         call say(config%namelist//': all '//to_text(size(catalogue%entries))// &
                  ' operators are right')
      end if

   contains

      subroutine say(text)
         character(len=*), intent(in) :: text

         if (communicator%is_root()) write (output_unit, '(a)') text
      end subroutine say

      subroutine add_fault(name, fault)
         character(len=*), intent(in) :: name
         character(len=*), intent(in) :: fault

         if (len(fault) == 0) return
         if (len(faults) > 0) faults = faults//'; '
         faults = faults//name//': '//fault
      end subroutine add_fault

      !> The same operators on a domain that is whole on each rank must give the same bits.
      subroutine compare_layouts(config, run, catalogue, error)
         type(config_type), intent(in) :: config
         type(run_type), intent(inout) :: run
         type(catalogue_type), intent(in) :: catalogue
         type(error_type), allocatable, intent(out) :: error
         type(run_type) :: run_whole
         type(catalogue_type) :: catalogue_whole
         integer :: e

         if (real(config%model%points, wp)*config%model%components_in*config%ensemble%members &
             > most_held) then
            call say('layout: not compared, too large for each rank to hold the whole')
            return
         end if
         call start_run(alone(), config, run_whole, error)
         if (.not. allocated(error)) call list_operators(run_whole, catalogue_whole, error)
         call communicator%agree(error)
         if (allocated(error)) return
         do e = 1, size(catalogue%entries)
            if (.not. same_on_both(catalogue%entries(e), run%domain, catalogue_whole%entries(e), &
                                   run_whole%domain, key_of(config, e))) then
               call add_fault(catalogue%entries(e)%name, 'its bits depend on the layout of ranks')
            end if
         end do
         if (len(faults) == 0) call say('layout: '//to_text(communicator%ranks)// &
                                        ' ranks give the bits of one')
      end subroutine compare_layouts
   end subroutine check_adjoint

   pure function key_of(config, e) result(key)
      type(config_type), intent(in) :: config
      integer, intent(in) :: e
      type(random_key_type) :: key
      !> An examination draws with some cycles of a key.
      integer, parameter :: cycles_each = 10

      key = random_key_type(config%seed, stream_checks, cycles_each*e)
   end function key_of

   pure function line_of(findings) result(line)
      type(findings_type), intent(in) :: findings
      character(len=:), allocatable :: line
      character(len=40) :: numbers
      integer :: a

      write (numbers, '(i9)') findings%rows
      line = numbers(:9)
      if (findings%empty) then
         line = line//'  zero here: nothing to test'
         return
      end if
      associate (remainders => findings%taylor%remainders)
         do a = 1, size(remainders)
            if (remainders(a) > 0) then
               write (numbers, '(f6.1)') log10(remainders(a))
               line = line//numbers(:6)
            else
               line = line//'  -inf'
            end if
         end do
      end associate
      write (numbers, '(3es10.1)') findings%taylor%least(), findings%adjoint, findings%linearity
      line = line//numbers(:30)
   end function line_of

   pure function line_of_covariance(findings) result(line)
      type(findings_type), intent(in) :: findings
      character(len=:), allocatable :: line
      character(len=80) :: numbers

      write (numbers, '(a,es8.1,a,f0.4,a,f0.4)') '  U U^T: asymmetry', findings%asymmetry, &
         ', standard deviation ', sqrt(minval(findings%variances)), ' to ', &
         sqrt(maxval(findings%variances))
      line = trim(numbers)
   end function line_of_covariance

   !> What a run is made of: its model, the observation operators of its first cycles, and what its
   !> analysis adds, in states that no observation has corrected.
   subroutine list_operators(run, catalogue, error)
      type(run_type), intent(inout) :: run
      type(catalogue_type), intent(out) :: catalogue
      type(error_type), allocatable, intent(out) :: error
      type(ensemble_type) :: ensemble
      type(observations_type) :: observations
      type(observations_type), allocatable :: past(:)
      real(wp), allocatable :: start(:, :, :)
      class(operator_type), allocatable :: observe
      integer :: last
      integer :: cycle

      associate (config => run%config, domain => run%domain)
         call begin_ensemble(run, ensemble, error)
         if (allocated(error)) return
         start = ensemble%x(:, :, :1)
         last = min(max(1, config%analysis%window), config%cycles)
         call catalogue%add('model, one step', config%model, start)
         if (config%steps > 1) call add_forecast('model, a cycle', 1)
         if (last > 1) call add_forecast('model, the window', last)
         do cycle = 1, config%cycles
            call config%model%forecast(domain, config%steps, ensemble%x)
            call run%model_error%disturb_members(domain, cycle, ensemble%x)
            call run%parameters%walk(domain, cycle, ensemble%x)
            call run%truth%advance(domain, cycle, error)
            call domain%communicator%agree(error)
            if (allocated(error)) return
            call run%model_error%disturb_truth(domain, cycle, run%truth%x)
            call run%source%observe(domain, cycle, run%truth%x, observations, error)
            if (allocated(error)) return
            call run%history%recall(cycle, past)
            call run%history%remember(cycle, observations)
            if (cycle <= cycles_listed .or. cycle >= last) then
               call new_observation_operator(observations, domain, observe)
               call catalogue%add('H, cycle '//to_text(cycle), observe, ensemble%x(:, :, :1))
            end if
            if (cycle >= last .and. config%analysis%is_due(cycle) .and. observations%total > 0) exit
         end do
         call config%analysis%list_operators(domain, min(cycle, config%cycles), past, &
                                             observations, ensemble, catalogue)
      end associate

   contains

      subroutine add_forecast(name, cycles)
         character(len=*), intent(in) :: name
         integer, intent(in) :: cycles

         call catalogue%add(name, new_repetition(run%config%model, cycles*run%config%steps), &
                            start, cycles*run%config%steps)
      end subroutine add_forecast
   end subroutine list_operators

   !> The state at cycle 0, as a new run begins.
   subroutine begin_ensemble(run, ensemble, error)
      type(run_type), intent(inout) :: run
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error

      associate (config => run%config, domain => run%domain)
         ensemble%members = config%ensemble%members
         allocate (ensemble%x(domain%n, config%model%components_in, ensemble%members))
         ensemble%parameters = config%model%parameters
         allocate (ensemble%carried(0))
         call config%analysis%carry_along(domain, ensemble)
         call run%truth%begin(domain, error)
         call domain%communicator%agree(error)
         if (allocated(error)) return
         call first_ensemble(run, ensemble)
         call config%analysis%take_first(ensemble)
         call config%analysis%prepare(domain, config%model)
      end associate
   end subroutine begin_ensemble
end module da_cycle_checks
