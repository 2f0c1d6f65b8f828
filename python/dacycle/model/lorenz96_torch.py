"""Lorenz-96 in PyTorch: differentiable, on any device and in any precision, for training.

The same equation and the same Runge-Kutta steps as the Fortran kernels (`dacycle.model.lorenz96`,
where the reference stands), and in float64 the same numbers to rounding. The four stages work on
one slab with a halo as wide as their reaches together, so a step costs slices and no rotations.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["REACH_LEFT", "REACH_RIGHT", "climatology", "forecast", "step", "step_with"]

STAGES = 4
REACH_LEFT = 2 * STAGES
"""Points to the left on which a step depends: i-2 in each stage."""

REACH_RIGHT = STAGES
"""Points to the right: i+1 in each stage."""

MEAN = 2.3
DEVIATION = 3.6
"""Of a value in a free run with F = 8: where the spin-up begins, and what networks divide by."""

TENDENCY_DEVIATION = 18.0
"""Of dx/dt there."""

SPIN_UP = 20.0
"""Model time from a random state to the attractor, some 30 Lyapunov times."""


def step(x: Tensor, forcing: float, dt: float) -> Tensor:
    """Advance x by one step: y = M(x).

    Args:
        x: states `(..., n)`, n >= 4.
        forcing: F.
        dt: length of the step, model time.

    Returns:
        The states one step later, of the shape of `x`.
    """
    n = x.shape[-1]
    if n >= REACH_LEFT:
        xh = torch.cat((x[..., n - REACH_LEFT :], x, x[..., :REACH_RIGHT]), -1)
    else:
        circle = torch.arange(-REACH_LEFT, n + REACH_RIGHT, device=x.device) % n
        xh = x[..., circle]
    k1 = _tendency(xh, forcing)
    k2 = _tendency(_inner(xh, 1) + (0.5 * dt) * k1, forcing)
    k3 = _tendency(_inner(xh, 2) + (0.5 * dt) * k2, forcing)
    k4 = _tendency(_inner(xh, 3) + dt * k3, forcing)
    return x + (dt / 6) * (_inner(k1, 3) + 2 * (_inner(k2, 2) + _inner(k3, 1)) + k4)


def step_with(x: Tensor, forcing: float, dt: float, added: Callable[[Tensor], Tensor]) -> Tensor:
    """A step of the model with something added to its tendency, in each stage.

    Args:
        x: states `(..., n)`, n >= 4.
        forcing: F.
        dt: length of the step, model time.
        added: what is added to dx/dt: a function of the state on the circle, of its shape.
    """

    def tendency(state: Tensor) -> Tensor:
        following, before, second = (state.roll(shift, -1) for shift in (-1, 1, 2))
        return (following - second) * before - state + forcing + added(state)

    k1 = tendency(x)
    k2 = tendency(x + (0.5 * dt) * k1)
    k3 = tendency(x + (0.5 * dt) * k2)
    k4 = tendency(x + dt * k3)
    return x + (dt / 6) * (k1 + 2 * (k2 + k3) + k4)


def forecast(x: Tensor, forcing: float, dt: float, steps: int) -> Tensor:
    """Advance x by several steps."""
    for _ in range(steps):
        x = step(x, forcing, dt)
    return x


def climatology(
    count: int,
    n: int,
    forcing: float,
    dt: float,
    random: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """States `(count, n)` of independent free runs, each spun up from noise.

    The numbers come from the generator, on the CPU: a seed gives the same states on any device.
    """
    noise = torch.randn(count, n, generator=random, dtype=torch.float64)
    x = MEAN + DEVIATION * noise
    with torch.no_grad():
        return forecast(x, forcing, dt, round(SPIN_UP / dt)).to(dtype)


def _tendency(xh: Tensor, forcing: float) -> Tensor:
    """dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F on the points that have all neighbours."""
    return (xh[..., 3:] - xh[..., :-3]) * xh[..., 1:-2] - xh[..., 2:-1] + forcing


def _inner(xh: Tensor, stages: int) -> Tensor:
    """What is left of a slab after so many stages."""
    return xh[..., 2 * stages : xh.shape[-1] - stages]
