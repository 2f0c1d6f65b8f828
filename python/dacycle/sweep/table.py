"""The map of a sweep as text: a table over two keys, the best first for Optuna, and a CSV file."""

import csv
import math
from collections.abc import Sequence
from io import StringIO
from itertools import product
from typing import Any

from rich.table import Table

from dacycle.sweep.plan import Plan, Point, listed
from dacycle.sweep.result import Result, as_good, best
from dacycle.verification.scores import with_error

__all__ = ["axes_of", "cell", "csv_text", "legend", "panels", "summary", "tables"]

BEST = "*"
AS_GOOD = "~"
DECIMALS = 4
MOST_TRIALS = 10

Panel = tuple[Point, list[Result]]
"""The keys that stay within a map, and the results on it."""


def axes_of(plan: Plan) -> list[str]:
    """The keys along the axes of a map, rows then columns: the last two that vary; at least one."""
    varying = [
        key
        for key, values in plan.keys.items()
        if plan.search == "optuna" or len(listed(values)) > 1
    ]
    return varying[-2:] or list(plan.keys)[-1:]


def panels(plan: Plan, results: Sequence[Result]) -> list[Panel]:
    """The results of a grid, a map for each combination of the keys that are on no axis."""
    axes = axes_of(plan)
    outer = [key for key in plan.keys if key not in axes]
    found: list[Panel] = []
    for row in product(*(listed(plan.keys[key]) for key in outer)):
        fixed = dict(zip(outer, row, strict=True))
        here = [r for r in results if all(r.point[k] == v for k, v in fixed.items())]
        found.append((fixed, here))
    return found


def tables(plan: Plan, results: Sequence[Result]) -> list[Table]:
    """A table for each map of a grid; the best trials of Optuna."""
    if plan.search == "optuna":
        return [_trials(plan, results)]
    return [_map(plan, fixed, here) for fixed, here in panels(plan, results)]


def legend(plan: Plan, results: Sequence[Result]) -> str:
    """What the signs in a map mean; for Optuna how many points were lost."""
    if plan.search == "optuna":
        lost = sum(math.isinf(result.mean) for result in results)
        return f"{lost} of {len(results)} points have runs that diverged or failed"
    return (
        f"{BEST} best; {AS_GOOD} as good within two standard errors of a difference; "
        "div d/n: d of n runs diverged"
    )


def summary(plan: Plan, results: Sequence[Result]) -> list[str]:
    """A line for each map: its best point, and how many are as good within the errors."""
    maps = [({}, list(results))] if plan.search == "optuna" else panels(plan, results)
    return [_best_line(plan, fixed, here) for fixed, here in maps]


def csv_text(plan: Plan, results: Sequence[Result]) -> str:
    """A row a point: swept keys, mean, standard error, runs that diverged and failed, each seed."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    seeds = [f"seed_{seed}" for seed in plan.seeds]
    writer.writerow([*plan.keys, plan.objective, "standard_error", "diverged", "failed", *seeds])
    for result in results:
        numbers = [result.mean, result.standard_error]
        values = [result.values[seed] for seed in plan.seeds]
        writer.writerow(
            [
                *result.point.values(),
                *(_number(value) for value in numbers),
                result.diverged,
                result.failed,
                *(_number(value) for value in values),
            ]
        )
    return text.getvalue()


def cell(result: Result | None) -> str:
    """A result in a few letters: its mean, or how many of its runs were lost."""
    if result is None:
        return "-"
    if math.isfinite(result.mean):
        return f"{result.mean:.{DECIMALS}f}"
    word = "failed" if result.failed else "div"
    return f"{word} {result.failed or result.diverged}/{len(result.values)}"


def _map(plan: Plan, fixed: Point, results: Sequence[Result]) -> Table:
    axes = axes_of(plan)
    across = axes[-1]
    down = axes[0] if len(axes) > 1 else ""
    where = f" with {_shown(fixed)}" if fixed else ""
    table = Table(title=f"{plan.objective}{where}", title_justify="left")
    least, equal = best(results), as_good(results)
    columns = listed(plan.keys[across])
    table.add_column(f"{down} \\ {across}" if down else across, no_wrap=True)
    for value in columns:
        table.add_column(str(value), justify="right", no_wrap=True)
    for row in listed(plan.keys[down]) if down else [plan.objective]:
        cells = []
        for column in columns:
            at = {across: column} | ({down: row} if down else {})
            found = next((r for r in results if at.items() <= r.point.items()), None)
            mark = BEST if found is least else AS_GOOD if found in equal else " "
            cells.append(cell(found) + (mark if found else " "))
        table.add_row(str(row), *cells)
    return table


def _trials(plan: Plan, results: Sequence[Result]) -> Table:
    title = f"{plan.objective}: the best of {len(results)} points"
    table = Table(title=title, title_justify="left")
    for key in plan.keys:
        table.add_column(key, justify="right")
    table.add_column(plan.objective, justify="right")
    for result in sorted(results, key=lambda result: result.mean)[:MOST_TRIALS]:
        values = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in result.point.values()]
        shown = (
            with_error(result.mean, result.standard_error)
            if math.isfinite(result.mean)
            else cell(result)
        )
        table.add_row(*values, shown)
    return table


def _best_line(plan: Plan, fixed: Point, results: Sequence[Result]) -> str:
    least = best(results)
    head = f"{_shown(fixed)}: " if fixed else ""
    if least is None:
        return f"{head}no point without a run that diverged or failed"
    rest = {key: value for key, value in least.point.items() if key not in fixed}
    seeds = f"{len(plan.seeds)} seeds" if len(plan.seeds) > 1 else "1 seed"
    line = (
        f"{head}best {plan.objective} {with_error(least.mean, least.standard_error)} ({seeds}) "
        f"at {_shown(rest)}"
    )
    count = len(as_good(results))
    return f"{line}; {count} more within two standard errors" if count else line


def _shown(point: Point) -> str:
    return ", ".join(
        f"{key} = {value:.6g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in point.items()
    )


def _number(value: float) -> Any:
    return f"{value:.6f}" if math.isfinite(value) else "inf" if value > 0 else "nan"
