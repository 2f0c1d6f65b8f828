"""Run every filter in twin mode beside its published score: the table of experiments/README.md.

.venv/bin/python experiments/twin_table.py [--jobs 2] [--cycles 10000] [--only TEXT] [--print]

The rows, with their settings and scores, are in twin_table.toml. Ends with status 1 if one falls
short. A filter that this da_cycle does not have is named in the table as not run.
"""

import argparse
import math
import statistics
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dacycle
from dacycle import namelist as nml
from dacycle.errors import RunError
from dacycle.sweep.execute import cores
from dacycle.verification.scores import read_scores, with_error

EXPERIMENTS = Path(__file__).resolve().parent
PAGE = EXPERIMENTS / "README.md"
ROWS = EXPERIMENTS / "twin_table.toml"
BEGIN = "<!-- made by twin_table.py -->\n"
END = "<!-- end of twin_table.py -->\n"
HEAD = """\
| setting | scheme | published | our RMSE | each seed | difference | allowed | verdict |
|---|---|---|---|---|---|---|---|
"""
WORDS = {"scheme", "setting", "published", "tolerance", "source", "note", "lost_above", "seeds"}
NOT_RUN = "not run"
QUIET: nml.Groups = {
    "output": {"fields_every": 0, "feedback": False},
    "checkpoint": {"every": 0},
}


@dataclass(frozen=True)
class Row:
    """A filter with its settings, and the score to compare with.

    Attributes:
        scheme: what the table calls it.
        setting: which observations.
        groups: the namelist.
        lost_above: a time mean beyond it says that the truth was lost.
        seeds: of its runs.
        published: the RMSE to compare with, if there is one.
        tolerance: how far ours may be above it.
        source: whose score it is.
        note: what else to say.
    """

    scheme: str
    setting: str
    groups: nml.Groups
    lost_above: float
    seeds: tuple[int, ...]
    published: float | None = None
    tolerance: float = 0.0
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Score:
    """What one run reached: infinite where the program gave up."""

    mean: float
    standard_error: float


def read_rows(path: Path, cycles: int | None = None) -> list[Row]:
    """The rows of a file such as twin_table.toml.

    Raises:
        ValueError: a row lacks its scheme or setting, or has a score without tolerance and source.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    length = {"cycles": cycles or tables["cycles"], "burn_in": tables["burn_in"]}
    base = nml.merge(nml.merge(tables["base"], QUIET), {"cycle": length})
    defaults = {name: tables[name] for name in ("lost_above", "seeds")}
    return [_row(defaults | table, base) for table in tables["row"]]


def _row(table: dict[str, Any], base: nml.Groups) -> Row:
    words = {key: value for key, value in table.items() if key in WORDS}
    words["seeds"] = tuple(words["seeds"])
    groups = {key: value for key, value in table.items() if key not in WORDS}
    name = f"row {words.get('scheme', '?')!r}"
    if not {"scheme", "setting"} <= words.keys():
        raise ValueError(f"{name} needs scheme and setting")
    if ("published" in words) != ({"tolerance", "source"} <= words.keys()):
        raise ValueError(f"{name} needs published, tolerance and source together")
    wrong = [key for key, value in groups.items() if not isinstance(value, dict)]
    if wrong:
        raise ValueError(f"{name}: {wrong[0]} is neither a word of the table nor a namelist group")
    return Row(groups=nml.merge(base, groups), **words)


def not_there(analysis: str) -> str:
    """Why this da_cycle cannot run the filter of that name; empty if it can."""
    try:
        dacycle.check({"cycle": {"analysis": analysis}})
    except RunError as error:
        return error.message.partition(": ")[2].partition(" (known")[0]
    return ""


def run(groups: nml.Groups, seed: int) -> Score | str:
    """One run: its score, or why this da_cycle does not have the filter."""
    with tempfile.TemporaryDirectory() as folder:
        seeded = nml.merge(groups, {"cycle": {"seed": seed}})
        try:
            with (
                warnings.catch_warnings(action="ignore", category=dacycle.LostWarning),
                dacycle.run(seeded, output="twin.nc", directory=folder) as output,
            ):
                if output.attrs.get("lost_at_cycle", 0) > 0:
                    return Score(math.inf, math.nan)
                scores = {score.name: score for score in read_scores(output)}
        except RunError:
            if missing := not_there(groups["cycle"]["analysis"]):
                return missing
            raise
    return Score(scores["analysis_rmse"].mean, scores["analysis_rmse"].standard_error)


def verdict(row: Row, scores: Sequence[Score]) -> tuple[str, str, str, str]:
    """Our RMSE, its difference from the published one, what is allowed, and what to think of it.

    A seed that lost the truth is not averaged into the mean: the verdict tells how many did. What
    is allowed is the tolerance and two standard errors of our mean.
    """
    kept = [score for score in scores if score.mean <= row.lost_above]
    lost = len(scores) - len(kept)
    words = [f"{lost} of {len(scores)} seeds lost the truth"] if lost else []
    if not kept:
        return "-", "-", "-", f"**FAILS**: {words[0]}"
    mean = statistics.fmean(score.mean for score in kept)
    error = math.sqrt(sum(score.standard_error**2 for score in kept)) / len(kept)
    if row.published is None:
        return with_error(mean, error), "-", "-", "; ".join([*words, row.note])
    allowed = row.tolerance + 2 * error
    difference = mean - row.published
    if difference > allowed:
        words.append("**FAILS**")
    else:
        who = "the others " if lost else ""
        words.append(f"{who}lower" if difference < -allowed else f"{who}as published")
    words += [row.note] if row.note else []
    return with_error(mean, error), f"{difference:+.4f}", f"{allowed:.4f}", "; ".join(words)


def line(row: Row, outcomes: Sequence[Score | str]) -> str:
    """A row of the table."""
    published = "-" if row.published is None else f"{row.published:g} ({row.source})"
    refusals = [outcome for outcome in outcomes if isinstance(outcome, str)]
    scores = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    if refusals:
        ours, difference, allowed, words = "-", "-", "-", f"{NOT_RUN}: {refusals[0]}"
    else:
        ours, difference, allowed, words = verdict(row, scores)
    each = " ".join(f"{score.mean:.4f}" for score in scores) or "-"
    cells = [row.setting, row.scheme, published, ours, each, difference, allowed, words]
    return f"| {' | '.join(cells)} |\n"


def put(page: str, lines: Sequence[str]) -> str:
    """The page with a new table in place of the old one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines {BEGIN.strip()} and {END.strip()}")
    return "".join([before, BEGIN, "\n", HEAD, *lines, "\n", END, after])


def main() -> int:
    """Run the rows and put the table where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    parser.add_argument("--cycles", type=int, help="of each run, in place of the file's")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose scheme holds TEXT")
    parser.add_argument("--print", action="store_true", help="print, and leave the page alone")
    given = parser.parse_args()
    rows = [row for row in read_rows(ROWS, given.cycles) if given.only in row.scheme]
    lines = []
    with ProcessPoolExecutor(given.jobs) as pool:
        futures = [[pool.submit(run, row.groups, seed) for seed in row.seeds] for row in rows]
        for row, runs in zip(rows, futures, strict=True):
            lines.append(line(row, [future.result() for future in runs]))
            sys.stdout.write(lines[-1])
            sys.stdout.flush()
    if not (given.print or given.only or given.cycles):
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return 1 if any("**FAILS**" in text for text in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
