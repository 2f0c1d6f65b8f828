!> What a run tells of itself: tables of a row a cycle, or every so many cycles, on axes of their
!> own. A score is a table of one column.
module da_verification_tables
   use, intrinsic :: ieee_arithmetic, only: ieee_value, ieee_quiet_nan
   use da_base_kinds, only: wp, i8
   implicit none
   private
   public :: axis_type, table_type, tables_type, new_tables

   integer, parameter :: name_length = 32
   integer, parameter :: meaning_length = 96

   !> A coordinate of tables' columns: `values` along a dimension.
   type :: axis_type
      character(len=name_length) :: name = ''
      character(len=name_length) :: dimension = ''
      character(len=meaning_length) :: meaning = ''
      integer :: length = 0
      real(wp), allocatable :: values(:)
      !> Of an axis of times: a value every so many cycles of this length.
      integer :: every = 0
      real(wp) :: interval = 0
   end type axis_type

   !> rows(column, row), a row every `every` cycles; columns lie on one dimension or two, the first
   !> varying fastest, or on none.
   type :: table_type
      character(len=name_length) :: name = ''
      character(len=meaning_length) :: meaning = ''
      character(len=name_length) :: row_dimension = 'time'
      character(len=name_length) :: dimensions(2) = ''
      integer :: every = 1
      integer :: columns = 1
      !> Few numbers, whose means are worth a line at the end of a run.
      logical :: reported = .true.
      !> Where a row counts as lost; 0: nowhere.
      real(wp) :: lost_above = 0
      !> A column's rows that can be known; a truth may end before the last forecasts do.
      integer, allocatable :: known_rows(:)
      real(wp), allocatable :: rows(:, :)
   end type table_type

   type :: tables_type
      integer :: cycles = 0
      !> The one under way, whose rows are put.
      integer :: cycle = 0
      type(axis_type), allocatable :: axes(:)
      type(table_type), allocatable :: tables(:)
   contains
      procedure :: add_axis
      procedure :: add_times
      procedure :: add_table
      procedure :: make_room
      procedure :: put
      procedure :: forget
      procedure :: value
      procedure :: place_of
      procedure :: length
      procedure :: total
      procedure :: largest
   end type tables_type

contains

   !> Of a run of so many cycles; none is declared yet.
   pure function new_tables(cycles) result(self)
      integer, intent(in) :: cycles
      type(tables_type) :: self

      self%cycles = cycles
      allocate (self%axes(0), self%tables(0))
   end function new_tables

   !> The values along a dimension; several axes may share one.
   pure subroutine add_axis(self, name, dimension, meaning, values)
      class(tables_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: dimension
      character(len=*), intent(in) :: meaning
      real(wp), intent(in) :: values(:)
      type(axis_type) :: axis

      axis%name = name
      axis%dimension = dimension
      axis%meaning = meaning
      axis%length = size(values)
      axis%values = values
      self%axes = [self%axes, axis]
   end subroutine add_axis

   !> A dimension of rows, one every so many cycles, and its axis: the model times of these.
   pure subroutine add_times(self, name, meaning, every, interval)
      class(tables_type), intent(inout) :: self
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: meaning
      integer, intent(in) :: every
      real(wp), intent(in) :: interval
      type(axis_type) :: axis

      axis%name = name
      axis%dimension = name
      axis%meaning = meaning
      axis%length = self%cycles/every
      axis%every = every
      axis%interval = interval
      self%axes = [self%axes, axis]
   end subroutine add_times

   !> Declare a table; its dimensions have their axes already. `place` is where it stands, for
   !> `put`. Of the rows of a column only the first `known_rows` can be known, one number for all
   !> columns or one for each; by default all.
   pure subroutine add_table(self, place, name, meaning, dimensions, every, row_dimension, &
                             reported, known_rows, lost_above)
      class(tables_type), intent(inout) :: self
      integer, intent(out) :: place
      character(len=*), intent(in) :: name
      character(len=*), intent(in) :: meaning
      character(len=*), intent(in), optional :: dimensions(:)
      integer, intent(in), optional :: every
      character(len=*), intent(in), optional :: row_dimension
      logical, intent(in), optional :: reported
      integer, intent(in), optional :: known_rows(:)
      real(wp), intent(in), optional :: lost_above
      type(table_type) :: table
      integer :: c
      integer :: d

      table%name = name
      table%meaning = meaning
      if (present(dimensions)) then
         do d = 1, size(dimensions)
            table%dimensions(d) = dimensions(d)
            table%columns = table%columns*self%length(dimensions(d))
         end do
      end if
      if (present(every)) table%every = every
      if (present(row_dimension)) table%row_dimension = row_dimension
      if (present(reported)) table%reported = reported
      if (present(lost_above)) table%lost_above = lost_above
      allocate (table%known_rows(table%columns), source=self%cycles/table%every)
      if (present(known_rows)) then
         do c = 1, table%columns
            table%known_rows(c) = min(table%known_rows(c), known_rows(min(c, size(known_rows))))
         end do
      end if
      self%tables = [self%tables, table]
      place = size(self%tables)
   end subroutine add_table

   !> Room for the rows of all that was declared; none is known yet.
   pure subroutine make_room(self)
      class(tables_type), intent(inout) :: self
      integer :: a
      integer :: i
      integer :: t

      do a = 1, size(self%axes)
         associate (axis => self%axes(a))
            if (axis%every > 0) axis%values = [(i*axis%every*axis%interval, i=1, axis%length)]
         end associate
      end do
      do t = 1, size(self%tables)
         associate (table => self%tables(t))
            allocate (table%rows(table%columns, self%cycles/table%every))
            table%rows = ieee_value(1.0_wp, ieee_quiet_nan)
         end associate
      end do
   end subroutine make_room

   !> This cycle's row of the table that stands there; of a shorter one the rest stays NaN. A table
   !> that was not declared stands at 0.
   pure subroutine put(self, place, row)
      class(tables_type), intent(inout) :: self
      integer, intent(in) :: place
      real(wp), intent(in) :: row(:)

      if (place == 0) return
      associate (table => self%tables(place))
         table%rows(:size(row), self%cycle/table%every) = row
      end associate
   end subroutine put

   !> Nothing of this cycle is known.
   pure subroutine forget(self)
      class(tables_type), intent(inout) :: self
      integer :: t

      do t = 1, size(self%tables)
         associate (table => self%tables(t))
            if (mod(self%cycle, table%every) == 0) then
               table%rows(:, self%cycle/table%every) = ieee_value(1.0_wp, ieee_quiet_nan)
            end if
         end associate
      end do
   end subroutine forget

   !> The first column of a cycle's row.
   pure function value(self, place, cycle)
      class(tables_type), intent(in) :: self
      integer, intent(in) :: place
      integer, intent(in) :: cycle
      real(wp) :: value

      value = self%tables(place)%rows(1, cycle/self%tables(place)%every)
   end function value

   !> Where the table of this name stands; 0: there is none.
   pure function place_of(self, name) result(place)
      class(tables_type), intent(in) :: self
      character(len=*), intent(in) :: name
      integer :: place

      do place = size(self%tables), 1, -1
         if (self%tables(place)%name == name) return
      end do
   end function place_of

   !> The length of a dimension.
   pure function length(self, dimension) result(values)
      class(tables_type), intent(in) :: self
      character(len=*), intent(in) :: dimension
      integer :: values
      integer :: a

      values = 0
      do a = 1, size(self%axes)
         if (self%axes(a)%dimension == dimension) values = self%axes(a)%length
      end do
   end function length

   !> Values of all tables that were declared.
   pure function total(self) result(values)
      class(tables_type), intent(in) :: self
      real(wp) :: values

      values = sum(real(self%tables%columns, wp)*(self%cycles/self%tables%every))
   end function total

   !> Values of the largest table.
   pure function largest(self) result(values)
      class(tables_type), intent(in) :: self
      integer(i8) :: values

      values = maxval(int(self%tables%columns, i8)*(self%cycles/self%tables%every))
   end function largest
end module da_verification_tables
