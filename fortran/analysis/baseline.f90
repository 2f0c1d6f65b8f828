!> What an analysis must beat: no assimilation at all, and the climatology.
module da_analysis_baseline
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_climatology
   use da_analysis_setup, only: analysis_setup_type
   use da_analysis_type, only: analysis_type, observe_background
   use da_ensemble_initialise, only: draw_from_attractor, draw_normal_field
   use da_ensemble_type, only: ensemble_type
   use da_model_type, only: model_type
   use da_observation_type, only: observations_type, qc_assimilated, qc_evaluated
   implicit none
   private
   public :: free_run_type, climatology_type, new_free_run, new_climatology

   !> The ensemble runs on, observations are evaluated only.
   type, extends(analysis_type) :: free_run_type
   contains
      procedure :: configure => configure_free_run
      procedure :: update => free_run_update
   end type free_run_type

   !> The "analysis" knows the model's mean and standard deviation, and nothing of the observations.
   type, extends(analysis_type) :: climatology_type
      real(wp) :: mean = 0
      real(wp) :: sd = 1
   contains
      procedure :: configure => configure_climatology
      procedure :: prepare
      procedure :: update => climatology_update
   end type climatology_type

contains

   function new_free_run() result(self)
      type(free_run_type) :: self

      self%name = 'none'
   end function new_free_run

   function new_climatology() result(self)
      type(climatology_type) :: self

      self%name = 'climatology'
   end function new_climatology

   subroutine configure_free_run(self, namelists, setup, error)
      class(free_run_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error

      call refuse_quality_control(namelists%file, setup, self%name, error)
   end subroutine configure_free_run

   subroutine configure_climatology(self, namelists, setup, error)
      class(climatology_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error

      call refuse_quality_control(namelists%file, setup, self%name, error)
   end subroutine configure_climatology

   !> Nothing is assimilated that could be rejected.
   subroutine refuse_quality_control(file, setup, name, error)
      character(len=*), intent(in) :: file
      type(analysis_setup_type), intent(in) :: setup
      character(len=*), intent(in) :: name
      type(error_type), allocatable, intent(out) :: error

      if (setup%gross_error_limit > 0) then
         call input_error(error, file//': &observations gross_error_limit is not used with '// &
                          "analysis = '"//name//"'")
      end if
   end subroutine refuse_quality_control

   subroutine free_run_update(self, domain, cycle, observations, ensemble, error)
      class(free_run_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error

      call evaluate(domain, ensemble, observations)
   end subroutine free_run_update

   !> Mean and standard deviation over space and time of a free run of the model.
   subroutine prepare(self, domain, model)
      class(climatology_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, parameter :: points_wanted = 4000
      integer, parameter :: samples = 100
      real(wp), parameter :: spin_up = 20
      real(wp), parameter :: between_samples = 1
      real(wp), allocatable :: x(:, :, :)
      real(wp) :: moments(domain%n, 2)
      real(wp) :: sums(2)
      integer :: runs
      integer :: sample
      integer :: run

      runs = max(1, points_wanted/domain%total)
      allocate (x(domain%n, model%components_in, runs))
      call draw_from_attractor(model, domain, random_key_type(self%seed, stream_climatology), &
                               spin_up, x)
      sums = 0
      do sample = 1, samples
         call model%forecast(domain, max(1, nint(between_samples/model%dt)), x)
         do run = 1, runs
            moments(:, 1) = x(:, 1, run)
            moments(:, 2) = x(:, 1, run)**2
            sums = sums + domain%mean_of_points(moments)
         end do
      end do
      sums = sums/(samples*runs)
      self%mean = sums(1)
      self%sd = sqrt(sums(2) - sums(1)**2)
   end subroutine prepare

   subroutine climatology_update(self, domain, cycle, observations, ensemble, error)
      class(climatology_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error
      real(wp) :: average(size(ensemble%x, 1), size(ensemble%x, 2))
      integer :: states
      integer :: m

      states = ensemble%states()
      do m = 1, ensemble%members
         call draw_normal_field(domain, random_key_type(self%seed, stream_climatology, cycle, m), &
                                ensemble%x(:, :states, m))
      end do
      call ensemble%mean(average)
      do m = 1, ensemble%members
         ensemble%x(:, :states, m) = self%mean + self%sd*(ensemble%x(:, :states, m) &
                                                          - average(:, :states))
      end do
      call evaluate(domain, ensemble, observations)
   end subroutine climatology_update

   subroutine evaluate(domain, ensemble, observations)
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable :: hx(:, :)

      call observe_background(domain, ensemble, observations, hx)
      where (observations%qc == qc_assimilated) observations%qc = qc_evaluated
   end subroutine evaluate
end module da_analysis_baseline
