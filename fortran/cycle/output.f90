!> What is written of a cycle.
module da_cycle_output
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_timer, only: phase_observations
   use da_analysis_type, only: observe_analysis
   use da_cycle_state, only: cycle_state_type
   use da_io_run_layout, only: field_background_mean, field_background_sd, field_analysis_mean, &
      field_analysis_sd, field_truth
   implicit none
   private
   public :: write_cycle

contains

   !> Fields, members, and the feedback of all observations since the analysis before, where this
   !> cycle has one.
   subroutine write_cycle(self, error)
      class(cycle_state_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error

      associate (output => self%output, domain => self%domain, cycle => self%run%cycle, &
                 ensemble => self%run%ensemble, background => self%run%estimates(1), &
                 analysis => self%run%estimates(2))
         call output%add_fields(domain, cycle, field_background_mean, background%mean, error)
         if (allocated(error)) return
         call output%add_fields(domain, cycle, field_background_sd, background%sd, error)
         if (allocated(error)) return
         call output%add_fields(domain, cycle, field_analysis_mean, analysis%mean, error)
         if (allocated(error)) return
         call output%add_fields(domain, cycle, field_analysis_sd, analysis%sd, error)
         if (allocated(error)) return
         if (self%run%truth%exists) then
            call output%add_fields(domain, cycle, field_truth, truth_as_model(self), error)
            if (allocated(error)) return
         end if
         call write_carried(self, error)
         if (allocated(error)) return
         call output%add_members(domain, cycle, ensemble%x, error)
      end associate
      if (allocated(error)) return
      if (self%run%analysis%is_due(self%run%cycle)) call write_feedback(self, error)
   end subroutine write_cycle

   !> Fields that go on from cycle to cycle beside the state, where they mean something.
   subroutine write_carried(self, error)
      class(cycle_state_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      integer :: field
      integer :: f

      field = 0
      associate (carried => self%run%ensemble%carried)
         do f = 1, size(carried)
            if (len_trim(carried(f)%meaning) == 0) cycle
            field = field + 1
            call self%output%add_carried(self%domain, self%run%cycle, field, &
                                         carried(f)%x(:, :1, 1), error)
            if (allocated(error)) return
         end do
      end associate
   end subroutine write_carried

   subroutine write_feedback(self, error)
      class(cycle_state_type), intent(inout) :: self
      type(error_type), allocatable, intent(out) :: error
      integer :: back

      if (.not. self%config%output%feedback) return
      associate (domain => self%domain, source => self%run%source, cycle => self%run%cycle, &
                 past => self%run%past)
         if (self%record%lost_at == 0) then
            call domain%timer%start(phase_observations)
            call observe_analysis(domain, self%run%ensemble, self%run%observations)
            call domain%timer%stop()
            call self%diagnostics%annotate(self%run%observations)
         end if
         do back = self%run%analysis%shift - 1, 1, -1
            call self%output%add_feedback(domain, source%rows_before(cycle - back), &
                                          past(size(past) - back + 1), error)
            if (allocated(error)) return
         end do
         call self%output%add_feedback(domain, source%rows_before(cycle), self%run%observations, &
                                       error)
      end associate
   end subroutine write_feedback

   !> The truth in the model's components; parameters that it does not have are not known.
   function truth_as_model(self) result(x)
      class(cycle_state_type), intent(in) :: self
      real(wp) :: x(size(self%run%ensemble%x, 1), size(self%run%ensemble%x, 2))
      integer :: known

      known = self%run%ensemble%states()
      if (self%run%true_parameters) known = size(x, 2)
      x(:, :known) = self%run%truth%x(:, :known, 1)
      x(:, known + 1:) = ieee_value(1.0_wp, ieee_quiet_nan)
   end function truth_as_model
end module da_cycle_output
