!> The truth that a run is verified against: a run of its own model, a file, or nothing.
module da_run_truth
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, run_error
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_truth
   use da_base_text, only: to_text
   use da_ensemble_estimate, only: is_finite
   use da_ensemble_initialise, only: draw_from_attractor
   use da_io_model_clock, only: model_clock_type
   use da_io_state_file, only: state_file_type, open_state_file
   use da_model_list, only: known_models
   use da_model_type, only: model_type
   implicit none
   private
   public :: truth_type, truth_config, read_truth, new_truth

   character(len=4), parameter :: known_sources(3) = [character(len=4) :: 'twin', 'file', 'none']

   !> `&truth`
   type :: truth_config
      character(len=:), allocatable :: source
      character(len=:), allocatable :: file
      character(len=:), allocatable :: model
      real(wp) :: spin_up = 20
   end type truth_config

   !> x(n, components, 1), or no element where there is no truth.
   type :: truth_type
      logical :: exists = .false.
      !> The last cycle whose truth can be known.
      integer :: last = huge(1)
      real(wp), allocatable :: x(:, :, :)
      real(wp), private :: spin_up = 0
      integer, private :: seed = 0
      integer, private :: steps = 1
      class(model_type), allocatable, private :: model
      type(state_file_type), allocatable, private :: file
   contains
      procedure :: begin
      procedure :: advance
      procedure :: look_ahead
      procedure :: must_be_kept
   end type truth_type

contains

   subroutine read_truth(namelists, model_name, config, error)
      type(namelists_type), intent(inout) :: namelists
      character(len=*), intent(in) :: model_name
      type(truth_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error
      type(truth_config) :: defaults

      config%source = 'twin'
      config%file = ''
      config%model = model_name
      call namelists%open_group('truth', 'The truth that scores are taken against')
      call namelists%get('source', config%source, 'run inside, read from a file, or not known', &
                         known_sources)
      call namelists%get('file', config%file, &
                         'with source = ''file'': netCDF file with state(time, x); '// &
                         '''@/…'' lies beside the namelist')
      call namelists%get('model', config%model, 'with source = ''twin'': its model', known_models())
      call namelists%get('spin_up', config%spin_up, &
                         'with source = ''twin'': model time before cycle 0', minimum=0.0_wp, &
                         maximum=1.0e6_wp)
      if (config%source == 'file' .and. len(config%file) == 0) then
         call namelists%reject('file', "is needed with source = 'file'")
      end if
      if (config%source /= 'file' .and. len(config%file) > 0) call refuse('file')
      if (config%source /= 'twin') then
         if (config%model /= model_name) call refuse('model')
         if (abs(config%spin_up - defaults%spin_up) > 0) call refuse('spin_up')
      end if
      call namelists%close_group(error)

   contains

      subroutine refuse(key)
         character(len=*), intent(in) :: key

         call namelists%reject(key, "is not used with source = '"//config%source//"'")
      end subroutine refuse
   end subroutine read_truth

   !> Opens and checks the file where there is one; `model` is that of a twin's truth. It may be
   !> looked at up to `ahead` cycles ahead.
   subroutine new_truth(config, clock, model, steps, domain, seed, cycles, ahead, interval, &
                        truth, error)
      type(truth_config), intent(in) :: config
      type(model_clock_type), intent(in) :: clock
      class(model_type), allocatable, intent(in) :: model
      integer, intent(in) :: steps
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: seed
      integer, intent(in) :: cycles
      integer, intent(in) :: ahead
      real(wp), intent(in) :: interval
      type(truth_type), intent(out) :: truth
      type(error_type), allocatable, intent(out) :: error

      truth%spin_up = config%spin_up
      truth%seed = seed
      truth%steps = steps
      select case (config%source)
      case ('twin')
         truth%model = model
         allocate (truth%x(domain%n, model%components_in, 1))
      case ('file')
         allocate (truth%file)
         call open_state_file(config%file, clock, domain, cycles, ahead, interval, truth%file, &
                              error)
         truth%last = truth%file%last
         allocate (truth%x(domain%n, 1, 1))
      case default
         allocate (truth%x(domain%n, 1, 0))
      end select
      truth%exists = size(truth%x, 3) > 0
   end subroutine new_truth

   !> The truth at cycle 0.
   subroutine begin(self, domain, error)
      class(truth_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      type(error_type), allocatable, intent(out) :: error

      if (allocated(self%model)) then
         call draw_from_attractor(self%model, domain, random_key_type(self%seed, stream_truth), &
                                  self%spin_up, self%x)
      else if (allocated(self%file)) then
         call self%file%read_state(domain, 0, self%x(:, 1, 1), error)
      end if
   end subroutine begin

   !> From the truth at the cycle before to that at `cycle`. A truth that is not finite is no
   !> filter's fault: this rank's error.
   subroutine advance(self, domain, cycle, error)
      class(truth_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(error_type), allocatable, intent(out) :: error
      integer :: i

      if (allocated(self%model)) then
         call self%model%forecast(domain, self%steps, self%x)
      else if (allocated(self%file)) then
         call self%file%read_state(domain, cycle, self%x(:, 1, 1), error)
      end if
      if (allocated(error)) return
      do i = 1, size(self%x, 3)
         if (is_finite(self%x(:, :, i))) cycle
         call run_error(error, 'cycle '//to_text(cycle)//': the truth is not finite any more '// &
                        '(is its model''s dt too long?)')
         return
      end do
   end subroutine advance

   !> From x, the truth at one cycle, to x at a later one; the truth itself stays where it is.
   subroutine look_ahead(self, domain, from, to, x, error)
      class(truth_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: from
      integer, intent(in) :: to
      real(wp), contiguous, intent(inout) :: x(:, :, :)
      type(error_type), allocatable, intent(out) :: error

      if (allocated(self%model)) then
         call self%model%forecast(domain, (to - from)*self%steps, x)
      else if (allocated(self%file)) then
         call self%file%peek(domain, to, x(:, 1, 1), error)
      end if
   end subroutine look_ahead

   !> Whether a checkpoint must hold the truth.
   pure function must_be_kept(self) result(yes)
      class(truth_type), intent(in) :: self
      logical :: yes

      yes = allocated(self%model)
   end function must_be_kept
end module da_run_truth
