"""How a module is called: which layout of its fields, precision, and circle it takes.

A network of `da_cycle` maps `(batch, channels, points)` to as many points or fewer. Modules of
`(batch, points)` and `(batch, points, channels)` are put into a wrapper that says it so. Most take
any number of points; one that takes a single number of them is for circles of that size alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dacycle.adoption.given import weights_of
from dacycle.errors import NetworkFileError, one_line
from dacycle.export import sample_fields
from dacycle.network.file import DTYPES

__all__ = ["SEED", "Call", "fields_for", "find_call"]

SEED = 271828

SIZES = ((5, 64), (3, 67))
"""Batches and points of the calls that tell whether a module takes any number of points: neither
number is one of channels, and the points have no common factor."""

COMMON = 40
"""Points of the circle that public networks of Lorenz-96 are for."""

MOST = 4096
"""Points of a circle that is looked for."""


class Fields(nn.Module):
    """A module of `(batch, channels, points)`, as it is."""

    def __init__(self, module: nn.Module, _channels: int) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Fields to fields."""
        out: Tensor = self.module(x)
        return out


class Flat(Fields):
    """A module of `(batch, points)`, its channels one behind the other."""

    def __init__(self, module: nn.Module, channels: int) -> None:
        super().__init__(module, channels)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Fields to fields."""
        out: Tensor = self.module(x.flatten(1))
        fields: Tensor = out.unflatten(1, (self.channels, -1))  # type: ignore[no-untyped-call]
        return fields


class ChannelsLast(Fields):
    """A module of `(batch, points, channels)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Fields to fields."""
        out: Tensor = self.module(x.transpose(1, 2))
        return out.transpose(1, 2)


class OnCopy(nn.Module):
    """A module that writes into its input."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Fields to fields."""
        out: Tensor = self.module(x.clone())
        return out


LAYOUTS: tuple[Callable[[nn.Module, int], nn.Module], ...] = (Fields, Flat, ChannelsLast)


@dataclass(frozen=True)
class Call:
    """A module that maps fields to fields.

    Attributes:
        module: in its wrapper.
        dtype: float32 or float64.
        points: of the only circle that it takes; 0: any.
    """

    module: nn.Module
    dtype: str
    points: int


def find_call(own: nn.Module, inputs: Sequence[str], channels: int, points: int) -> Call:
    """How a module is called.

    Args:
        own: the module.
        inputs: what its channels in are.
        channels: out.
        points: of the one circle that it is for; 0: find out.

    Raises:
        NetworkFileError: in no way.
    """
    problems: list[str] = []

    def taken(sizes: Sequence[tuple[int, int]], whole: bool) -> tuple[nn.Module, str] | None:
        for dtype in _dtypes(own):
            for layout in LAYOUTS:
                if layout is Flat and len(inputs) > 1 and not whole:
                    continue
                module = layout(own, channels)
                problem = _problem(module, inputs, channels, dtype, sizes, whole)
                if problem is None:
                    return module, dtype
                problems.append(problem)
        return None

    def on_circle(n: int) -> tuple[nn.Module, str] | None:
        return taken([(batch, n) for batch, _ in SIZES], whole=True)

    found = on_circle(points) if points else taken(SIZES, whole=False)
    if found is None and points == 0:
        circles = {n: call for n in _sizes(own) if (call := on_circle(n)) is not None}
        if len(circles) > 1:
            known = ", ".join(str(n) for n in circles)
            raise NetworkFileError(
                f"{problems[0]}; it takes circles of {known} points, but not of any size: give "
                f"points = {next(iter(circles))}, or another, to adopt it for that circle alone"
            )
        if circles:
            ((points, found),) = circles.items()
    if found is None:
        raise NetworkFileError(problems[0])
    module, dtype = found
    return Call(_steady(module, inputs, dtype, points), dtype, points)


def fields_for(
    inputs: Sequence[str], batch: int, points: int, dtype: str, seed: int = SEED
) -> Tensor:
    """Fields such as the module will meet."""
    return sample_fields(inputs, batch, points, seed, DTYPES[dtype])


def _dtypes(own: nn.Module) -> list[str]:
    """That of the weights; of a formula, or of weights that are constants, whichever it takes."""
    found = {weight.dtype for weight in own.parameters() if weight.is_floating_point()}
    found |= {weight.dtype for weight in own.parameters() if weight.is_complex()}
    for name, dtype in DTYPES.items():
        if found == {dtype}:
            return [name]
    if not found:
        return sorted(DTYPES, reverse=True)
    kinds = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in found))
    raise NetworkFileError(
        f"the module's weights are {kinds}; all must be float32, or float64: call its float() or "
        "double() first"
    )


def _sizes(own: nn.Module) -> list[int]:
    """Circles that a module of one size may be for: extents of its weights."""
    extents = {COMMON}
    for _, weight in weights_of(own):
        extents.update(weight.shape)
    return sorted(n for n in extents if 1 < n <= MOST)


def _problem(
    module: nn.Module,
    inputs: Sequence[str],
    channels: int,
    dtype: str,
    sizes: Sequence[tuple[int, int]],
    whole: bool,
) -> str | None:
    """Why a module is not called like this; none: it is."""
    lost = set()
    for batch, points in sizes:
        x = fields_for(inputs, batch, points, dtype)
        shape = f"{tuple(x.shape)}, that is (batch, channels, points)"
        try:
            with torch.no_grad():
                y = module(x)
        except Exception as error:
            return (
                f"the module cannot be called with {shape}: {one_line(error)} (it must take any "
                "number of points, or those of one circle)"
            )
        if not isinstance(y, Tensor) or y.dim() != 3 or y.shape[0] != batch:
            what = f"a tensor {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            return f"the module must give one tensor (batch, channels, points) for {shape}: {what}"
        if y.is_complex() or not y.is_floating_point():
            kind = str(y.dtype).removeprefix("torch.")
            return f"the module gives {kind} numbers, not real ones: give its real part as floats"
        if y.shape[1] != channels:
            return (
                f"the module gives {y.shape[1]} channels; for its role, components and memory it "
                f"must give {channels}"
            )
        lost.add(points - y.shape[2])
        if not bool(y.isfinite().all()):
            return f"the module gives values that are not finite for states of Lorenz-96, {shape}"
    if len(lost) > 1 or min(lost) < 0 or min(lost) % 2 > 0 or (whole and lost != {0}):
        return (
            f"the module gives {sizes[0][1] - min(lost)} points for {sizes[0][1]}: it must give as "
            "many, or lose as many on the left as on the right"
        )
    return None


def _steady(module: nn.Module, inputs: Sequence[str], dtype: str, points: int) -> nn.Module:
    """The module, which must give the same for the same; on a copy where it writes into it."""
    x = fields_for(inputs, SIZES[0][0], points or SIZES[0][1], dtype)
    given = x.clone()
    with torch.no_grad():
        first = module(given).clone()
        if not torch.equal(given, x):
            module = OnCopy(module)
        again = [module(x.clone()) for _ in range(2)]
    if not all(torch.equal(first, other) for other in again):
        raise NetworkFileError(
            "the module gives another result when it is called again with the same fields: noise "
            "or dropout that eval() does not switch off, or a state that it keeps? Fields that are "
            "carried from call to call are its memory= channels"
        )
    try:
        x.requires_grad_(True)
        y = module(x)
        slope = torch.autograd.grad(y.sum(), x, allow_unused=True)[0] if y.requires_grad else None
    except Exception as error:
        raise NetworkFileError(
            f"the module cannot be differentiated: {one_line(error)}; tangent linear and adjoint "
            "need that its forward is of PyTorch's operations alone"
        ) from error
    if slope is None:
        raise NetworkFileError(
            "the module's output has no derivative: no_grad, inference_mode, detach, NumPy "
            "or quantised layers in its forward? Take that out, tangent linear and adjoint need it"
        )
    return module
