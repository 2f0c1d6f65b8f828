"""Make every table and picture of docs/ and experiments/ anew, and write them in place.

.venv/bin/python experiments/remake.py                       all but those that take many minutes
.venv/bin/python experiments/remake.py --only NAME [NAME …]  some, whatever they take
.venv/bin/python experiments/remake.py --list                names, pages, and what made them
.venv/bin/python experiments/remake.py --refresh             from results/ into the pages alone

Tables are described in tables/*.toml, how settings are chosen and scored in remaking/protocol.py.
Runs are made once, and kept in output/remake under the fingerprint of namelist and program: a call
that was interrupted does the rest. Each table names the commit by which it was made.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from remaking import cells, pages, scripts, spec
from remaking.runs import REPOSITORY, Runner, clock, task

from dacycle.errors import DacycleError
from dacycle.sweep.execute import cores

SOURCES = ("fortran", "python", "models_export", "meson.build", "meson.options")


def commit() -> str:
    """The commit of the program, and whether it has changes that are in none."""
    told = _git("rev-parse", "--short=10", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return f"{told} with changes" if changed else told or "no commit"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", REPOSITORY, *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def made_of_rows(table: spec.Table, runner: Runner) -> dict[str, Any]:
    """A table of settings: its text, and the numbers of its cells."""
    heads = [*table.text, *(column.head for column in table.columns)]
    found: dict[str, list[cells.Seen | None]] = {}
    for row in table.rows:
        found[row.id] = [
            None if cell is None else cells.seen(cell, runner) for cell in table.cells(row)
        ]
    lines, numbers = [], {}
    for row in table.rows:
        texts = []
        for place, one in enumerate(found[row.id]):
            if one is None:
                texts.append("")
                continue
            text, kept = cells.value(one, runner)
            texts.append(text)
            column = table.columns[place]
            numbers[f"{row.id}/{column.key or column.show}"] = {"text": text, **kept}
        groups = next(one.cell.groups for one in found[row.id] if one is not None)
        lines.append([*(spec.filled(text, groups) for text in row.text), *texts])
    text = pages.markdown(heads, lines)
    return {"rows": [row.id for row in table.rows], "cells": numbers, "table": text}


def made_by_command(table: spec.Table, jobs: int) -> dict[str, Any]:
    """What a script prints; lines `= name: text` are numbers, not part of it."""
    lines = scripts.call(table.command, jobs).splitlines()
    told = [line.removeprefix("= ").partition(": ") for line in lines if line.startswith("= ")]
    text = "\n".join(line for line in lines if not line.startswith("= ")).strip("\n")
    return {"cells": {name: {"text": value} for name, _, value in told}, "table": f"{text}\n"}


def make(table: spec.Table, runner: Runner) -> None:
    """Make a table, and write it where it belongs."""
    made = made_by_command(table, runner.jobs) if table.command else made_of_rows(table, runner)
    pages.keep(table.name, {"commit": commit(), **made})
    pages.refresh()
    if "picture" in table.words:
        scripts.call(table.words["picture"], runner.jobs)


def listed(tables: Sequence[spec.Table]) -> str:
    """A line a table."""
    lines = []
    for table in tables:
        made = pages.results(table.name).get("commit", "never made")
        page = table.page.relative_to(REPOSITORY)
        slow = f", {table.minutes:g} minutes, only if named" if table.minutes else ""
        lines.append(f"{table.name:24} {page} ({made}{slow})\n")
    return "".join(lines)


def main() -> int:
    """Make what is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="tables to make")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--refresh", action="store_true", help="write results into the pages alone")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at a time")
    given = parser.parse_args()
    tables = spec.tables()
    if unknown := [name for name in given.only if name not in tables]:
        parser.error(f"there is no table {unknown[0]!r} (known: {', '.join(tables)})")
    if given.list:
        sys.stdout.write(listed(list(tables.values())))
        return 0
    if given.refresh:
        pages.refresh()
        return 0
    wanted = [tables[name] for name in given.only] or [
        table for table in tables.values() if not table.minutes
    ]
    begun, runner = clock(), Runner(given.jobs)
    scripts.prepare(wanted, given.jobs)
    cells_ = [cell for table in wanted for row in table.rows for cell in table.cells(row) if cell]
    runner([task(cell.groups, seed) for cell in cells_ for seed in cell.seeds])
    failed = []
    for table in wanted:
        try:
            make(table, runner)
        except (DacycleError, subprocess.CalledProcessError) as error:
            failed.append(table.name)
            sys.stderr.write(f"{table.name}: {error}\n")
            continue
        sys.stdout.write(f"{table.name}: {table.page.relative_to(REPOSITORY)}\n")
        sys.stdout.flush()
    sys.stdout.write(
        f"{len(wanted) - len(failed)} tables in {(clock() - begun) / 60:.1f} minutes; "
        f"{runner.made} runs made, {runner.seconds / 60:.1f} minutes of processor time\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
