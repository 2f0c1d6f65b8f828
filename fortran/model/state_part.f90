!> What a network adds to a model that carries parameters: to its state alone, as a forecast keeps
!> parameters. The network may see them or not, as it has components for them or not.
module da_model_state_part
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_model_type, only: model_type
   use da_operator_type, only: operator_type
   implicit none
   private
   public :: state_part_type, new_state_part, add_to_state

   type, extends(operator_type) :: state_part_type
      class(operator_type), allocatable :: added
      !> Components of the state, which come first.
      integer :: states = 1
      !> Components that `added` takes and gives: these, or all.
      integer, private :: seen = 1
   contains
      procedure :: forward
      procedure :: tl
      procedure :: ad
   end type state_part_type

contains

   !> What a forecast adds to the states of a model.
   subroutine add_to_state(network, model, added)
      class(operator_type), intent(in) :: network
      class(model_type), intent(in) :: model
      class(operator_type), allocatable, intent(out) :: added

      if (model%parameters == 0) then
         added = network
      else
         added = new_state_part(network, model%components_in, model%parameters)
      end if
   end subroutine add_to_state

   !> Of `components` values a point the last `parameters` are parameters.
   function new_state_part(added, components, parameters) result(self)
      class(operator_type), intent(in) :: added
      integer, intent(in) :: components
      integer, intent(in) :: parameters
      type(state_part_type) :: self

      self%added = added
      self%components_in = components
      self%components_out = components
      self%rounding = added%rounding
      self%states = components - parameters
      self%seen = added%components_in
   end function new_state_part

   subroutine forward(self, domain, x, y)
      class(state_part_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(out) :: y(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: part, change

      part = x(:, :self%seen, :)
      allocate (change, mold=part)
      call self%added%forward(domain, part, change)
      y(:, :self%states, :) = change(:, :self%states, :)
      y(:, self%states + 1:, :) = 0
   end subroutine forward

   subroutine tl(self, domain, x, dx, dy)
      class(state_part_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dx(:, :, :)
      real(wp), contiguous, intent(out) :: dy(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: part, dpart, change

      part = x(:, :self%seen, :)
      dpart = dx(:, :self%seen, :)
      allocate (change, mold=part)
      call self%added%tl(domain, part, dpart, change)
      dy(:, :self%states, :) = change(:, :self%states, :)
      dy(:, self%states + 1:, :) = 0
   end subroutine tl

   subroutine ad(self, domain, x, dy, dx)
      class(state_part_type), intent(in) :: self
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: dy(:, :, :)
      real(wp), contiguous, intent(out) :: dx(:, :, :)
      real(wp), allocatable, dimension(:, :, :) :: part, change, dpart

      part = x(:, :self%seen, :)
      change = dy(:, :self%seen, :)
      change(:, self%states + 1:, :) = 0
      allocate (dpart, mold=part)
      call self%added%ad(domain, part, change, dpart)
      dx(:, :self%seen, :) = dpart
      dx(:, self%seen + 1:, :) = 0
   end subroutine ad
end module da_model_state_part
