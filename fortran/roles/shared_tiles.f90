!> What the log says of tiles that several ranks evaluate.
module da_roles_shared_tiles
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_base_text, only: to_text
   use da_network_file, only: network_file_type
   implicit none
   private
   public :: about_tiles

contains

   !> What ranks do twice; nothing where they do not.
   function about_tiles(network, domain) result(text)
      type(network_file_type), intent(in) :: network
      type(domain_type), intent(in) :: domain
      character(len=:), allocatable :: text
      real(wp), parameter :: percent = 100
      integer :: most
      integer :: all

      text = ''
      associate (ranks => domain%communicator%ranks)
         call network%operator%count_tiles(domain, most, all)
         if (most*ranks <= all) return
         text = 'of the '//to_text(all)//trim(merge(' tile ', ' tiles', all == 1))// &
                ' of the circle a rank evaluates up to '//to_text(most)//': '// &
                to_text(nint(percent*(real(most, wp)*ranks/all - 1)))//' % more than its share'
      end associate
   end function about_tiles
end module da_roles_shared_tiles
