"""Bilinear CNN of Brajard et al. (2020): products of what two convolutions find.

    a, b, c = A(C_a u), A(C_b u), A(C_c u),   h = A(C_h [a, b c]),   out = C_out h

with u the normalised field and A the activation. Three convolutions to 24 channels and one to 37,
all of five points, and a last one of a single point make the 9,389 weights of the paper, two of
which are its batch normalisation of the input (here the fixed offset and scale). The products fit
the model's quadratic term. The paper's activation is ReLU; a smooth one has a smooth Jacobian.

Brajard, J., A. Carrassi, M. Bocquet and L. Bertino (2020): Combining data assimilation and machine
learning to emulate a dynamical model from sparse and noisy observations: a case study with the
Lorenz 96 model. J. Comput. Sci., 44, 101171.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dacycle.network.type import Convolution, Fields, Network, Scaling
from dacycle.option import option

__all__ = ["BilinearCNN", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Of a bilinear CNN."""

    bilinear: int = option("channels of each of the three first convolutions", 24, low=1)
    channels: int = option("channels of the fourth convolution", 37, low=1)
    kernel: int = option("points of a convolution", 5, low=1, odd=True)
    activation: str = option("of the four", "relu", known=("relu", "silu", "tanh"))


class BilinearCNN(Network):
    """Physical fields in, physical fields out."""

    def __init__(self, fields: Fields, settings: Settings) -> None:
        fields_in, fields_out = len(fields.scale), len(fields.scale_out)
        super().__init__(2 * (settings.kernel // 2), fields_in, fields_out)
        width, kernel = settings.bilinear, settings.kernel
        self.activation = settings.activation
        self.scaling = Scaling(fields)
        self.linear = Convolution(fields_in, width, kernel)
        self.left = Convolution(fields_in, width, kernel)
        self.right = Convolution(fields_in, width, kernel)
        self.hidden = Convolution(2 * width, settings.channels, kernel)
        self.last = Convolution(settings.channels, fields_out, 1)
        self.last.zero()

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels_in, n + 2 * halo)` to `(batch, channels_out, n)`."""
        u = self.scaling(x)
        product = self._active(self.left(u)) * self._active(self.right(u))
        h = torch.cat((self._active(self.linear(u)), product), 1)
        return self.scaling.physical(self.last(self._active(self.hidden(h))))

    def _active(self, h: Tensor) -> Tensor:
        if self.activation == "relu":
            return functional.relu(h)
        return functional.silu(h) if self.activation == "silu" else torch.tanh(h)
