"""Search namelist keys for the smallest error: every combination, or as Optuna chooses.

    from pathlib import Path
    from dacycle.sweep import read_plan, sweep

    results = sweep(read_plan("experiments/sweep_letkf.toml"), Path("output/sweep_letkf"))

Each run is a row in `runs.jsonl` as soon as it ends; a second call does what is missing.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from dacycle import runner
from dacycle.errors import RunError, SweepError
from dacycle.program import environment, find_program
from dacycle.sweep.execute import Runs, Task, cores
from dacycle.sweep.plan import Plan, Point, Range, grid, read_plan, settings
from dacycle.sweep.result import Result, as_good, best, result_of
from dacycle.sweep.search import search_for, trials_of
from dacycle.sweep.store import FAILED, Row, Store

__all__ = ["Plan", "Progress", "Result", "as_good", "best", "read_plan", "runs_of", "sweep"]

ROWS = "runs.jsonl"
WORK = "work"

ATTEMPTS = 2
"""An MPI on a busy machine fails to start now and then."""

Progress = Callable[[Row | None], None]
"""Called for each run: with its row when it ends, with nothing when it was there already."""


def runs_of(plan: Plan) -> int:
    """How many runs the plan is made of."""
    return trials_of(plan) * len(plan.seeds)


def sweep(
    plan: Plan,
    folder: Path,
    *,
    jobs: int | None = None,
    ranks: int = 1,
    fresh: bool = False,
    progress: Progress = lambda _: None,
) -> list[Result]:
    """Make the runs of `plan` that are missing in `folder`.

    Args:
        plan: what to run.
        folder: keeps the rows; made if it is not there.
        jobs: runs at a time; by default one a core, or one for so many cores as it has ranks.
        ranks: MPI ranks of each run.
        fresh: forget the rows that are there.
        progress: hears of each run.

    Returns:
        A result a point, in the order of the search; one that was tried twice stands there once.

    Raises:
        SweepError: the folder holds another sweep, or Optuna is not installed.
        RunError: the program refuses the settings.
        ProgramError: there is no program.
    """
    _check(plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SweepError(f"{error.filename}: {error.strerror}") from error
    with Store(folder / ROWS, _header(plan), fresh=fresh) as store:
        work = folder / WORK
        shutil.rmtree(work, ignore_errors=True)  # left behind by a sweep that was killed
        work.mkdir()
        try:
            runs = Runs(plan, work.absolute(), jobs or max(1, cores() // ranks), ranks)
            return _search(plan, store, runs, progress)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _search(plan: Plan, store: Store, runs: Runs, progress: Progress) -> list[Result]:
    results: list[Result] = []
    search = search_for(plan)
    points = next(search)
    while True:
        _run_missing(plan, store, runs, points, progress)
        batch = [result_of(plan, store, point) for point in points]
        results += [result for result in batch if result not in results]
        try:
            points = search.send([result.mean for result in batch])
        except StopIteration:
            return results


def _run_missing(
    plan: Plan, store: Store, runs: Runs, points: list[Point], progress: Progress
) -> None:
    missing: list[Task] = []
    for point in points:
        for seed in plan.seeds:
            if store.find(point, seed) is not None or (point, seed) in missing:
                progress(None)
            else:
                missing.append((point, seed))
    for attempt in range(ATTEMPTS):
        failed: list[Task] = []
        with closing(runs(missing)) as rows:
            for row in rows:
                store.add(row)
                if row.outcome == FAILED and attempt + 1 < ATTEMPTS:
                    failed.append((row.point, row.seed))
                else:
                    progress(row)
        missing = failed


def _check(plan: Plan) -> None:
    """Let the program look at the settings: each value of a key beside the first of the others."""
    first: Point = {}
    for key, values in plan.keys.items():
        first[key] = values.low if isinstance(values, Range) else values[0]
    points = [first]
    for key, values in plan.keys.items():
        others = (values.high,) if isinstance(values, Range) else values[1:]
        points += [{**first, key: value} for value in others]
    for point in points:
        try:
            runner.check(settings(plan, point, plan.seeds[0]))
        except RunError as error:
            raise RunError(error.status, f"{_shown(point)}: {error}") from None


def _shown(point: Point) -> str:
    return ", ".join(f"{key} = {value}" for key, value in point.items())


def _header(plan: Plan) -> dict[str, Any]:
    """What all rows have in common: they are of use to the next call if it is the same."""
    first = grid(plan)[0] if plan.search == "grid" else dict.fromkeys(plan.keys)
    groups = settings(plan, first, plan.seeds[0])
    for name in [*plan.keys, "cycle.seed", "cycle.title"]:
        group, _, key = name.partition(".")
        groups[group].pop(key, None)
    program = find_program()
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, env=environment({})
    ).stdout.strip()
    files = {
        value: _digest(Path(value))
        for keys in groups.values()
        for value in keys.values()
        if isinstance(value, str) and Path(value).is_file()
    }
    return {
        "program": version,
        "defaults": hashlib.sha256(runner.defaults().encode()).hexdigest(),
        "keys": sorted(plan.keys),
        "settings": {group: dict(sorted(keys.items())) for group, keys in sorted(groups.items())},
        "files": files,
    }


def _digest(path: Path) -> str:
    """A checksum of a file.

    Raises:
        SweepError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SweepError(f"{path}: {error.strerror}") from error
