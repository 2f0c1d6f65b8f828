"""One network file on circles of any size and on several ranks: its scores and its bits.

.venv/bin/python experiments/dan/sizes.py [--network dan_l96_memory] [--only 40]

Of each size, one long run gives the score, the root of the mean square error over points and
cycles: the mean over cycles of an RMSE of few points is lower, by its scatter. Short runs on 1, 2
and 4 ranks are then compared byte by byte. All take some ten minutes.
"""

import argparse
import filecmp
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import dacycle
from dacycle import namelist as nml

HERE = Path(__file__).resolve().parent
NETWORKS = HERE.parents[1] / "models_export"
RANKS = (1, 2, 4)
SEED = 1


@dataclass(frozen=True)
class Size:
    """A circle of `points`: cycles of the run for the score, and of those that are compared."""

    points: int
    cycles: int
    burn_in: int
    compared: int


SIZES = (
    Size(40, 10_000, 400, 400),
    Size(1000, 1000, 200, 100),
    Size(100_000, 200, 100, 2),
    Size(1_000_000, 100, 60, 2),
)


def groups_of(size: Size, network: str, cycles: int, burn_in: int) -> nml.Groups:
    """The namelist; nothing but scores is written of a long run, and all fields of a short one."""
    long = cycles == size.cycles
    return {
        "cycle": {
            "analysis": "var3d",
            "cycles": cycles,
            "burn_in": burn_in,
            "seed": SEED,
        },
        "truth": {"spin_up": 5.0},
        "lorenz96": {"n": size.points},
        # About the error that it will have: a short spin-up is enough then.
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.2},
        "networks": {"analysis": str(NETWORKS / f"{network}.pt")},
        "output": {"file": "run.nc", "fields_every": 0 if long else cycles, "feedback": False},
        "checkpoint": {"every": 0},
    }


def line(size: Size, network: str) -> str:
    """Run a size, and tell what came out."""
    with tempfile.TemporaryDirectory() as scratch:
        groups = groups_of(size, network, size.cycles, size.burn_in)
        with dacycle.run(groups, directory=scratch) as run:
            rmse = run["analysis_rmse"].values[size.burn_in :]
        # Of one name: the run file tells by which command it was made.
        namelist = Path(scratch, "short.nml")
        nml.write(groups_of(size, network, size.compared, 0), namelist)
        for ranks in RANKS:
            dacycle.run(namelist, ranks, directory=scratch).close()
            Path(scratch, "run.nc").rename(Path(scratch, f"{ranks}.nc"))
        one = Path(scratch, f"{RANKS[0]}.nc")
        same = [filecmp.cmp(one, Path(scratch, f"{ranks}.nc"), shallow=False) for ranks in RANKS]
    cells = [
        f"{size.points:,}",
        f"{size.cycles - size.burn_in:,}",
        f"{math.sqrt(np.mean(np.square(rmse))):.4f}",
        f"{np.mean(rmse):.4f}",
        "yes" if all(same) else "no",
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", default="dan_l96_memory", help="file of models_export")
    parser.add_argument("--only", type=int, help="number of points")
    given = parser.parse_args()
    sys.stdout.write(
        "| points | cycles scored | root mean square error | mean RMSE "
        "| same bytes on 1, 2, 4 ranks |\n"
        "|---|---|---|---|---|\n"
    )
    for size in SIZES:
        if given.only in (None, size.points):
            sys.stdout.write(line(size, given.network))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
