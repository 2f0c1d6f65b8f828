"""Gated memory CNN: a residual CNN that writes fields for itself, to be read at its next call.

The input fields are the physical ones and M of memory m, the outputs the physical ones and the
new memory. From the raw outputs g and c of the body at a point,

    m <- s m + (1 - s) tanh(3 c),    s = sigmoid(g).

Memory begins at zero. It lets a network know more of the past than its last state holds, as the
covariance of an ensemble does.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dacycle.network import residual_cnn
from dacycle.network.type import Fields, Network, Scaling, crop
from dacycle.option import option

__all__ = ["MemoryCNN", "Settings"]

STEEPNESS = 3.0


@dataclass(frozen=True)
class Settings(residual_cnn.Settings):
    """Of a gated memory CNN: those of its body, and how much it keeps."""

    memory: int = option("fields that are carried from call to call", 16, low=1)


class MemoryCNN(Network):
    """Physical fields and memory in, physical fields and memory out."""

    fields_in: int
    fields_out: int
    steepness: float

    def __init__(self, fields: Fields, settings: Settings) -> None:
        fields_in, fields_out = len(fields.scale), len(fields.scale_out)
        memory = settings.memory
        body = residual_cnn.ResidualBody(fields_in + memory, fields_out + 2 * memory, settings)
        super().__init__(body.halo, fields_in + memory, fields_out + memory, memory)
        self.fields_in = fields_in
        self.fields_out = fields_out
        self.steepness = STEEPNESS
        self.scaling = Scaling(fields)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels_in, n + 2 * halo)` to `(batch, channels_out, n)`."""
        before = x[:, self.fields_in :]
        u = torch.cat((self.scaling(x[:, : self.fields_in]), before), 1)
        out = self.body(u)
        fields = self.scaling.physical(out[:, : self.fields_out])
        out = out[:, self.fields_out :].to(x.dtype)
        gate = torch.sigmoid(out[:, : self.memory])
        candidate = torch.tanh(self.steepness * out[:, self.memory :])
        kept = crop(before, (before.shape[-1] - out.shape[-1]) // 2)
        return torch.cat((fields, gate * kept + (1 - gate) * candidate), 1)
