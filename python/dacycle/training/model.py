"""The table `[model]` of trainings that make their own data: a perfect Lorenz-96."""

from dataclasses import dataclass

from dacycle.option import option

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """Lorenz-96, and how many of its steps belong to one call of the network."""

    n: int = option("points of the circle", 40, low=4)
    forcing: float = option("F", 8.0)
    dt: float = option("length of a Runge-Kutta step, model time", 0.05, above=0)
    steps: int = option("steps from one call of the network to the next", 1, low=1)
