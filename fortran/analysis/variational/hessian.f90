!> What the Hessian A = I + U^T G^T G U of a window tells: how much the observations inform, and how
!> large the analysis' errors are if B and R are right.
module da_analysis_variational_hessian
   use da_base_kinds, only: wp, i8
   use da_base_domain, only: domain_type
   use da_base_random, only: random_key_type
   use da_analysis_variational_conjugate_gradient, only: minimisation_type, minimise, batch_products
   use da_analysis_variational_cost_function, only: problem_type
   use da_analysis_variational_lanczos, only: ritz_type, spectral_type, ritz_pairs, &
      spectral_factor, &
      controls_on_circle
   use da_ensemble_initialise, only: draw_normal_field
   implicit none
   private
   public :: signal_of_pairs, sample_signal, analysis_variances

contains

   !> Degrees of freedom for signal, tr(HK) = tr(I - A^{-1}) = Σ (1 - 1/λ), as far as the pairs of
   !> each column know them: none is counted that is not there.
   pure function signal_of_pairs(pairs) result(dfs)
      type(ritz_type), intent(in) :: pairs
      real(wp) :: dfs(size(pairs%values, 2))
      integer :: m

      do m = 1, size(dfs)
         dfs(m) = sum(1 - 1/pairs%values(:, m))
      end do
   end function signal_of_pairs

   !> The same trace as the mean of z^T (I - A^{-1}) z over random vectors of signs z (Girard 1989;
   !> Hutchinson 1990), sample(column, vector); each takes a solution by conjugate gradients.
   subroutine sample_signal(problem, domain, key, batch, samples)
      type(problem_type), intent(in) :: problem
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: batch
      real(wp), intent(out) :: samples(:, :)
      !> z^T p is wrong by the square of this.
      real(wp), parameter :: reduction = 1.0e-5_wp
      integer, parameter :: most = 500
      type(minimisation_type) :: history
      type(random_key_type) :: one
      real(wp), dimension(domain%n, problem%covariance%components_in, batch) :: z, p
      integer :: s
      integer :: m

      one = key
      do s = 1, size(samples, 2)
         do m = 1, batch
            one%member = (s - 1)*batch + m
            call draw_normal_field(domain, one, z(:, :, m))
         end do
         z = sign(1.0_wp, z)
         call minimise(problem, domain, z, reduction, most, p, history)
         samples(:, s) = real(controls_on_circle(domain, size(z, 2)), wp) &
                         + 2*history%decrease(history%iterations, :)
      end do
   end subroutine sample_signal

   !> The variances of the analysis' errors, the diagonals of U A^{-1} U^T and of M U A^{-1} U^T
   !> M^T, at the window's start and end, variances(n, components). With pairs A^{-1} is theirs and
   !> one elsewhere: B less what the pairs know (Fisher & Courtier 1995). Without, each vector that
   !> is applied has its own Krylov space, from which A^{-1/2} is exact but for convergence (Chow &
   !> Saad 2014): dearer, and right for a circle of any size.
   !>
   !> The variances are the sums of squares of the columns of U A^{-1/2}. Columns that are far apart
   !> on the circle are summed first, with random signs: their products, which then stand for zero,
   !> would vanish exactly if the columns reached no further than half the distance.
   subroutine analysis_variances(problem, domain, key, probes, at_start, at_end, pairs)
      type(problem_type), intent(in) :: problem
      type(domain_type), intent(inout) :: domain
      type(random_key_type), intent(in) :: key
      integer, intent(in) :: probes
      real(wp), intent(out) :: at_start(:, :)
      real(wp), intent(out) :: at_end(:, :)
      type(ritz_type), intent(in), optional :: pairs
      type(spectral_type) :: root
      real(wp), dimension(domain%n, problem%covariance%components_in) :: signs
      real(wp), dimension(domain%n, problem%covariance%components_in, 1) :: v
      real(wp), dimension(domain%n, problem%covariance%components_out, 1) :: dx
      integer :: teeth
      integer :: offset
      integer :: c
      integer :: i

      if (present(pairs)) call spectral_factor(pairs, .true., huge(1.0_wp), root)
      call draw_normal_field(domain, key, signs)
      signs = sign(1.0_wp, signs)
      at_start = 0
      at_end = 0
      teeth = max(1, domain%total/probes)
      do c = 1, size(signs, 2)
         do offset = 0, (domain%total - 1)/teeth
            v = 0
            do i = 1, domain%n
               if (place_in_tooth(domain%first - 1 + i) == offset) v(i, c, 1) = signs(i, c)
            end do
            if (.not. present(pairs)) call own_root(problem, domain, v, root)
            call root%apply(domain, v)
            call problem%covariance%forward(domain, v, dx)
            at_start = at_start + dx(:, :, 1)**2
            call problem%window%tl_to_end(domain, dx)
            at_end = at_end + dx(:, :, 1)**2
         end do
      end do

   contains

      !> A comb's teeth are stretches of the circle; how far into its own a point, from 1, lies.
      pure integer function place_in_tooth(point)
         integer, intent(in) :: point
         integer(i8) :: tooth

         tooth = (int(point, i8)*teeth - 1)/domain%total
         place_in_tooth = point - 1 - int((tooth*domain%total)/teeth)
      end function place_in_tooth
   end subroutine analysis_variances

   !> A^{-1/2} on the Krylov space of v.
   subroutine own_root(problem, domain, v, root)
      type(problem_type), intent(in) :: problem
      type(domain_type), intent(inout) :: domain
      real(wp), contiguous, intent(in) :: v(:, :, :)
      type(spectral_type), intent(out) :: root
      real(wp), parameter :: reduction = 1.0e-6_wp
      integer, parameter :: most = 100
      type(minimisation_type) :: history
      type(ritz_type) :: pairs
      real(wp), allocatable :: p(:, :, :)

      allocate (p, mold=v)
      call minimise(problem, domain, v, reduction, most, p, history, .true.)
      call ritz_pairs(history, pairs)
      call spectral_factor(pairs, .true., huge(1.0_wp), root)
   end subroutine own_root
end module da_analysis_variational_hessian
