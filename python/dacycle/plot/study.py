"""One local analysis: what it was given, what it made of that, and how."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from dacycle.plot.style import BLUE, GREY, ORANGE, figure

__all__ = ["study"]


def study(studies: xr.Dataset, number: int) -> Figure:
    """Observations around the point, members before and after, weights, and eigenvalues.

    Args:
        studies: a file written by `&study`.
        number: which of its local analyses, counted from 0.

    Raises:
        IndexError: the file has no analysis of that number.
    """
    if not 0 <= number < studies.sizes["study"]:
        raise IndexError(f"there are {studies.sizes['study']} local analyses, none is {number}")
    one = studies.isel(study=number)
    first = int(one["first_observation"])
    near = studies.isel(observation=slice(first, first + int(one["observations"])))
    subject = f"Local analysis at point {int(one['point'])}, cycle {int(one['cycle'])}"
    drawn = figure(studies, subject, 9, 6)
    (given, members), (weights, values) = drawn.subplots(2, 2)

    distance = near["obs_distance"].values
    given.axhline(0.0, color=GREY, linewidth=0.8)
    given.errorbar(
        distance,
        near["obs_innovation"].values,
        near["obs_error_sd"].values,
        fmt="o",
        markersize=3,
        color=BLUE,
        label="innovation ± error",
    )
    given.plot(distance, near["obs_taper"].values, color=ORANGE, label="taper")
    given.set_xlabel("grid points from the analysis")
    given.set_title(
        f"{distance.size} observations, {float(one.effective_observations):.1f} in effect"
    )
    given.margins(x=0.03)
    given.legend(loc="lower right", ncols=2, fontsize=7)

    background = one["background_members"].isel(component=0).values
    analysis = one["analysis_members"].isel(component=0).values
    for place, state, colour in ((0, background, BLUE), (1, analysis, ORANGE)):
        members.plot(np.full(state.size, place), state, "_", markersize=14, color=colour)
        members.plot(place, state.mean(), "o", color=colour)
    members.set_xlim(-0.5, 1.5)
    members.set_xticks([0, 1], ["background", "analysis"])
    members.set_title(f"Members; increment {float(one.increment.isel(component=0)):.3f}")

    total = one["transform"].values + one["mean_weights"].values
    most = np.abs(total).max()
    image = weights.imshow(total, cmap="RdBu_r", vmin=-most, vmax=most)
    weights.grid(visible=False)
    weights.set_xlabel("background member")
    weights.set_ylabel("analysis member")
    weights.set_title("Weights of background anomalies")
    drawn.colorbar(image, ax=weights)

    eigenvalues = one["eigenvalues"].values[::-1]
    values.plot(np.arange(1, eigenvalues.size + 1), eigenvalues, "o-", color=BLUE, markersize=3)
    values.axhline(1.0, color=GREY, linewidth=0.8)
    values.margins(x=0.03)
    values.set_xlabel("rank")
    values.set_title(f"Eigenvalues of S; {float(one.signal_freedom):.2f} degrees of freedom")
    return drawn
