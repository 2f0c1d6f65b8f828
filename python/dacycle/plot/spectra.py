"""Spectra of the truth, of the errors, and of the spread."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dacycle.plot.style import BLUE, GREY, ORANGE, figure
from dacycle.plot.type import Picture, has_settled_rows
from dacycle.verification.spectra import Spectrum, spectra

__all__ = ["SpectraPicture", "spectra_by_scale"]

ERRORS = 2
"""Standard errors that the bands reach."""

MOST_WAVES = 200
"""Points of a line; longer spectra are averaged over bands that widen with the wavenumber."""

LOWEST = 0.05
"""Of a line, where the band of its errors ends below."""

COLOURS = {
    "truth": GREY,
    "background error": ORANGE,
    "background mean": ORANGE,
    "analysis error": BLUE,
    "analysis mean": BLUE,
    "analysis spread": BLUE,
}


class SpectraPicture(Picture):
    """Variances by wavenumber."""

    needs = "fields_every in &output, and fields after burn-in"

    def can_be_drawn(self, run: xr.Dataset) -> bool:
        """Whether the run file holds what it needs."""
        return has_settled_rows(run, "analysis_mean", "field_time")

    def draw(self, run: xr.Dataset, last: int) -> Figure:
        """The picture; see `spectra_by_scale`."""
        return spectra_by_scale(run)


def spectra_by_scale(run: xr.Dataset) -> Figure:
    """Variance by wavenumber, and the errors' share of that of the truth.

    Where an error is above the truth nothing is known at that scale; where the spread leaves the
    error, the ensemble does not know its own.

    Raises:
        RunFileError: no field was written after burn-in.
    """
    found = {name: _banded(one) for name, one in spectra(run).items()}
    panels = 2 if "truth" in found else 1
    subject = f"Spectra, with ± {ERRORS} standard errors of their time mean"
    drawn = figure(run, subject, 5 + 4.5 * (panels - 1), 4.4)
    row = drawn.subplots(1, panels, squeeze=False)[0]
    for name, one in found.items():
        _line(row[0], name, one, np.ones(one.power.size))
        if panels > 1 and name != "truth":
            _line(row[1], name, one, found["truth"].power)
    for axes in row:
        axes.set_yscale("log")
        axes.set_xlabel("wavenumber (waves on the circle)")
        if run.sizes["x"] > 2 * MOST_WAVES:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    row[0].set_ylabel("variance (units of x²)")
    if panels > 1:
        row[1].set_ylabel("variance over that of the truth")
        row[1].axhline(1, color=GREY, linewidth=1, linestyle="--")
    drawn.legend(handles=row[0].get_lines(), loc="outside lower center", ncols=4)
    return drawn


def _line(axes: Axes, name: str, one: Spectrum, scale: NDArray[np.float64]) -> None:
    """A spectrum over `scale`, `(wavenumber,)`, in the band of its errors."""
    colour = COLOURS[name]
    style = "--" if name == "analysis spread" else "-"
    axes.plot(one.wavenumber, one.power / scale, color=colour, linestyle=style, label=name)
    low, high = (one.power + sign * ERRORS * one.standard_error for sign in (-1, 1))
    # On a logarithmic axis a band cannot reach zero.
    low = np.maximum(low, LOWEST * one.power)
    axes.fill_between(
        one.wavenumber, low / scale, high / scale, color=colour, alpha=0.2, linewidth=0
    )


def _banded(one: Spectrum) -> Spectrum:
    """Averaged over bands where there are too many wavenumbers; errors as if all moved together."""
    waves = one.wavenumber.size
    if waves <= MOST_WAVES:
        return one
    edges = np.unique(np.rint(np.geomspace(1, waves + 1, MOST_WAVES)).astype(int))
    starts = edges[:-1] - 1
    lengths = np.diff(edges)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.add.reduceat(values, starts) / lengths)

    middle = np.rint(mean(one.wavenumber.astype(np.float64))).astype(np.int64)
    return Spectrum(middle, mean(one.power), mean(one.standard_error))
