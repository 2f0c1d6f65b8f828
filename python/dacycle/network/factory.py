"""Architectures by name: the one place where a network is chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dacycle.errors import TrainingError
from dacycle.network import bilinear_cnn, memory_cnn, quadratic_stencil, residual_cnn
from dacycle.network.type import Fields, Network
from dacycle.option import table

__all__ = ["ARCHITECTURES", "Architecture", "read_network"]


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes:
        settings: dataclass of its keys in the table `[network]`.
        new: makes one, with weights drawn from PyTorch's global generator.
    """

    settings: type[Any]
    new: Callable[[Fields, Any], Network]


ARCHITECTURES: dict[str, Architecture] = {
    "residual_cnn": Architecture(residual_cnn.Settings, residual_cnn.ResidualCNN),
    "memory_cnn": Architecture(memory_cnn.Settings, memory_cnn.MemoryCNN),
    "bilinear_cnn": Architecture(bilinear_cnn.Settings, bilinear_cnn.BilinearCNN),
    "quadratic_stencil": Architecture(
        quadratic_stencil.Settings, quadratic_stencil.QuadraticStencil
    ),
}


def read_network(entries: Mapping[str, Any], fit: tuple[str, ...], place: str) -> tuple[str, Any]:
    """Architecture and settings that a table `[network]` names.

    Args:
        entries: of the table.
        fit: the architectures that can do the task.
        place: for messages.

    Raises:
        TrainingError: it names none that fits, or one of its settings is wrong.
    """
    name = entries.get("architecture", fit[0])
    if name not in fit:
        known = ", ".join(fit)
        raise TrainingError(f"{place} architecture = {name!r} is not known here (known: {known})")
    keys = {key: value for key, value in entries.items() if key != "architecture"}
    return name, table(ARCHITECTURES[name].settings, keys, place)
