"""How settings are chosen and scored: seeds, lengths, and what counts as lost.

Settings are chosen on the TUNING seeds and scored once on the SCORING seeds, which no choice has
seen. A run has lost the truth if it ended before its last cycle, as one does whose ensemble is not
finite any more, or if its analysis RMSE stayed above a limit (1 unless a table says otherwise: the
error of an observation) for LOST_FOR of model time on end, eight Lyapunov times. A mean is one over
the seeds that kept the truth, and always told together with the number of those that did not.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dacycle.verification.scores import with_error

TUNING = tuple(range(1001, 1009))
SCORING = tuple(range(11, 19))
CYCLES = 10_000
"""Scored; a run has BURN_IN more."""

BURN_IN = 400
LOST_ABOVE = 1.0
LOST_FOR = 5.0

SCREENING_SEEDS, SCREENING_CYCLES = 3, 3000
"""Of the first look at a grid: so many tuning seeds, so many cycles scored."""

Array = NDArray[np.float64]


def spells(above: NDArray[np.bool_]) -> Iterator[int]:
    """The lengths of the stretches where a condition holds on end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], above.astype(np.int8), [0]))))
    return (int(last - first) for first, last in zip(edges[::2], edges[1::2], strict=True))


def is_lost(rmse: Array, interval: float, limit: float = LOST_ABOVE) -> bool:
    """Whether a series of the analysis RMSE, burn-in left out, shows a lost truth."""
    above = ~(rmse <= limit)
    return max(spells(above), default=0) * interval >= LOST_FOR


def combined(
    means: Sequence[float], errors: Sequence[float], one_truth: bool = False
) -> tuple[float, float]:
    """The mean over seeds and its standard error, from those within the runs.

    Within a run the error allows for autocorrelation; of a few seeds' scatter it would have a few
    degrees of freedom. Runs on one truth and its observations err together: their error is that of
    one.
    """
    if not means:
        return math.nan, math.nan
    error = math.sqrt(sum(one**2 for one in errors) / len(errors))
    return sum(means) / len(means), error if one_truth else error / math.sqrt(len(errors))


def shown(
    means: Sequence[float], errors: Sequence[float], lost: int, one_truth: bool = False
) -> str:
    """A score as tables have it; the number of lost seeds, if there are any, before the rest."""
    score = with_error(*combined(means, errors, one_truth))
    if not lost:
        return score
    told = f"{lost} of {lost + len(means)} lost"
    return f"{told} (others {score})" if means else told
