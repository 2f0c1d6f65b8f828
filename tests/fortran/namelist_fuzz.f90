!> Namelists damaged at random, and large ones: each is read or refused by one line, in a time that
!> grows as their length does.
module namelist_fuzz
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_namelists, only: namelists_type, new_namelists
   use da_base_text, only: to_text
   use testing, only: testing_type
   implicit none
   private
   public :: fuzz_namelists

   character(len=1), parameter :: newline = achar(10)
   character(len=*), parameter :: sound = '&a ! all kinds of keys'//newline// &
      '   n = 4, x = 2.5e-1'//newline//'   yes = .true.'//newline// &
      '   name = ''it''''s'''//newline// &
      '   list = 3*1.5, -2.0d3 7'//newline//'   words = ''one'', "two"'//newline//'/'//newline// &
      '&b n = 1 &end'//newline
   character(len=12), parameter :: pieces(28) = [character(len=12) :: '&', '/', '&end', '&a', '=', &
      ',', '''', '"', '!', '*', '2*', '1000000*', '99999999999*', '1e300', '-1d-400', 'nan', &
      '-inf', '1-5', '1.0.0', 'n(1) =', 'n%x =', '0x10', '.true.', ';', '2147483648', 'x =', '$a', &
      '1 2']

contains

   subroutine fuzz_namelists(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: texts = 4000
      character(len=:), allocatable :: text
      integer(i8) :: state
      integer :: taken
      integer :: t

      state = 20
      taken = 0
      do t = 1, texts
         call damage(state, text)
         call read_text(tests, text, taken)
      end do
      call tests%check(taken > texts/20 .and. taken < texts/2, &
                       'some damaged namelists are right: '//to_text(taken))
      call check_length(tests)
   end subroutine fuzz_namelists

   !> A text with one to four faults.
   subroutine damage(state, text)
      integer(i8), intent(inout) :: state
      character(len=:), allocatable, intent(out) :: text
      character(len=:), allocatable :: piece
      integer :: place
      integer :: length
      integer :: fault

      text = sound
      do fault = 1, 1 + drawn(state, 4)
         place = 1 + drawn(state, max(len(text), 1))
         length = min(drawn(state, 12), len(text) - place + 1)
         select case (drawn(state, 5))
         case (0)
            text = text(:place - 1)//text(place + length:)
         case (1)
            piece = trim(pieces(1 + drawn(state, size(pieces))))
            text = text(:place - 1)//piece//text(place:)
         case (2)
            text = text(:place - 1)//text(place:place + length - 1)//text(place:)
         case (3)
            if (place <= len(text)) text(place:place) = achar(drawn(state, 128))
         case default
            if (drawn(state, 10) == 0) text = text(:place - 1)
         end select
      end do
   end subroutine damage

   !> A number below `bound`: of a linear congruential generator, its upper bits.
   function drawn(state, bound) result(number)
      integer(i8), intent(inout) :: state
      integer, intent(in) :: bound
      integer :: number
      integer(i8), parameter :: modulus = 2147483647_i8

      state = mod(48271_i8*state, modulus)
      number = int(state*bound/modulus)
   end function drawn

   !> Whatever the text: values in their bounds, or one line that begins with the file's name.
   subroutine read_text(tests, text, taken)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: text
      integer, intent(inout) :: taken
      type(namelists_type) :: namelists
      type(error_type), allocatable :: error
      character(len=:), allocatable :: name
      character(len=40), allocatable :: words(:)
      real(wp), allocatable :: list(:)
      real(wp) :: x
      integer :: n
      logical :: yes

      call new_namelists(text, 'file.nml', namelists, error)
      if (.not. allocated(error)) then
         n = 3
         x = 0.1_wp
         yes = .false.
         name = 'word'
         allocate (list(0), words(0))
         call namelists%open_group('a', 'test')
         call namelists%get('n', n, 'n', minimum=1, maximum=10)
         call namelists%get('x', x, 'x', above=0.0_wp)
         call namelists%get('yes', yes, 'yes')
         call namelists%get('name', name, 'name')
         call namelists%get('list', list, 'list')
         call namelists%get('words', words, 'words', [character(len=3) :: 'one', 'two'])
         call namelists%close_group(error)
      end if
      if (allocated(error)) then
         call tests%check(index(error%message, 'file.nml') == 1 .and. is_a_line(error%message), &
                          'one line says what is wrong with: '//text//', not '//error%message)
      else
         taken = taken + 1
         call tests%check(n >= 1 .and. n <= 10 .and. x > 0 .and. x <= 1.0e9_wp &
                          .and. all(abs(list) <= 1.0e9_wp) .and. is_a_line(name), &
                          'what is taken lies in its bounds: '//text)
      end if
   end subroutine read_text

   pure function is_a_line(text) result(yes)
      character(len=*), intent(in) :: text
      logical :: yes
      integer :: i

      yes = len(text) < 1000
      do i = 1, len(text)
         if (iachar(text(i:i)) < 32 .or. iachar(text(i:i)) == 127) yes = .false.
      end do
   end function is_a_line

   !> 200,000 values, of which each costs as much as of 2,000: it was minutes, and is a part of a
   !> second.
   subroutine check_length(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: values = 200000
      real, parameter :: patience = 10
      type(namelists_type) :: namelists
      type(error_type), allocatable :: error
      real(wp), allocatable :: list(:)
      character(len=:), allocatable :: title
      real :: began
      real :: ended

      call cpu_time(began)
      call new_namelists('&a list = '//repeat('0.25 ', values)//', title = '''// &
                         repeat('t', values)//''' /', 'file.nml', namelists, error)
      call tests%check(.not. allocated(error), 'a long namelist is read')
      if (allocated(error)) return
      allocate (list(0))
      title = ''
      call namelists%open_group('a', 'test')
      call namelists%get('list', list, 'list')
      call namelists%get('title', title, 'title')
      call namelists%close_group(error)
      call cpu_time(ended)
      call tests%check(size(list) == values .and. len(title) == values, 'all of a long list')
      call tests%check(ended - began < patience, 'a long namelist is read soon')
   end subroutine check_length
end module namelist_fuzz
