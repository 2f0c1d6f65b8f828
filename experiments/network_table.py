"""Networks in the cycle beside what they stand for: run, score, table.

.venv/bin/python experiments/network_table.py emulator [--jobs 2] [--only TEXT] [--print]

The folder of that name holds table.toml, which names namelists with `&networks`. Each is run over
the seeds as it is and without that group, on the same truths and observations. Runs that are there
already, made with the same settings, are kept; --fresh makes them anew. Writes the table into the
page that table.toml names and scores.csv beside it; ends with status 1 if a network falls short.
With --only it prints its rows and leaves those alone.
"""

import argparse
import csv
import hashlib
import json
import math
import resource
import shutil
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import dacycle
from dacycle import namelist as nml
from dacycle.run_file import open_run
from dacycle.sweep.execute import cores
from dacycle.verification.scores import read_scores, with_error

EXPERIMENTS = Path(__file__).resolve().parent
RUNS = EXPERIMENTS.parent / "output" / "network_table"
HEAD = """\
| scheme | published | exact | network | difference | allowed | ms a cycle, exact and network |
|---|---|---|---|---|---|---|
"""
SCORE = "analysis_rmse"
PERCENT = 100
TIMINGS = 3
TIMED = {"exact": (200, 2200), "network": (20, 120)}
"""Cycles of two runs, whose difference in processor time is that of the cycles alone."""

DIGITS = 10


@dataclass(frozen=True)
class Row:
    """A scheme with a network in it.

    Attributes:
        scheme: what the table calls it.
        groups: the namelist.
        published: score of the same scheme elsewhere, and whose it is.
    """

    scheme: str
    groups: nml.Groups
    published: str

    def variant(self, name: str) -> nml.Groups:
        """The namelist as it is, `network`, or without its networks, `exact`."""
        kept = {group: keys for group, keys in self.groups.items() if group != "networks"}
        return self.groups if name == "network" else kept


@dataclass(frozen=True)
class Table:
    """What table.toml says.

    Attributes:
        rows: one a namelist.
        seeds: of the runs.
        allowed: how far a network's RMSE may be above the exact one, as a part of it.
        page: with the table; it has marks where that stands.
        mark: what the marks say.
    """

    rows: list[Row]
    seeds: tuple[int, ...]
    allowed: float
    page: Path
    mark: str


def read_table(folder: Path) -> Table:
    """The table of a folder."""
    found = tomllib.loads((folder / "table.toml").read_text(encoding="utf-8"))
    rows = [
        read_row(folder / row["namelist"], row["scheme"], row.get("published", "-"))
        for row in found["row"]
    ]
    page = EXPERIMENTS.parent / found["page"]
    return Table(
        rows, tuple(found["seeds"]), found["allowed"], page, f"network_table.py {folder.name}"
    )


def read_row(path: Path, scheme: str = "", published: str = "-") -> Row:
    """A row of a namelist file."""
    return Row(scheme, nml.resolve(nml.read(path), path.parent), published)


def run(groups: nml.Groups, seed: int, folder: Path) -> Path:
    """The run file of these settings and this seed, made if it is not there."""
    seeded = nml.merge(groups, {"cycle": {"seed": seed}, "checkpoint": {"every": 0}})
    path = folder / f"{Path(groups['output']['file']).stem}_{fingerprint(seeded)}.nc"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        dacycle.run(seeded, output=path.name, directory=folder, fresh=True).close()
    return path


def score(path: Path) -> float:
    """Time mean of a run's analysis RMSE."""
    with open_run(path) as opened:
        return next(one.mean for one in read_scores(opened) if one.name == SCORE)


def kept_milliseconds(groups: nml.Groups, variant: str, folder: Path) -> float:
    """`milliseconds`, measured if it is not there."""
    path = folder / "milliseconds.json"
    kept: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    known = fingerprint(groups)
    if known not in kept:
        kept[known] = milliseconds(groups, variant)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return kept[known]


def fingerprint(groups: nml.Groups) -> str:
    """Of settings."""
    text = json.dumps(groups, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def milliseconds(groups: nml.Groups, variant: str) -> float:
    """Processor time of a cycle: of a longer run less a shorter one, each the least of several."""
    least = []
    for cycles in TIMED[variant]:
        length = {"cycle": {"cycles": cycles, "burn_in": 0}, "checkpoint": {"every": 0}}
        with tempfile.TemporaryDirectory() as folder:
            timed = nml.merge(groups, length)
            least.append(min(_seconds(timed, folder) for _ in range(TIMINGS)))
    return 1000 * (least[1] - least[0]) / (TIMED[variant][1] - TIMED[variant][0])


def _seconds(groups: nml.Groups, folder: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    dacycle.run(groups, output="timed.nc", directory=folder, fresh=True).close()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


@dataclass(frozen=True)
class Result:
    """The scores of a row, seed by seed, and what a cycle of each variant costs."""

    exact: list[float]
    network: list[float]
    milliseconds: dict[str, float]

    @property
    def difference(self) -> tuple[float, float]:
        """Of the network's from the exact mean, in per cent, and its standard error.

        Truths and observations are the same, so it is the error of the mean of the differences.
        """
        apart = [n - e for n, e in zip(self.network, self.exact, strict=True)]
        exact = statistics.fmean(self.exact) / PERCENT
        return statistics.fmean(apart) / exact, _error(apart) / exact


def result(row: Row, seeds: Sequence[int], folder: Path, jobs: int) -> Result:
    """Run a row."""
    tasks = [(row.variant(name), seed) for name in TIMED for seed in seeds]
    with ProcessPoolExecutor(jobs) as pool:
        running = [pool.submit(run, groups, seed, folder) for groups, seed in tasks]
        values = [score(one.result()) for one in running]
    costs = {name: kept_milliseconds(row.variant(name), name, folder) for name in TIMED}
    return Result(values[: len(seeds)], values[len(seeds) :], costs)


def line(row: Row, found: Result, allowed: float) -> str:
    """A row of the table."""
    difference, error = found.difference
    cost = " and ".join(f"{value:.2g}" for value in found.milliseconds.values())
    cells = [
        row.scheme,
        row.published,
        *(with_error(statistics.fmean(v), _error(v)) for v in (found.exact, found.network)),
        f"{difference:+.1f} ± {error:.1f} %",
        f"{PERCENT * allowed:g} %",
        cost,
    ]
    return f"| {' | '.join(cells)} |\n"


def csv_text(rows: Sequence[Row], results: Sequence[Result], seeds: Sequence[int]) -> str:
    """A row a scheme: its scores, seed by seed."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = [f"{name}_{seed}" for name in TIMED for seed in seeds]
    writer.writerow(["scheme", *head, *(f"{name}_ms" for name in TIMED)])
    for row, found in zip(rows, results, strict=True):
        values = [f"{value:.6f}" for value in (*found.exact, *found.network)]
        costs = [f"{value:.3f}" for value in found.milliseconds.values()]
        writer.writerow([row.scheme, *values, *costs])
    return text.getvalue()


def put(page: str, mark: str, lines: Sequence[str]) -> str:
    """The page with a new table in place of the old one."""
    first, last = f"<!-- made by {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines {first.strip()} and {last.strip()}")
    return "".join([before, begin, "\n", HEAD, *lines, "\n", end, after])


def _error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    return statistics.stdev(values) / math.sqrt(len(values))


def main() -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", help="folder beside this file that holds table.toml")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="schemes that hold TEXT")
    parser.add_argument("--print", action="store_true", help="leave page and scores.csv alone")
    parser.add_argument("--fresh", action="store_true", help="forget the runs that are there")
    given = parser.parse_args()
    folder = EXPERIMENTS / given.experiment
    if given.fresh:
        shutil.rmtree(RUNS / given.experiment, ignore_errors=True)
    table = read_table(folder)
    rows = [row for row in table.rows if given.only in row.scheme]
    results: list[Result] = []
    lines: list[str] = []
    for row in rows:
        results.append(result(row, table.seeds, RUNS / given.experiment, given.jobs))
        lines.append(line(row, results[-1], table.allowed))
        sys.stdout.write(lines[-1])
        sys.stdout.flush()
    if not given.only and not given.print:
        text = csv_text(rows, results, table.seeds)
        (folder / "scores.csv").write_text(text, encoding="utf-8")
        page = put(table.page.read_text(encoding="utf-8"), table.mark, lines)
        table.page.write_text(page, encoding="utf-8")
    return 1 if any(one.difference[0] > PERCENT * table.allowed for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
