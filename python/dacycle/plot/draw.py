"""Pictures of a run, drawn into files."""

import os
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from dacycle.errors import RunFileError
from dacycle.plot.list import PICTURES, picture
from dacycle.plot.style import RESOLUTION, styled

__all__ = ["plot_run"]

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
        names: which of `PICTURES`; all that there is data for where none is named.

    Returns:
        The files written. A run without fields (`fields_every = 0`) has no space-time picture.

    Raises:
        RunFileError: the folder or a picture cannot be written, or the run file does not hold what
            a named picture needs.
        ValueError: `last` is less than one.
    """
    if last < 1:
        raise ValueError(f"last must be at least 1, not {last}")
    drawable = {name: one for name in PICTURES if (one := picture(name)).can_be_drawn(run)}
    for name in names:
        if name not in drawable:
            needs = picture(name).needs
            raise RunFileError(f"{stem}: no data for the picture '{name}' ({needs})")
    folder = Path(directory)
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or drawable:
            with styled():
                files.append(folder / f"{stem}_{name}.png")
                drawable[name].draw(run, last).savefig(files[-1], dpi=RESOLUTION)
    except OSError as error:
        raise RunFileError(f"{error.filename or folder}: {error.strerror}") from error
    return files
