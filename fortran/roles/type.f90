!> A role that a network may have in a run, and what of the run it may alter.
module da_roles_type
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type
   use da_base_sha256, only: digest_length
   use da_base_text, only: lower, to_text
   use da_analysis_type, only: analysis_type
   use da_model_type, only: model_type
   use da_network_file, only: network_file_type
   use da_network_metadata, only: file_role_type
   use da_operator_type, only: operator_type
   use da_roles_trained_for, only: setting_type
   implicit none
   private
   public :: network_role_type, parts_type, not_used

   character(len=1), parameter :: newline = achar(10)
   !> What is wrong with a key that nothing asks for.
   character(len=*), parameter :: not_used = 'is not used: no network needs it'

   !> The parts of a run that networks stand for, and what they must agree with.
   type :: parts_type
      character(len=:), allocatable :: namelist
      type(setting_type) :: setting
      integer :: members = 1
      real(wp) :: gross_error_limit = 0
      !> Whether `&impact` asks the analysis what observations do.
      logical :: judged = .false.
      !> `steps` of the model lead from one analysis to the next.
      class(model_type), allocatable :: model
      integer :: steps = 1
      class(analysis_type), allocatable :: analysis
      !> What the analysis takes observations for, where that is not the state.
      class(operator_type), allocatable :: observed_field
      !> For the log, a line each.
      character(len=:), allocatable :: notes
   contains
      procedure :: replace_model
      procedure :: count_steps
      procedure :: note
   end type parts_type

   !> An empty path is no network, an empty sha256 demands none. Of a file that was read that is the
   !> one of the bytes that run.
   type, abstract :: network_role_type
      !> In `&networks`, and what is said of it there.
      character(len=:), allocatable :: key
      character(len=:), allocatable :: meaning
      !> What its files say that they are.
      type(file_role_type) :: file_role
      !> Whether what comes out is added to states alone: it need not see parameters.
      logical :: adds_to_state = .false.
      character(len=:), allocatable :: path
      character(len=:), allocatable :: sha256
   contains
      procedure :: wanted
      procedure :: read_file
      procedure :: configure
      procedure :: check
      procedure :: fit
      procedure(take), deferred :: take
   end type network_role_type

   abstract interface
      !> Put a network in its place.
      subroutine take(self, network, parts, error)
         import :: network_role_type, network_file_type, parts_type, error_type
         class(network_role_type), intent(in) :: self
         type(network_file_type), intent(in) :: network
         type(parts_type), intent(inout) :: parts
         type(error_type), allocatable, intent(out) :: error
      end subroutine take
   end interface

contains

   pure logical function wanted(self)
      class(network_role_type), intent(in) :: self

      wanted = len(self%path) > 0
   end function wanted

   !> Its file, and what that must be: loading runs code that it holds.
   subroutine read_file(self, namelists)
      class(network_role_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists

      self%path = ''
      self%sha256 = ''
      call namelists%get(self%key, self%path, self%meaning)
      call namelists%get(self%key//'_sha256', self%sha256, 'that this file must have to be '// &
                         'loaded; empty: whatever it has')
      self%sha256 = lower(self%sha256)
      if (len(self%sha256) == 0) return
      if (.not. self%wanted()) then
         call namelists%reject(self%key//'_sha256', 'is not used: '//self%key//' names no file')
      else if (len(self%sha256) /= digest_length .or. &
               verify(self%sha256, '0123456789abcdef') > 0) then
         call namelists%reject(self%key//'_sha256', "= '"//self%sha256// &
                               "': 64 hexadecimal digits are needed")
      end if
   end subroutine read_file

   !> Its own keys; most have none.
   subroutine configure(self, namelists)
      class(network_role_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
   end subroutine configure

   !> Refuse keys that do not fit together; `files` are those that name a network.
   subroutine check(self, files, namelists)
      class(network_role_type), intent(in) :: self
      character(len=*), intent(in) :: files(:)
      type(namelists_type), intent(inout) :: namelists
   end subroutine check

   !> Refuse a run that has no place for such a network, before the file is read; most fit any.
   subroutine fit(self, parts, error)
      class(network_role_type), intent(in) :: self
      type(parts_type), intent(in) :: parts
      type(error_type), allocatable, intent(out) :: error
   end subroutine fit

   !> Another model comes in the place of the run's, and is handed over.
   subroutine replace_model(self, model, error)
      class(parts_type), intent(inout) :: self
      class(model_type), allocatable, intent(inout) :: model
      type(error_type), allocatable, intent(out) :: error

      call move_alloc(model, self%model)
      call self%count_steps('model', self%setting%interval, self%steps, error)
      self%analysis%steps = self%steps
   end subroutine replace_model

   !> How many of the model's steps take `time`, of which the network for `key` says or needs it.
   subroutine count_steps(self, key, time, count, error)
      class(parts_type), intent(in) :: self
      character(len=*), intent(in) :: key
      real(wp), intent(in) :: time
      integer, intent(out) :: count
      type(error_type), allocatable, intent(out) :: error
      real(wp), parameter :: tolerance = 1.0e-9_wp

      associate (step => self%model%dt)
         count = nint(time/step)
         if (count < 1 .or. abs(count*step - time) > tolerance*time) then
            call input_error(error, self%namelist//': &networks '//key//': '//to_text(time)// &
                             ' must be a whole multiple of the step of '//to_text(step))
         end if
      end associate
   end subroutine count_steps

   !> Tell the log of the network for `key`; of several lines each is a note.
   subroutine note(self, key, start, lines)
      class(parts_type), intent(inout) :: self
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: start
      character(len=*), intent(in) :: lines
      integer :: first
      integer :: length

      first = 1
      do while (first <= len(lines))
         length = index(lines(first:)//newline, newline) - 1
         self%notes = self%notes//self%namelist//': &networks '//key//': '//start// &
                      lines(first:first + length - 1)//newline
         first = first + length + 1
      end do
   end subroutine note
end module da_roles_type
