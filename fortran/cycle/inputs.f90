!> The files that a run reads, by their digests: what it was made of, and what a restart must find.
module da_cycle_inputs
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type, input_error
   use da_base_sha256, only: file_sha256, digest_length
   use da_cycle_config, only: config_type
   implicit none
   private
   public :: input_type, inputs_of, digests_of, check_inputs

   character(len=1), parameter :: newline = achar(10)

   !> A file, and the key that names it.
   type :: input_type
      character(len=:), allocatable :: key
      character(len=:), allocatable :: path
   end type input_type

contains

   !> All files but the namelist, whose settings are compared one by one.
   function inputs_of(config) result(inputs)
      type(config_type), intent(in) :: config
      type(input_type), allocatable :: inputs(:)

      allocate (inputs(0))
      call add('&truth file', config%truth%file)
      call add('&observations file', config%observations%file)
      call add('&background file', config%analysis%covariance_file())
      call add('&networks model', config%networks%model)
      call add('&networks correction', config%networks%correction)
      call add('&networks linear_model', config%networks%linear_model)
      call add('&networks observation', config%networks%observation)
      call add('&networks analysis', config%networks%analysis)

   contains

      subroutine add(key, path)
         character(len=*), intent(in) :: key
         character(len=*), intent(in) :: path

         if (len(path) > 0) inputs = [inputs, input_type(key, path)]
      end subroutine add
   end function inputs_of

   !> A line for each file, with its key and its SHA-256; one rank reads the files.
   subroutine digests_of(inputs, communicator, lines, error)
      type(input_type), intent(in) :: inputs(:)
      type(communicator_type), intent(in) :: communicator
      character(len=:), allocatable, intent(out) :: lines
      type(error_type), allocatable, intent(out) :: error
      character(len=digest_length) :: digest
      integer :: i

      lines = ''
      if (communicator%is_root()) then
         do i = 1, size(inputs)
            call file_sha256(inputs(i)%path, digest, error)
            if (allocated(error)) exit
            lines = lines//inputs(i)%key//' '//digest//newline
         end do
      end if
      call communicator%agree(error)
      if (.not. allocated(error)) call communicator%broadcast_text(lines, 0)
   end subroutine digests_of

   !> The files must be those that the run began with; settings are the same already.
   subroutine check_inputs(inputs, before, now, error)
      type(input_type), intent(in) :: inputs(:)
      character(len=*), intent(in) :: before
      character(len=*), intent(in) :: now
      type(error_type), allocatable, intent(out) :: error
      integer :: i

      do i = 1, size(inputs)
         if (digest_of(inputs(i)%key, before) == digest_of(inputs(i)%key, now)) cycle
         call input_error(error, inputs(i)%path//' ('//inputs(i)%key//') is not the file that '// &
                          'the run began with: its SHA-256 was '// &
                          digest_of(inputs(i)%key, before)//', and is '// &
                          digest_of(inputs(i)%key, now)//' now; restore it, or begin anew '// &
                          'with --fresh')
         return
      end do
      if (before == now) return
      call input_error(error, 'the run began with other files; restore them, or begin anew '// &
                       'with --fresh')
   end subroutine check_inputs

   !> The digest in the line of a key, empty where it has none.
   pure function digest_of(key, lines) result(digest)
      character(len=*), intent(in) :: key
      character(len=*), intent(in) :: lines
      character(len=:), allocatable :: digest
      integer :: first

      digest = ''
      first = index(newline//lines, newline//key//' ')
      if (first > 0) digest = lines(first + len(key) + 1:first + len(key) + digest_length)
   end function digest_of
end module da_cycle_inputs
