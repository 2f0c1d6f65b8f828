"""How all pictures look: colours that the colour-blind tell apart, and few lines besides data."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "RESOLUTION",
    "figure",
    "legend",
    "log_axis",
    "series",
    "styled",
]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"
"""Blue and vermilion of Okabe & Ito (2008), and a grey."""

RESOLUTION = 150
"""Dots an inch."""

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.xmargin": 0.0,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}

RAW_CYCLES = 400
"""Up to so many cycles the series itself is legible; beyond, a running mean is drawn over it."""

WINDOWS = 100
"""A long series is smoothed over its hundredth part."""


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of dacycle, and leave the user's own settings as they are."""
    with mpl.rc_context(STYLE):
        yield


def figure(run: xr.Dataset, subject: str, width: float, height: float) -> Figure:
    """An empty figure, inches, headed by the title of the run and the subject of the picture.

    It stands apart from pyplot: no display is opened, and nothing is left to close.
    """
    drawn = Figure(figsize=(width, height), layout="constrained")
    heading = f"{run.attrs.get('title', '')}\n{subject}".lstrip()
    drawn.suptitle(heading, x=0.01, ha="left", fontsize=11)
    return drawn


def series(
    axes: Axes, time: NDArray[np.float64], values: NDArray[np.float64], colour: str, label: str
) -> None:
    """Draw a series `(time,)`; a long one faintly, under its running mean."""
    if values.size <= RAW_CYCLES:
        axes.plot(time, values, color=colour, label=label)
        return
    axes.plot(time, values, color=colour, alpha=0.25, linewidth=0.5, rasterized=True)
    window = max(1, values.size // WINDOWS)
    smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
    first = (window - 1) // 2
    axes.plot(time[first : first + smooth.size], smooth, color=colour, label=label)


def legend(axes: Axes) -> None:
    """Tell the lines apart above the axes, beside the title, where no data can lie under it."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1, handlelength=1.5
    )


def log_axis(axes: Axes) -> None:
    """A logarithmic axis with plain numbers on it."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
