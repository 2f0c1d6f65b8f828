"""Residual periodic CNN: one wide convolution after another, each added to what went in.

    h_0 = C_0 u,    h_l = h_{l-1} + A(C_l h_{l-1}),  l = 1 ... layers,    out = C_out h

with u the normalised input fields, C_0 ... C_layers convolutions of `kernel` points and C_out one
of a single point that begins at zero: an untrained network changes nothing. A is SiLU or, gated, a
product, for which C_l has twice the channels out (Shazeer 2020):

    A(a, b) = B tanh(a SiLU(b) / B)

An analysis is a product of what the state says and what the observations say, and learns faster
with gates. The bound B is far beyond what is usual: without it each layer could square what the
last one gave, and a network that meets a state far from all it has seen would overflow.

There is no normalisation over the points, which would tie the weights to one circle, and one rank
to another.

Shazeer, N. (2020): GLU variants improve transformer. arXiv:2002.05202.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dacycle.network.type import Convolution, Fields, Network, Scaling, crop
from dacycle.option import option

__all__ = ["ResidualBody", "ResidualCNN", "Settings"]


BOUND = 16.0


@dataclass(frozen=True)
class Settings:
    """Of a residual CNN."""

    channels: int = option("of each layer (multiples of 16 are fastest)", 48, low=1)
    layers: int = option("residual convolutions", 5, low=0)
    kernel: int = option("points of a convolution", 5, low=1, odd=True)
    gated: bool = option("layers of products, with twice the weights", True)


class ResidualBody(Network):
    """The layers between normalised fields and raw outputs."""

    gated: bool
    bound: float

    def __init__(self, channels_in: int, channels_out: int, settings: Settings) -> None:
        channels, kernel = settings.channels, settings.kernel
        super().__init__((1 + settings.layers) * (kernel // 2), channels_in, channels_out)
        self.gated = settings.gated
        self.bound = BOUND
        width = 2 * channels if settings.gated else channels
        self.first = Convolution(channels_in, channels, kernel)
        self.layers = nn.ModuleList(
            Convolution(channels, width, kernel) for _ in range(settings.layers)
        )
        self.last = Convolution(channels, channels_out, 1)
        self.last.zero()

    def forward(self, u: Tensor) -> Tensor:
        """Normalised fields to raw outputs."""
        h = self.first(u)
        for layer in self.layers:
            through = self._active(layer(h))
            h = crop(h, (h.shape[-1] - through.shape[-1]) // 2) + through
        out: Tensor = self.last(h)
        return out

    def _active(self, h: Tensor) -> Tensor:
        if not self.gated:
            return functional.silu(h)
        factors = h.chunk(2, 1)
        product = factors[0] * functional.silu(factors[1])
        return self.bound * torch.tanh(product / self.bound)


class ResidualCNN(Network):
    """Physical fields in, physical fields out."""

    def __init__(self, fields: Fields, settings: Settings) -> None:
        body = ResidualBody(len(fields.scale), len(fields.scale_out), settings)
        super().__init__(body.halo, body.channels_in, body.channels_out)
        self.scaling = Scaling(fields)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels_in, n + 2 * halo)` to `(batch, channels_out, n)`."""
        return self.scaling.physical(self.body(self.scaling(x)))
