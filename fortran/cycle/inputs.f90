!> The files that a run reads, by their digests: what it was made of, and what a restart must find.
module da_cycle_inputs
   use da_base_communicator, only: communicator_type
   use da_base_error, only: error_type, input_error
   use da_base_sha256, only: file_sha256, digest_length
   use da_cycle_config, only: config_type
   use da_cycle_files, only: file_type, input_files, namelist_key
   implicit none
   private
   public :: digests_of, check_inputs

   character(len=1), parameter :: newline = achar(10)

contains

   !> All files but the namelist, whose settings are compared one by one.
   subroutine compared_inputs(config, inputs)
      type(config_type), intent(in) :: config
      type(file_type), allocatable, intent(out) :: inputs(:)
      type(file_type), allocatable :: files(:)
      integer :: i
      integer :: n

      call input_files(config, files)
      n = 0
      allocate (inputs(count([(files(i)%key /= namelist_key, i=1, size(files))])))
      do i = 1, size(files)
         if (files(i)%key == namelist_key) cycle
         n = n + 1
         inputs(n) = files(i)
      end do
   end subroutine compared_inputs

   !> A line for each file, with its key and its SHA-256; one rank reads the files whose bytes were
   !> not kept from the one reading that counts.
   subroutine digests_of(config, communicator, lines, error)
      type(config_type), intent(in) :: config
      type(communicator_type), intent(in) :: communicator
      character(len=:), allocatable, intent(out) :: lines
      type(error_type), allocatable, intent(out) :: error
      type(file_type), allocatable :: inputs(:)
      character(len=digest_length) :: digest
      integer :: i

      lines = ''
      call compared_inputs(config, inputs)
      if (communicator%is_root()) then
         do i = 1, size(inputs)
            digest = inputs(i)%sha256
            if (len_trim(digest) == 0) call file_sha256(inputs(i)%path, digest, error)
            if (allocated(error)) exit
            lines = lines//inputs(i)%key//' '//digest//newline
         end do
      end if
      call communicator%agree(error)
      if (.not. allocated(error)) call communicator%broadcast_text(lines, 0)
   end subroutine digests_of

   !> The files must be those that the run began with; settings are the same already.
   subroutine check_inputs(config, before, now, error)
      type(config_type), intent(in) :: config
      character(len=*), intent(in) :: before
      character(len=*), intent(in) :: now
      type(error_type), allocatable, intent(out) :: error
      type(file_type), allocatable :: inputs(:)
      integer :: i

      call compared_inputs(config, inputs)
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
