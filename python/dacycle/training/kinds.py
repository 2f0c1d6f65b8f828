"""The kinds of training by name: the one place where one is chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dacycle.network.type import Network
from dacycle.training import correction, dan, emulator, observation
from dacycle.training.interface import Interface
from dacycle.training.task import Task

__all__ = ["KINDS", "Kind"]

Tables = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """What a network can be trained for.

    Attributes:
        name: in `dacycle train NAME`.
        architectures: that can do it, the usual one first.
        tables: of the configuration, beside `[network]` and `[training]`: dataclasses of options.
        check: raises TrainingError, which begins with `place`, for tables that do not fit together.
        interface: what goes in and comes out, and what for.
        new_network: (architecture, settings, tables) to a network with first weights.
        new_task: (network, tables, random, dtype, device) to what the loop trains it with.
    """

    name: str
    architectures: tuple[str, ...]
    tables: Mapping[str, type[Any]]
    check: Callable[[Tables, str], None]
    interface: Callable[[Network, Tables], Interface]
    new_network: Callable[[str, Any, Tables], Network]
    new_task: Callable[[Network, Tables, torch.Generator, torch.dtype, torch.device], Task]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "dan",
            ("memory_cnn", "residual_cnn"),
            dan.TABLES,
            dan.check,
            dan.interface,
            dan.new_network,
            dan.new_task,
        ),
        Kind(
            "emulator",
            ("residual_cnn", "bilinear_cnn", "quadratic_stencil"),
            emulator.TABLES,
            emulator.check,
            emulator.interface,
            emulator.new_network,
            emulator.new_task,
        ),
        Kind(
            "correction",
            ("bilinear_cnn", "residual_cnn", "quadratic_stencil"),
            correction.TABLES,
            correction.check,
            correction.interface,
            correction.new_network,
            correction.new_task,
        ),
        Kind(
            "observation",
            ("residual_cnn", "bilinear_cnn", "quadratic_stencil"),
            observation.TABLES,
            observation.check,
            observation.interface,
            observation.new_network,
            observation.new_task,
        ),
    )
}
