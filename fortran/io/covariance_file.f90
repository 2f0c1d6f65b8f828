!> Covariances of background errors from a file: `covariance(component, lag)`, of values `lag`
!> points apart, with the attributes `model` and `points`; netCDF-4 or classic.
module da_io_covariance_file
   use netcdf, only: nf90_open, nf90_close, nf90_inq_varid, nf90_inquire_variable, &
      nf90_inquire_dimension, nf90_get_var, nf90_get_att, nf90_inquire_attribute, nf90_nowrite, &
      nf90_global, nf90_noerr
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_io_classic_header, only: check_complete
   use da_io_netcdf_status, only: expect_read
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
      integer :: id
      integer :: status

      call expect_read(nf90_open(path, nf90_nowrite, id), path, &
                       'cannot be opened as netCDF: is it there, and whole?', error)
      if (.not. allocated(error)) call check_complete(path, error)
      if (allocated(error)) return
      call check_origin(id, path, model, points, error)
      if (.not. allocated(error)) call read_values(id, path, points, components, covariances, error)
      status = nf90_close(id)
   end subroutine read_covariance_file

   subroutine check_origin(id, path, model, points, error)
      integer, intent(in) :: id
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: model
      integer, intent(in) :: points
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: found
      integer :: length
      integer :: points_found

      call expect_read(nf90_inquire_attribute(id, nf90_global, 'model', len=length), path, &
                       'has no attribute model: did `dacycle background` write it?', error)
      if (allocated(error)) return
      allocate (character(len=length) :: found)
      call expect_read(nf90_get_att(id, nf90_global, 'model', found), path, &
                       'attribute model is no text', error)
      call expect_read(nf90_get_att(id, nf90_global, 'points', points_found), path, &
                       'has no attribute points: did `dacycle background` write it?', error)
      if (allocated(error)) return
      if (found /= model) then
         call input_error(error, path//": is of model '"//found//"', this run's is '"//model//"'")
      else if (points_found /= points) then
         call input_error(error, path//': is of a circle of '//to_text(points_found)// &
                          ' points, the model has '//to_text(points))
      end if
   end subroutine check_origin

   subroutine read_values(id, path, points, components, covariances, error)
      integer, intent(in) :: id
      character(len=*), intent(in) :: path
      integer, intent(in) :: points
      integer, intent(in) :: components
      real(wp), allocatable, intent(out) :: covariances(:, :)
      type(error_type), allocatable, intent(out) :: error
      integer :: variable
      integer :: rank
      integer :: dimensions(2)
      integer :: sizes(2)
      integer :: d

      call expect_read(nf90_inq_varid(id, 'covariance', variable), path, &
                       'has no variable covariance(component, lag)', error)
      if (allocated(error)) return
      call expect_read(nf90_inquire_variable(id, variable, ndims=rank), path, &
                       'covariance cannot be inquired', error)
      if (allocated(error)) return
      if (rank /= 2) then
         call input_error(error, path//': covariance has '//to_text(rank)// &
                          ' dimensions: 2 are needed, covariance(component, lag)')
         return
      end if
      call expect_read(nf90_inquire_variable(id, variable, dimids=dimensions), path, &
                       'covariance cannot be inquired', error)
      do d = 1, 2
         call expect_read(nf90_inquire_dimension(id, dimensions(d), len=sizes(d)), path, &
                          'dimensions of covariance cannot be inquired', error)
      end do
      if (allocated(error)) return
      if (sizes(2) /= components) then
         call input_error(error, path//': covariance has '//to_text(sizes(2))// &
                          ' components, the model '//to_text(components))
      else if (sizes(1) < 1 .or. sizes(1) > points/2 + 1) then
         call input_error(error, path//': covariance has '//to_text(sizes(1))//' lags: a '// &
                          'circle of '//to_text(points)//' points has 1 to '//to_text(points/2 + 1))
      end if
      if (allocated(error)) return
      allocate (covariances(0:sizes(1) - 1, components))
      call expect_read(nf90_get_var(id, variable, covariances), path, 'covariance cannot be read', &
                       error)
      if (allocated(error)) return
      if (.not. all(abs(covariances) <= huge(covariances))) then
         call input_error(error, path//': covariance has values that are missing or not finite')
      else if (any(covariances(0, :) <= 0)) then
         call input_error(error, path//': covariance at lag 0 is a variance and must be above 0')
      else if (any(abs(covariances) > spread(covariances(0, :), 1, sizes(1)))) then
         call input_error(error, path//': covariance at some lag is larger than the variance')
      end if
   end subroutine read_values
end module da_io_covariance_file
