!> Multiplicative inflation: the anomalies of an ensemble times a factor.
module da_ensemble_inflation
   use da_base_kinds, only: wp
   use da_base_error, only: error_type
   use da_base_namelists, only: namelists_type
   use da_ensemble_type, only: ensemble_type
   implicit none
   private
   public :: inflation_config, read_inflation, inflate

   !> `&inflation`; a factor of 1 changes no bit. The default suits the default run: without any inflation
   !> most filters of this size diverge.
   type :: inflation_config
      real(wp) :: prior = 1
      real(wp) :: posterior = 1.03_wp
   end type inflation_config

contains

   subroutine read_inflation(namelists, config, error)
      type(namelists_type), intent(inout) :: namelists
      type(inflation_config), intent(inout) :: config
      type(error_type), allocatable, intent(out) :: error

      call namelists%open_group('inflation', 'Multiplicative inflation; factors multiply the '// &
                                'anomalies (their squares the covariance)')
      call namelists%get('prior', config%prior, 'factor before the analysis; 1: none', above=0.0_wp)
      call namelists%get('posterior', config%posterior, 'factor after the analysis; 1: none', &
                         above=0.0_wp)
      call namelists%close_group(error)
   end subroutine read_inflation

   !> x_m ← mean + factor (x_m - mean); `average` is work space of the shape of the mean.
   subroutine inflate(factor, ensemble, average)
      real(wp), intent(in) :: factor
      type(ensemble_type), intent(inout) :: ensemble
      real(wp), intent(inout) :: average(:, :)
      integer :: m

      if (abs(factor - 1) <= 0 .or. ensemble%members == 1) return
      call ensemble%mean(average)
      do m = 1, ensemble%members
         ensemble%x(:, :, m) = average + factor*(ensemble%x(:, :, m) - average)
      end do
   end subroutine inflate
end module da_ensemble_inflation
