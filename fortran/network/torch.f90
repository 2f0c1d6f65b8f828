!> libtorch as seen from Fortran: networks loaded from TorchScript files and called.
!>
!> The bridge is a library of its own, loaded when the first network is: a run without networks
!> carries nothing of libtorch.
module da_network_torch
   use, intrinsic :: iso_c_binding, only: c_char, c_double, c_f_procpointer, c_funptr, c_int, &
      c_int64_t, c_loc, c_null_char, c_null_ptr, c_ptr, c_associated
   use, intrinsic :: iso_fortran_env, only: real32
   use da_base_kinds, only: wp
   use da_base_error, only: error_type, input_error
   use da_base_system, only: directory_of, environment, program_file
   use da_network_archive, only: is_package
   implicit none
   private
   public :: torch_type, new_torch, task_forward, task_tl, task_ad

   integer, parameter :: task_forward = 0
   integer, parameter :: task_tl = 1
   integer, parameter :: task_ad = 2

   character(len=*), parameter :: bridge = 'libdacycle_torch.so'
   !> Names another place for the bridge than beside the program.
   character(len=*), parameter :: bridge_variable = 'DACYCLE_TORCH_BRIDGE'
   !> RTLD_NOW and RTLD_DEEPBIND of glibc: libtorch has a BLAS of its own, many times as fast as a
   !> reference BLAS that the program may have brought along under the same names.
   integer(c_int), parameter :: resolve_now_within = 2 + 8
   integer, parameter :: longest_message = 2000

   !> A network in memory; copies share it.
   type :: torch_type
      type(c_ptr), private :: network = c_null_ptr
      type(c_funptr), private :: run
      type(c_funptr), private :: message_of
      type(c_funptr), private :: tensor_of
      !> Whether it computes in single precision.
      logical :: single = .false.
   contains
      procedure, private :: call_double
      procedure, private :: call_single
      generic :: apply => call_double, call_single
      procedure :: tensor
   end type torch_type

   abstract interface
      function message_interface(text, length) result(whole) bind(c)
         import :: c_char, c_int
         character(kind=c_char), intent(out) :: text(*)
         integer(c_int), value :: length
         integer(c_int) :: whole
      end function message_interface
      function load_interface(bytes, length, package, device, rank, threads, network, &
                              kind_bytes) result(status) bind(c)
         import :: c_char, c_int, c_int64_t, c_ptr
         character(kind=c_char), intent(in) :: bytes(*)
         integer(c_int64_t), value :: length
         integer(c_int), value :: package
         character(kind=c_char), intent(in) :: device(*)
         integer(c_int), value :: rank
         integer(c_int), value :: threads
         type(c_ptr), intent(out) :: network
         integer(c_int), intent(out) :: kind_bytes
         integer(c_int) :: status
      end function load_interface
      function tensor_interface(network, name, extents, data) result(status) bind(c)
         import :: c_char, c_int, c_int64_t, c_ptr
         type(c_ptr), value :: network
         character(kind=c_char), intent(in) :: name(*)
         integer(c_int64_t), intent(out) :: extents(3)
         type(c_ptr), value :: data
         integer(c_int) :: status
      end function tensor_interface
      function run_interface(network, task, batch, channels_in, points_in, channels_out, &
                             points_out, x, d, out) result(status) bind(c)
         import :: c_int, c_int64_t, c_ptr
         type(c_ptr), value :: network
         integer(c_int), value :: task
         integer(c_int64_t), value :: batch
         integer(c_int64_t), value :: channels_in
         integer(c_int64_t), value :: points_in
         integer(c_int64_t), value :: channels_out
         integer(c_int64_t), value :: points_out
         type(c_ptr), value :: x
         type(c_ptr), value :: d
         type(c_ptr), value :: out
         integer(c_int) :: status
      end function run_interface
   end interface

   interface
      function c_dlopen(path, mode) result(library) bind(c, name='dlopen')
         import :: c_char, c_int, c_ptr
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int), value :: mode
         type(c_ptr) :: library
      end function c_dlopen
      function c_dlsym(library, name) result(symbol) bind(c, name='dlsym')
         import :: c_char, c_funptr, c_ptr
         type(c_ptr), value :: library
         character(kind=c_char), intent(in) :: name(*)
         type(c_funptr) :: symbol
      end function c_dlsym
      function c_dlerror() result(text) bind(c, name='dlerror')
         import :: c_ptr
         type(c_ptr) :: text
      end function c_dlerror
      function c_strlen(text) result(length) bind(c, name='strlen')
         import :: c_ptr, c_int64_t
         type(c_ptr), value :: text
         integer(c_int64_t) :: length
      end function c_strlen
      subroutine c_memcpy(to, from, length) bind(c, name='memcpy')
         import :: c_char, c_ptr, c_int64_t
         character(kind=c_char), intent(out) :: to(*)
         type(c_ptr), value :: from
         integer(c_int64_t), value :: length
      end subroutine c_memcpy
   end interface

contains

   !> The network that the bytes of a file are, on a device: 'cpu', 'cuda:1', or 'cuda', where ranks
   !> take one after another.
   subroutine new_torch(path, bytes, device, rank, threads, self, error)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: bytes
      character(len=*), intent(in) :: device
      integer, intent(in) :: rank
      integer, intent(in) :: threads
      type(torch_type), intent(out) :: self
      type(error_type), allocatable, intent(out) :: error
      procedure(load_interface), pointer :: load
      type(c_ptr) :: library
      integer(c_int) :: kind_bytes

      call open_bridge(path, library, error)
      if (allocated(error)) return
      self%run = c_dlsym(library, 'dacycle_torch_run'//c_null_char)
      self%message_of = c_dlsym(library, 'dacycle_torch_message'//c_null_char)
      self%tensor_of = c_dlsym(library, 'dacycle_torch_tensor'//c_null_char)
      call c_f_procpointer(c_dlsym(library, 'dacycle_torch_load'//c_null_char), load)
      if (load(bytes, len(bytes, c_int64_t), merge(1_c_int, 0_c_int, is_package(path)), &
               device//c_null_char, int(rank, c_int), int(threads, c_int), self%network, &
               kind_bytes) /= 0) then
         call input_error(error, path//': '//last_message(self))
         return
      end if
      self%single = kind_bytes == storage_size(1.0_real32)/storage_size(c_null_char)
   end subroutine new_torch

   !> y (or dy, or dx) of a batch: x(points_in, channels_in, batch), y(points_out, channels_out,
   !> batch), `d` the perturbation of the task; unused by forward. False: it failed, and
   !> `message` says why.
   subroutine call_double(self, task, x, d, y, message)
      class(torch_type), intent(in) :: self
      integer, intent(in) :: task
      real(wp), contiguous, target, intent(in) :: x(:, :, :)
      real(wp), contiguous, target, intent(in) :: d(:, :, :)
      real(wp), contiguous, target, intent(inout) :: y(:, :, :)
      character(len=:), allocatable, intent(out) :: message

      call run_task(self, task, shape(x), shape(d), shape(y), c_loc(x), c_loc(d), c_loc(y), message)
   end subroutine call_double

   subroutine call_single(self, task, x, d, y, message)
      class(torch_type), intent(in) :: self
      integer, intent(in) :: task
      real(real32), contiguous, target, intent(in) :: x(:, :, :)
      real(real32), contiguous, target, intent(in) :: d(:, :, :)
      real(real32), contiguous, target, intent(inout) :: y(:, :, :)
      character(len=:), allocatable, intent(out) :: message

      call run_task(self, task, shape(x), shape(d), shape(y), c_loc(x), c_loc(d), c_loc(y), message)
   end subroutine call_single

   subroutine run_task(self, task, x_shape, d_shape, y_shape, x, d, y, message)
      class(torch_type), intent(in) :: self
      integer, intent(in) :: task
      integer, intent(in) :: x_shape(3)
      integer, intent(in) :: d_shape(3)
      integer, intent(in) :: y_shape(3)
      type(c_ptr), intent(in) :: x
      type(c_ptr), intent(in) :: d
      type(c_ptr), intent(in) :: y
      character(len=:), allocatable, intent(out) :: message
      procedure(run_interface), pointer :: run
      integer :: output(3)

      output = merge(d_shape, y_shape, task == task_ad)
      call c_f_procpointer(self%run, run)
      if (run(self%network, int(task, c_int), int(x_shape(3), c_int64_t), &
              int(x_shape(2), c_int64_t), int(x_shape(1), c_int64_t), &
              int(output(2), c_int64_t), int(output(1), c_int64_t), x, d, y) /= 0) then
         message = last_message(self)
      end if
   end subroutine run_task

   !> A tensor that the file holds, in Fortran's order of its extents.
   subroutine tensor(self, name, values, error)
      class(torch_type), intent(in) :: self
      character(len=*), intent(in) :: name
      real(c_double), allocatable, target, intent(out) :: values(:, :, :)
      type(error_type), allocatable, intent(out) :: error
      procedure(tensor_interface), pointer :: tensor_of
      integer(c_int64_t) :: extents(3)

      call c_f_procpointer(self%tensor_of, tensor_of)
      if (tensor_of(self%network, name//c_null_char, extents, c_null_ptr) == 0) then
         allocate (values(extents(3), extents(2), extents(1)))
         if (tensor_of(self%network, name//c_null_char, extents, c_loc(values)) == 0) return
      end if
      call input_error(error, last_message(self))
   end subroutine tensor

   !> The bridge: where the environment says, or beside the program.
   subroutine open_bridge(network, library, error)
      character(len=*), intent(in) :: network
      type(c_ptr), intent(out) :: library
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: path

      path = environment(bridge_variable)
      if (len(path) == 0) path = directory_of(program_file())//'/'//bridge
      library = c_dlopen(path//c_null_char, resolve_now_within)
      if (.not. c_associated(library)) then
         call input_error(error, network//': a network needs '//path//', which cannot be '// &
                          'loaded ('//text_at(c_dlerror())//'); build with torch '// &
                          '(bin/setup), or name the library in '//bridge_variable)
      end if
   end subroutine open_bridge

   function last_message(self) result(message)
      class(torch_type), intent(in) :: self
      character(len=:), allocatable :: message
      procedure(message_interface), pointer :: message_of
      character(kind=c_char) :: text(longest_message)
      integer :: length

      call c_f_procpointer(self%message_of, message_of)
      length = message_of(text, int(longest_message, c_int))
      message = as_text(text, min(length, longest_message - 1))
   end function last_message

   function text_at(address) result(text)
      type(c_ptr), intent(in) :: address
      character(len=:), allocatable :: text
      character(kind=c_char), allocatable :: letters(:)

      text = ''
      if (.not. c_associated(address)) return
      allocate (letters(c_strlen(address)))
      call c_memcpy(letters, address, size(letters, kind=c_int64_t))
      text = as_text(letters, size(letters))
   end function text_at

   pure function as_text(letters, length) result(text)
      character(kind=c_char), intent(in) :: letters(:)
      integer, intent(in) :: length
      character(len=length) :: text
      integer :: i

      do i = 1, length
         text(i:i) = letters(i)
      end do
   end function as_text
end module da_network_torch
