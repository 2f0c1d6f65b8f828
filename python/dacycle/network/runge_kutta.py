"""A Runge-Kutta step of a network that gives the tendency: what it adds in one step.

    k_1 = f(x),  k_2 = f(x + dt/2 k_1),  k_3 = f(x + dt/2 k_2),  k_4 = f(x + dt k_3),
    increment = dt/6 (k_1 + 2 k_2 + 2 k_3 + k_4)

Its halo is four times that of the tendency.
"""

from torch import Tensor

from dacycle.network.type import Network, crop

__all__ = ["RungeKutta"]

STAGES = 4


class RungeKutta(Network):
    """The increment of a step, from one field to one field."""

    dt: float

    def __init__(self, tendency: Network, dt: float) -> None:
        if tendency.memory > 0 or tendency.channels_in != tendency.channels_out:
            raise ValueError("a tendency has as many fields out as in, and no memory")
        super().__init__(STAGES * tendency.halo, tendency.channels_in, tendency.channels_out)
        self.tendency = tendency
        self.dt = dt

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels, n + 2 * halo)` to `(batch, channels, n)`."""
        k1 = self.tendency(x)
        reach = (x.shape[-1] - k1.shape[-1]) // 2
        k2 = self.tendency(crop(x, reach) + 0.5 * self.dt * k1)
        k3 = self.tendency(crop(x, 2 * reach) + 0.5 * self.dt * k2)
        k4 = self.tendency(crop(x, 3 * reach) + self.dt * k3)
        middle = crop(k2, 2 * reach) + crop(k3, reach)
        increment: Tensor = (self.dt / 6) * (crop(k1, 3 * reach) + 2 * middle + k4)
        return increment
