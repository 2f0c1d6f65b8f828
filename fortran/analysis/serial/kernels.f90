!> One observation's update of the targets around it, `lanes` of them side by side.
module da_analysis_serial_kernels
   use da_base_kinds, only: wp
   use da_base_tridiagonal_kernels, only: lanes
   implicit none
   private
   public :: part_mean, join_mean, reduce_gain, adjust, regress

contains

   !> z(:, m, :) ← (z_m - mean) / sqrt(members - 1), z(:, members + 1, :) ← mean.
   pure subroutine part_mean(members, chunks, z)
      integer, intent(in) :: members
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, members + 1, chunks)
      real(wp) :: average(lanes)
      real(wp) :: scale
      integer :: k
      integer :: m

      scale = 1/sqrt(real(members - 1, wp))
      do k = 1, chunks
         average = 0
         do m = 1, members
            average = average + z(:, m, k)
         end do
         average = average/members
         do m = 1, members
            z(:, m, k) = scale*(z(:, m, k) - average)
         end do
         z(:, members + 1, k) = average
      end do
   end subroutine part_mean

   !> The reverse of `part_mean`.
   pure subroutine join_mean(members, chunks, z)
      integer, intent(in) :: members
      integer, intent(in) :: chunks
      real(wp), intent(inout) :: z(lanes, members + 1, chunks)
      real(wp) :: scale
      integer :: k
      integer :: m

      scale = sqrt(real(members - 1, wp))
      do k = 1, chunks
         do m = 1, members
            z(:, m, k) = z(:, members + 1, k) + scale*z(:, m, k)
         end do
      end do
   end subroutine join_mean

   !> Whitaker & Hamill (2002), tapered: with the observation's anomalies y (scaled by its error, as
   !> is its innovation d) and the targets' anomalies a, K = weight a y / (y y + 1), mean ← mean + K
   !> d, a ← a - α K y, α = 1 / (1 + sqrt(1 / (y y + 1))); y and -d stand in each lane.
   pure subroutine reduce_gain(members, chunks, observed, weights, z)
      integer, intent(in) :: members
      integer, intent(in) :: chunks
      real(wp), intent(in) :: observed(lanes, members + 1)
      real(wp), intent(in) :: weights(lanes, chunks)
      real(wp), intent(inout) :: z(lanes, members + 1, chunks)
      real(wp), dimension(lanes) :: gain, precision, alpha
      integer :: k
      integer :: m

      precision = 1
      do m = 1, members
         precision = precision + observed(:, m)*observed(:, m)
      end do
      precision = 1/precision
      alpha = 1/(1 + sqrt(precision))
      do k = 1, chunks
         gain = 0
         do m = 1, members
            gain = gain + z(:, m, k)*observed(:, m)
         end do
         gain = weights(:, k)*(gain*precision)
         z(:, members + 1, k) = z(:, members + 1, k) - gain*observed(:, members + 1)
         gain = alpha*gain
         do m = 1, members
            z(:, m, k) = z(:, m, k) - gain*observed(:, m)
         end do
      end do
   end subroutine reduce_gain

   !> The increments of the shift and scale that take the prior of an observation to
   !> the posterior of an observed 0 with error 1 (Anderson 2001): the product of two Gaussians.
   !> Also the prior's anomalies over their sum of squares, all zero where that is; the same in
   !> each lane.
   pure subroutine adjust(members, prior, increments, slopes)
      integer, intent(in) :: members
      real(wp), intent(in) :: prior(lanes, members)
      real(wp), intent(out) :: increments(lanes, members)
      real(wp), intent(out) :: slopes(lanes, members)
      real(wp) :: anomalies(members)
      real(wp) :: mean
      real(wp) :: squares
      real(wp) :: remaining
      integer :: m

      mean = 0
      do m = 1, members
         mean = mean + prior(1, m)
      end do
      mean = mean/members
      squares = 0
      do m = 1, members
         anomalies(m) = prior(1, m) - mean
         squares = squares + anomalies(m)*anomalies(m)
      end do
      remaining = 1/(1 + squares/(members - 1))
      mean = (remaining - 1)*mean
      remaining = sqrt(remaining) - 1
      squares = 1/max(squares, tiny(squares))
      do m = 1, members
         increments(:, m) = mean + remaining*anomalies(m)
         slopes(:, m) = squares*anomalies(m)
      end do
   end subroutine adjust

   !> Anderson (2003), tapered: z_m ← z_m + weight cov(z, y) / var(y) increment_m; z · slopes is the
   !> regression coefficient.
   pure subroutine regress(members, chunks, slopes, increments, weights, z)
      integer, intent(in) :: members
      integer, intent(in) :: chunks
      real(wp), intent(in) :: slopes(lanes, members)
      real(wp), intent(in) :: increments(lanes, members)
      real(wp), intent(in) :: weights(lanes, chunks)
      real(wp), intent(inout) :: z(lanes, members, chunks)
      real(wp) :: coefficient(lanes)
      integer :: k
      integer :: m

      do k = 1, chunks
         coefficient = 0
         do m = 1, members
            coefficient = coefficient + z(:, m, k)*slopes(:, m)
         end do
         coefficient = weights(:, k)*coefficient
         do m = 1, members
            z(:, m, k) = z(:, m, k) + coefficient*increments(:, m)
         end do
      end do
   end subroutine regress
end module da_analysis_serial_kernels
