!> The errors of a variational analysis's background: their covariance as it was prepared, or with
!> an ensemble's in it.
module da_analysis_variational_background_errors
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type
   use da_analysis_hybrid_covariance, only: hybrid_config, new_localisation, new_hybrid_errors
   use da_analysis_variational_conjugate_gradient, only: batch_products
   use da_covariance_background, only: background_config, new_background
   use da_covariance_climatology, only: keep_finite
   use da_covariance_type, only: covariance_type
   use da_ensemble_initialise, only: draw_from_attractor
   use da_model_type, only: model_type
   implicit none
   private
   public :: background_errors_type

   type :: background_errors_type
      type(background_config) :: background
      type(hybrid_config) :: hybrid
      class(covariance_type), allocatable :: covariance
      class(covariance_type), allocatable :: localisation
   contains
      procedure :: prepare
      procedure :: sd_at_one_point
      procedure :: at
   end type background_errors_type

contains

   !> The climate(n, components, states), of no states unless it is wanted, is sampled by free runs
   !> of the model.
   subroutine prepare(self, model, domain, key, wanted, climate)
      class(background_errors_type), intent(inout) :: self
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      logical, intent(in) :: wanted
      real(wp), allocatable, intent(out) :: climate(:, :, :)
      integer, parameter :: points_wanted = 4000
      real(wp), parameter :: spin_up = 20
      logical :: sampled

      if (self%hybrid%uses_ensemble()) then
         call new_localisation(self%hybrid%localisation, domain, self%localisation)
      end if
      sampled = wanted
      if (self%hybrid%uses_static()) then
         sampled = sampled .or. self%background%covariance == 'climatology'
      end if
      if (sampled) then
         allocate (climate(domain%n, model%components_in, max(1, points_wanted/domain%total)))
         call draw_from_attractor(model, domain, key, spin_up, climate)
         call keep_finite(domain, climate)
      else
         allocate (climate(domain%n, model%components_in, 0))
      end if
      if (self%hybrid%uses_static()) then
         call new_background(self%background, model, domain, climate, self%covariance)
      end if
   end subroutine prepare

   !> What the covariance gives the circle's first point: |U^T e|; without one, 0.
   subroutine sd_at_one_point(self, domain, sd)
      class(background_errors_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), intent(out) :: sd
      real(wp), allocatable, dimension(:, :, :) :: unit, v
      real(wp) :: variance(1)

      sd = 0
      if (.not. allocated(self%covariance)) return
      allocate (unit(domain%n, self%covariance%components_out, 1), source=0.0_wp)
      allocate (v(domain%n, self%covariance%components_in, 1))
      if (domain%first == 1) unit(1, 1, 1) = 1
      call self%covariance%transposed(domain, unit, v)
      variance = batch_products(domain, v, v)
      sd = sqrt(variance(1))
   end subroutine sd_at_one_point

   !> The covariance where the members are x(n, components, members).
   subroutine at(self, x, covariance)
      class(background_errors_type), intent(in) :: self
      real(wp), intent(in) :: x(:, :, :)
      class(covariance_type), allocatable, intent(out) :: covariance

      if (self%hybrid%uses_ensemble()) then
         call new_hybrid_errors(self%hybrid, x, self%localisation, self%covariance, covariance)
      else
         covariance = self%covariance
      end if
   end subroutine at
end module da_analysis_variational_background_errors
