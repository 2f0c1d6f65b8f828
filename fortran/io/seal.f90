!> What tells that the header of a netCDF file is to the bit the one that was written.
!>
!> A checkpoint ends in a seal: a text with the length and the digest of its header, which in turn
!> holds the checksums of the arrays. It is looked at before a library reads anything.
module da_io_seal
   use da_base_kinds, only: i8
   use da_base_error, only: error_type, input_error
   use da_base_sha256, only: sha256, digest_length
   use da_base_text, only: to_text
   implicit none
   private
   public :: advice, seal_length, format_version, write_seal, check_seal, header_digest, &
      put_records

   !> Of checkpoints and of output. Another number where an older program cannot go on with them.
   integer, parameter :: format_version = 2
   integer, parameter :: seal_length = 128
   integer, parameter :: word = 4
   character(len=*), parameter :: start = 'dacycle checkpoint, format '
   character(len=*), parameter :: middle = ': header of '
   character(len=*), parameter :: last = ' bytes with sha256 '
   !> What can be done where a checkpoint is of no use.
   character(len=*), parameter :: advice = '; put a copy in its place, or begin anew with --fresh'

contains

   !> Write the seal of a file whose header has so many bytes at its end, `offset` bytes behind its
   !> start.
   subroutine write_seal(path, header_bytes, offset, ok)
      character(len=*), intent(in) :: path
      integer(i8), intent(in) :: header_bytes
      integer(i8), intent(in) :: offset
      logical, intent(out) :: ok
      character(len=:), allocatable :: header
      integer :: status
      integer :: unit

      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='readwrite', iostat=status)
      ok = status == 0
      if (.not. ok) return
      call read_start(unit, header_bytes, header, ok)
      if (ok) then
         write (unit, pos=offset + 1, iostat=status) seal(header)
         ok = status == 0
      end if
      close (unit, iostat=status)
      ok = ok .and. status == 0
   end subroutine write_seal

   !> A checkpoint must end in the seal of its header.
   subroutine check_seal(path, error)
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(out) :: error
      character(len=seal_length) :: found
      character(len=:), allocatable :: header
      integer(i8) :: bytes
      integer :: status
      integer :: unit
      integer :: format
      logical :: ok

      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=status)
      if (status /= 0) then
         call input_error(error, path//': cannot be opened (may you read it?)')
         return
      end if
      inquire (unit=unit, size=bytes)
      ok = bytes > seal_length
      if (ok) read (unit, pos=bytes - seal_length + 1, iostat=status) found
      ok = ok .and. status == 0
      if (ok) ok = found(:len(start)) == start
      if (.not. ok) then
         close (unit)
         call input_error(error, path//': is not a readable checkpoint: it is cut short, or '// &
                          'was not written by this version of da_cycle'//advice)
         return
      end if
      format = number_between(found, start, middle)
      bytes = number_between(found, middle, last)
      call read_start(unit, bytes, header, ok)
      close (unit)
      if (format /= format_version) then
         call input_error(error, path//': is not a readable checkpoint: it has format '// &
                          to_text(format)//', this da_cycle reads '// &
                          to_text(format_version)//advice)
         return
      end if
      if (ok) ok = found == seal(header)
      if (.not. ok) then
         call input_error(error, path//': is not a readable checkpoint: its header is damaged'// &
                          advice)
      end if
   end subroutine check_seal

   pure function seal(header) result(text)
      character(len=*), intent(in) :: header
      character(len=seal_length) :: text

      text = start//to_text(format_version)//middle//to_text(len(header))//last//sha256(header)
   end function seal

   !> The number in a text between two others; -1 where there is none.
   pure function number_between(text, before, after) result(number)
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: before
      character(len=*), intent(in) :: after
      integer :: number
      integer :: first
      integer :: length
      integer :: status

      number = -1
      first = index(text, before) + len(before)
      length = index(text(first:), after) - 1
      if (first == len(before) .or. length < 1 .or. length > 9) return
      if (verify(text(first:first + length - 1), '0123456789') > 0) return
      read (text(first:first + length - 1), '(i9)', iostat=status) number
      if (status /= 0) number = -1
   end function number_between

   !> The digest of a header of so many bytes but for the values of the attributes named in
   !> `rewritten`, and the number of records where that `grows`; empty where the file has no such
   !> header.
   function header_digest(path, bytes, rewritten, grows) result(digest)
      character(len=*), intent(in) :: path
      integer(i8), intent(in) :: bytes
      character(len=*), intent(in) :: rewritten(:)
      logical, intent(in) :: grows
      character(len=:), allocatable :: digest
      character(len=:), allocatable :: header
      integer :: status
      integer :: unit
      integer :: a
      logical :: ok

      digest = ''
      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=status)
      if (status /= 0) return
      call read_start(unit, bytes, header, ok)
      close (unit)
      if (.not. ok) return
      if (grows) header(word + 1:word + counter_bytes(header)) = ''
      do a = 1, size(rewritten)
         call blank_values(header, trim(rewritten(a)))
      end do
      digest = sha256(header)
   end function header_digest

   !> The first bytes of a file that holds more.
   subroutine read_start(unit, bytes, text, ok)
      integer, intent(in) :: unit
      integer(i8), intent(in) :: bytes
      character(len=:), allocatable, intent(out) :: text
      logical, intent(out) :: ok
      integer(i8) :: size
      integer :: status

      inquire (unit=unit, size=size)
      ok = bytes > 0 .and. bytes <= size
      if (.not. ok) return
      allocate (character(len=bytes) :: text)
      read (unit, pos=1, iostat=status) text
      ok = status == 0
   end subroutine read_start

   !> Put zeros for the values of all attributes of a name that are numbers of one of two types. An
   !> attribute is its name, with the length before it and zeros behind it up to a whole word, its
   !> type, the number of its values, and these ("File Format Specifications" in the NetCDF User's
   !> Guide). No text has a zero.
   pure subroutine blank_values(header, name)
      character(len=*), intent(inout) :: header
      character(len=*), intent(in) :: name
      !> NC_INT, NC_DOUBLE
      integer, parameter :: types(2) = [4, 6]
      integer, parameter :: bytes_a_value(2) = [4, 8]
      character(len=:), allocatable :: pattern
      integer :: counter
      integer :: found
      integer :: next
      integer :: t
      integer(i8) :: bytes

      counter = counter_bytes(header)
      do t = 1, size(types)
         pattern = big_endian(len(name), counter)//name// &
                   repeat(achar(0), modulo(-len(name), word))//big_endian(types(t), word)
         next = 1
         do
            found = index(header(next:), pattern)
            if (found == 0) exit
            next = next + found - 1 + len(pattern) + counter
            if (next > len(header)) exit
            bytes = bytes_a_value(t)*value_of(header(next - word:next - 1))
            if (bytes > len(header) - next + 1) exit
            header(next:next + int(bytes) - 1) = repeat(achar(0), int(bytes))
            next = next + int(bytes)
         end do
      end do
   end subroutine blank_values

   !> Bytes of a count: of the format's last version twice as many as before.
   pure function counter_bytes(header) result(bytes)
      character(len=*), intent(in) :: header
      integer :: bytes

      bytes = merge(2*word, word, header(word:word) == achar(5))
   end function counter_bytes

   !> Tell a file that it has so many records.
   subroutine put_records(path, records, ok)
      character(len=*), intent(in) :: path
      integer, intent(in) :: records
      logical, intent(out) :: ok
      character(len=word) :: magic
      integer :: status
      integer :: unit

      open (newunit=unit, file=path, access='stream', form='unformatted', status='old', &
            action='readwrite', iostat=status)
      ok = status == 0
      if (.not. ok) return
      read (unit, iostat=status) magic
      if (status == 0) write (unit, iostat=status) big_endian(records, counter_bytes(magic))
      ok = status == 0
      close (unit, iostat=status)
      ok = ok .and. status == 0
   end subroutine put_records

   pure function big_endian(number, bytes) result(text)
      integer, intent(in) :: number
      integer, intent(in) :: bytes
      character(len=bytes) :: text
      integer, parameter :: values_of_byte = 256
      integer :: left
      integer :: i

      left = number
      do i = bytes, 1, -1
         text(i:i) = achar(mod(left, values_of_byte))
         left = left/values_of_byte
      end do
   end function big_endian

   pure function value_of(text) result(number)
      character(len=*), intent(in) :: text
      integer(i8) :: number
      integer(i8), parameter :: values_of_byte = 256
      integer :: i

      number = 0
      do i = 1, len(text)
         number = number*values_of_byte + ichar(text(i:i))
      end do
   end function value_of
end module da_io_seal
