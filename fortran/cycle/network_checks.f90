!> `da_cycle --check-network`: a network file, examined as an operator on circles of several sizes.
module da_cycle_network_checks
   use, intrinsic :: iso_fortran_env, only: output_unit
   use da_base_kinds, only: wp
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type, run_error
   use da_base_text, only: to_text, pad
   use da_network_contract, only: circle_type, circles_of, test_sample, test_circle, checks, &
      check_names
   use da_network_file, only: network_file_type, device_type, read_network_file, &
      load_network_file
   use da_roles_list, only: roles_of_files
   implicit none
   private
   public :: check_network

   integer, parameter :: name_width = 34
   integer, parameter :: column_width = 13

contains

   !> Load a file, run all checks and print what was found; an error where one is not passed.
   subroutine check_network(communicator, path, error)
      type(communicator_type), intent(in) :: communicator
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(out) :: error
      type(network_file_type) :: network
      type(device_type) :: device
      type(domain_type) :: domain
      type(circle_type), allocatable :: circles(:)
      integer, allocatable :: points(:)
      integer :: c

      device%name = 'cpu'
      device%rank = communicator%rank
      call read_network_file(communicator, path, '', roles_of_files(), network, error)
      if (.not. allocated(error)) call load_network_file(device, network, error)
      if (.not. allocated(error)) then
         points = circles_of(network, communicator%ranks)
         allocate (circles(0:size(points)))
         call test_sample(network, circles(0), error)
      end if
      call communicator%agree(error)
      if (allocated(error)) return
      do c = 1, size(points)
         call new_domain(points(c), communicator, domain, error)
         if (.not. allocated(error)) call test_circle(network, domain, circles(c), error)
         if (allocated(error)) return
      end do
      if (communicator%is_root()) call print_table(network, communicator%ranks, circles)
      call judge(path, circles, error)
      call communicator%agree(error)
   end subroutine check_network

   subroutine print_table(network, ranks, circles)
      type(network_file_type), intent(in) :: network
      integer, intent(in) :: ranks
      type(circle_type), intent(in) :: circles(0:)
      character(len=:), allocatable :: line
      integer :: check
      integer :: c

      associate (metadata => network%metadata, trained => network%metadata%trained)
         line = ', halo '//to_text(metadata%halo(1))//' and '//to_text(metadata%halo(2))
         if (metadata%points > 0) line = ', one circle of '//to_text(metadata%points)//' points'
         call say(network%path//': role '//trim(metadata%role%name)//', '// &
                  trim(merge('float32', 'float64', network%torch%single))//', '// &
                  to_text(metadata%channels_in())//' channels in, '// &
                  to_text(metadata%channels_out())//' out, '//to_text(metadata%memory)// &
                  ' of memory'//line)
         line = "trained for model '"//trained%model//"', forcing "//to_text(trained%forcing)// &
                ', each '//to_text(trained%interval)
         if (trained%error_sd > 0) line = line//', error_sd '//to_text(trained%error_sd)
         call say(line//', observed '//trained%observed)
      end associate
      call say('sha256 '//network%sha256)
      call say('')
      line = pad('on '//to_text(ranks)//trim(merge(' rank ', ' ranks', ranks == 1)), name_width)// &
             right('at most')
      do c = 0, ubound(circles, 1)
         line = line//right('N_x '//to_text(circles(c)%points))
      end do
      call say(line)
      do check = 1, checks
         if (.not. any(circles%done(check))) cycle
         line = pad(trim(check_names(check)), name_width)// &
                right(number(maxval(circles%allowed(check), mask=circles%done(check))))
         do c = 0, ubound(circles, 1)
            line = line//right(merge(number(circles(c)%found(check)), '         -', &
                                     circles(c)%done(check)))
         end do
         call say(line//'   '//trim(merge('right ', 'FAILED', all(circles%passed(check)))))
      end do
   end subroutine print_table

   !> An error that names what is not right, and where.
   subroutine judge(path, circles, error)
      character(len=*), intent(in) :: path
      type(circle_type), intent(in) :: circles(0:)
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: faults
      character(len=:), allocatable :: places
      integer :: check
      integer :: c

      faults = ''
      do check = 1, checks
         places = ''
         do c = 0, ubound(circles, 1)
            if (.not. circles(c)%passed(check)) places = places//', '//to_text(circles(c)%points)
         end do
         if (len(places) > 0) call add(trim(check_names(check))//' (N_x = '//places(3:)//')')
      end do
      do c = 1, ubound(circles, 1)
         if (.not. allocated(circles(c)%message)) cycle
         call add('forward fails (N_x = '//to_text(circles(c)%points)//'): '//circles(c)%message)
         exit
      end do
      if (len(faults) > 0) then
         call run_error(error, path//': not right: '//faults)
      else if (any(circles%flat)) then
         call run_error(error, path//': nothing depends on its input: no derivative can be tested')
      end if

   contains

      subroutine add(fault)
         character(len=*), intent(in) :: fault

         if (len(faults) > 0) faults = faults//'; '
         faults = faults//fault
      end subroutine add
   end subroutine judge

   subroutine say(text)
      character(len=*), intent(in) :: text

      write (output_unit, '(a)') text
   end subroutine say

   pure function number(value) result(text)
      real(wp), intent(in) :: value
      character(len=10) :: text

      write (text, '(es10.1)') value
      if (.not. abs(value) > 0) text = '         0'
      if (.not. value < huge(value)) text = 'not finite'
   end function number

   pure function right(text) result(column)
      character(len=*), intent(in) :: text
      character(len=column_width) :: column

      column = adjustr(text//repeat(' ', max(0, column_width - len(text))))
   end function right
end module da_cycle_network_checks
