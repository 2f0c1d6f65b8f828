"""Innovations and quality control: whether spread and errors are right, as seen without a truth."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dacycle.plot.style import BLUE, GREY, ORANGE, figure, legend, series
from dacycle.plot.type import Picture
from dacycle.verification.scores import burn_in, read_scores, with_error

__all__ = ["InnovationsPicture", "innovations", "normalised_innovations"]

EVALUATED = (0, 1, 9)
"""Values of `obs_qc` for an observation that was assimilated (alone or merged) or only compared."""

MOST_OBSERVATIONS = 1_000_000
"""Rows of feedback in the histogram, the last ones: more would not change it."""

WIDEST = 5.0
"""The histogram ends at so many standard deviations, outliers counted at its edges."""


class InnovationsPicture(Picture):
    """Innovations in time, and their histogram."""

    needs = "a run file"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return "innovation_chi2" in run

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `innovations`."""
        return innovations(run)


def innovations(run: xr.Dataset) -> Figure:
    """chi-square of the innovations, observations used and rejected, and a histogram of feedback.

    The chi-square is divided by the number of observations: 1 is expected where background spread
    and observation error are right; above 1, they are too small.
    """
    scaled = normalised_innovations(run)
    panels = 2 if scaled.size == 0 else 3
    drawn = figure(run, "Innovations and quality control", 9, 2.6 * panels + 0.4)
    rows = drawn.subplots(panels, 1)
    _chi2(rows[0], run)
    _counts(rows[1], run)
    rows[1].sharex(rows[0])
    rows[1].set_xlabel("model time")
    if scaled.size:
        _histogram(rows[2], scaled)
    return drawn


def normalised_innovations(run: xr.Dataset) -> NDArray[np.float64]:
    """(y - H(x_b)) / sqrt(sd_b^2 + sd_o^2) after burn-in: `(observation,)`.

    Rejected and missing observations are left out. Empty without feedback in the file; of a
    long one, the last million rows.
    """
    if run.sizes.get("observation", 0) == 0:
        return np.empty(0)
    rows = run.isel(observation=slice(-MOST_OBSERVATIONS, None))
    left_out = burn_in(run)
    settled = rows["obs_time"].values >= run["time"].values[min(left_out, run.sizes["time"] - 1)]
    use = settled & np.isin(rows["obs_qc"].values, EVALUATED)
    innovation = (rows["obs_value"].values - rows["obs_background"].values)[use]
    expected = np.hypot(rows["obs_background_sd"].values, rows["obs_error_sd"].values)[use]
    scaled = innovation / expected
    return np.asarray(scaled[np.isfinite(scaled)])


def _chi2(axes: Axes, run: xr.Dataset) -> None:
    score = next(score for score in read_scores(run) if score.name == "innovation_chi2")
    values = run["innovation_chi2"].values
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--", label="expected: 1")
    label = f"time mean {with_error(score.mean, score.standard_error)}"
    series(axes, run["time"].values, values, BLUE, label)
    settled = values[min(burn_in(run), values.size - 1) :]
    if np.any(np.isfinite(settled)):
        axes.set_ylim(0, max(2.0, 1.15 * float(np.nanmax(settled))))
    axes.set_title("Chi-square of the innovations, per observation")
    axes.set_ylabel("$\\chi^2/p$")
    legend(axes)


def _counts(axes: Axes, run: xr.Dataset) -> None:
    time = run["time"].values
    rejected = run["observations_rejected"].values
    for values, colour, word in (
        (run["observations_used"].values, BLUE, "used"),
        (rejected, ORANGE, "rejected"),
    ):
        series(axes, time, values, colour, word)
    axes.set_ylim(bottom=0)
    total = int(np.nansum(rejected))
    axes.set_title(f"Observations per cycle ({total:,} rejected in all)")
    axes.set_ylabel("number")
    legend(axes)


def _histogram(axes: Axes, scaled: NDArray[np.float64]) -> None:
    bins = np.linspace(-WIDEST, WIDEST, 101)
    inside = np.clip(scaled, -WIDEST, WIDEST)
    axes.hist(inside, list(bins), density=True, color=BLUE, alpha=0.5, label="innovations")
    axes.plot(bins, np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), color=GREY, label="N(0, 1)")
    mean, sd = round(float(scaled.mean()), 3) + 0.0, float(scaled.std())
    axes.set_title(f"Innovation over its expected sd: mean {mean:.3f}, sd {sd:.3f}")
    outliers = int(np.sum(np.abs(scaled) > WIDEST))
    beyond = f"  ({outliers:,} beyond the edges are counted there)" if outliers else ""
    axes.set_xlabel(f"$(y - H(x_b))\\,/\\,(\\sigma_b^2 + \\sigma_o^2)^{{1/2}}${beyond}")
    axes.set_ylabel("density")
    legend(axes)
