"""What the training loop needs to know of a kind of network."""

from typing import Any, Protocol

import torch
from torch import Tensor

from dacycle.network.type import Network

__all__ = ["Task"]


class Task(Protocol):
    """What a network is trained for, and its data."""

    network: Network
    random: torch.Generator

    def loss(self) -> Tensor:
        """The loss of the next window of data."""

    def test(self, long: bool = False) -> dict[str, float]:
        """Scores on data that is never trained on: an early look, or at length."""

    def state(self) -> dict[str, Any]:
        """All that the next window depends on, beside the network and the generator."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
