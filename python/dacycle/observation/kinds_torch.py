"""Kinds of observations in PyTorch, at the grid points: what training an observed field needs.

The formulas of `fortran/observation/kinds.f90`, with the keys of `&observations`. z is the state at
a point or, with `average_half_width` w above 0, the mean over point ± w of the state interpolated
linearly between points: the point d further on weighs (C(w - d) - C(-w - d)) / 2w, C the integral
of the hat function. The derivatives are autograd's; at a kink it may take another one than Fortran.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["CURVES", "average", "weights"]

CURVES: dict[str, Callable[[Tensor, float, float, float], Tensor]] = {
    "value": lambda z, exponent, cap, offset: z,
    "abs": lambda z, exponent, cap, offset: z.abs(),
    "square": lambda z, exponent, cap, offset: z * z,
    "power": lambda z, exponent, cap, offset: z.sign() * (z.abs() ** exponent).clamp(max=cap),
    "log": lambda z, exponent, cap, offset: torch.log(z.abs() + offset),
}
"""By name: (z, power_exponent, power_cap, log_offset) to what is observed."""


def average(x: Tensor, half_width: float) -> Tensor:
    """Means over each point ± `half_width` of states `(..., n)` on the circle; 0: the states."""
    if half_width == 0:
        return x
    reach = math.ceil(half_width)
    shares = weights(half_width)
    total = torch.zeros_like(x)
    for d, share in zip(range(-reach, reach + 1), shares, strict=True):
        total = total + share * x.roll(-d, -1)
    return total


def weights(half_width: float) -> list[float]:
    """Of the points from ceil(half_width) on the left to as many on the right, above 0."""
    reach = math.ceil(half_width)
    return [
        (_below(half_width - d) - _below(-half_width - d)) / (2 * half_width)
        for d in range(-reach, reach + 1)
    ]


def _below(t: float) -> float:
    """The integral of the hat function max(1 - |s|, 0) up to t."""
    if t > 0:
        return 1 - 0.5 * (1 - min(t, 1.0)) ** 2
    return 0.5 * (1 + max(t, -1.0)) ** 2
