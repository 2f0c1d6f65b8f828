!> What an ensemble carries comes back from a checkpoint, by name, onto any layout.
module test_carried
   use da_base_communicator, only: alone
   use da_base_domain, only: domain_type, new_domain
   use da_base_error, only: error_type
   use da_base_kinds, only: wp, i8
   use da_base_random, only: random_key_type
   use da_base_system, only: remove_file
   use da_base_text, only: to_text
   use da_ensemble_type, only: ensemble_type
   use da_io_checkpoint, only: read_checkpoint, read_checkpoint_head, write_checkpoint
   use da_io_checkpoint_head, only: checkpoint_head_type
   use da_operator_checks, only: random_field
   use testing, only: testing_type
   implicit none
   private
   public :: test_carried_suite

   integer, parameter :: points = 13
   integer, parameter :: members = 3

contains

   subroutine test_carried_suite(tests)
      type(testing_type), intent(inout) :: tests
      type(domain_type) :: domain
      type(domain_type) :: whole
      type(ensemble_type) :: written
      type(ensemble_type) :: found
      type(ensemble_type) :: other
      type(error_type), allocatable :: error
      character(len=:), allocatable :: path
      type(checkpoint_head_type) :: head
      type(checkpoint_head_type) :: read_back
      real(wp) :: truth(0, 1, 0)
      integer :: f

      call new_domain(points, tests%communicator, domain, error)
      call new_domain(points, alone(), whole, error)
      path = 'carried_on_'//to_text(tests%communicator%ranks)//'_ranks.checkpoint'
      call fill(domain, 1, written)
      call fill(whole, 2, found)
      call tests%check(written%place_of('everywhere') == 2, 'a field is found by its name')
      call tests%check(written%place_of('nowhere') == 0, 'no field is found by another name')
      head%cycle = 7
      head%namelist = '&cycle /'
      head%version = 'dacycle'
      head%inputs = ''
      call write_checkpoint(path, domain, head, written%x, truth, written%carried, .false., error)
      call tests%check(.not. allocated(error), 'a checkpoint with carried fields is written')
      call read_checkpoint_head(path, tests%communicator, read_back, error)
      call tests%check(.not. allocated(error), 'the head of a checkpoint is read')
      call read_checkpoint(path, whole, found%x, truth, found%carried, error)
      call tests%check(.not. allocated(error), 'a checkpoint with carried fields is read')
      call fill(whole, 1, other)
      call tests%check(read_back%cycle == 7 .and. read_back%namelist == '&cycle /', &
                       'cycle and namelist come back')
      call tests%check(all(abs(found%x - other%x) <= 0), 'the states come back')
      do f = 1, size(found%carried)
         call tests%check(all(abs(found%carried(f)%x - other%carried(f)%x) <= 0), &
                          trim(found%carried(f)%name)//' comes back, to the bit')
      end do
      call found%carry('unknown', '', .true., spread(spread([0.0_wp], 2, 1), 3, 1))
      call read_checkpoint(path, whole, found%x, truth, found%carried, error)
      call tests%check(allocated(error), 'a field that the checkpoint lacks is an error')
      if (allocated(error)) deallocate (error)
      found%carried = found%carried(:2)
      found%carried(1)%x = found%carried(1)%x(:, :1, :)
      call read_checkpoint(path, whole, found%x, truth, found%carried, error)
      call tests%check(allocated(error), 'a field of another shape is an error')
      call domain%communicator%agree(error)
      if (domain%communicator%is_root()) call remove_file(path)
   end subroutine test_carried_suite

   !> States, a field of two components and three numbers that are the same everywhere.
   subroutine fill(domain, seed, ensemble)
      type(domain_type), intent(in) :: domain
      integer, intent(in) :: seed
      type(ensemble_type), intent(inout) :: ensemble
      real(wp) :: field(domain%n, 2, 1)
      real(wp) :: numbers(1, 1, members)

      ensemble%members = members
      if (.not. allocated(ensemble%x)) allocate (ensemble%x(domain%n, 1, members))
      call random_field(random_key_type(seed=seed), int(domain%first - 1, i8), ensemble%x)
      call random_field(random_key_type(seed=seed + 10), int(domain%first - 1, i8), field)
      call random_field(random_key_type(seed=seed + 20), 0_i8, numbers)
      call ensemble%carry('slabs', 'a field', .false., field)
      call ensemble%carry('everywhere', '', .true., numbers)
   end subroutine fill
end module test_carried
