!> A network beside the run's model, whose steps or tendency it corrects.
module da_roles_as_correction
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_text, only: to_text
   use da_model_corrected, only: new_corrected
   use da_model_corrected_tendency, only: new_corrected_tendency
   use da_model_state_part, only: add_to_state
   use da_model_type, only: model_type
   use da_network_file, only: network_file_type
   use da_network_metadata, only: form_tendency
   use da_operator_type, only: operator_type
   use da_roles_type, only: network_role_type, parts_type
   implicit none
   private
   public :: as_correction_type, new_as_correction

   type, extends(network_role_type) :: as_correction_type
   contains
      procedure :: check
      procedure :: take
   end type as_correction_type

contains

   function new_as_correction() result(self)
      type(as_correction_type) :: self

      self%key = 'correction'
      self%meaning = 'correction added to the model of &cycle'
      self%file_role%name = 'correction'
      self%file_role%may_be_tendency = .true.
      self%adds_to_state = .true.
   end function new_as_correction

   subroutine check(self, files, namelists)
      class(as_correction_type), intent(in) :: self
      character(len=*), intent(in) :: files(:)
      type(namelists_type), intent(inout) :: namelists

      if (self%wanted() .and. any(files == 'model')) then
         call namelists%reject(self%key, 'and model: a forecast is an emulator''s or a '// &
                               'corrected model''s')
      end if
   end subroutine check

   subroutine take(self, network, parts, error)
      class(as_correction_type), intent(in) :: self
      type(network_file_type), intent(in) :: network
      type(parts_type), intent(inout) :: parts
      type(error_type), allocatable, intent(out) :: error
      class(operator_type), allocatable :: added
      class(model_type), allocatable :: taken
      integer :: steps

      call add_to_state(network%operator, parts%model, added)
      if (network%metadata%form == form_tendency) then
         call correct_tendency(self, network, added, parts, error)
      else
         call parts%count_steps(self%key, network%metadata%trained%interval, steps, error)
         if (allocated(error)) return
         taken = new_corrected(parts%model, added, steps)
         call parts%replace_model(taken, error)
      end if
   end subroutine take

   !> A tendency is added in each stage of each step, however long.
   subroutine correct_tendency(self, network, added, parts, error)
      class(as_correction_type), intent(in) :: self
      type(network_file_type), intent(in) :: network
      class(operator_type), intent(in) :: added
      type(parts_type), intent(inout) :: parts
      type(error_type), allocatable, intent(out) :: error
      class(operator_type), allocatable :: physics
      class(model_type), allocatable :: taken
      real(wp), parameter :: tolerance = 1.0e-9_wp

      call parts%model%get_tendency(physics)
      if (.not. allocated(physics)) then
         call input_error(error, parts%namelist//': &networks '//self%key//': '//self%path// &
                          ": corrects a tendency, which model = '"//parts%model%name// &
                          "' does not give; take model = 'lorenz96', or train the "// &
                          "correction with form = 'increment'")
         return
      end if
      associate (trained => network%metadata%trained%interval, dt => parts%model%dt)
         if (abs(trained - dt) > tolerance*dt) then
            call parts%note(self%key, 'warning: '//self%path//' was trained in steps of ', &
                            to_text(trained)//', here they are '//to_text(dt))
         end if
      end associate
      taken = new_corrected_tendency(parts%model, physics, added)
      call parts%replace_model(taken, error)
   end subroutine correct_tendency
end module da_roles_as_correction
