"""Choosing settings on the tuning seeds: a first look at the grid, then the full length.

Every point of the grid is run for SCREENING_CYCLES with SCREENING_SEEDS seeds. In the order of
their mean RMSE, those that lost no seed are then run with all tuning seeds for the length of the
table; the first of which none is lost there, too, is chosen.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from dacycle import namelist as nml
from remaking import protocol
from remaking.runs import Run, Runner, task
from remaking.spec import Cell, grouped

RMSE = "analysis_rmse"
TRIED = 4
"""Points that are run in full before the grid is given up."""


def points(grid: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of a grid."""
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def choose(cell: Cell, runner: Runner) -> dict[str, Any]:
    """The setting of a cell, and all that was tried.

    Raises:
        ValueError: no point of the grid keeps the truth with every seed.
    """
    grid = cell.grid
    seeds = protocol.TUNING[: cell.row.words.get("screening", protocol.SCREENING_SEEDS)]
    burn_in = int(cell.groups["cycle"]["burn_in"])
    full = int(cell.groups["cycle"]["cycles"])
    short = {"cycle": {"cycles": min(full, protocol.SCREENING_CYCLES + burn_in)}}
    tried = list(points(grid))
    tasks = [
        task(nml.merge(nml.merge(cell.groups, grouped(point)), short), seed)
        for point in tried
        for seed in seeds
    ]
    runs = iter(runner(tasks))
    screened = [_told(point, [next(runs) for _ in seeds], cell) for point in tried]
    order = sorted((one for one in screened if not one["lost"]), key=lambda one: one["rmse"])
    checked = []
    all_seeds = protocol.TUNING[: len(cell.seeds)]
    for one in order[:TRIED]:
        groups = nml.merge(cell.groups, grouped(one["setting"]))
        runs_ = runner([task(groups, seed) for seed in all_seeds])
        checked.append(_told(one["setting"], runs_, cell))
        if not checked[-1]["lost"]:
            break
    else:
        raise ValueError(f"{cell.name}: no setting of {grid} keeps the truth with every seed")
    return {
        "setting": checked[-1]["setting"],
        "grid": grid,
        "screened": {"seeds": list(seeds), "cycles": short["cycle"]["cycles"] - burn_in,
                     "points": screened},
        "checked": {"seeds": list(all_seeds), "cycles": full - burn_in, "points": checked},
    }  # fmt: skip


def _told(setting: dict[str, Any], runs: list[Run], cell: Cell) -> dict[str, Any]:
    kept = [run for run in runs if not run.lost(cell.lost_above)]
    means = [run.scores[RMSE][0] for run in kept]
    mean = round(sum(means) / len(means), 5) if means else None
    return {"setting": setting, "rmse": mean, "lost": len(runs) - len(kept)}
