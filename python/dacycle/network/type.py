"""What all networks have in common: local maps from channels to channels on a padded slab.

A network takes `(batch, channels_in, n + 2 * halo)` and gives `(batch, channels_out, n)`: nothing
inside it pads, so the same weights serve any number of points and any cut of the circle, and
whoever calls it owns the halo. All normalisation is inside: inputs and outputs are physical.

In training the whole circle is at hand. `periodic(True)` then makes each convolution close the
circle by itself, `(batch, channels_in, n)` to `(batch, channels_out, n)`: the same numbers, without
the points of the halo being computed over and over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Circle", "Convolution", "Fields", "Network", "Scaling", "crop", "wrap"]


@dataclass(frozen=True)
class Fields:
    """The physical fields of a network, memory apart.

    Attributes:
        offset: what is taken from each input field.
        scale: what it is then divided by.
        scale_out: what each output is multiplied with.
    """

    offset: Sequence[float]
    scale: Sequence[float]
    scale_out: Sequence[float]


class Network(nn.Module):
    """A differentiable stencil with channels.

    Attributes:
        halo: points on either side on which an output depends.
        channels_in: fields that go in.
        channels_out: fields that come out.
        memory: the last so many fields, in and out, are carried from one call to the next.
    """

    halo: int
    channels_in: int
    channels_out: int
    memory: int

    def __init__(self, halo: int, channels_in: int, channels_out: int, memory: int = 0) -> None:
        super().__init__()
        self.halo = halo
        self.channels_in = channels_in
        self.channels_out = channels_out
        self.memory = memory

    def periodic(self, closed: bool) -> None:
        """Whether the convolutions close the circle themselves, or eat up a halo."""
        for module in self.modules():
            if isinstance(module, Circle):
                module.closed = closed


class Circle(nn.Module):
    """What stands before each stencil: nothing, or the closing of the circle for it."""

    # A constant in TorchScript: what is not wanted is not in an exported file at all.
    __constants__ = ("closed", "reach")

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.closed = False

    def forward(self, x: Tensor) -> Tensor:
        """The slab as it is, or the circle with `reach` points more at either side."""
        return wrap(x, self.reach) if self.closed else x


class Convolution(nn.Conv1d):
    """A convolution that loses points at either side, or closes the circle first."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__(channels_in, channels_out, kernel)
        self.circle = Circle(kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels, points)` to fields."""
        return functional.conv1d(self.circle(x), self.weight, self.bias)

    def zero(self) -> None:
        """Make the output zero, until training moves it."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Scaling(nn.Module):
    """To and from the numbers about one in size that a network's layers work with."""

    offset: Tensor
    scale: Tensor
    scale_out: Tensor

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        for name in ("offset", "scale", "scale_out"):
            column = torch.tensor(list(getattr(fields, name)), dtype=torch.get_default_dtype())
            self.register_buffer(name, column[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Physical fields `(batch, fields, points)`, normalised."""
        return (x - self.offset) / self.scale

    @torch.jit.export
    def physical(self, out: Tensor) -> Tensor:
        """Raw outputs `(batch, fields, points)`, as physical fields in the weights' precision."""
        fields: Tensor = out.to(self.scale_out.dtype) * self.scale_out
        return fields


def crop(x: Tensor, reach: int) -> Tensor:
    """The points that are left when `reach` at either side are gone."""
    return x[..., reach : x.shape[-1] - reach]


def wrap(x: Tensor, reach: int) -> Tensor:
    """The circle with `reach` points of its other end at either side, as many times as it takes."""
    n = x.shape[-1]
    if reach == 0:
        return x
    if reach <= n:
        return torch.cat((x[..., n - reach :], x, x[..., :reach]), -1)
    return x.index_select(-1, torch.arange(-reach, n + reach, device=x.device) % n)
