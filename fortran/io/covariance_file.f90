!> Covariances of background errors from a file: `covariance(component, lag)`, of values `lag`
!> points apart, with the attributes `model` and `points`; netCDF-4 or classic. The dimensions'
!> names tell which is which.
module da_io_covariance_file
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_io_cf_attributes, only: attributes_type
   use da_io_input_file, only: input_file_type, input_variable_type, open_input_file
   implicit none
   private
   public :: read_covariance_file

contains

   !> covariances(0:lags, components), which must be those of this model with as many points and
   !> components.
   subroutine read_covariance_file(path, model, points, components, covariances, error)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: model
      integer, intent(in) :: points
      integer, intent(in) :: components
      real(wp), allocatable, intent(out) :: covariances(:, :)
      type(error_type), allocatable, intent(out) :: error
      type(input_file_type) :: file

      call open_input_file(path, file, error)
      if (allocated(error)) return
      call check_origin(file, model, points, error)
      if (.not. allocated(error)) call read_values(file, points, components, covariances, error)
      call file%close()
   end subroutine read_covariance_file

   subroutine check_origin(file, model, points, error)
      type(input_file_type), intent(in) :: file
      character(len=*), intent(in) :: model
      integer, intent(in) :: points
      type(error_type), allocatable, intent(out) :: error
      type(attributes_type) :: told
      character(len=:), allocatable :: found
      real(wp), allocatable :: points_found(:)
      logical :: is_real

      told = file%attributes()
      call told%text('model', found, error)
      call told%numbers('points', points_found, is_real, error)
      if (allocated(error)) return
      if (len(found) == 0 .or. size(points_found) /= 1) then
         call input_error(error, file%path//': has no attributes model and points: did '// &
                          '`dacycle background` write it?')
      else if (found /= model) then
         call input_error(error, file%path//": is of model '"//found//"', this run's is '"// &
                          model//"'")
      else if (abs(points_found(1) - points) > 0) then
         call input_error(error, file%path//': is of a circle of '//to_text(points_found(1))// &
                          ' points, the model has '//to_text(points))
      end if
   end subroutine check_origin

   subroutine read_values(file, points, components, covariances, error)
      type(input_file_type), intent(in) :: file
      integer, intent(in) :: points
      integer, intent(in) :: components
      real(wp), allocatable, intent(out) :: covariances(:, :)
      type(error_type), allocatable, intent(out) :: error
      character(len=*), parameter :: shape = 'covariance(component, lag)'
      type(input_variable_type) :: variable
      integer :: sizes(2)

      call file%open_variable('covariance', shape, 2, variable, error)
      if (allocated(error)) return
      if (variable%dimensions(1) == 'component') call variable%transpose()
      if (variable%dimensions(1) /= 'lag' .or. variable%dimensions(2) /= 'component') then
         call input_error(error, file%path//': covariance has the dimensions '// &
                          trim(variable%dimensions(2))//' and '//trim(variable%dimensions(1))// &
                          ': '//shape//' is needed')
         return
      end if
      call check_lags(file, error)
      if (allocated(error)) return
      sizes = variable%lengths
      if (sizes(2) /= components) then
         call input_error(error, file%path//': covariance has '//to_text(sizes(2))// &
                          ' components, the model '//to_text(components))
      else if (sizes(1) < 1 .or. sizes(1) > points/2 + 1) then
         call input_error(error, file%path//': covariance has '//to_text(sizes(1))//' lags: a '// &
                          'circle of '//to_text(points)//' points has 1 to '//to_text(points/2 + 1))
      end if
      if (allocated(error)) return
      allocate (covariances(0:sizes(1) - 1, components))
      call variable%read_matrix([1, 1], covariances, error)
      if (allocated(error)) return
      if (.not. all(abs(covariances) <= huge(covariances))) then
         call input_error(error, file%path// &
                          ': covariance has values that are missing or not finite')
      else if (any(covariances(0, :) <= 0)) then
         call input_error(error, file%path// &
                          ': covariance at lag 0 is a variance and must be above 0')
      else if (any(abs(covariances) > spread(covariances(0, :), 1, sizes(1)))) then
         call input_error(error, file%path//': covariance at some lag is larger than the variance')
      end if
   end subroutine read_values

   !> Where lags have coordinates, these are 0, 1, …
   subroutine check_lags(file, error)
      type(input_file_type), intent(in) :: file
      type(error_type), allocatable, intent(out) :: error
      type(input_variable_type) :: lag
      real(wp), allocatable :: values(:)
      integer :: i

      if (.not. file%has('lag')) return
      call file%open_variable('lag', 'lag(lag)', 1, lag, error)
      if (allocated(error)) return
      allocate (values(lag%lengths(1)))
      call lag%read_column(1, values, error)
      if (allocated(error)) return
      if (.not. all(abs(values - [(real(i, wp), i=0, size(values) - 1)]) <= 0)) then
         call input_error(error, lag%place//' is not 0, 1, …: lags are counted in grid points')
      end if
   end subroutine check_lags
end module da_io_covariance_file
