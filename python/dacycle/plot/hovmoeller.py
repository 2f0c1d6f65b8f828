"""The last cycles in space and time: what the system does, and where the analysis is wrong.

A domain of more than 1,000 points does not fit into a picture point by point. Then the fields are
shown on a section at its beginning, undiminished, and a further panel shows the error of the whole
domain, as the RMS over blocks of points: a fault at the border of two ranks would stand out there.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dacycle.plot.style import figure
from dacycle.plot.type import Picture

__all__ = ["HovmoellerPicture", "block_rms", "hovmoeller"]

WHOLE_DOMAIN = 1000
"""Up to so many points all are shown."""

SECTION = 200
"""Points shown of a larger domain."""

BLOCKS = 500
"""Blocks of points that the error of a larger domain is averaged over, at most."""

FAR_OUT = 99.5
"""Percentile of the error at which its colours saturate."""

Field = NDArray[np.float64]


class HovmoellerPicture(Picture):
    """Fields in space and time."""

    needs = "fields_every in &output"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return run.sizes.get("field_time", 0) > 0

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `hovmoeller`."""
        return hovmoeller(run, last)


def hovmoeller(run: xr.Dataset, last: int) -> Figure:
    """Truth, analysis and error on the last records; without a truth, analysis mean and sd.

    Of a model with several components a point, the first is shown: the slow variable.

    Args:
        run: an open run file with fields `(field_time, x)`.
        last: how many records to show.
    """
    if "component" in run.dims:
        run = run.isel(component=0)
    n = run.sizes["x"]
    shown = slice(0, n if n <= WHOLE_DOMAIN else SECTION)
    recent = run.isel(field_time=slice(-last, None))
    section = recent.isel(x=shown)
    analysis = section["analysis_mean"].values
    with_truth = "truth" in run
    whole = with_truth and n > WHOLE_DOMAIN

    panels = 3 + whole if with_truth else 2
    records = analysis.shape[0]
    drawn = figure(run, f"The last {records} analyses on file", 1.2 + 2.9 * panels, 6.2)
    row = drawn.subplots(1, panels, sharey=True, squeeze=False)[0]
    if with_truth:
        truth = section["truth"].values
        _state_panel(row[0], section, truth, "Truth", _range(truth, analysis))
        _state_panel(row[1], section, analysis, "Analysis mean", _range(truth, analysis))
        _error_panel(row[2], section, analysis - truth)
    else:
        _state_panel(row[0], section, analysis, "Analysis mean", _range(analysis))
        _spread_panel(row[1], section)
    if whole:
        _block_panel(row[3], recent)
    row[0].set_ylabel("model time")
    return drawn


def block_rms(recent: xr.Dataset, blocks: int) -> Field:
    """RMS of analysis mean minus truth over blocks of neighbouring points.

    Args:
        recent: `analysis_mean` and `truth`, both `(field_time, x)`; read one record at a time.
        blocks: how many blocks; the points left over at the end make the last one longer.

    Returns:
        `(field_time, blocks)`, in the unit of the state.
    """
    starts = np.arange(blocks) * (recent.sizes["x"] // blocks)
    lengths = np.diff(starts, append=recent.sizes["x"])
    rows = []
    for record in range(recent.sizes["field_time"]):
        fields = recent.isel(field_time=record)
        error = fields["analysis_mean"].values - fields["truth"].values
        rows.append(np.sqrt(np.add.reduceat(error**2, starts) / lengths))
    return np.array(rows)


def _state_panel(axes: Axes, at: xr.Dataset, field: Field, title: str, colours: Normalize) -> None:
    _panel(axes, at, field, title, "$x_i$", "viridis", colours)


def _error_panel(axes: Axes, at: xr.Dataset, error: Field) -> None:
    limit = float(np.nanpercentile(np.abs(error), FAR_OUT)) or 1.0
    rms = float(np.sqrt(np.nanmean(error**2)))
    title = f"Analysis \N{MINUS SIGN} truth (RMS {rms:.3g})"
    _panel(axes, at, error, title, "error of $x_i$", "RdBu_r", Normalize(-limit, limit))


def _spread_panel(axes: Axes, at: xr.Dataset) -> None:
    sd = at["analysis_sd"].values
    colours = Normalize(0, float(np.nanpercentile(sd, FAR_OUT)) or 1.0)
    _panel(
        axes, at, sd, "Analysis spread", "ensemble standard deviation of $x_i$", "magma", colours
    )


def _block_panel(axes: Axes, recent: xr.Dataset) -> None:
    n = recent.sizes["x"]
    rms = block_rms(recent, min(BLOCKS, n))
    colours = Normalize(0, float(np.nanpercentile(rms, FAR_OUT)) or 1.0)
    title = f"Error, all {n:,} points"
    label = f"RMS over {n // min(BLOCKS, n):,} points"
    _panel(axes, recent, rms, title, label, "magma", colours)


def _range(*fields: Field) -> Normalize:
    return Normalize(
        min(float(np.nanmin(field)) for field in fields),
        max(float(np.nanmax(field)) for field in fields),
    )


def _panel(
    axes: Axes,
    at: xr.Dataset,
    field: Field,
    title: str,
    label: str,
    colour_map: str,
    colours: Normalize,
) -> None:
    """An image of `field`, time upwards, over the extent of the coordinates of `at`."""
    x, time = at["x"].values, at["field_time"].values
    step = float(time[1] - time[0]) if time.size > 1 else 1.0
    image = axes.imshow(
        field,
        cmap=colour_map,
        norm=colours,
        aspect="auto",
        origin="lower",
        interpolation="none",
        extent=(x[0] - 0.5, x[-1] + 0.5, time[0] - step / 2, time[-1] + step / 2),
    )
    axes.grid(visible=False)
    axes.set_title(title)
    axes.set_xlabel("grid point $i$")
    axes.locator_params(axis="x", nbins=5)
    extend = "both" if colour_map == "RdBu_r" else "max" if colour_map == "magma" else "neither"
    axes.figure.colorbar(
        image, ax=axes, orientation="horizontal", label=label, extend=extend, pad=0.02, aspect=25
    )
