"""Networks as the analysis beside classical schemes, and elsewhere: the tables of docs/dan.md.

.venv/bin/python experiments/dan/scores.py [elsewhere.toml] [--cycles 10000] [--only TEXT]

The rows are in scores.toml, or the file named, beside this one. Runs go one after another; those
of networks take 3 ms a cycle and member.
"""

import argparse
import math
import statistics
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dacycle
from dacycle import namelist as nml
from dacycle.verification.scores import read_scores, with_error

HERE = Path(__file__).resolve().parent
NETWORKS = HERE.parents[1] / "models_export"
WORDS = {"scheme", "published", "cycles", "seeds"}
QUIET: nml.Groups = {
    "output": {"fields_every": 0, "feedback": False},
    "checkpoint": {"every": 0},
}
HEAD = """\
| scheme | RMSE | each seed | largest | spread | innovation chi2 | published |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """A scheme, its runs, and what others reached."""

    scheme: str
    groups: nml.Groups
    seeds: tuple[int, ...]
    published: str


def read_rows(path: Path, cycles: int | None = None) -> list[Row]:
    """The rows of a file such as scores.toml."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [_row(table, tables, cycles) for table in tables["row"]]


def _row(table: dict[str, Any], tables: dict[str, Any], cycles: int | None) -> Row:
    length = cycles or table.get("cycles", tables["cycles"])
    groups = nml.merge(
        nml.merge(tables["base"], QUIET),
        {"cycle": {"cycles": length, "burn_in": min(tables["burn_in"], length // 2)}},
    )
    groups = nml.merge(groups, {key: table[key] for key in table if key not in WORDS})
    if "networks" in groups:
        path = NETWORKS / f"{groups['networks']['analysis']}.pt"
        groups = nml.merge(groups, {"networks": {"analysis": str(path)}})
    seeds = tuple(table.get("seeds", tables["seeds"]))
    return Row(table["scheme"], groups, seeds, table.get("published", "-"))


def line(row: Row) -> str:
    """Run the row, and tell its scores."""
    runs = []
    for seed in row.seeds:
        seeded = nml.merge(row.groups, {"cycle": {"seed": seed}})
        with (
            tempfile.TemporaryDirectory() as folder,
            dacycle.run(seeded, output="dan.nc", directory=folder) as output,
        ):
            runs.append({score.name: score for score in read_scores(output)})
    rmse = [run["analysis_rmse"] for run in runs]
    error = math.sqrt(sum(score.standard_error**2 for score in rmse)) / len(rmse)
    spread = statistics.fmean(run["analysis_spread"].mean for run in runs)
    cells = [
        row.scheme,
        with_error(statistics.fmean(score.mean for score in rmse), error),
        " ".join(f"{score.mean:.4f}" for score in rmse),
        f"{max(score.maximum for score in rmse):.2f}",
        f"{spread:.3f}" if spread > 0 else "-",
        f"{statistics.fmean(run['innovation_chi2'].mean for run in runs):.3f}",
        row.published,
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="?", default="scores.toml", help="file beside this one")
    parser.add_argument("--cycles", type=int, help="of each run, in place of the file's")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose scheme holds TEXT")
    given = parser.parse_args()
    sys.stdout.write(HEAD)
    for row in read_rows(HERE / given.rows, given.cycles):
        if given.only in row.scheme:
            sys.stdout.write(line(row))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
