!> The columns of a file of observations: plain ones, or those of a run's feedback.
module da_io_observation_columns
   use da_base_error, only: error_type, input_error
   use da_base_text, only: to_text
   use da_io_input_file, only: input_file_type, input_variable_type
   use da_io_model_clock, only: model_clock_type
   use da_observation_kinds, only: known_kinds, kind_names, kinds_listed
   implicit none
   private
   public :: open_columns, columns
   public :: column_time, column_position, column_value, column_error_sd, column_kind, column_qc

   !> The last is of feedback only.
   character(len=8), parameter :: columns(6) = [character(len=8) :: &
      'time', 'position', 'value', 'error_sd', 'kind', 'qc']
   integer, parameter :: column_time = 1
   integer, parameter :: column_position = 2
   integer, parameter :: column_value = 3
   integer, parameter :: column_error_sd = 4
   integer, parameter :: column_kind = 5
   integer, parameter :: column_qc = 6
   !> What other programs judge observations by.
   character(len=17), parameter :: not_read(12) = [character(len=17) :: 'qc', 'flag', 'flags', &
      'quality', 'quality_flag', 'mask', 'valid', 'weight', 'bias', 'error_variance', &
      'error_correlation', 'error_covariance']

contains

   !> Open and check the columns, in the order of `columns`.
   subroutine open_columns(file, clock, variables, error)
      type(input_file_type), intent(in) :: file
      type(model_clock_type), intent(in) :: clock
      type(input_variable_type), allocatable, intent(out) :: variables(:)
      type(error_type), allocatable, intent(out) :: error
      character(len=:), allocatable :: prefix
      character(len=:), allocatable :: name
      character(len=:), allocatable :: shape
      logical :: there(3)
      integer :: c

      there = [file%has('value'), file%has('obs_value'), file%has('obs_qc')]
      prefix = ''
      if (there(2) .and. .not. there(1)) prefix = 'obs_'
      allocate (variables(merge(column_qc, column_kind, prefix /= '' .and. there(3))))
      do c = 1, size(variables)
         name = prefix//trim(columns(c))
         shape = name//' (needed: time, position, value, error_sd, kind, a row an observation)'
         if (c == column_time) then
            call file%open_variable(name, shape, 1, variables(c), error, clock)
         else
            call file%open_variable(name, shape, 1, variables(c), error)
         end if
         if (allocated(error)) return
         call check_flags(variables(c), c == column_kind, c == column_qc, error)
         if (allocated(error)) return
         if (variables(c)%lengths(1) /= variables(1)%lengths(1)) then
            call input_error(error, variables(c)%place//' has '// &
                             to_text(variables(c)%lengths(1))//' rows, '//prefix//'time '// &
                             to_text(variables(1)%lengths(1))//': all need the same')
         else if (variables(c)%dimensions(1) /= variables(1)%dimensions(1)) then
            call input_error(error, variables(c)%place//' is on the dimension '// &
                             trim(variables(c)%dimensions(1))//', '//prefix//'time on '// &
                             trim(variables(1)%dimensions(1))//': all need the same')
         end if
         if (allocated(error)) return
      end do
      if (prefix /= '') return
      do c = 1, size(not_read)
         if (.not. file%has(not_read(c))) cycle
         call input_error(error, file%path//': has a variable '//trim(not_read(c))// &
                          ', which is not read: leave it out, and set value to missing where '// &
                          'an observation shall not be used')
         return
      end do
   end subroutine open_columns

   !> Codes with names are kinds, and the names those that they have here.
   subroutine check_flags(variable, is_kind, is_code, error)
      type(input_variable_type), intent(in) :: variable
      logical, intent(in) :: is_kind
      logical, intent(in) :: is_code
      type(error_type), allocatable, intent(inout) :: error
      character(len=:), allocatable :: meanings
      character(len=:), allocatable :: expected
      integer, allocatable :: codes(:)
      logical :: there(2)
      integer :: k

      there = [variable%has_attribute('flag_values'), variable%has_attribute('flag_meanings')]
      if (is_code .or. .not. any(there)) return
      if (.not. is_kind) then
         call input_error(error, variable%place//' has flag_values or flag_meanings: '// &
                          'numbers are needed, not codes')
         return
      end if
      call variable%flags(codes, meanings, error)
      if (allocated(error)) return
      expected = ''
      do k = 1, size(codes)
         if (any(known_kinds == codes(k))) then
            expected = expected//' '//trim(kind_names(findloc(known_kinds, codes(k), 1)))
         else
            expected = expected//' ?'
         end if
      end do
      if (meanings /= trim(adjustl(expected))) then
         call input_error(error, variable%place//" has flag_meanings = '"//meanings// &
                          "', which are not those of its flag_values here ("//kinds_listed()//')')
      end if
   end subroutine check_flags
end module da_io_observation_columns
