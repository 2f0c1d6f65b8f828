!> The covariance of a state's errors on a circle, as its bands: P at distances up to a reach, the
!> whole of it where the reach goes round. The model carries it on, P ← M P M^T.
!>
!> M P M^T = M (M P)^T: the tangent linear model acts on the columns of P, and on those of the
!> transposed product. Columns that are so far apart that what the model makes of them does not meet
!> share a field, so the cost grows with the points of the circle, not with their square. Beyond the
!> reach P is taken to be zero, towards which it is tapered in each step: a covariance cut off
!> abruptly has negative eigenvalues, which grow.
module da_analysis_kalman_bands
   use da_base_kinds, only: wp
   use da_base_domain, only: domain_type
   use da_analysis_kalman_kernels, only: fill_combs, mark_combs, turn_combs, take_combs
   use da_model_type, only: model_type
   use da_network_tiles, only: tiles_type
   implicit none
   private
   public :: bands_type, new_bands, reach_on, padded

   !> The teeth near the slab, which have their columns at start(t) + number, in slab points; and of
   !> the slab's points the number.
   type :: comb_type
      integer :: fields = 0
      integer, allocatable :: start(:)
      integer, allocatable :: place(:)
   end type comb_type

   !> A covariance is bands(n, components, components*(ahead + 1)), as `da_analysis_kalman_kernels`
   !> has it.
   type :: bands_type
      integer :: components = 1
      !> Points of a column of P behind and ahead of its own.
      integer :: ahead = 0
      integer :: behind = 0
      !> Whether that is the whole circle.
      logical :: whole = .true.
      !> Halos of the columns of M P that their transposed needs.
      integer, private :: halo(2) = 0
      real(wp), allocatable, private :: taper(:)
      type(comb_type), private :: comb
   contains
      procedure :: propagate
      procedure :: curvature
   end type bands_type

   !> Some of a comb's fields, as many as fill the cache.
   type :: batch_type
      integer :: fields = 0
      integer, allocatable :: number(:)
      integer, allocatable :: component(:)
   end type batch_type

contains

   !> The bands' reach on a circle: that wanted (0: all round), or half the circle.
   pure function reach_on(points, wanted) result(reach)
      integer, intent(in) :: points
      integer, intent(in) :: wanted
      integer :: reach

      reach = points/2
      if (wanted > 0) reach = min(reach, wanted)
   end function reach_on

   subroutine new_bands(domain, model, wanted, bands)
      type(domain_type), intent(in) :: domain
      class(model_type), intent(in) :: model
      integer, intent(in) :: wanted
      type(bands_type), intent(out) :: bands
      type(tiles_type) :: teeth
      real(wp) :: beyond
      integer :: spill(2)
      integer :: flat
      integer :: d

      bands%components = model%components_in
      bands%ahead = reach_on(domain%total, wanted)
      bands%behind = min(bands%ahead, (domain%total - 1)/2)
      bands%whole = bands%ahead == domain%total/2
      allocate (bands%taper(0:bands%ahead), source=1.0_wp)
      if (.not. bands%whole) then
         flat = (2*bands%ahead)/3
         ! One by one: the C library's vector functions round otherwise.
         !GCC$ novector
         do d = flat, bands%ahead
            beyond = real(d - flat, wp)/(bands%ahead + 1 - flat)
            bands%taper(d) = (1 - beyond)**2*(1 + 2*beyond)
         end do
      end if
      spill = model%step_reach()
      teeth = tiles_type(domain%total, max(1, domain%total/(2*bands%ahead + 1 + sum(spill))))
      bands%halo = bands%ahead + spill([2, 1])
      if (teeth%count == 1) bands%halo = [domain%total/2, (domain%total - 1)/2]
      call new_comb(domain, teeth, maxval(bands%halo), bands%comb)
   end subroutine new_bands

   !> The comb of tiles as teeth, as far as they reach within `width` points of the slab.
   subroutine new_comb(domain, teeth, width, comb)
      type(domain_type), intent(in) :: domain
      type(tiles_type), intent(in) :: teeth
      integer, intent(in) :: width
      type(comb_type), intent(out) :: comb
      integer :: leftmost
      integer :: rightmost
      integer :: t

      leftmost = teeth%containing(domain%first - width)
      rightmost = teeth%containing(domain%last + width)
      comb%fields = (domain%total + teeth%count - 1)/teeth%count
      comb%start = [(teeth%first(t) - domain%first + 1, t=leftmost, rightmost + 1)]
      allocate (comb%place(domain%n))
      do t = 1, rightmost - leftmost + 1
         call number_points(max(1, comb%start(t)), min(domain%n, comb%start(t + 1) - 1))
      end do

   contains

      subroutine number_points(first, last)
         integer, intent(in) :: first
         integer, intent(in) :: last
         integer :: i

         do i = first, last
            comb%place(i) = i - comb%start(t)
         end do
      end subroutine number_points
   end subroutine new_comb

   !> Batches of the comb's fields, of so many that they fill a cache and not more; the same on all
   !> ranks.
   pure subroutine new_batches(self, domain, batches)
      class(bands_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(batch_type), allocatable, intent(out) :: batches(:)
      integer, parameter :: values = 8192
      integer, parameter :: fewest = 8
      integer :: all
      integer :: points
      integer :: fields
      integer :: b
      integer :: f

      all = self%comb%fields*self%components
      points = (domain%total - 1)/domain%communicator%ranks + 1
      fields = min(all, max(fewest, values/(points*self%components)))
      allocate (batches((all + fields - 1)/fields))
      do b = 1, size(batches)
         associate (first => (b - 1)*fields, last => min(b*fields, all) - 1)
            batches(b)%fields = last - first + 1
            batches(b)%number = [(f/self%components, f=first, last)]
            batches(b)%component = [(mod(f, self%components) + 1, f=first, last)]
         end associate
      end do
   end subroutine new_batches

   !> P ← M P M^T, with M the tangent linear model about x(n, components, 1), one step.
   subroutine propagate(self, model, domain, x, covariance)
      class(bands_type), intent(in) :: self
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(inout) :: covariance(:, :, :)
      type(batch_type), allocatable :: batches(:)
      real(wp), allocatable, dimension(:, :, :) :: columns, bands, states, fields, next
      integer :: before
      integer :: b

      call new_batches(self, domain, batches)
      call padded(domain, [self%behind, 0], covariance, bands)
      allocate (columns(1 - self%halo(1):domain%n + self%halo(2), self%components, &
                        self%comb%fields*self%components))
      states = spread(x(:, :, 1), 3, batches(1)%fields)
      allocate (fields, next, mold=states)
      before = 0
      do b = 1, size(batches)
         associate (batch => batches(b))
            call fill(self, domain, batch, bands, fields)
            call model%tl(domain, states(:, :, :batch%fields), fields(:, :, :batch%fields), &
                          next(:, :, :batch%fields))
            call put_padded(domain, self%halo, batch%fields*self%components, &
                            next(:, :, :batch%fields), &
                            columns(:, :, before + 1:before + batch%fields))
            before = before + batch%fields
         end associate
      end do
      do b = 1, size(batches)
         associate (batch => batches(b), comb => self%comb)
            call turn_combs(domain%n, self%components, self%halo(1), self%halo(2), &
                            size(columns, 3), comb%place, size(comb%start) - 1, comb%start, &
                            batch%fields, batch%number, batch%component, columns, fields)
            call model%tl(domain, states(:, :, :batch%fields), fields(:, :, :batch%fields), &
                          next(:, :, :batch%fields))
            call take_combs(domain%n, self%components, self%ahead, self%taper, &
                            size(comb%start) - 1, comb%start, batch%fields, batch%number, &
                            batch%component, next, covariance)
         end associate
      end do
   end subroutine propagate

   !> What errors of covariance P add to the mean in a step of the model: ½ Σ_jk ∂²M/∂x_j∂x_k P_jk,
   !> by differences of the tangent linear model, for models that do not say it themselves.
   subroutine curvature(self, model, domain, x, covariance, shift)
      class(bands_type), intent(in) :: self
      class(model_type), intent(in) :: model
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), contiguous, intent(in) :: covariance(:, :, :)
      real(wp), intent(out) :: shift(:, :)
      !> Its square is the error, relative to what a model's third derivative makes of a unit.
      real(wp), parameter :: distance = 1.0e-3_wp
      type(batch_type), allocatable :: batches(:)
      real(wp), allocatable, dimension(:, :, :) :: bands, states, fields, marks, above, below
      integer :: b
      integer :: f

      call new_batches(self, domain, batches)
      call padded(domain, [self%behind, 0], covariance, bands)
      states = spread(x(:, :, 1), 3, batches(1)%fields)
      allocate (fields, marks, above, below, mold=states)
      shift = 0
      do b = 1, size(batches)
         associate (batch => batches(b), m => batches(b)%fields)
            call fill(self, domain, batch, bands, fields)
            call mark_combs(domain%n, self%components, size(self%comb%start) - 1, &
                            self%comb%start, m, batch%number, batch%component, marks)
            call model%tl(domain, states(:, :, :m) + distance*marks(:, :, :m), &
                          fields(:, :, :m), above(:, :, :m))
            call model%tl(domain, states(:, :, :m) - distance*marks(:, :, :m), &
                          fields(:, :, :m), below(:, :, :m))
            do f = 1, m
               shift = shift + (above(:, :, f) - below(:, :, f))
            end do
         end associate
      end do
      shift = shift/(4*distance)
   end subroutine curvature

   subroutine fill(self, domain, batch, bands, fields)
      class(bands_type), intent(in) :: self
      type(domain_type), intent(in) :: domain
      type(batch_type), intent(in) :: batch
      real(wp), contiguous, intent(in) :: bands(:, :, :)
      real(wp), contiguous, intent(out) :: fields(:, :, :)

      call fill_combs(domain%n, self%components, self%ahead, self%behind, &
                      size(self%comb%start) - 1, self%comb%start, batch%fields, batch%number, &
                      batch%component, bands, fields)
   end subroutine fill

   !> A copy of x(n, :, :) with the points around it, of which its first index counts on.
   subroutine padded(domain, halo, x, xh)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: halo(2)
      real(wp), contiguous, intent(in) :: x(:, :, :)
      real(wp), allocatable, intent(out) :: xh(:, :, :)

      allocate (xh(1 - halo(1):domain%n + halo(2), size(x, 2), size(x, 3)))
      call put_padded(domain, halo, size(x, 2)*size(x, 3), x, xh)
   end subroutine padded

   subroutine put_padded(domain, halo, columns, x, xh)
      type(domain_type), intent(inout) :: domain
      integer, intent(in) :: halo(2)
      integer, intent(in) :: columns
      real(wp), intent(in) :: x(domain%n, columns)
      real(wp), intent(inout) :: xh(1 - halo(1):domain%n + halo(2), columns)
      real(wp), allocatable :: left(:, :)
      real(wp), allocatable :: right(:, :)
      integer :: c

      allocate (left(halo(1), columns), right(halo(2), columns))
      call domain%fetch_halo(columns, x, left, right)
      do c = 1, columns
         xh(:0, c) = left(:, c)
         xh(1:domain%n, c) = x(:, c)
         xh(domain%n + 1:, c) = right(:, c)
      end do
   end subroutine put_padded
end module da_analysis_kalman_bands
