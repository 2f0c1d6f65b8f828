"""What f2py makes of the Fortran kernels: one attribute a module."""

import numpy as np
from numpy.typing import NDArray

class _Lorenz96Kernels:
    reach_left: NDArray[np.int32]
    reach_right: NDArray[np.int32]
    @staticmethod
    def lorenz96_step(
        forcing: float, dt: float, xh: NDArray[np.float64], n: int
    ) -> NDArray[np.float64]: ...
    @staticmethod
    def lorenz96_step_tl(
        forcing: float, dt: float, xh: NDArray[np.float64], dxh: NDArray[np.float64], n: int
    ) -> NDArray[np.float64]: ...
    @staticmethod
    def lorenz96_step_ad(
        forcing: float, dt: float, xh: NDArray[np.float64], dyh: NDArray[np.float64], n: int
    ) -> NDArray[np.float64]: ...

da_model_lorenz96_kernels: _Lorenz96Kernels
