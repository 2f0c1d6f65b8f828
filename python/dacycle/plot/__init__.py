"""Pictures of a run: scores in time, the last cycles in space and time, and the innovations."""

import os
from collections.abc import Callable
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from dacycle.errors import RunFileError
from dacycle.plot.hovmoeller import hovmoeller
from dacycle.plot.innovations import innovations
from dacycle.plot.scores import scores
from dacycle.plot.style import RESOLUTION, styled

__all__ = ["hovmoeller", "innovations", "plot_run", "scores"]

LAST_CYCLES = 200
"""Records in the space-time picture: enough for some ten passages of a wave."""


def plot_run(
    run: xr.Dataset,
    directory: str | os.PathLike[str],
    stem: str,
    last: int = LAST_CYCLES,
) -> list[Path]:
    """Draw all pictures that the run file holds data for.

    Args:
        run: an open run file.
        directory: where the pictures go; it is made if it is not there.
        stem: how their names begin: `stem_scores.png`, `stem_hovmoeller.png`, ...
        last: how many of the last field records the space-time picture shows.

    Returns:
        The files written. A run without fields (`fields_every = 0`) has no space-time picture.

    Raises:
        RunFileError: the folder or a picture cannot be written.
        ValueError: `last` is less than one.
    """
    if last < 1:
        raise ValueError(f"last must be at least 1, not {last}")
    pictures: dict[str, Callable[[], Figure]] = {"scores": lambda: scores(run)}
    if run.sizes.get("field_time", 0) > 0:
        pictures["hovmoeller"] = lambda: hovmoeller(run, last)
    if "innovation_chi2" in run:
        pictures["innovations"] = lambda: innovations(run)
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
