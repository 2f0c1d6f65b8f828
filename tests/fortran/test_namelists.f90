!> Namelists: what is read, and what is said of mistakes.
module test_namelists
   use da_base_error, only: error_type, status_bad_input
   use da_base_kinds, only: wp
   use da_base_namelists, only: namelists_type, new_namelists
   use da_base_text, only: to_text
   use namelist_fuzz, only: fuzz_namelists
   use testing, only: testing_type
   implicit none
   private
   public :: test_namelists_suite

   character(len=1), parameter :: newline = achar(10)

contains

   subroutine test_namelists_suite(tests)
      type(testing_type), intent(inout) :: tests

      call check_values(tests)
      call check_effective(tests)
      call refused(tests, '&a n = 1', 'not ended')
      call refused(tests, '&a n = 1 &b x = 2 /', 'begins before')
      call refused(tests, 'n = 1 /', 'outside a group')
      call refused(tests, '&a n = 1 / &a n = 2 /', 'second time')
      call refused(tests, '&a n = 1, n = 2 /', 'second time')
      call refused(tests, '&a n = /', 'empty value')
      call refused(tests, '&a n = , 1 /', 'empty value')
      call refused(tests, '&a n(1) = 1 /', 'one by one')
      call refused(tests, '&a name = ''x /', 'not closed')
      call refused(tests, '&a 1 2 /', 'key = value')
      call refused(tests, '&a n = 1.5 /', 'an integer is needed')
      call refused(tests, '&a n = ''1'' /', 'an integer is needed')
      call refused(tests, '&a n = 1, 2 /', 'one is needed')
      call refused(tests, '&a n = 0 /', 'at least 1')
      call refused(tests, '&a n = 11 /', 'at most 10')
      call refused(tests, '&a x = abc /', 'a number is needed')
      call refused(tests, '&a x = nan /', 'a number is needed')
      call refused(tests, '&a x = -1 /', 'above 0.0')
      call refused(tests, '&a yes = 1 /', '.true. or .false.')
      call refused(tests, '&a name = word /', 'in quotes')
      call refused(tests, '&a name = ''wrod'' /', 'known: word, other')
      call refused(tests, '&a m = 1 /', 'known: n, x, yes, name, list')
      call refused(tests, newline//newline//'&a n = b /', 'line 3')
      call refused(tests, '&a x = 1e300 /', 'at most 1.0e9')
      call refused(tests, '&a x = 1e-300 /', 'at least 1.0e-30')
      call refused(tests, '&a x = 1e-999 /', 'at least 1.0e-30')
      call refused(tests, '&a x = 1-5 /', 'a number is needed')
      call refused(tests, '&a list = 1.0, 2e200 /', 'at most 1.0e9')
      call refused(tests, '&a list = 2000000*1.0 /', 'more than 1000000 values')
      call refused(tests, '&a list = 99999999999*1.0 /', 'more than 1000000 values')
      call refused(tests, newline//'&a name = ''w'//achar(27)//'rd'' /', &
                   'line 2: control character 27')
      call refused(tests, '&a name = ''wo'//achar(9)//'rd'' /', 'in a string')
      call fuzz_namelists(tests)
   end subroutine test_namelists_suite

   subroutine read_a(text, effective, n, x, yes, name, list, error)
      character(len=*), intent(in) :: text
      character(len=:), allocatable, intent(out) :: effective
      integer, intent(out) :: n
      real(wp), intent(out) :: x
      logical, intent(out) :: yes
      character(len=:), allocatable, intent(out) :: name
      real(wp), allocatable, intent(out) :: list(:)
      type(error_type), allocatable, intent(out) :: error
      type(namelists_type) :: namelists

      n = 3
      x = 0.1_wp
      yes = .false.
      name = 'word'
      allocate (list(0))
      call new_namelists(text, 'file.nml', namelists, error)
      if (allocated(error)) return
      call namelists%open_group('a', 'test')
      call namelists%get('n', n, 'n', minimum=1, maximum=10)
      call namelists%get('x', x, 'x', above=0.0_wp)
      call namelists%get('yes', yes, 'yes')
      call namelists%get('name', name, 'name', [character(len=5) :: 'word', 'other'])
      call namelists%get('list', list, 'list')
      call namelists%close_group(error)
      effective = namelists%effective
   end subroutine read_a

   subroutine check_values(tests)
      type(testing_type), intent(inout) :: tests
      character(len=:), allocatable :: effective
      character(len=:), allocatable :: name
      real(wp), allocatable :: list(:)
      type(error_type), allocatable :: error
      integer :: n
      real(wp) :: x
      logical :: yes

      call read_a('! comment &b /'//newline//'&A'//newline//' N = 4, x=2.5d-1 ! why'//newline// &
                  ' yes=T name="other", list = 1 2*3.5, -4'//achar(13)//newline//'&end', &
                  effective, n, x, yes, name, list, error)
      call tests%check(.not. allocated(error), 'a right namelist is read')
      call tests%check(n == 4 .and. abs(x - 0.25_wp) <= 0 .and. yes .and. name == 'other', &
                       'scalars are read')
      call tests%check(size(list) == 4, 'lists and repeats are read')
      call tests%check(all(abs(list - [1.0_wp, 3.5_wp, 3.5_wp, -4.0_wp]) <= 0), &
                       'list values are read')
      call read_a('', effective, n, x, yes, name, list, error)
      call tests%check(.not. allocated(error) .and. n == 3, 'what is not given keeps its default')
   end subroutine check_values

   !> The effective namelist reads back to the same values.
   subroutine check_effective(tests)
      type(testing_type), intent(inout) :: tests
      character(len=:), allocatable :: effective
      character(len=:), allocatable :: again
      character(len=:), allocatable :: name
      real(wp), allocatable :: list(:)
      type(error_type), allocatable :: error
      integer :: n
      integer :: k
      real(wp) :: x
      character(len=:), allocatable :: text
      real(wp) :: back
      logical :: yes
      real(wp), parameter :: values(8) = [0.1_wp, 1.0_wp/3, 1.0e-300_wp, 6.02e23_wp, 1.0_wp, &
         123456.789_wp, 0.05_wp, 4503599627370497.5_wp]

      call read_a('&a x = 0.30000000000000004 list = 1e-7, 3 /', effective, n, x, yes, name, &
                  list, error)
      call read_a(effective, again, n, x, yes, name, list, error)
      call tests%check(.not. allocated(error), 'the effective namelist can be read')
      call tests%check(again == effective, 'the effective namelist reads back to itself')
      do k = 1, size(values)
         text = to_text(values(k))
         read (text, *) back
         call tests%check(abs(back - values(k)) <= 0, 'numbers as text keep their bits: '// &
                          to_text(values(k)))
      end do
      call tests%check(to_text(0.05_wp) == '0.05' .and. to_text(8.0_wp) == '8.0', &
                       'short numbers stay short')
   end subroutine check_effective

   subroutine refused(tests, text, expected)
      type(testing_type), intent(inout) :: tests
      character(len=*), intent(in) :: text
      character(len=*), intent(in) :: expected
      character(len=:), allocatable :: effective
      character(len=:), allocatable :: name
      real(wp), allocatable :: list(:)
      type(error_type), allocatable :: error
      integer :: n
      real(wp) :: x
      logical :: yes

      call read_a(text, effective, n, x, yes, name, list, error)
      call tests%check(allocated(error), 'refused: '//text)
      if (.not. allocated(error)) return
      call tests%check(index(error%message, expected) > 0, "'"//expected//"' is said of "//text// &
                       ', not '//error%message)
      call tests%check(error%status == status_bad_input, 'a mistake in a namelist is bad input')
      call tests%check(index(error%message, 'file.nml') == 1, 'the message names the file')
   end subroutine refused
end module test_namelists
