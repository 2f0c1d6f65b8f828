"""How far to either side a module looks, measured: where its derivative is not zero."""

from collections.abc import Sequence

import torch
from torch import nn

from dacycle.adoption.convention import SEED, fields_for
from dacycle.errors import NetworkFileError, one_line

__all__ = ["reach_of"]

WIDTHS = (64, 256, 1024)
"""Points of the slabs on which a module's reach is measured, until one is wide enough."""

DRAWN = 8
"""States that a reach is measured at: where a rectifier is shut, nothing passes."""


def reach_of(module: nn.Module, inputs: Sequence[str], dtype: str) -> tuple[int, int]:
    """Points to either side on which an output depends, and how many the module loses there.

    Raises:
        NetworkFileError: it looks at all points, or cannot be differentiated.
    """
    random = torch.Generator().manual_seed(SEED)
    for width in WIDTHS:
        x = fields_for(inputs, DRAWN, width, dtype).requires_grad_(True)
        try:
            y = module(x)
            lost = (width - y.shape[2]) // 2
            middle = y.shape[2] // 2
            # Outputs with weights of their own: what one takes away must not hide another.
            mixed = (torch.randn(y.shape[:2], generator=random) * y[:, :, middle]).sum()
            (slope,) = torch.autograd.grad(mixed, x)
        except Exception as error:
            raise NetworkFileError(
                f"the module cannot be differentiated with {width} points: {one_line(error)}"
            ) from error
        seen = slope.abs().amax((0, 1)).nonzero()[:, 0] - (middle + lost)
        reach = max(lost, int(seen.abs().max()) if seen.numel() else 0)
        if 2 * reach < width // 2:
            return _enough(module, inputs, dtype, reach), lost
    raise NetworkFileError(
        f"each output of the module depends on all points of a slab of {WIDTHS[-1]} (attention, "
        "a mean or a Fourier transform over the points?): da_cycle cuts the circle into slabs, so "
        f"it must look no further than {WIDTHS[-1] // 4} points to a side; give points = n to "
        "adopt it for a circle of n points alone, which is not cut"
    )


def _enough(module: nn.Module, inputs: Sequence[str], dtype: str, reach: int) -> int:
    """As many that the slab of a single point is wide enough for the module's own padding.

    That of a layer whose weights are zero has no reach, but fails on slabs that are narrower.
    """
    while 2 * reach < WIDTHS[0]:
        try:
            with torch.no_grad():
                module(fields_for(inputs, 1, 1 + 2 * reach, dtype))
        except Exception:
            reach += 1
        else:
            break
    return reach
