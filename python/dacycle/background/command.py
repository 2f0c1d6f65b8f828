"""What `dacycle background` does: samples, covariance, file, summary, picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console

from dacycle.background.covariance import (
    FITTED,
    Covariance,
    best_fit,
    correlation,
    daley_length,
    lag_covariances,
    spectrum,
    write_covariance,
)
from dacycle.background.samples import Samples, climatology, deviations, differences
from dacycle.errors import BackgroundError
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, figure, styled
from dacycle.run_file import open_run

__all__ = ["estimate_background", "summary"]

STYLES = dict(zip(FITTED, ("--", ":", "-."), strict=True))
PAIR = 2


def estimate_background(
    path: Path,
    output: Path,
    console: Console,
    *,
    method: str,
    leads: Sequence[float] = (),
    lags: int | None = None,
) -> Covariance:
    """Estimate B from the run file at `path`; write it, and a picture beside it; say what it is.

    Args:
        path: a run file of `da_cycle`.
        output: netCDF file for `file` in `&background`; the picture's name ends in `.png` instead.
        console: where the summary is printed.
        method: one of `dacycle.background.METHODS`.
        leads: two for nmc, one or none for ensemble, none for climatology.
        lags: the last lag.

    Raises:
        DacycleError: the run does not hold what the method needs, or a file cannot be written.
    """
    if output.exists() and output.samefile(path):
        raise BackgroundError(f"{output}: is the run file itself; name another")
    with open_run(path) as run:
        covariance = lag_covariances(_samples(run, method, leads), lags)
        drawn = _picture(run, covariance)
        write_covariance(covariance, output, str(run.attrs.get("title", "")))
    picture = output.with_suffix(".png")
    try:
        with styled():
            drawn.savefig(picture, dpi=RESOLUTION)
    except OSError as error:
        raise BackgroundError(f"{picture}: {error.strerror}") from error
    for line in summary(covariance, output):
        console.print(line)
    console.print(f"written: {output}, {picture}")
    return covariance


def _samples(run: xr.Dataset, method: str, leads: Sequence[float]) -> Samples:
    wanted = {"climatology": (0,), "nmc": (PAIR,), "ensemble": (0, 1)}[method]
    if len(leads) not in wanted:
        needs = {"climatology": "no lead", "nmc": "two leads", "ensemble": "one lead at most"}
        raise BackgroundError(f"--method {method} takes {needs[method]}, {len(leads)} given")
    if method == "nmc":
        return differences(run, (leads[0], leads[1]))
    if method == "ensemble":
        return deviations(run, leads[0] if leads else 0.0)
    return climatology(run)


def summary(covariance: Covariance, output: Path) -> list[str]:
    """What was found, and the lines for `&background`."""
    lines = [f"B of {covariance.model}, {covariance.described}: {covariance.records} fields"]
    eigenvalues = spectrum(covariance)
    for c, (sd, length) in enumerate(zip(covariance.sd, daley_length(covariance), strict=True)):
        least, most = eigenvalues[c].min(), eigenvalues[c].max()
        fit = best_fit(covariance.values[c])
        name = f"component {c}: " if covariance.sd.size > 1 else ""
        lines += [
            f"{name}sd {sd:.4g}, Daley's length {length:.3g} points, "
            f"eigenvalues {least:.2e} to {most:.2e}",
            f"{name}nearest correlation: {fit.name}, length {fit.length:.3g} points, "
            f"off by {fit.error:.2g}",
        ]
    fit = best_fit(covariance.values[0])
    return [
        *lines,
        f"&background covariance = 'file', file = '{output}', factor = 1 /   ! tune the factor",
        f"&background covariance = 'homogeneous', sd = {covariance.sd[0]:.4g}, "
        f"correlation = '{fit.name}', length = {fit.length:.3g} /",
    ]


def _picture(run: xr.Dataset, covariance: Covariance) -> Figure:
    """Correlation against lag of each component, with the functions that fit the first best."""
    with styled():
        drawn = figure(run, f"Correlation of background errors: {covariance.described}", 6, 4)
        axes = drawn.subplots()
        lag = np.arange(covariance.values.shape[1])
        for c, values in enumerate(covariance.values):
            colour = BLUE if c == 0 else GREY
            label = "estimated" if c == 0 else f"component {c}"
            axes.plot(lag, values / values[0], "o-", color=colour, markersize=3, label=label)
        fine = np.linspace(0, lag[-1], 20 * lag.size)
        for name in FITTED:
            fit = best_fit(covariance.values[0], [name])
            axes.plot(
                fine,
                correlation(name, fine / fit.length),
                color=ORANGE,
                linestyle=STYLES[name],
                linewidth=1,
                label=f"{name}, length {fit.length:.2f}",
            )
        axes.set_xlabel("points apart")
        axes.set_ylabel("correlation")
        axes.legend()
    return drawn
