!> What is verified beside the scores: tables of a row a cycle or a forecast, on axes of their own.
module da_verification_tables
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: axis_type, table_type, tables_type

   integer, parameter :: name_length = 32
   integer, parameter :: meaning_length = 96

   !> A coordinate of tables' columns: `values` along a dimension.
   type :: axis_type
      character(len=name_length) :: name = ''
      character(len=name_length) :: dimension = ''
      character(len=meaning_length) :: meaning = ''
      real(wp), allocatable :: values(:)
   end type axis_type

   !> rows(column, row), a row every `every` cycles; columns lie on one dimension or two, the first
   !> varying fastest, or on none.
   type :: table_type
      character(len=name_length) :: name = ''
      character(len=meaning_length) :: meaning = ''
      character(len=name_length) :: row_dimension = 'time'
      character(len=name_length) :: dimensions(2) = ''
      integer :: every = 1
      !> Few numbers, whose means are worth a line at the end of a run.
      logical :: reported = .true.
      !> A column's rows that can be known; a truth may end before the last forecasts do.
      integer, allocatable :: known_rows(:)
      real(wp), allocatable :: rows(:, :)
   end type table_type

   type :: tables_type
      integer :: cycles = 0
      type(axis_type), allocatable :: axes(:)
      type(table_type), allocatable :: tables(:)
   contains
      procedure :: add_axis
      procedure :: add_table
      procedure :: put
      procedure :: length
      procedure :: largest
   end type tables_type

contains

   !> The values along a dimension; several axes may share one.
   pure subroutine add_axis(self, name, dimension, meaning, values)
      class(tables_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: dimension
      character(len=*), intent(in) :: meaning
      real(wp), intent(in) :: values(:)
      type(axis_type) :: axis

      if (.not. allocated(self%axes)) allocate (self%axes(0))
      axis%name = name
      axis%dimension = dimension
      axis%meaning = meaning
      axis%values = values
      self%axes = [self%axes, axis]
   end subroutine add_axis

   !> A table without values yet; its dimensions have their axes already.
   pure subroutine add_table(self, name, meaning, dimensions, every, row_dimension, reported)
      class(tables_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: meaning
      character(len=*), intent(in), optional :: dimensions(:)
      integer, intent(in), optional :: every
      character(len=*), intent(in), optional :: row_dimension
      logical, intent(in), optional :: reported
      type(table_type) :: table
      integer :: columns
      integer :: d

      if (.not. allocated(self%tables)) allocate (self%tables(0))
      table%name = name
      table%meaning = meaning
      columns = 1
      if (present(dimensions)) then
         do d = 1, size(dimensions)
            table%dimensions(d) = dimensions(d)
            columns = columns*self%length(dimensions(d))
         end do
      end if
      if (present(every)) table%every = every
      if (present(row_dimension)) table%row_dimension = row_dimension
      if (present(reported)) table%reported = reported
      allocate (table%rows(columns, self%cycles/table%every))
      table%rows = ieee_value(1.0_wp, ieee_quiet_nan)
      allocate (table%known_rows(columns), source=size(table%rows, 2))
      self%tables = [self%tables, table]
   end subroutine add_table

   !> Values of the largest table.
   pure function largest(self) result(values)
      class(tables_type), intent(in) :: self
      integer(i8) :: values
      integer :: t

      values = 0
      if (.not. allocated(self%tables)) return
      do t = 1, size(self%tables)
         values = max(values, size(self%tables(t)%rows, kind=i8))
      end do
   end function largest

   !> A cycle's row of the table of this name, if it is kept; of a shorter one the rest stays NaN.
   pure subroutine put(self, name, cycle, row)
      class(tables_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      integer, intent(in) :: cycle
      real(wp), intent(in) :: row(:)
      integer :: t

      do t = 1, size(self%tables)
         if (self%tables(t)%name == name) then
            self%tables(t)%rows(:size(row), cycle/self%tables(t)%every) = row
         end if
      end do
   end subroutine put

   !> The length of a dimension.
   pure function length(self, dimension) result(values)
      class(tables_type), intent(in) :: self
      character(len=*), intent(in) :: dimension
      integer :: values
      integer :: a

      values = 0
      do a = 1, size(self%axes)
         if (self%axes(a)%dimension == dimension) values = size(self%axes(a)%values)
      end do
   end function length
end module da_verification_tables
