"""Truths and observations with correlated errors, for tables that compare being told of it or not.

.venv/bin/python experiments/correlated_input.py

A twin with correlated errors always tells its filter. So each seed's truth and observations are
written to files, output/remake/inputs/correlated_STRIDE_SEED_{truth,observations}.nc: what is there
is kept.
"""

import sys
from pathlib import Path

import netCDF4
import numpy as np
from remaking.protocol import SCORING, TUNING
from remaking.runs import KEPT, Runner, task

from dacycle import namelist as nml
from dacycle.run_file import open_run
from dacycle.sweep.execute import cores

INPUTS = KEPT / "inputs"
CYCLES, INTERVAL = 2900, 0.05
LENGTH = 2.0
STRIDES = {"1": 1.0, "025": 0.25}


def groups(stride: float) -> nml.Groups:
    """A free run that observes."""
    return {
        "cycle": {"analysis": "none", "cycles": CYCLES, "burn_in": 400, "interval": INTERVAL},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.1},
        "observations": {"stride": stride, "error_correlation_length": LENGTH},
        "output": {"fields_every": 1, "feedback": True},
    }


def write(name: str, file: Path) -> None:
    """Truth and observations of a run file."""
    with open_run(file) as run:
        truth, values = run["truth"].values, run["obs_value"].values
        positions, sds = run["obs_position"].values, run["obs_error_sd"].values
    cycles, n = truth.shape
    time = INTERVAL * np.arange(cycles + 1)
    with netCDF4.Dataset(INPUTS / f"{name}_truth.nc", "w") as out:
        out.createDimension("time", cycles + 1)
        out.createDimension("x", n)
        out.createVariable("time", "f8", ("time",))[:] = time
        out.createVariable("state", "f8", ("time", "x"))[:] = np.concatenate((truth[:1], truth))
    columns = {
        "time": np.repeat(time[1:], len(values) // cycles),
        "position": positions,
        "value": values,
        "error_sd": sds,
        "kind": np.ones(len(values), np.int32),
    }
    part = INPUTS / f"{name}.part"
    with netCDF4.Dataset(part, "w", format="NETCDF3_CLASSIC") as out:
        out.createDimension("observation", len(values))
        for key, column in columns.items():
            out.createVariable(key, column.dtype, ("observation",))[:] = column
    part.replace(INPUTS / f"{name}_observations.nc")


def main() -> int:
    """Write what is missing."""
    INPUTS.mkdir(parents=True, exist_ok=True)
    runner = Runner(cores())
    for key, stride in STRIDES.items():
        for seed in (*SCORING, *TUNING[:2]):
            name = f"correlated_{key}_{seed}"
            if not (INPUTS / f"{name}_observations.nc").is_file():
                run = runner([task(groups(stride), seed, keep=True)])[0]
                write(name, run.file)
                run.file.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
