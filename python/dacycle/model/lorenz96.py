"""Lorenz-96 on the periodic circle: the Fortran kernels, on NumPy arrays.

The model is

    dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F        (Lorenz & Emanuel 1998, eq. 1)

with fourth-order Runge-Kutta steps. `step`, `step_tl` and `step_ad` call the very kernels that
`da_cycle` runs (`fortran/model/lorenz96_kernels.f90`), so both halves of dacycle integrate the
same bits. All quantities are non-dimensional; a model time of 0.05 is taken for six hours.

Arrays are float64 of shape `(n,)`, one state, or `(members, n)`, an ensemble, with n >= 4.

Lorenz, E. N. and K. A. Emanuel (1998): Optimal sites for supplementary weather observations:
simulation with a small model. J. Atmos. Sci., 55, 399-414.
"""

import numpy as np
from numpy.typing import NDArray

from dacycle._fortran import da_model_lorenz96_kernels as kernels

__all__ = ["step", "step_ad", "step_tl"]

FEWEST_POINTS = 4
"""The stencil i-2 ... i+1 has four distinct points."""

REACH_LEFT = int(kernels.reach_left)
REACH_RIGHT = int(kernels.reach_right)
REACH = REACH_LEFT + REACH_RIGHT


def step(x: NDArray[np.float64], forcing: float, dt: float) -> NDArray[np.float64]:
    """Advance x by one step: y = M(x).

    Args:
        x: state `(n,)` or ensemble `(members, n)`, float64.
        forcing: F.
        dt: length of the step, model time.

    Returns:
        The state one step later, of the shape of `x`.

    Raises:
        TypeError: `x` is no float64 array.
        ValueError: `x` is neither `(n,)` nor `(members, n)`, or has fewer than four points.
    """
    _check("x", x)
    width = x.shape[-1] + REACH
    xh = _slab(x, REACH_LEFT, width)
    return _inner(kernels.lorenz96_step(forcing, dt, xh, xh.size - REACH), x, width)


def step_tl(
    x: NDArray[np.float64], dx: NDArray[np.float64], forcing: float, dt: float
) -> NDArray[np.float64]:
    """Advance the perturbation dx by the tangent linear of one step: dy = M'(x) dx.

    Args:
        x: point of linearisation, `(n,)` or `(members, n)`, float64.
        dx: perturbation, of the shape of `x`.
        forcing: F.
        dt: length of the step, model time.

    Returns:
        The perturbation one step later, of the shape of `x`.

    Raises:
        TypeError: `x` or `dx` is no float64 array.
        ValueError: a wrong shape, as in `step`, or `dx` not of the shape of `x`.
    """
    _check("x", x)
    _check_same_shape("dx", dx, x)
    width = x.shape[-1] + REACH
    xh = _slab(x, REACH_LEFT, width)
    dxh = _slab(dx, REACH_LEFT, width)
    return _inner(kernels.lorenz96_step_tl(forcing, dt, xh, dxh, xh.size - REACH), x, width)


def step_ad(
    x: NDArray[np.float64], dy: NDArray[np.float64], forcing: float, dt: float
) -> NDArray[np.float64]:
    """Carry the sensitivity dy back through the adjoint of one step: dx = M'(x)^T dy.

    Args:
        x: point of linearisation, `(n,)` or `(members, n)`, float64.
        dy: sensitivity to the state after the step, of the shape of `x`.
        forcing: F.
        dt: length of the step, model time.

    Returns:
        The sensitivity to the state before the step, of the shape of `x`.

    Raises:
        TypeError: `x` or `dy` is no float64 array.
        ValueError: a wrong shape, as in `step`, or `dy` not of the shape of `x`.
    """
    _check("x", x)
    _check_same_shape("dy", dy, x)
    width = x.shape[-1] + 2 * REACH
    xh = _slab(x, REACH, width)
    dyh = _slab(dy, REACH_RIGHT, width)[:-REACH]
    return _inner(kernels.lorenz96_step_ad(forcing, dt, xh, dyh, xh.size - 2 * REACH), x, width)


def _slab(x: NDArray[np.float64], left: int, width: int) -> NDArray[np.float64]:
    """All members, each with its periodic halo, end to end: one kernel call serves them all.

    The points between two members come out meaningless, and `_inner` leaves them out.
    """
    n = x.shape[-1]
    periodic = np.arange(-left, width - left) % n
    return x[..., periodic].reshape(-1)


def _inner(slab: NDArray[np.float64], x: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """What belongs to the members in the kernel's output, in the shape of `x`."""
    n = x.shape[-1]
    members = x.size // n
    whole = np.empty(members * width)
    whole[: slab.size] = slab
    return whole.reshape(members, width)[:, :n].reshape(x.shape)


def _check(name: str, x: NDArray[np.float64]) -> None:
    """Refuse what f2py would convert or flatten without a word."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"{name} must be a float64 array, not {found}")
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"{name} must have the shape (n,) or (members, n), not {x.shape}")
    if x.shape[-1] < FEWEST_POINTS:
        raise ValueError(f"{name} must have at least {FEWEST_POINTS} points, not {x.shape[-1]}")


def _check_same_shape(name: str, dx: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    _check(name, dx)
    if dx.shape != x.shape:
        raise ValueError(f"{name} must have the shape of x, {x.shape}, not {dx.shape}")
