!> What a run is, beside what a network was trained for: outside that it may do badly.
module da_roles_trained_for
   use da_base_kinds, only: wp
   use da_base_text, only: to_text, join
   use da_model_type, only: model_type
   use da_network_metadata, only: metadata_type
   use da_observation_kinds, only: kind_names, known_kinds
   use da_observation_network, only: network_config
   implicit none
   private
   public :: setting_type, new_setting, departures

   character(len=1), parameter :: newline = achar(10)

   !> A run in the words of a network's metadata.
   type :: setting_type
      character(len=:), allocatable :: model
      real(wp) :: forcing = 0
      real(wp) :: interval = 0
      !> Observations come from a file, and are not known yet.
      logical :: from_file = .false.
      real(wp) :: error_sd = 0
      character(len=:), allocatable :: observed
      character(len=:), allocatable :: kinds
   end type setting_type

contains

   !> Of a run with this model, observed so; what its observations are is not known where they are
   !> `from_file`.
   function new_setting(model, interval, network, kinds, error_sd, from_file) result(self)
      class(model_type), intent(in) :: model
      real(wp), intent(in) :: interval
      type(network_config), intent(in) :: network
      integer, intent(in) :: kinds(:)
      real(wp), intent(in) :: error_sd
      logical, intent(in) :: from_file
      type(setting_type) :: self
      integer :: k

      self%model = model%name
      self%forcing = model%forcing
      self%interval = interval
      self%from_file = from_file
      self%error_sd = error_sd
      self%kinds = join(pack(kind_names, [(any(kinds == known_kinds(k)), &
                                           k=1, size(known_kinds))]))
      self%observed = in_words(network)
      if (self%kinds /= 'value') self%observed = self%observed//', of kind '//self%kinds
   end function new_setting

   !> Where a network is used outside what it was trained for: 'for forcing = 8.0, here it is 9.0',
   !> a line each.
   pure function departures(metadata, here) result(lines)
      type(metadata_type), intent(in) :: metadata
      type(setting_type), intent(in) :: here
      character(len=:), allocatable :: lines

      lines = ''
      associate (trained => metadata%trained)
         if (trained%model /= here%model) then
            call add("for model = '"//trained%model//"', here it is '"//here%model//"'")
         end if
         if (differ(trained%forcing, here%forcing)) then
            call add('for forcing = '//to_text(trained%forcing)//', here it is '// &
                     to_text(here%forcing))
         end if
         if (metadata%role%sees_departures .and. differ(trained%interval, here%interval)) then
            call add('for analyses each '//to_text(trained%interval)//', here each '// &
                     to_text(here%interval))
         end if
         if (here%from_file) return
         if (trained%error_sd > 0 .and. differ(trained%error_sd, here%error_sd)) then
            call add('for observations with error_sd = '//to_text(trained%error_sd)// &
                     ', here it is '//to_text(here%error_sd))
         end if
         if (trained%observed == 'any') return
         if (metadata%role%gives_observed) then
            if (trained%observed /= here%kinds) then
               call add("to stand for kind '"//trained%observed//"', observed is here '"// &
                        here%kinds//"'")
            end if
         else if (trained%observed /= here%observed) then
            call add("for observations '"//trained%observed//"', here they are '"// &
                     here%observed//"'")
         end if
      end associate

   contains

      pure subroutine add(line)
         character(len=*), intent(in) :: line

         if (len(lines) > 0) lines = lines//newline
         lines = lines//line
      end subroutine add

      pure logical function differ(a, b)
         real(wp), intent(in) :: a
         real(wp), intent(in) :: b
         real(wp), parameter :: tolerance = 1.0e-9_wp

         differ = abs(a - b) > tolerance*max(abs(a), abs(b))
      end function differ
   end function departures

   !> 'each 2, shifted by 1': as a network's metadata say which points were observed.
   pure function in_words(network) result(text)
      type(network_config), intent(in) :: network
      character(len=:), allocatable :: text

      if (network%name /= 'given') then
         text = "network = '"//network%name//"'"
      else if (size(network%positions) > 0) then
         text = 'a list of positions'
      else
         text = 'each '//number(network%stride)
         if (abs(network%offset - anint(network%offset)) > 0) then
            text = text//', from '//number(network%offset)
         end if
         if (abs(network%drift) > 0) text = text//', shifted by '//number(network%drift)
      end if
      if (network%every > 1) text = text//', in one cycle of '//to_text(network%every)
   end function in_words

   !> Whole numbers without a point.
   pure function number(value) result(text)
      real(wp), intent(in) :: value
      character(len=:), allocatable :: text

      text = to_text(value)
      if (index(text, '.0', back=.true.) == len(text) - 1) text = text(:len(text) - 2)
   end function number
end module da_roles_trained_for
