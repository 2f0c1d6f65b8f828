"""The learning rate as a function of the update.

`constant`: up in `warm_up` updates, constant, and in the last part of the training down to zero as
1 - sqrt(s), s from 0 to 1 (Hägele et al. 2024). Nobody need know beforehand how long it will be:
when the decay is asked for, it is as long in proportion to what was before as the settings say.
`cosine`: up, and down along half a cosine, for a length that is known.

Hägele, A., E. Bakouch, A. Kosson, L. Ben Allal, L. Von Werra and M. Jaggi (2024): Scaling laws and
compute-optimal training beyond fixed training durations. NeurIPS.
"""

import math

from dacycle.training.settings import Training

__all__ = ["decay_begins", "ends", "factor"]


def decay_begins(training: Training, finish: int | None) -> int:
    """The update with which the decay starts; for `cosine`, what would be the middle of it.

    Args:
        training: the settings.
        finish: the update at which the decay was asked for, if it was.
    """
    planned = training.windows - max(1, round(training.decay * training.windows))
    return planned if finish is None else min(finish, planned)


def ends(training: Training, finish: int | None) -> int:
    """The number of updates in all."""
    first = decay_begins(training, finish)
    planned = decay_begins(training, None)
    if first == planned:
        return training.windows
    return first + max(1, round(training.decay / (1 - training.decay) * first))


def factor(training: Training, update: int, finish: int | None) -> float:
    """What the highest learning rate is multiplied with at an update, counted from 0."""
    rise = min(1.0, (update + 1) / training.warm_up) if training.warm_up else 1.0
    if training.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, update / training.windows)))
    first, last = decay_begins(training, finish), ends(training, finish)
    fallen = min(1.0, max(0.0, (update - first) / (last - first)))
    return rise * (1 - math.sqrt(fallen))
