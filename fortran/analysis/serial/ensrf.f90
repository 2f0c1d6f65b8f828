!> The serial ensemble square root filter (Whitaker & Hamill 2002): one observation after another
!> moves the mean with the Kalman gain and the anomalies with a reduced one, both tapered.
module da_analysis_serial_ensrf
   use da_base_kinds, only: wp, i8
   use da_base_error, only: error_type
   use da_base_linear_algebra, only: random_rotation
   use da_base_namelists, only: namelists_type
   use da_base_random, only: random_key_type, stream_rotation
   use da_base_tridiagonal_kernels, only: lanes
   use da_analysis_serial_filter, only: serial_filter_type
   use da_analysis_serial_kernels, only: part_mean, join_mean, reduce_gain
   use da_analysis_filter_transform, only: transform_members
   use da_ensemble_localisation, only: localisation_config
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: ensrf_type, ensrf_config, new_ensrf

   !> `&ensrf`
   type :: ensrf_config
      logical :: rotation = .true.
   end type ensrf_config

   !> Columns: the members' anomalies over sqrt(members - 1), then the mean.
   type, extends(serial_filter_type) :: ensrf_type
      type(ensrf_config) :: config
   contains
      procedure :: read_settings
      procedure :: columns_for
      procedure :: begin
      procedure :: finish
      procedure :: assimilate_one
      procedure :: complete
   end type ensrf_type

contains

   subroutine read_settings(self, namelists, error)
      class(ensrf_type), intent(inout) :: self
      type(namelists_type), intent(inout) :: namelists
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('ensrf', 'Serial ensemble square root filter, used by '// &
                                'analysis = ''ensrf''; with &localisation taper = ''none'' the '// &
                                'global one')
      call namelists%get('rotation', self%config%rotation, &
                         'turn the analysis anomalies at random each cycle, everywhere alike')
      call namelists%close_group(error)
   end subroutine read_settings

   function new_ensrf(config, localisation) result(self)
      type(ensrf_config), intent(in), optional :: config
      type(localisation_config), intent(in), optional :: localisation
      type(ensrf_type) :: self

      self%name = 'ensrf'
      if (present(config)) self%config = config
      self%localises = .true.
      if (present(localisation)) self%localisation = localisation
      self%copies = 1
   end function new_ensrf

   pure function columns_for(self, members) result(columns)
      class(ensrf_type), intent(in) :: self
      integer, intent(in) :: members
      integer :: columns

      columns = members + 1
   end function columns_for

   pure subroutine begin(self, members, columns, chunks, z)
      class(ensrf_type), intent(in) :: self
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, columns, chunks)

      call part_mean(members, chunks, z)
   end subroutine begin

   pure subroutine finish(self, members, columns, chunks, z)
      class(ensrf_type), intent(in) :: self
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, columns, chunks)

      call join_mean(members, chunks, z)
   end subroutine finish

   pure subroutine assimilate_one(self, key, number, members, columns, chunks, observed, weights, z)
      class(ensrf_type), intent(in) :: self
      type(random_key_type), intent(in) :: key
      integer(i8), intent(in) :: number
      integer, intent(in) :: members
      integer, intent(in) :: columns
      integer, intent(in) :: chunks
      real(wp), intent(in) :: observed(lanes, columns)
      real(wp), intent(in) :: weights(lanes, chunks)
      real(wp), intent(inout) :: z(lanes, columns, chunks)

      call reduce_gain(members, chunks, observed, weights, z)
   end subroutine assimilate_one

   subroutine complete(self, cycle, ensemble)
      class(ensrf_type), intent(in) :: self
      integer, intent(in) :: cycle
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: rotation(ensemble%members, ensemble%members)

      if (.not. self%config%rotation) return
      call random_rotation(random_key_type(self%seed, stream_rotation, cycle), rotation)
      call transform_members(size(ensemble%x(:, :, 1)), ensemble%members, rotation, ensemble%x)
   end subroutine complete
end module da_analysis_serial_ensrf
