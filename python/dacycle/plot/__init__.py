"""Pictures of a run: scores, space and time, innovations, and what else is verified."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from dacycle.errors import RunFileError
from dacycle.plot.desroziers import desroziers_by_region
from dacycle.plot.hovmoeller import hovmoeller
from dacycle.plot.impact import impact
from dacycle.plot.innovations import innovations
from dacycle.plot.lead_times import skill
from dacycle.plot.minimisation import convergence_by_iteration, hessian_eigenvalues
from dacycle.plot.ranks import ranks
from dacycle.plot.reliability import reliability_diagram
from dacycle.plot.scores import scores
from dacycle.plot.spectra import spectra_by_scale
from dacycle.plot.style import RESOLUTION, styled
from dacycle.verification.desroziers import was_assimilated
from dacycle.verification.estimate import settled
from dacycle.verification.impact import was_judged

__all__ = [
    "NAMES",
    "convergence_by_iteration",
    "desroziers_by_region",
    "hessian_eigenvalues",
    "hovmoeller",
    "impact",
    "innovations",
    "plot_run",
    "ranks",
    "reliability_diagram",
    "scores",
    "skill",
    "spectra_by_scale",
]

NEEDS = {
    "scores": "a run file",
    "hovmoeller": "fields_every in &output",
    "innovations": "a run file",
    "desroziers": "feedback in &output, and observations assimilated after burn-in",
    "spectra": "fields_every in &output, and fields after burn-in",
    "impact": "every in &impact, and cycles judged after burn-in",
    "convergence": "iterations in &diagnostics, and a row after burn-in",
    "hessian": "hessian in &diagnostics, and a row after burn-in",
    "ranks": "rank_histogram in &verification",
    "reliability": "thresholds in &verification",
    "skill": "lead_times in &verification",
}
"""The pictures that there are, and what they are drawn from."""

NAMES = tuple(NEEDS)

LAST_CYCLES = 200
"""Records in the space-time picture: enough for some ten passages of a wave."""


def plot_run(
    run: xr.Dataset,
    directory: str | os.PathLike[str],
    stem: str,
    last: int = LAST_CYCLES,
    names: Sequence[str] = (),
) -> list[Path]:
    """Draw all pictures that the run file holds data for, or those that are named.

    Args:
        run: an open run file.
        directory: where the pictures go; it is made if it is not there.
        stem: how their names begin: `stem_scores.png`, `stem_hovmoeller.png`, ...
        last: how many of the last field records the space-time picture shows.
        names: which of `NAMES`; all that there is data for where none is named.

    Returns:
        The files written. A run without fields (`fields_every = 0`) has no space-time picture.

    Raises:
        RunFileError: the folder or a picture cannot be written, or the run file does not hold what
            a named picture needs.
        ValueError: `last` is less than one.
    """
    if last < 1:
        raise ValueError(f"last must be at least 1, not {last}")
    there = _pictures(run, last)
    for name in names:
        if name not in there:
            raise RunFileError(f"{stem}: no data for the picture '{name}' ({NEEDS[name]})")
    pictures = {name: there[name] for name in names} if names else there
    folder = Path(directory)
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in pictures.items():
            with styled():
                files.append(folder / f"{stem}_{name}.png")
                draw().savefig(files[-1], dpi=RESOLUTION)
    except OSError as error:
        raise RunFileError(f"{error.filename or folder}: {error.strerror}") from error
    return files


def _pictures(run: xr.Dataset, last: int) -> dict[str, Callable[[], Figure]]:
    """What can be drawn, by name, in the order of `NAMES`."""
    fields = run.sizes.get("field_time", 0) > 0
    settled_fields = fields and bool(settled(run, run["field_time"].values[-1:]).any())

    def diagnosed(name: str) -> bool:
        return name in run and bool(settled(run, run["diagnosed_time"].values).any())

    conditions: dict[str, tuple[bool, Callable[[], Figure]]] = {
        "scores": (True, lambda: scores(run)),
        "hovmoeller": (fields, lambda: hovmoeller(run, last)),
        "innovations": ("innovation_chi2" in run, lambda: innovations(run)),
        "desroziers": (was_assimilated(run), lambda: desroziers_by_region(run)),
        "spectra": (settled_fields, lambda: spectra_by_scale(run)),
        "impact": (was_judged(run), lambda: impact(run)),
        "convergence": (diagnosed("iterate_cost"), lambda: convergence_by_iteration(run)),
        "hessian": (diagnosed("hessian_eigenvalues"), lambda: hessian_eigenvalues(run)),
        "ranks": ("background_ranks" in run, lambda: ranks(run)),
        "reliability": ("event_forecasts" in run, lambda: reliability_diagram(run)),
        "skill": ("forecast_rmse" in run, lambda: skill(run)),
    }
    return {name: draw for name, (there, draw) in conditions.items() if there}
