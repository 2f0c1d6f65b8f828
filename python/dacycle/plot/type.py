"""What a picture of a run is."""

from abc import ABC, abstractmethod
from typing import ClassVar

import xarray as xr
from matplotlib.figure import Figure

from dacycle.verification.estimate import settled

__all__ = ["Picture", "has_settled_rows"]


class Picture(ABC):
    """A picture that can be drawn of any run file that holds what it needs."""

    needs: ClassVar[str]
    """What it is drawn from: for the message to somebody who asks for it in vain."""

    @abstractmethod
    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""

    @abstractmethod
    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; one of space and time shows the `last` records of fields."""


def has_settled_rows(run: xr.Dataset, name: str, time: str) -> bool:
    """Whether a variable has a row after burn-in, at the times of another."""
    return name in run and bool(settled(run, run[time].values).any())
