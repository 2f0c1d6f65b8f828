"""A network that loses the truth, and the scheme that takes over: the picture of docs/dan.md.

.venv/bin/python experiments/dan/fallback.py

For a while the observations are more precise than any that the network learned with. Alone it
loses the truth; watched, it gives way to 3D-Var, is tried again each 50 cycles, and goes on when
the observations are the usual ones. Writes fallback.png beside this file.
"""

import sys
import tempfile
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import dacycle
from dacycle import namelist as nml
from dacycle.plot.style import BLUE, GREY, ORANGE, RESOLUTION, legend, log_axis, styled

HERE = Path(__file__).resolve().parent
NETWORK = HERE.parents[1] / "models_export" / "dan_l96_memory.pt"
CYCLES, BURN_IN = 1000, 100
PRECISE = slice(400, 600)
USUAL_SD, PRECISE_SD = 1.0, 0.3
SEED = 1
BASE: nml.Groups = {
    "cycle": {"analysis": "var3d", "cycles": CYCLES, "burn_in": BURN_IN, "seed": SEED},
    "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.5},
    "background": {"covariance": "diagonal", "sd": 0.4},
    "truth": {"source": "file", "file": "@/truth.nc"},
    "observations": {"source": "file", "file": "@/observations.nc"},
    "output": {"fields_every": 0, "feedback": False},
}
ALONE: nml.Groups = {"networks": {"analysis": str(NETWORK)}}
WATCHED: nml.Groups = {
    "networks": {
        "analysis": str(NETWORK),
        "fallback_limit": 3.0,
        "fallback_patience": 3,
        "fallback_duration": 50,
    }
}
SCHEMES: dict[str, tuple[nml.Groups, str]] = {
    "network alone": (ALONE, ORANGE),
    "3D-Var": ({}, GREY),
    "network, 3D-Var as fallback": (WATCHED, BLUE),
}

Array = NDArray[np.float64]


def run(groups: nml.Groups, folder: Path, output: str) -> xr.Dataset:
    """A run in the folder, where its namelist is written, too."""
    path = folder / "run.nml"
    nml.write(groups, path)
    return dacycle.run(path, directory=folder, output=output)


def make_input(folder: Path) -> None:
    """A truth, and observations of all its points."""
    groups: nml.Groups = {
        "cycle": {"analysis": "none", "cycles": CYCLES, "burn_in": BURN_IN, "seed": SEED},
        "ensemble": {"members": 1},
        "output": {"feedback": False},
    }
    with run(groups, folder, "free.nc") as twin:
        time, truth = twin["field_time"].values, twin["truth"].values
        interval = float(time[0])
    # A truth file begins at time 0, where nothing is observed nor scored: the next state stands in.
    states = np.concatenate((truth[:1], truth))
    with netCDF4.Dataset(folder / "truth.nc", "w") as file:
        file.createDimension("time", len(states))
        file.createDimension("x", truth.shape[1])
        file.createVariable("time", "f8", ("time",))[:] = interval * np.arange(len(states))
        file.createVariable("state", "f8", ("time", "x"))[:] = states
    sd = np.full(CYCLES, USUAL_SD)
    sd[PRECISE] = PRECISE_SD
    errors = np.random.default_rng(SEED).normal(size=truth.shape) * sd[:, None]
    columns = {
        "time": np.repeat(time, truth.shape[1]),
        "position": np.tile(np.arange(float(truth.shape[1])), CYCLES),
        "value": (truth + errors).ravel(),
        "error_sd": np.repeat(sd, truth.shape[1]),
        "kind": np.ones(truth.size, np.int32),
    }
    with netCDF4.Dataset(folder / "observations.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("observation", truth.size)
        for name, column in columns.items():
            file.createVariable(name, column.dtype, ("observation",))[:] = column


def draw(series: dict[str, Array], taken: Array) -> Figure:
    """Errors over the cycles, and below them which scheme analysed."""
    cycles = np.arange(1, CYCLES + 1)
    picture = Figure(figsize=(8, 4.2), layout="constrained")
    axes: Axes
    below: Axes
    axes, below = picture.subplots(2, sharex=True, height_ratios=(8, 1))
    axes.axvspan(PRECISE.start, PRECISE.stop, color="#F0F0F0", zorder=0)
    for name, (_, colour) in SCHEMES.items():
        axes.plot(cycles, series[name], color=colour, label=name, linewidth=1)
    log_axis(axes)
    axes.set_title("analysis RMSE")
    axes.text(
        PRECISE.start + 5,
        0.03,
        f"errors of {PRECISE_SD:g}, not {USUAL_SD:g}",
        va="bottom",
        transform=axes.get_xaxis_transform(),
    )
    legend(axes)
    below.fill_between(cycles, taken, step="mid", color=GREY, linewidth=0)
    below.set(yticks=[0, 1], yticklabels=["network", "3D-Var"], xlabel="cycle", ylim=(0, 1))
    below.grid(visible=False)
    return picture


def main() -> int:
    """Run the three, draw, and print the means."""
    series = {}
    taken = np.zeros(CYCLES)
    with tempfile.TemporaryDirectory() as scratch:
        make_input(Path(scratch))
        for name, (groups, _) in SCHEMES.items():
            with run(nml.merge(BASE, groups), Path(scratch), "run.nc") as ran:
                series[name] = ran["analysis_rmse"].values
                if "network_fallback" in ran:
                    taken = ran["network_fallback"].values
    with styled():
        draw(series, taken).savefig(HERE / "fallback.png", dpi=RESOLUTION)
    parts = (slice(BURN_IN, PRECISE.start), PRECISE, slice(PRECISE.stop, None))
    sys.stdout.write("| scheme | before | precise observations | after |\n|---|---|---|---|\n")
    for name, rmse in series.items():
        means = " | ".join(f"{np.mean(rmse[part]):.3f}" for part in parts)
        sys.stdout.write(f"| {name} | {means} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
