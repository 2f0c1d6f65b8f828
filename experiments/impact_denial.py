"""Observation impact by the adjoint beside data denial: the tables of docs/impact.md.

.venv/bin/python experiments/impact_denial.py [--cycles 2400] [--seed 1]

Four groups of ten points, two on land and two on the ocean, where errors are three times as large.
First, within single cycles: a group is withheld from one analysis, and the forecasts from it and
from the full analysis are compared. Then in cycling: the group is withheld from the whole run.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

import dacycle
from dacycle import namelist as nml
from dacycle.verification.estimate import mean_of, ratio_of_means

HERE = Path(__file__).resolve().parent
LEADS = (0.0, 0.2, 0.4, 0.8, 1.2, 1.6)
CYCLING_LEAD = 0.4
GROUPS = {"land 0-9": 0, "land 10-19": 10, "ocean 20-29": 20, "ocean 30-39": 30}
POINTS = 10
LAND = 20
LAND_SD, OCEAN_SD = 0.5, 1.5

Array = NDArray[np.float64]


def main() -> int:
    """Run all of it, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cycles", type=int, help="of each run, in place of the namelist's")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    base = nml.read(HERE / "impact_denial" / "impact_denial.nml")
    base = nml.merge(base, {"cycle": {"seed": given.seed}})
    if given.cycles is not None:
        base = nml.merge(base, {"cycle": {"cycles": given.cycles}})
    with tempfile.TemporaryDirectory() as folder:
        make_observations(base, Path(folder))
        sys.stdout.write(single_cycles(base, Path(folder)) + "\n" + cycling(base, Path(folder)))
    return 0


def make_observations(base: nml.Groups, folder: Path) -> None:
    """The truth of the run, observed at every point each cycle; one file a group withheld."""
    groups = {name: base[name] for name in ("cycle", "lorenz96", "ensemble")}
    groups = nml.merge(groups, {"cycle": {"analysis": "none"}, "output": {"feedback": False}})
    with run(groups, folder, "truth.nc") as twin:
        time, truth = twin["field_time"].values, twin["truth"].values
    n = truth.shape[1]
    sd = np.where(np.arange(n) < LAND, LAND_SD, OCEAN_SD)
    random = np.random.default_rng([base["cycle"]["seed"], n])
    values = truth + sd * random.normal(size=truth.shape)
    write(folder / "observations.nc", time, values, sd)
    for name, first in GROUPS.items():
        rest = values.copy()
        rest[:, first : first + POINTS] = np.nan
        write(folder / f"without {name}.nc", time, rest, sd)


def write(path: Path, time: Array, values: Array, sd: Array) -> None:
    """A file of observations, `values` of shape (time, points)."""
    cycles, n = values.shape
    columns = {
        "time": np.repeat(time, n),
        "position": np.tile(np.arange(float(n)), cycles),
        "value": values.ravel(),
        "error_sd": np.tile(sd, cycles),
        "kind": np.ones(values.size, np.int32),
    }
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("observation", values.size)
        for name, column in columns.items():
            file.createVariable(name, column.dtype, ("observation",))[:] = column


def run(groups: nml.Groups, folder: Path, output: str) -> xr.Dataset:
    """A run in the folder, where its namelist is written, too."""
    path = folder / "run.nml"
    nml.write(groups, path)
    return dacycle.run(path, directory=folder, output=output)


def settled(ran: xr.Dataset, name: str) -> Array:
    """Rows of a table after burn-in."""
    return np.asarray(ran[name].values[int(ran[name].attrs["burn_in"]) :], dtype=np.float64)


def single_cycles(base: nml.Groups, folder: Path) -> str:
    """By lead: all observations, then each group, adjoint and denial."""
    lines = [
        "| lead | observations | cycles | change of the error | by the adjoint | ratio "
        "| correlation |",
        "|---|---|---|---|---|---|---|",
    ]
    for lead in LEADS:
        with run(nml.merge(base, {"impact": {"lead": lead}}), folder, "judged.nc") as ran:
            actual, adjoint = settled(ran, "impact_actual"), settled(ran, "impact_estimated")
            lines.append(row(f"{lead:g}", "all", actual, adjoint))
            denied, each = settled(ran, "denial_of_region"), settled(ran, "impact_of_region")
            for g, name in enumerate(GROUPS):
                lines.append(row(f"{lead:g}", name, denied[:, g], each[:, g]))
    return "\n".join(lines) + "\n"


def row(lead: str, name: str, actual: Array, adjoint: Array) -> str:
    """A line of the table: of each cycle the actual change, and the adjoint's."""
    ratio, mean, estimate = ratio_of_means(adjoint, actual), mean_of(actual), mean_of(adjoint)
    return (
        f"| {lead} | {name} | {actual.size} "
        f"| {mean.value:.4f} ± {mean.standard_error:.4f} "
        f"| {estimate.value:.4f} ± {estimate.standard_error:.4f} "
        f"| {ratio.value:.2f} ± {ratio.standard_error:.2f} "
        f"| {np.corrcoef(actual, adjoint)[0, 1]:.2f} |"
    )


def cycling(base: nml.Groups, folder: Path) -> str:
    """A group withheld from all analyses: how much larger forecast errors become."""
    lines = [
        f"| withheld | error at {CYCLING_LEAD:g} | change | by the adjoint, a cycle |",
        "|---|---|---|---|",
    ]
    judged = nml.merge(base, {"impact": {"lead": CYCLING_LEAD}})
    with run(judged, folder, "judged.nc") as ran:
        full, each = settled(ran, "impact_analysis_error"), settled(ran, "impact_of_region")
    lines.append(f"| nothing | {full.mean():.3f} | | |")
    for g, name in enumerate(GROUPS):
        less = nml.merge(
            judged,
            {"observations": {"file": f"@/without {name}.nc"}, "impact": {"denial": False}},
        )
        with run(less, folder, "denied.nc") as ran:
            error = settled(ran, "impact_analysis_error")
        change = mean_of(full - error)
        lines.append(
            f"| {name} | {error.mean():.3f} | {change.value:.3f} ± {change.standard_error:.3f} "
            f"| {each[:, g].mean():.3f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
