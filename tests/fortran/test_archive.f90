!> Archives of networks: whole ones are read, and no bit that is another goes unnoticed where it
!> would change what is read.
module test_archive
   use da_base_crc32, only: crc32
   use da_base_error, only: error_type
   use da_base_kinds, only: i8
   use da_network_archive, only: archive_type, read_archive
   use da_network_inflate, only: inflate
   use testing, only: testing_type
   implicit none
   private
   public :: test_archive_suite

   character(len=*), parameter :: settings = '&network format = 1 /'
   !> A text, and what zlib makes of it: with codes of its own, with the fixed ones.
   character(len=*), parameter :: prose = &
      '1y+y++ 0xzx xxxyzxy0x1xx+xyyxyxxx11zxxxxxxxxyyx0  xx+xyyxyyxxyxy'// &
      'y11x1 +yxyyyz+yxzz+xxyx+yyx0yyy1xzx+x1xxxzy0y0yzx1+yyxyxxy01yxyy'// &
      '+0xy yyxx x++yzx+xx10yxx+1yyz yxx xzyxx+1x yxxyyxxyyxz1x0zz++yzy'// &
      'yzyxxy0x zyxxzy000yxy+1 xyy0+ yzy++yy x1xz0yy yzy0  yyy y+yyx+zy'// &
      'y0x0xxyzy+x+ +yx110 yy10 y+xxx1z1 xx x +xzxxxxxyxzx0xyzyy 1x1xx+'//repeat('x', 300)
   character(len=*), parameter :: dynamic = &
      'ed50cb950441084ac53b17c90e8c7ea07bf6be018cf5ea23226ad13030abd348'// &
      'f2c92b4a902d07214f5f0bb2337fb1047b92e2a02f5fae3b1447b981185d544f'// &
      'e7cd3a11afb0974dc2ca53ad11e092c58d0b466f1efc1e5775fceea33685c20f'// &
      'e9d1d2f44e8d4db2c1096d318986e549079776ea6702f7d53690fcd5766c43e8'// &
      '18e426de031dfea29416067a7f21b5c36fdde1fb4d3ffbb77d00'
   character(len=*), parameter :: fixed = &
      '33acd4aed4d65630a8a8aa50a8a8a8a8acaaa834a830aca8d0aea8acaca8048a'// &
      '181a5655400150c44041012607940491868615860ada2056651590aaaad20689'// &
      '6b83d402850c81e66a83ccaba8aa3400c2aa0a436d88c1950686204dda061595'// &
      '0a20b3142ab4b52b418a2b0c0d805c6d43a0790a60f12a30b702c4a984e02ac3'// &
      '0a03a04540f5404560b32a144034d00e03a0e64a6d4305a032036d05a02c5055'// &
      'a502d0055540e780f8401f54825820676803f51b541880bc5da95da10df286a1'// &
      'a101501e4468833c5f053409e80405ed0a482800ed06aa07d9ab600809a65140'// &
      '340000'

   !> How archives are written: sizes before the data, behind them in 4 bytes or in 8 with a wide
   !> directory's end, as PyTorch writes them.
   integer, parameter :: before = 0
   integer, parameter :: behind = 4
   integer, parameter :: wide = 8
   integer, parameter :: ways(3) = [before, behind, wide]

contains

   subroutine test_archive_suite(tests)
      type(testing_type), intent(inout) :: tests
      character(len=:), allocatable :: bytes
      integer :: w

      call tests%check(crc32('') == 0, 'crc of nothing')
      call tests%check(crc32('123456789') == int(z'cbf43926', i8), 'crc of 123456789')
      call check_stream(tests, unhex(dynamic), 'codes of its own')
      call check_stream(tests, unhex(fixed), 'fixed codes')
      call check_stream(tests, char(1)//in(len(prose), 2)//in(65535 - len(prose), 2)//prose, &
                        'stored')
      do w = 1, size(ways)
         bytes = archive_of(ways(w))
         call check_whole(tests, bytes)
         call check_flips(tests, bytes)
         call check_cuts(tests, bytes)
      end do
      bytes = archive_of(before, again='net/extra/dacycle.nml')
      call tests%check(.not. allowed(bytes), 'two entries of one name')
      bytes = archive_of(before)
      call tests%check(.not. allowed('x'//bytes), 'bytes before the first entry')
      call tests%check(.not. allowed(bytes//'x'), 'bytes behind the end')
   end subroutine test_archive_suite

   !> The stream gives the text, and no stream that is cut or has another bit harms.
   subroutine check_stream(tests, packed, what)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: packed
      character(len=*), intent(in) :: what
      character(len=len(prose)) :: whole
      character(len=:), allocatable :: other
      logical :: ok
      integer :: unnoticed
      integer :: bit

      call inflate(packed, whole, ok)
      call tests%check(ok .and. whole == prose, 'inflate: '//what)
      call inflate(packed, whole(2:), ok)
      call tests%check(.not. ok, 'inflate: too little room')
      unnoticed = 0
      do bit = 0, 8*len(packed) - 1
         other = packed
         call flip(other, bit)
         call inflate(other, whole, ok)
         if (ok .and. whole /= prose .and. crc32(whole) == crc32(prose)) unnoticed = unnoticed + 1
         call inflate(packed(:bit/8), whole, ok)
         if (ok) unnoticed = unnoticed + 1
      end do
      call tests%check(unnoticed == 0, 'inflate, damaged: '//what)
   end subroutine check_stream

   subroutine check_whole(tests, bytes)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: bytes
      type(archive_type) :: archive
      type(error_type), allocatable :: error

      call read_archive('net.pt', bytes, archive, error)
      call tests%check(.not. allocated(error), 'a whole archive is read')
      if (allocated(error)) return
      call tests%check(archive%text('dacycle.nml') == settings, 'a stored entry')
      call tests%check(archive%text('prose') == prose, 'a compressed entry')
      call tests%check(archive%text('nothing') == '', 'an entry that is not there')
   end subroutine check_whole

   !> Every bit of it.
   subroutine check_flips(tests, bytes)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: bytes
      type(archive_type) :: archive
      type(error_type), allocatable :: error
      character(len=:), allocatable :: other
      integer :: refused
      integer :: wrong
      integer :: bit

      refused = 0
      wrong = 0
      do bit = 0, 8*len(bytes) - 1
         other = bytes
         call flip(other, bit)
         call read_archive('net.pt', other, archive, error)
         if (allocated(error)) then
            refused = refused + 1
         else if (archive%text('dacycle.nml') /= settings .or. archive%text('prose') /= prose) then
            wrong = wrong + 1
         end if
      end do
      call tests%check(wrong == 0, 'no flipped bit changes what is read')
      ! The rest are dates, versions, attributes.
      call tests%check(refused > 8*len(bytes)*2/3, 'most flipped bits are noticed')
   end subroutine check_flips

   subroutine check_cuts(tests, bytes)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: bytes
      integer :: kept
      logical :: all_refused

      all_refused = .true.
      do kept = 0, len(bytes) - 1
         all_refused = all_refused .and. .not. allowed(bytes(:kept))
      end do
      call tests%check(all_refused, 'an archive that is cut is refused')
   end subroutine check_cuts

   function allowed(bytes) result(yes)
      character(len=*), intent(in) :: bytes
      logical :: yes
      type(archive_type) :: archive
      type(error_type), allocatable :: error

      call read_archive('net.pt', bytes, archive, error)
      yes = .not. allocated(error)
   end function allowed

   !> An archive of two entries, the second compressed; `again` names a third.
   function archive_of(way, again) result(bytes)
      integer, intent(in) :: way
      character(len=*), intent(in), optional :: again
      character(len=:), allocatable :: bytes
      character(len=:), allocatable :: directory
      integer :: start
      integer :: entries

      bytes = ''
      directory = ''
      entries = 2
      call put('net/extra/dacycle.nml', 0, settings, settings)
      call put('net/extra/prose', 8, unhex(dynamic), prose)
      if (present(again)) then
         entries = 3
         call put(again, 0, settings, settings)
      end if
      start = len(bytes)
      bytes = bytes//directory
      if (way == wide) then
         associate (at => len(bytes))
            bytes = bytes//'PK'//char(6)//char(6)//in(44, 8)//in(0, 2)//in(0, 2)//in(0, 4)// &
                    in(0, 4)//in(entries, 8)//in(entries, 8)//in(len(directory), 8)// &
                    in(start, 8)//'PK'//char(6)//char(7)//in(0, 4)//in(at, 8)//in(1, 4)
         end associate
      end if
      bytes = bytes//'PK'//char(5)//char(6)//in(0, 4)//in(entries, 2)//in(entries, 2)// &
              in(len(directory), 4)//in(start, 4)//in(0, 2)

   contains

      subroutine put(name, method, packed, whole)
         character(len=*), intent(in) :: name
         integer, intent(in) :: method
         character(len=*), intent(in) :: packed
         character(len=*), intent(in) :: whole
         character(len=:), allocatable :: sums
         character(len=:), allocatable :: kind
         character(len=*), parameter :: padding = 'FB'//char(3)//char(0)//'ZZZ'

         sums = word(crc32(whole))//in(len(packed), 4)//in(len(whole), 4)
         kind = in(merge(8, 0, way > before), 2)//in(method, 2)//in(0, 4)
         directory = directory//'PK'//char(1)//char(2)//in(0, 2)//in(0, 2)//kind//sums// &
                     in(len(name), 2)//in(0, 4)//in(0, 8)//in(len(bytes), 4)//name
         bytes = bytes//'PK'//char(3)//char(4)//in(0, 2)//kind// &
                 merge(repeat(char(0), 12), sums, way > before)//in(len(name), 2)// &
                 in(len(padding), 2)//name//padding//packed
         if (way > before) bytes = bytes//'PK'//char(7)//char(8)//word(crc32(whole))// &
                                   in(len(packed), way)//in(len(whole), way)
      end subroutine put
   end function archive_of

   !> A number in `count` bytes.
   pure function in(value, count) result(bytes)
      integer, intent(in) :: value
      integer, intent(in) :: count
      character(len=count) :: bytes
      integer :: i

      do i = 1, count
         bytes(i:i) = char(iand(shiftr(int(value, i8), 8*(i - 1)), 255_i8))
      end do
   end function in

   pure function word(value) result(bytes)
      integer(i8), intent(in) :: value
      character(len=4) :: bytes

      bytes = in(int(iand(value, 65535_i8)), 2)//in(int(shiftr(value, 16)), 2)
   end function word

   pure subroutine flip(bytes, bit)
      character(len=*), intent(inout) :: bytes
      integer, intent(in) :: bit

      associate (at => bit/8 + 1)
         bytes(at:at) = char(ieor(ichar(bytes(at:at)), 2**mod(bit, 8)))
      end associate
   end subroutine flip

   pure function unhex(digits) result(bytes)
      character(len=*), intent(in) :: digits
      character(len=len(digits)/2) :: bytes
      integer :: value
      integer :: i

      do i = 1, len(bytes)
         read (digits(2*i - 1:2*i), '(z2)') value
         bytes(i:i) = char(value)
      end do
   end function unhex
end module test_archive
