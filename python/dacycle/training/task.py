"""What a network is trained for: its data, its loss, and what goes in and comes out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from dacycle.network.type import Network

__all__ = ["Tables", "Task"]

Tables = Mapping[str, Any]
"""The tables of a configuration by name: frozen dataclasses of options."""


class Task(ABC):
    """A training in progress; its class is a kind of training, `dacycle train NAME`."""

    name: ClassVar[str]
    role: ClassVar[str]
    """Of its networks, one of `dacycle.network.roles`."""
    architectures: ClassVar[tuple[str, ...]]
    """That can do it, the usual one first."""
    tables: ClassVar[Mapping[str, type[Any]]]
    """Of the configuration, beside `[network]` and `[training]`: dataclasses of options."""

    network: Network
    random: torch.Generator

    @abstractmethod
    def __init__(
        self,
        network: Network,
        tables: Tables,
        random: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """The data of the tables at their beginning."""

    @classmethod
    def check(cls, tables: Tables, place: str) -> None:
        """Refuse tables that do not fit together; here, any do.

        Raises:
            TrainingError: they do not; `place` begins the message.
        """
        return

    @classmethod
    @abstractmethod
    def trained_for(cls, tables: Tables) -> dict[str, Any]:
        """Setting of the system that networks learn in, by name."""

    @classmethod
    def form(cls, tables: Tables) -> str:
        """What comes out for the state, of `dacycle.network.roles.FORMS`."""
        return "increment"

    @classmethod
    @abstractmethod
    def new_network(cls, architecture: str, settings: Any, tables: Tables) -> Network:
        """A network with first weights."""

    @abstractmethod
    def loss(self) -> Tensor:
        """The loss of the next window of data."""

    @abstractmethod
    def test(self, long: bool = False) -> dict[str, float]:
        """Scores on data that is never trained on: an early look, or at length."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that the next window depends on, beside the network and the generator."""

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
