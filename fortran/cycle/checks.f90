!> `da_cycle --check-adjoint`: the operators of a namelist, examined as its run would use them.
module da_cycle_checks
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp
   use da_base_communicator, only: communicator_type, alone
   use da_base_error, only: error_type, run_error
   use da_base_random, only: random_key_type, stream_checks
   use da_base_text, only: to_text, pad
   use da_cycle_config, only: config_type
   use da_cycle_type, only: cycle_type
   use da_observation_factory, only: new_observation_operator
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
   subroutine check_adjoint(cycle, config, error)
      type(cycle_type), intent(inout) :: cycle
      type(config_type), intent(in) :: config
      type(error_type), allocatable, intent(out) :: error
      type(communicator_type) :: communicator
      type(catalogue_type) :: catalogue
      type(findings_type) :: findings
      character(len=:), allocatable :: faults
      logical :: single
      integer :: e

      communicator = cycle%domain%communicator
      call list_operators(cycle, catalogue, error)
      if (allocated(error)) return
      faults = ''
      single = .false.
      call say(pad('operator', name_width)//heading)
      do e = 1, size(catalogue%entries)
         associate (entry => catalogue%entries(e))
            call examine(entry, cycle%domain, key_of(config, e), findings)
            call say(pad(entry%name, name_width)//line_of(findings))
            single = single .or. findings%taylor%order == 2
            call add_fault(entry%name, findings%fault())
            if (entry%root .and. .not. findings%empty) call say(line_of_covariance(findings))
         end associate
      end do
      if (single) call say(about_single)
      if (communicator%ranks > 1) call compare_layouts(catalogue, error)
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
      subroutine compare_layouts(catalogue, error)
         type(catalogue_type), intent(in) :: catalogue
         type(error_type), allocatable, intent(out) :: error
         type(cycle_type) :: whole
         type(catalogue_type) :: catalogue_whole
         integer :: e

         if (real(config%model%points, wp)*config%model%components_in*config%ensemble%members &
             > most_held) then
            call say('layout: not compared, too large for each rank to hold the whole')
            return
         end if
         call whole%open(alone(), config, error)
         if (.not. allocated(error)) call list_operators(whole, catalogue_whole, error)
         call communicator%agree(error)
         if (allocated(error)) return
         do e = 1, size(catalogue%entries)
            if (.not. same_on_both(catalogue%entries(e), cycle%domain, &
                                   catalogue_whole%entries(e), whole%domain, key_of(config, e))) &
                then
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
   subroutine list_operators(cycle, catalogue, error)
      type(cycle_type), intent(inout) :: cycle
      type(catalogue_type), intent(out) :: catalogue
      type(error_type), allocatable, intent(out) :: error
      real(wp), allocatable :: start(:, :, :)
      class(operator_type), allocatable :: observe
      integer :: last
      integer :: k

      associate (run => cycle%run, steps => cycle%run%setup%steps, cycles => cycle%config%cycles)
         call cycle%begin_state(error)
         if (allocated(error)) return
         start = run%ensemble%x(:, :, :1)
         last = min(max(1, run%analysis%window), cycles)
         call catalogue%add('model, one step', run%model, start)
         if (steps > 1) call add_forecast('model, a cycle', 1)
         if (last > 1) call add_forecast('model, the window', last)
         do k = 1, cycles
            call cycle%forecast(error)
            if (allocated(error)) return
            if (k <= cycles_listed .or. k >= last) then
               call new_observation_operator(run%observations, cycle%domain, observe)
               call catalogue%add('H, cycle '//to_text(k), observe, run%ensemble%x(:, :, :1))
            end if
            if (k >= last .and. run%analysis%is_due(k) .and. run%observations%total > 0) exit
         end do
         call run%analysis%list_operators(cycle%domain, min(k, cycles), run%past, &
                                          run%observations, run%ensemble, catalogue)
      end associate

   contains

      subroutine add_forecast(name, cycles)
         character(len=*), intent(in) :: name
         integer, intent(in) :: cycles
         integer :: steps

         steps = cycles*cycle%run%setup%steps
         call catalogue%add(name, new_repetition(cycle%run%model, steps), start, steps)
      end subroutine add_forecast
   end subroutine list_operators
end module da_cycle_checks
