"""What `dacycle sweep` does: the runs with their progress, then the map, printed and written."""

import math
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dacycle.errors import SweepError
from dacycle.sweep import Result, read_plan, runs_of, sweep
from dacycle.sweep.picture import draw
from dacycle.sweep.plan import Plan
from dacycle.sweep.store import DIVERGED, DONE, FAILED, Row
from dacycle.sweep.table import csv_text, legend, summary, tables

__all__ = ["run_sweep"]

LOG_SECONDS = 10.0
"""Between lines of progress in a log."""

WIDE = 10_000


def run_sweep(
    path: Path,
    output: Path | None,
    console: Console,
    *,
    jobs: int | None,
    ranks: int,
    fresh: bool,
    quiet: bool,
) -> bool:
    """Sweep what the file at `path` says; false if a run failed or each point lost one.

    Args:
        path: the plan, TOML.
        output: folder of runs and map; by default the plan's name without its ending.
        console: where the map is printed; progress goes to standard error.
        jobs: runs at a time.
        ranks: MPI ranks of each run.
        fresh: forget the runs that are there.
        quiet: no progress.

    Raises:
        DacycleError: as `dacycle.sweep.sweep`; or a file cannot be written.
    """
    plan = read_plan(path)
    folder = output or Path(path.stem)
    with _Shown(runs_of(plan), plan, quiet=quiet) as shown:
        results = sweep(plan, folder, jobs=jobs, ranks=ranks, fresh=fresh, progress=shown)
    _print_map(plan, results, console)
    for name in _write(plan, results, folder):
        console.print(f"written: {name}")
    for message in shown.failures:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"dacycle: warning: a run failed twice; the next call will try again: {message}"
        )
    sound = any(math.isfinite(result.mean) for result in results)
    return sound and not any(result.failed for result in results)


def _print_map(plan: Plan, results: list[Result], console: Console) -> None:
    for table in tables(plan, results):
        console.print(table)
    for line in [legend(plan, results), *summary(plan, results)]:
        console.print(line)


def _write(plan: Plan, results: list[Result], folder: Path) -> list[Path]:
    """The map as text, CSV and picture."""
    text, columns, drawing = (folder / f"map.{ending}" for ending in ("txt", "csv", "png"))
    try:
        with text.open("w", encoding="utf-8") as file:
            page = Console(file=file, width=WIDE, highlight=False, markup=False)
            _print_map(plan, results, page)
        columns.write_text(csv_text(plan, results), encoding="utf-8")
    except OSError as error:
        raise SweepError(f"{error.filename}: {error.strerror}") from error
    draw(plan, results, drawing)
    return [text, columns, drawing]


class _Shown:
    """Progress on standard error: a bar on a terminal, now and then a line in a log."""

    def __init__(self, total: int, plan: Plan, *, quiet: bool) -> None:
        self.failures: list[str] = []
        self._total, self._plan, self._quiet = total, plan, quiet
        self._done = self._there = self._lost = 0
        self._least = math.inf
        self._told = time.monotonic()
        console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "_Shown":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.stop()
        if kind is None:
            self._log(force=True)

    def __call__(self, row: Row | None) -> None:
        self._done += 1
        self._there += row is None
        if row is not None:
            self._note(row)
        self._bar.update(self._task, advance=1, description=self._words())
        self._log()

    def _note(self, row: Row) -> None:
        if row.outcome == FAILED and row.message not in self.failures:
            self.failures.append(row.message)
        value = row.scores.get(self._plan.objective, math.inf) if row.outcome == DONE else math.inf
        self._lost += row.outcome == DIVERGED or value > self._plan.diverged_above
        self._least = min(self._least, value)

    def _words(self) -> str:
        words = [f"{self._there} there already"] if self._there else []
        words += [f"{self._lost} diverged"] if self._lost else []
        words += [f"least {self._least:.4f}"] if math.isfinite(self._least) else []
        return ", ".join(words)

    def _log(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._quiet or sys.stderr.isatty() or (now - self._told < LOG_SECONDS and not force):
            return
        self._told = now
        words = self._words()
        sys.stderr.write(
            f"sweep: {self._done} of {self._total} runs{': ' if words else ''}{words}\n"
        )
