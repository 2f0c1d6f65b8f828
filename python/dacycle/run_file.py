"""The run file, as `da_cycle` writes it: netCDF with scores, fields, members and feedback.

Each score is a series `(time)` whose attributes hold its time mean after burn-in, the standard
error of that mean, and its maximum. Fields are `(field_time, x)`, members
`(member_time, member, x)`, and feedback has one row an observation. Positions are grid coordinates;
all quantities are non-dimensional.

In the file `time`, `field_time` and `member_time` are dates, as the CF conventions have times, with
`model_time`, `field_model_time` and `member_model_time` beside them. `open_run` gives model time by
the short names.
"""

import os
from pathlib import Path

import xarray as xr

from dacycle import namelist as nml
from dacycle.errors import RunFileError

__all__ = ["effective_namelist", "experiment", "open_run"]

PROGRAM = "dacycle"


def open_run(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a run file lazily: nothing but its header is read until it is needed.

    `time`, `field_time` and `member_time` are model time, as are all other times.

    Raises:
        RunFileError: there is no such file, it is not netCDF, or `da_cycle` did not write it.
    """
    if not Path(path).is_file():
        hint = f" (unfinished: {path}.part is there)" if Path(f"{path}.part").is_file() else ""
        raise RunFileError(f"{path}: no such file{hint}")
    try:
        dataset = xr.open_dataset(path, engine="netcdf4", decode_times=False)
    except (OSError, ValueError) as error:
        raise RunFileError(f"{path}: cannot be read as netCDF") from error
    if not str(dataset.attrs.get("source", "")).startswith(PROGRAM):
        dataset.close()
        raise RunFileError(f"{path}: no run file (its attribute 'source' does not name {PROGRAM})")
    return _with_model_time(dataset)


def _with_model_time(dataset: xr.Dataset) -> xr.Dataset:
    """Model time in place of the dates, where the file has both."""
    for prefix in ("", "field_", "member_"):
        name = f"{prefix}model_time"
        if name in dataset.variables:
            time = dataset[name].variable
            dataset = dataset.drop_vars(name).assign_coords({f"{prefix}time": time})
    return dataset


def experiment(dataset: xr.Dataset) -> str:
    """The experiment of a run: its title up to a colon, `sakov2008` of `sakov2008: LETKF N=10`."""
    return str(dataset.attrs.get("title", "")).partition(":")[0].strip()


def effective_namelist(dataset: xr.Dataset) -> nml.Groups:
    """All settings of the run, defaults included, from the file itself.

    Raises:
        RunFileError: the file carries no namelist.
    """
    if "namelist" not in dataset.attrs:
        raise RunFileError("the run file has no attribute 'namelist'")
    return nml.parse(str(dataset.attrs["namelist"]), "the run file's namelist")
