!> A scheme that turns a background ensemble and observations into an analysis ensemble.
module da_analysis_type
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_analysis_diagnostics_settings, only: diagnostics_config
   use da_analysis_filter_observation_bias, only: observe_bias
   use da_analysis_variational_observation_impact, only: forecast_aspect_type, impact_type
   use da_analysis_setup, only: analysis_setup_type
   use da_analysis_study, only: study_config, local_analysis_type
   use da_ensemble_type, only: ensemble_type, mean_of_members, spread_of_members
   use da_model_type, only: model_type
   use da_observation_factory, only: new_observation_operator
   use da_observation_type, only: observations_type
   use da_operator_catalogue, only: catalogue_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: analysis_type, no_noise_in_windows
   public :: observe_background, observe_analysis, observe_members

   type, abstract :: analysis_type
      character(len=:), allocatable :: name
      integer :: seed = 0
      !> Cycles from the start of the window to the analysis; 0: a filter.
      integer :: window = 0
      !> Cycles from analysis to analysis; between them the state is the forecast.
      integer :: shift = 1
      !> Cycles before that of an analysis whose observations it asks for.
      integer :: history = 0
      !> Model steps a cycle.
      integer :: steps = 1
      !> Whether it corrects whatever is appended to the state.
      logical :: augments = .false.
      !> Whether it has an adjoint, which tells the observations' impact on forecasts.
      logical :: tells_impact = .false.
      !> Ensembles of states, at least, that an analysis makes beside the one it is given.
      integer :: copies = 0
      type(study_config) :: studied
      type(diagnostics_config) :: diagnosed
   contains
      procedure :: configure
      procedure :: specialise
      procedure :: prepare
      procedure :: weighs_observations
      procedure :: carry_along
      procedure :: take_first
      procedure :: covariance_file
      procedure :: take_covariances
      procedure :: list_operators
      procedure :: forecast
      procedure :: lags
      procedure :: successor
      procedure :: against_noise => no_noise_in_windows
      procedure :: study
      procedure :: is_due
      procedure :: update_window
      procedure :: impact
      procedure(update), deferred :: update
   end type analysis_type

   abstract interface
      !> Background in, analysis out; on return each observation carries its background and its QC
      !> code.
      subroutine update(self, domain, cycle, observations, ensemble, error)
         import :: analysis_type, domain_type, observations_type, ensemble_type, error_type
         class(analysis_type), intent(in) :: self
         type(domain_type), intent(inout) :: domain
         integer, intent(in) :: cycle
         type(observations_type), intent(inout) :: observations
         type(ensemble_type), intent(inout) :: ensemble
         type(error_type), allocatable, intent(out) :: error
      end subroutine update
   end interface

contains

   !> Read the groups of a scheme, and what they and the run must agree on.
   subroutine configure(self, namelists, setup, error)
      class(analysis_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(analysis_setup_type), intent(in) :: setup
      type(error_type), allocatable, intent(out) :: error
   end subroutine configure

   !> Another scheme of the same name, where its settings ask for one; not allocated: it stays.
   subroutine specialise(self, other)
      class(analysis_type), intent(in) :: self
      class(analysis_type), allocatable, intent(out) :: other
   end subroutine specialise

   !> What a scheme computes once, before the first cycle; most need nothing.
   subroutine prepare(self, domain, model)
      class(analysis_type), intent(inout) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
   end subroutine prepare

   !> Whether observations get weights that their feedback should tell.
   pure function weighs_observations(self) result(yes)
      class(analysis_type), intent(in) :: self
      logical :: yes

      yes = .false.
   end function weighs_observations

   !> Add to the ensemble what a scheme carries from cycle to cycle, at its first value; most carry
   !> nothing.
   subroutine carry_along(self, domain, ensemble)
      class(analysis_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(ensemble_type), intent(inout) :: ensemble
   end subroutine carry_along

   !> What a scheme does with the first ensemble of a new run; most do nothing.
   subroutine take_first(self, ensemble)
      class(analysis_type), intent(in) :: self
      type(ensemble_type), intent(inout) :: ensemble
   end subroutine take_first

   !> The file of background covariances that a scheme is to be given; most want none: empty.
   pure function covariance_file(self) result(path)
      class(analysis_type), intent(in) :: self
      character(len=:), allocatable :: path

      path = ''
   end function covariance_file

   !> What that file holds, covariances(0:lags, components).
   pure subroutine take_covariances(self, covariances)
      class(analysis_type), intent(inout) :: self
      real(wp), intent(in) :: covariances(0:, :)
   end subroutine take_covariances

   !> The operators of its own that a scheme would use in a cycle, to be examined; most have none.
   subroutine list_operators(self, domain, cycle, past, observations, ensemble, catalogue)
      class(analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: past(:)
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(catalogue_type), intent(inout) :: catalogue
   end subroutine list_operators

   !> From the analysis before to the background of `cycle`: by the model, unless a scheme knows how
   !> it errs.
   subroutine forecast(self, domain, model, cycle, ensemble)
      class(analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble

      call model%forecast(domain, self%steps, ensemble%x)
   end subroutine forecast

   !> How many cycles back a filter goes on to correct its analyses; most do not.
   pure function lags(self) result(cycles)
      class(analysis_type), intent(in) :: self
      integer :: cycles

      cycles = 0
   end function lags

   !> The scheme that takes over from this one, and when; most have none: empty.
   pure function successor(self) result(text)
      class(analysis_type), intent(in) :: self
      character(len=:), allocatable :: text

      text = ''
   end function successor

   !> Why so many members may not be disturbed between forecast and analysis; empty where they may.
   pure function no_noise_in_windows(self, members) result(reason)
      class(analysis_type), intent(in) :: self
      integer, intent(in) :: members
      character(len=:), allocatable :: reason

      reason = ''
      if (self%window > 0) then
         reason = 'takes the forecast model as perfect over its window; only truth_sd may be '// &
                  'above 0'
      end if
   end function no_noise_in_windows

   !> The local analyses that `studied` asks for, this rank's, as `update` is about to make them;
   !> only schemes that have such are asked.
   subroutine study(self, domain, cycle, observations, ensemble, studies, error)
      class(analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(local_analysis_type), allocatable, intent(out) :: studies(:)
      type(error_type), allocatable, intent(out) :: error

      allocate (studies(0))
   end subroutine study

   !> Whether a cycle has an analysis.
   pure function is_due(self, cycle) result(yes)
      class(analysis_type), intent(in) :: self
      integer, intent(in) :: cycle
      logical :: yes

      yes = mod(cycle, self%shift) == 0
   end function is_due

   !> `update` with the observations of the `history` cycles before as well (of fewer at the start
   !> of a run), oldest first; schemes with a window assimilate those too. On return from an
   !> analysis, those since the one before carry their background, QC code and analysis.
   subroutine update_window(self, domain, cycle, past, observations, ensemble, error)
      class(analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(inout) :: past(:)
      type(observations_type), intent(inout) :: observations
      type(ensemble_type), intent(inout) :: ensemble
      type(error_type), allocatable, intent(out) :: error

      call self%update(domain, cycle, observations, ensemble, error)
   end subroutine update_window

   !> What the observations, as `update` is about to assimilate them, do to an aspect of a forecast;
   !> without those of `withheld(n, cases)` in turn. Only schemes that tell it are asked.
   subroutine impact(self, domain, cycle, observations, ensemble, aspect, withheld, found)
      class(analysis_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: cycle
      type(observations_type), intent(in) :: observations
      type(ensemble_type), intent(in) :: ensemble
      type(forecast_aspect_type), intent(in) :: aspect
      logical, intent(in) :: withheld(:, :)
      type(impact_type), intent(out) :: found
   end subroutine impact

   !> The ensemble in observation space, hx(n, members), and its mean and spread at each
   !> observation.
   subroutine observe_background(domain, ensemble, observations, hx)
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable, intent(out) :: hx(:, :)

      allocate (hx(observations%n, ensemble%members))
      call observe_members(domain, ensemble, observations, observations%n, ensemble%members, hx)
      call mean_of_members(observations%n, ensemble%members, hx, observations%background)
      call spread_of_members(observations%n, ensemble%members, hx, observations%background, &
                             observations%background_sd)
   end subroutine observe_background

   !> The analysis ensemble's mean at each observation.
   subroutine observe_analysis(domain, ensemble, observations)
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(inout) :: observations
      real(wp), allocatable :: hx(:, :)

      allocate (hx(observations%n, ensemble%members), observations%analysis(observations%n))
      call observe_members(domain, ensemble, observations, observations%n, ensemble%members, hx)
      call mean_of_members(observations%n, ensemble%members, hx, observations%analysis)
   end subroutine observe_analysis

   !> The members in observation space, in the shape that operators have.
   subroutine observe_members(domain, ensemble, observations, n, members, hx)
      type(domain_type), intent(inout) :: domain
      type(ensemble_type), intent(in) :: ensemble
      type(observations_type), intent(in) :: observations
      integer, intent(in) :: n
      integer, intent(in) :: members
      real(wp), intent(out) :: hx(n, 1, members)
      class(operator_type), allocatable :: operator

      call new_observation_operator(observations, domain, operator)
      call operator%forward(domain, ensemble%x, hx)
      call observe_bias(ensemble, n, members, hx)
   end subroutine observe_members
end module da_analysis_type
