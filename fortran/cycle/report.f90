!> The tables before and after a run.
module da_cycle_report
   use, intrinsic :: iso_fortran_env, only: output_unit
   use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
   use da_base_kinds, only: wp
   use da_base_communicator, only: communicator_type
   use da_base_domain, only: domain_type
   use da_base_memory, only: peak_memory
   use da_base_text, only: to_text, pad, duration
   use da_base_timer, only: phase_names
   use da_cycle_config, only: config_type
   use da_verification_record, only: record_type, statistics_type
   implicit none
   private
   public :: report_start, report_end

contains

   subroutine report_start(domain, config, first)
      type(domain_type), intent(in) :: domain
      type(config_type), intent(in) :: config
      integer, intent(in) :: first
      character(len=:), allocatable :: analysis
      integer :: r

      if (.not. domain%communicator%is_root()) return
      analysis = config%analysis_name
      if (any(config%networks%wanted() == 'analysis')) analysis = 'a network'
      write (output_unit, '(a)') config%title//': '//config%model_name//' with '// &
         to_text(domain%total)//' points, '//analysis//' with '// &
         to_text(config%ensemble%members)//' members, '//to_text(config%cycles)//' cycles of '// &
         to_text(config%interval)//', '//to_text(domain%communicator%ranks)// &
         trim(merge(' ranks', ' rank ', domain%communicator%ranks > 1))
      do r = 1, size(config%networks%roles)
         associate (role => config%networks%roles(r)%role)
            if (role%wanted()) write (output_unit, '(a)') 'network for '//role%key//': '//role%path
         end associate
      end do
      if (first > 1) write (output_unit, '(a)') 'goes on after cycle '//to_text(first - 1)// &
         ' from '//config%checkpoint
      flush (output_unit)
   end subroutine report_start

   !> Scores with their errors, time by phase and memory. Collective.
   subroutine report_end(domain, config, record, cycles, seconds)
      type(domain_type), intent(in) :: domain
      type(config_type), intent(in) :: config
      type(record_type), intent(in) :: record
      integer, intent(in) :: cycles
      real(wp), intent(in) :: seconds
      real(wp), dimension(size(phase_names) + 1) :: largest
      integer :: p

      largest = [domain%timer%seconds, peak_memory()]
      call domain%communicator%maxima(largest)
      if (.not. domain%communicator%is_root()) return
      call report_tables(record)
      write (output_unit, '(/,a)') 'time by phase       seconds   ms a cycle   (largest over ranks)'
      do p = 1, size(phase_names)
         write (output_unit, '(a,f12.2,f13.4)') pad(trim(phase_names(p)), 15), largest(p), &
            1000*largest(p)/max(cycles, 1)
      end do
      write (output_unit, '(a,f12.2,f13.4)') pad('all', 15), seconds, 1000*seconds/max(cycles, 1)
      write (output_unit, '(/,a,f0.1,a)') 'memory high-water mark ', largest(size(largest)), &
         ' MiB (largest rank)'
      write (output_unit, '(a)') 'written: '//config%output%path
   end subroutine report_end

   !> Means of what is worth it, a line a column; what is not known in any cycle is left out.
   subroutine report_tables(record)
      type(record_type), intent(in) :: record
      integer, parameter :: width = 36
      type(statistics_type) :: stats
      integer :: t
      integer :: c

      write (output_unit, '(/,a)') pad('score', width)//'          mean   std error'// &
         '       maximum   (cycles '//to_text(min(record%burn_in, record%cycles) + 1)//'-'// &
         to_text(record%cycles)//')'
      do t = 1, size(record%tables%tables)
         associate (table => record%tables%tables(t))
            if (.not. table%reported .or. all(ieee_is_nan(table%rows))) cycle
            do c = 1, table%columns
               stats = record%statistics(t, c, record%cycles)
               write (output_unit, '(a,f14.4,f12.4,f14.4)') pad(label_of(record, t, c), width), &
                  stats%mean, stats%standard_error, stats%maximum
            end do
         end associate
      end do
   end subroutine report_tables

   !> A column's name: the table's, and where the column lies on each axis of its first dimension.
   pure function label_of(record, table, column) result(label)
      type(record_type), intent(in) :: record
      integer, intent(in) :: table
      integer, intent(in) :: column
      character(len=:), allocatable :: label
      integer :: a

      label = trim(record%tables%tables(table)%name)
      do a = 1, size(record%tables%axes)
         associate (axis => record%tables%axes(a))
            if (axis%dimension /= record%tables%tables(table)%dimensions(1)) cycle
            label = label//', '//trim(axis%name)//' '//to_text(axis%values(column))
         end associate
      end do
   end function label_of
end module da_cycle_report
