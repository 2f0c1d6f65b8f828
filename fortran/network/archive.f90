!> The zip archive that a network file is: read once, and whole by its own checksums, before
!> anything in it is used. libtorch does not look at them.
!>
!> Entries must follow each other from the first byte to the directory, and the directory must be
!> the end: what no checksum covers is compared (names, sizes, flags) or is read by nobody (dates,
!> padding). PKWARE's APPNOTE 6.3.10 has the layout.
module da_network_archive
   use da_base_kinds, only: i8
   use da_base_crc32, only: crc32
   use da_base_error, only: error_type, input_error
   use da_network_inflate, only: inflate
   implicit none
   private
   public :: archive_type, read_archive, is_package

   !> Four bytes each, as numbers.
   integer(i8), parameter :: entry_mark = int(z'04034b50', i8)
   integer(i8), parameter :: descriptor_mark = int(z'08074b50', i8)
   integer(i8), parameter :: directory_mark = int(z'02014b50', i8)
   integer(i8), parameter :: end_mark = int(z'06054b50', i8)
   integer(i8), parameter :: wide_end_mark = int(z'06064b50', i8)
   integer(i8), parameter :: locator_mark = int(z'07064b50', i8)
   integer, parameter :: entry_bytes = 30
   integer, parameter :: directory_bytes = 46
   integer, parameter :: end_bytes = 22
   integer, parameter :: wide_end_bytes = 56
   integer, parameter :: locator_bytes = 20
   !> What a number says that stands in a wider field elsewhere.
   integer(i8), parameter :: elsewhere_2 = int(z'ffff', i8)
   integer(i8), parameter :: elsewhere_4 = int(z'ffffffff', i8)
   integer, parameter :: stored = 0
   integer, parameter :: deflated = 8
   !> Sizes and checksum stand behind the data.
   integer, parameter :: bit_descriptor = 3
   !> That, how it was compressed, and that names are UTF-8.
   integer(i8), parameter :: known_flags = int(z'080e', i8)
   integer, parameter :: bit_directory = 4

   !> One file in the archive; `first` is its first byte.
   type :: entry_type
      character(len=:), allocatable :: name
      integer :: method = stored
      integer :: first = 1
      integer :: packed = 0
      integer :: whole = 0
   end type entry_type

   type :: archive_type
      character(len=:), allocatable :: bytes
      type(entry_type), allocatable :: entries(:)
   contains
      procedure :: text
   end type archive_type

   !> Of the directory: where it begins and ends, and how many entries it has.
   type :: directory_type
      integer(i8) :: start = 0
      integer(i8) :: limit = 0
      integer(i8) :: entries = 0
   end type directory_type

contains

   !> Whether it is an AOTInductor package, by its name.
   pure function is_package(path) result(yes)
      character(len=*), intent(in) :: path
      logical :: yes
      character(len=*), parameter :: extension = '.pt2'

      yes = len(path) > len(extension)
      if (yes) yes = path(len(path) - len(extension) + 1:) == extension
   end function is_package

   !> The archive that `bytes` of a file are, every checksum looked at.
   subroutine read_archive(path, bytes, archive, error)
      character(len=*), intent(in) :: path
      character(len=*), intent(in) :: bytes
      type(archive_type), intent(out) :: archive
      type(error_type), allocatable, intent(out) :: error
      type(directory_type) :: directory
      character(len=:), allocatable :: fault

      archive%bytes = bytes
      call find_directory(bytes, directory)
      if (directory%entries < 1) then
         call input_error(error, path//': is not '//trim(merge('an AOTInductor package', &
                          'a TorchScript file    ', is_package(path)))//', or is cut short')
         return
      end if
      call read_entries(archive, directory, fault)
      if (allocated(fault)) call input_error(error, path//': is damaged: '//fault// &
                                             '; copy it anew, and compare its sha256')
   end subroutine read_archive

   !> `extra/name` of the archive; empty where there is none.
   function text(self, name)
      class(archive_type), intent(in) :: self
      character(len=*), intent(in) :: name
      character(len=:), allocatable :: text
      character(len=:), allocatable :: wanted
      logical :: ok
      integer :: e

      text = ''
      ! All stand in one folder, whose name the first entry tells; so libtorch finds them, too.
      wanted = self%entries(1)%name
      wanted = wanted(:index(wanted, '/'))//'extra/'//name
      do e = 1, size(self%entries)
         if (self%entries(e)%name /= wanted) cycle
         call extract(self%bytes, self%entries(e), text, ok)
      end do
   end function text

   !> Not found: no entries.
   pure subroutine find_directory(bytes, directory)
      character(len=*), intent(in) :: bytes
      type(directory_type), intent(out) :: directory
      integer(i8) :: at
      integer(i8) :: wide
      integer(i8) :: length
      logical :: right

      at = len(bytes) - end_bytes
      length = number(bytes, at + 12, 4)
      directory%start = number(bytes, at + 16, 4)
      directory%limit = at
      ! No second disk, as many entries on this one as in all, no comment.
      right = number(bytes, at, 4) == end_mark .and. number(bytes, at + 4, 4) == 0 .and. &
              number(bytes, at + 8, 2) == number(bytes, at + 10, 2) .and. &
              number(bytes, at + 20, 2) == 0
      if (number(bytes, at - locator_bytes, 4) == locator_mark) then
         wide = at - locator_bytes - wide_end_bytes
         right = right .and. number(bytes, wide, 4) == wide_end_mark .and. &
                 number(bytes, wide + 4, 8) == wide_end_bytes - 12 .and. &
                 number(bytes, wide + 16, 8) == 0 .and. &
                 number(bytes, wide + 24, 8) == number(bytes, wide + 32, 8) .and. &
                 number(bytes, at - 16, 4) == 0 .and. number(bytes, at - 12, 8) == wide .and. &
                 number(bytes, at - 4, 4) == 1 .and. &
                 agree(number(bytes, at + 10, 2), number(bytes, wide + 32, 8), elsewhere_2) .and. &
                 agree(length, number(bytes, wide + 40, 8), elsewhere_4) .and. &
                 agree(directory%start, number(bytes, wide + 48, 8), elsewhere_4)
         length = number(bytes, wide + 40, 8)
         directory%start = number(bytes, wide + 48, 8)
         directory%limit = wide
         if (right) directory%entries = number(bytes, wide + 32, 8)
      else if (right) then
         directory%entries = number(bytes, at + 10, 2)
      end if
      if (directory%start < 0 .or. directory%start + length /= directory%limit .or. &
          directory%entries > length/directory_bytes) directory%entries = 0
   end subroutine find_directory

   !> Every entry of the directory, its header and its data.
   subroutine read_entries(archive, directory, fault)
      type(archive_type), intent(inout) :: archive
      type(directory_type), intent(in) :: directory
      character(len=:), allocatable, intent(out) :: fault
      integer(i8) :: at
      integer(i8) :: next
      integer :: e
      integer :: other

      allocate (archive%entries(directory%entries))
      at = directory%start
      next = 0
      do e = 1, size(archive%entries)
         call read_entry(archive%bytes, directory, at, next, archive%entries(e), fault)
         if (allocated(fault)) return
         do other = 1, e - 1
            if (archive%entries(other)%name /= archive%entries(e)%name) cycle
            fault = "it holds '"//archive%entries(e)%name//"' twice"
            return
         end do
      end do
      if (at /= directory%limit .or. next /= directory%start) then
         fault = 'its directory does not end where it should'
      end if
   end subroutine read_entries

   !> The entry whose place in the directory is `at`, and whose data begin at `next`; both go on.
   subroutine read_entry(bytes, directory, at, next, entry, fault)
      character(len=*), intent(in) :: bytes
      type(directory_type), intent(in) :: directory
      integer(i8), intent(inout) :: at
      integer(i8), intent(inout) :: next
      type(entry_type), intent(out) :: entry
      character(len=:), allocatable, intent(out) :: fault
      character(len=:), allocatable :: whole
      integer(i8) :: flags
      integer(i8) :: crc
      integer(i8) :: sizes(2)
      integer(i8) :: name
      integer(i8) :: data
      logical :: right

      flags = number(bytes, at + 8, 2)
      crc = number(bytes, at + 16, 4)
      sizes = [number(bytes, at + 20, 4), number(bytes, at + 24, 4)]
      name = number(bytes, at + 28, 2)
      data = next + entry_bytes + name + number(bytes, next + 28, 2)
      ! Not beyond the directory's end, not encrypted, on this disk, no folder, in its place.
      right = number(bytes, at, 4) == directory_mark .and. name > 0 .and. &
              at + directory_bytes + name <= directory%limit .and. &
              iand(flags, not(known_flags)) == 0 .and. number(bytes, at + 32, 4) == 0 .and. &
              .not. btest(number(bytes, at + 38, 4), bit_directory) .and. &
              number(bytes, at + 42, 4) == next .and. data + sizes(1) <= directory%start .and. &
              sizes(2) <= huge(entry%whole)
      if (right) then
         entry%name = bytes(at + directory_bytes + 1:at + directory_bytes + name)
         entry%method = int(number(bytes, at + 10, 2))
         entry%first = int(data + 1)
         entry%packed = int(sizes(1))
         entry%whole = int(sizes(2))
         right = header_agrees(bytes, next, at, directory%start)
      end if
      if (.not. right) then
         fault = 'its directory and its entries differ'
         return
      end if
      call extract(bytes, entry, whole, right)
      if (right) right = crc32(whole) == crc
      if (.not. right) then
         fault = "'"//entry%name//"' has not the checksum that it should have"
         return
      end if
      at = at + directory_bytes + name + number(bytes, at + 30, 2)
      next = data + sizes(1)
      if (btest(flags, bit_descriptor)) call skip_descriptor(bytes, crc, sizes, next, right)
      if (.not. right) fault = "'"//entry%name//"' is followed by other numbers than its own"
   end subroutine read_entry

   !> The header before an entry's data says what the directory says, or leaves it open.
   pure function header_agrees(bytes, header, at, limit) result(yes)
      character(len=*), intent(in) :: bytes
      integer(i8), intent(in) :: header
      integer(i8), intent(in) :: at
      integer(i8), intent(in) :: limit
      logical :: yes
      integer(i8) :: name
      integer(i8) :: said
      integer :: i

      name = number(bytes, at + 28, 2)
      yes = number(bytes, header, 4) == entry_mark .and. &
            number(bytes, header + 6, 4) == number(bytes, at + 8, 4) .and. &
            number(bytes, header + 26, 2) == name .and. header + entry_bytes + name <= limit
      if (.not. yes) return
      yes = bytes(header + entry_bytes + 1:header + entry_bytes + name) == &
            bytes(at + directory_bytes + 1:at + directory_bytes + name)
      do i = 0, 2
         said = number(bytes, header + 14 + 4*i, 4)
         if (btest(number(bytes, at + 8, 2), bit_descriptor) .and. &
             any(said == [0_i8, elsewhere_4])) cycle
         yes = yes .and. said == number(bytes, at + 16 + 4*i, 4)
      end do
   end function header_agrees

   !> Checksum and sizes behind the data, in four bytes each or in eight.
   pure subroutine skip_descriptor(bytes, crc, sizes, next, right)
      character(len=*), intent(in) :: bytes
      integer(i8), intent(in) :: crc
      integer(i8), intent(in) :: sizes(2)
      integer(i8), intent(inout) :: next
      logical, intent(out) :: right
      integer :: width

      right = number(bytes, next, 4) == descriptor_mark .and. number(bytes, next + 4, 4) == crc
      if (.not. right) return
      do width = 8, 4, -4
         right = number(bytes, next + 8, width) == sizes(1) .and. &
                 number(bytes, next + 8 + width, width) == sizes(2)
         if (right) exit
      end do
      if (right) next = next + 8 + 2*width
   end subroutine skip_descriptor

   !> What an entry holds; not `ok`: it cannot be had, or is of another size.
   pure subroutine extract(bytes, entry, whole, ok)
      character(len=*), intent(in) :: bytes
      type(entry_type), intent(in) :: entry
      character(len=:), allocatable, intent(out) :: whole
      logical, intent(out) :: ok

      whole = bytes(entry%first:entry%first + entry%packed - 1)
      ok = entry%method == stored .and. entry%packed == entry%whole
      if (entry%method /= deflated) return
      deallocate (whole)
      ! No more than that can come of a byte: a size that is damaged takes no memory.
      ok = entry%whole/1032 <= entry%packed
      allocate (character(len=merge(entry%whole, 0, ok)) :: whole)
      if (ok) call inflate(bytes(entry%first:entry%first + entry%packed - 1), whole, ok)
   end subroutine extract

   pure logical function agree(narrow, wide, elsewhere)
      integer(i8), intent(in) :: narrow
      integer(i8), intent(in) :: wide
      integer(i8), intent(in) :: elsewhere

      agree = narrow == wide .or. narrow == elsewhere
   end function agree

   !> `count` bytes behind the first `at`, lowest first; -1 where they are not there.
   pure function number(bytes, at, count) result(value)
      character(len=*), intent(in) :: bytes
      integer(i8), intent(in) :: at
      integer, intent(in) :: count
      integer(i8) :: value
      integer, parameter :: bits_a_byte = 8
      integer :: i

      value = -1
      if (at < 0 .or. at > len(bytes) - count) return
      value = 0
      do i = count, 1, -1
         value = ior(shiftl(value, bits_a_byte), ichar(bytes(at + i:at + i), i8))
      end do
   end function number
end module da_network_archive
