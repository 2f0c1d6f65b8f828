"""Quadratic stencil of Bocquet et al. (2019): all monomials up to degree two of near points.

The output at a point is a linear combination, with the same weights everywhere, of the constant,
the five values of the stencil i-2 ... i+2, and the products x_j x_k of those of its values that
are no further than two points apart: 1 + 5 + 12 = 18 monomials. As a tendency it contains
Lorenz-96 exactly, so it can find the model and not only come near it.

Bocquet, M., J. Brajard, A. Carrassi and L. Bertino (2019): Data assimilation as a learning tool to
infer ordinary differential equation representations of dynamical models. Nonlin. Processes
Geophys., 26, 143-162.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dacycle.network.type import Circle, Fields, Network
from dacycle.option import option

__all__ = ["QuadraticStencil", "Settings", "monomials"]


@dataclass(frozen=True)
class Settings:
    """Of a quadratic stencil."""

    reach: int = option("points of the stencil on either side", 2, low=1)


def monomials(reach: int) -> list[tuple[int, ...]]:
    """The points of each monomial, relative to the centre, in the order of the weights."""
    points = range(-reach, reach + 1)
    products = [(j, k) for j in points for k in points if j <= k <= j + reach]
    return [(), *((j,) for j in points), *products]


class QuadraticStencil(Network):
    """One field in, one field out: physical values as they are."""

    def __init__(self, fields: Fields, settings: Settings) -> None:
        if len(fields.scale) != 1 or len(fields.scale_out) != 1:
            raise ValueError("a quadratic stencil has one field in and one field out")
        super().__init__(settings.reach, 1, 1)
        products = [points for points in monomials(settings.reach) if len(points) == 2]
        self.linear = 2 * settings.reach + 1
        self.left = [j + settings.reach for j, _ in products]
        self.right = [k + settings.reach for _, k in products]
        self.circle = Circle(settings.reach)
        self.weight = nn.Parameter(torch.zeros(1 + self.linear + len(products)))

    def forward(self, x: Tensor) -> Tensor:
        """Field `(batch, 1, n + 2 * reach)` to `(batch, 1, n)`."""
        x = self.circle(x)
        near = x.unfold(-1, x.shape[-1] - self.linear + 1, 1)
        products = near[:, :, self.left] * near[:, :, self.right]
        weights = self.weight[:, None]
        linear = (weights[1 : 1 + self.linear] * near).sum(2)
        out: Tensor = weights[0] + linear + (weights[1 + self.linear :] * products).sum(2)
        return out
