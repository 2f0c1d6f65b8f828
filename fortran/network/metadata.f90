!> What a network file says of itself: a namelist that travels inside it.
module da_network_metadata
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_namelists, only: namelists_type, new_namelists
   use da_base_text, only: to_text
   implicit none
   private
   public :: metadata_type, trained_for_type, file_role_type, read_metadata
   public :: form_increment, form_tendency

   !> A role that a file may have, and which fields its networks take and give: those of the state,
   !> and memory, unless this says otherwise.
   type :: file_role_type
      character(len=16) :: name = ''
      !> H^T R^{-1} (y - H(x)) goes in beside the state, once in each interval between analyses.
      logical :: sees_departures = .false.
      !> The one field that observations are values of comes out.
      logical :: gives_observed = .false.
      !> What comes out may be a tendency.
      logical :: may_be_tendency = .false.
   end type file_role_type

   !> What a correction is added to: the state after a step, or dx/dt in each stage of it.
   character(len=*), parameter :: form_increment = 'increment'
   character(len=*), parameter :: form_tendency = 'tendency'
   character(len=9), parameter :: known_forms(2) = [character(len=9) :: &
      form_increment, form_tendency]
   !> Of the files that this program reads.
   integer, parameter :: known_format = 1

   !> What a network was trained for; outside that it may do badly.
   type :: trained_for_type
      character(len=:), allocatable :: model
      real(wp) :: forcing = 8
      !> Between two calls, in the model's units of time.
      real(wp) :: interval = 0.05_wp
      !> Standard deviation of the observations' errors; 0: it does not matter.
      real(wp) :: error_sd = 0
      !> States that shared their mean's departures; 0: it does not matter.
      integer :: members = 1
      !> Which points were observed; 'any': it does not matter.
      character(len=:), allocatable :: observed
   end type trained_for_type

   type :: metadata_type
      type(file_role_type) :: role
      character(len=:), allocatable :: form
      !> Points that `forward` wants beyond either end of those it gives.
      integer :: halo(2) = 0
      !> Of the one circle that it is for, which it takes and gives as a whole; 0: of any.
      integer :: points = 0
      !> Fields of the state that go in and come out.
      integer :: components = 1
      !> Fields that it carries from call to call, after the others.
      integer :: memory = 0
      !> Widest layer: values a point that are alive at a time.
      integer :: width = 1
      type(trained_for_type) :: trained
   contains
      procedure :: channels_in
      procedure :: channels_out
   end type metadata_type

contains

   !> The metadata of a file; `text` is what stands in it, `roles` are those that it may have.
   subroutine read_metadata(path, text, roles, metadata, error)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: text
      type(file_role_type), intent(in) :: roles(:)
      type(metadata_type), intent(out) :: metadata
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: namelists
      character(len=:), allocatable :: role
      integer :: format
      integer :: r

      if (len_trim(text) == 0) then
         call input_error(error, path//': has no metadata (dacycle.nml in the archive): take '// &
                          'it over with dacycle adopt, or export a training with '// &
                          'dacycle export')
         return
      end if
      call new_namelists(text, path//' (metadata)', namelists, error)
      if (allocated(error)) return
      format = 0
      role = ''
      metadata%form = form_increment
      call namelists%open_group('network', '')
      call namelists%get('format', format, '', minimum=1)
      call namelists%get('role', role, '', roles%name)
      do r = 1, size(roles)
         if (roles(r)%name == role) metadata%role = roles(r)
      end do
      call namelists%get('form', metadata%form, '', known_forms)
      call namelists%get('halo_left', metadata%halo(1), '', minimum=0)
      call namelists%get('halo_right', metadata%halo(2), '', minimum=0)
      call namelists%get('points', metadata%points, '', minimum=0)
      call namelists%get('components', metadata%components, '', minimum=1)
      call namelists%get('memory', metadata%memory, '', minimum=0)
      call namelists%get('width', metadata%width, '', minimum=1)
      if (metadata%form == form_tendency .and. .not. metadata%role%may_be_tendency) then
         call namelists%reject('form', "is that of a correction, not of the role '"//role//"'")
      end if
      if (metadata%points > 0 .and. any(metadata%halo > 0)) then
         call namelists%reject('points', 'is that of a whole circle, which has no halo')
      end if
      if (format /= known_format) then
         call input_error(error, path//': is of format '//to_text(format)//', this program '// &
                          'reads format '//to_text(known_format))
         return
      end if
      call namelists%close_group(error)
      if (allocated(error)) return
      metadata%trained%model = ''
      metadata%trained%observed = 'any'
      call namelists%open_group('trained_for', '')
      call namelists%get('model', metadata%trained%model, '')
      call namelists%get('forcing', metadata%trained%forcing, '')
      call namelists%get('interval', metadata%trained%interval, '', above=0.0_wp)
      call namelists%get('error_sd', metadata%trained%error_sd, '', minimum=0.0_wp)
      call namelists%get('members', metadata%trained%members, '', minimum=0)
      call namelists%get('observed', metadata%trained%observed, '')
      call namelists%close_group(error)
   end subroutine read_metadata

   pure function channels_in(self) result(channels)
      class(metadata_type), intent(in) :: self
      integer :: channels

      channels = self%components + self%memory
      if (self%role%sees_departures) channels = channels + self%components
   end function channels_in

   pure function channels_out(self) result(channels)
      class(metadata_type), intent(in) :: self
      integer :: channels

      channels = self%components + self%memory
      if (self%role%gives_observed) channels = 1
   end function channels_out
end module da_network_metadata
