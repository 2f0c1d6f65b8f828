"""What a trained network is: the part of a file's metadata that its kind of training knows."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Interface"]


@dataclass(frozen=True)
class Interface:
    """Role, fields and origin of a network.

    Attributes:
        role: `analysis`, `model`, `correction` or `observation`.
        inputs: what each channel that goes in is: `state`, `sensitivity` (H^T R^-1 times the
            departure y - H(mean)), `memory`.
        outputs: what each channel that comes out is: `increment` (to be added to the state),
            `tendency` (to be added to the model's), `observed` (the field that observations are
            values of), `memory` (for the next call).
        trained_for: setting of the system it learned in, by name.
    """

    role: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    trained_for: Mapping[str, int | float | str]
