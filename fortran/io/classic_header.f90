!> The size that the header of a classic netCDF file promises.
!>
!> The netCDF library reads what lies beyond the end of a classic file as zeros, so a copy that was
!> cut short would go unnoticed. Layout: "File Format Specifications" in the NetCDF User's Guide.
module da_io_classic_header
   use da_base_kinds, only: i8
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   implicit none
   private
   public :: check_complete, header_length

   integer, parameter :: version_classic = 1
   integer, parameter :: version_64bit_data = 5
   !> Bytes of a value of each type: byte, char, short, int, float, double, ubyte, … , uint64.
   integer, parameter :: type_bytes(11) = [1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8]
   integer, parameter :: word = 4
   !> In place of the number of records; in CDF-5, read as a signed integer, that is -1.
   integer(i8), parameter :: streaming = 4294967295_i8

   !> A header while it is read; `status` is not zero once that failed.
   type :: header_type
      integer :: unit = -1
      integer :: version = 0
      integer :: status = 0
   contains
      procedure :: number
      procedure :: next_count
      procedure :: next_type_bytes
      procedure :: skip
      procedure :: skip_attributes
   end type header_type

contains

   !> A classic file (CDF-1, -2, -5) must be as long as its header says; others are not looked at.
   subroutine check_complete(path, error)
      character(len=*), intent(in) :: path
      type(error_type), allocatable, intent(out) :: error
      type(header_type) :: header
      character(len=3) :: magic
      integer(i8) :: promised
      integer(i8) :: before
      integer(i8) :: found

      open (newunit=header%unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=header%status)
      if (header%status /= 0) return
      read (header%unit, iostat=header%status) magic
      header%version = int(header%number(1))
      if (header%status == 0 .and. magic == 'CDF') then
         inquire (unit=header%unit, size=found)
         call read_header(header, promised, before)
         if (header%status /= 0 .or. found < promised) then
            call input_error(error, path//': is cut short: '//to_text(found)// &
                             ' bytes are there, of '//to_text(max(promised, found + 1))//' or more')
         end if
      end if
      close (header%unit)
   end subroutine check_complete

   !> Bytes before the first value of a classic file; 0 where it is none.
   function header_length(path) result(bytes)
      character(len=*), intent(in) :: path
      integer(i8) :: bytes
      type(header_type) :: header
      character(len=3) :: magic
      integer(i8) :: promised

      bytes = 0
      open (newunit=header%unit, file=path, access='stream', form='unformatted', status='old', &
            action='read', iostat=header%status)
      if (header%status /= 0) return
      read (header%unit, iostat=header%status) magic
      header%version = int(header%number(1))
      if (header%status == 0 .and. magic == 'CDF') call read_header(header, promised, bytes)
      close (header%unit)
   end function header_length

   !> The end of the last value, and what lies before the first.
   subroutine read_header(header, promised, first)
      type(header_type), intent(inout) :: header
      integer(i8), intent(out) :: promised
      integer(i8), intent(out) :: first
      integer(i8), allocatable :: lengths(:)
      integer(i8) :: records
      integer(i8) :: record_bytes
      integer(i8) :: record_end
      !> The records of a single variable are not padded.
      integer(i8) :: alone_bytes
      integer :: record_variables
      integer(i8) :: rank
      integer(i8) :: dimension
      integer(i8) :: bytes
      integer(i8) :: begin
      integer(i8) :: i
      integer(i8) :: d
      logical :: is_record

      promised = 0
      first = 0
      record_bytes = 0
      record_end = 0
      record_variables = 0
      records = header%next_count()
      if (records == streaming .or. records < 0) records = 0
      call header%skip(word)
      allocate (lengths(0))
      do i = 1, header%next_count()
         call header%skip(int(header%next_count()))
         lengths = [lengths, header%next_count()]
         if (header%status /= 0) return
      end do
      call header%skip_attributes()
      call header%skip(word)
      do i = 1, header%next_count()
         call header%skip(int(header%next_count()))
         rank = header%next_count()
         is_record = .false.
         bytes = 1
         do d = 1, rank
            dimension = header%next_count() + 1
            if (header%status /= 0 .or. dimension > size(lengths)) return
            is_record = is_record .or. lengths(dimension) == 0
            if (lengths(dimension) > 0) bytes = bytes*lengths(dimension)
         end do
         call header%skip_attributes()
         bytes = bytes*header%next_type_bytes()
         begin = header%next_count()
         begin = header%number(merge(word, 2*word, header%version == version_classic))
         if (header%status /= 0) return
         first = merge(begin, min(first, begin), i == 1)
         if (is_record) then
            record_variables = record_variables + 1
            record_bytes = record_bytes + (bytes + word - 1)/word*word
            record_end = max(record_end, begin + bytes)
            if (record_variables == 1) alone_bytes = bytes
         else
            promised = max(promised, begin + bytes)
         end if
      end do
      if (record_variables == 1) record_bytes = alone_bytes
      if (records > 0) promised = max(promised, record_end + (records - 1)*record_bytes)
   end subroutine read_header

   !> An unsigned integer, the highest byte first.
   function number(self, bytes) result(value)
      class(header_type), intent(inout) :: self
      integer, intent(in) :: bytes
      integer(i8) :: value
      integer, parameter :: values_of_byte = 256
      character(len=bytes) :: text
      integer :: i

      value = 0
      if (self%status == 0) read (self%unit, iostat=self%status) text
      if (self%status /= 0) return
      do i = 1, bytes
         value = value*values_of_byte + ichar(text(i:i))
      end do
   end function number

   !> A length or a count of things.
   function next_count(self) result(value)
      class(header_type), intent(inout) :: self
      integer(i8) :: value

      value = self%number(merge(2*word, word, self%version == version_64bit_data))
   end function next_count

   function next_type_bytes(self) result(bytes)
      class(header_type), intent(inout) :: self
      integer :: bytes

      bytes = type_bytes(int(min(max(self%number(word), 1_i8), size(type_bytes, kind=i8))))
   end function next_type_bytes

   !> Bytes, padded to a whole word.
   subroutine skip(self, bytes)
      class(header_type), intent(inout) :: self
      integer, intent(in) :: bytes
      integer(i8) :: passed
      integer :: i

      do i = 1, (bytes + word - 1)/word
         if (self%status /= 0) return
         passed = self%number(word)
      end do
   end subroutine skip

   subroutine skip_attributes(self)
      class(header_type), intent(inout) :: self
      integer(i8) :: i
      integer :: bytes

      call self%skip(word)
      do i = 1, self%next_count()
         if (self%status /= 0) return
         call self%skip(int(self%next_count()))
         bytes = self%next_type_bytes()
         call self%skip(int(self%next_count())*bytes)
      end do
   end subroutine skip_attributes
end module da_io_classic_header
