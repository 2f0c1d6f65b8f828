"""What the columns of a table show of the runs of a cell."""

import statistics
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from dacycle.verification.scores import with_error
from dacycle.verification.time_mean import time_mean
from remaking.protocol import combined, shown
from remaking.runs import Run, Runner, milliseconds, task
from remaking.spec import EXPERIMENTS, Cell, filled

PUBLISHED = EXPERIMENTS / "published.toml"
RMSE = "analysis_rmse"
PERCENT = 100
ALLOWED_ERRORS = 2


@dataclass(frozen=True)
class Seen:
    """The runs of a cell: those that kept the truth, and how many did not."""

    cell: Cell
    runs: list[Run]

    @property
    def kept(self) -> list[Run]:
        """Runs whose scores count."""
        return [run for run in self.runs if not run.lost(self.cell.lost_above)]

    @property
    def lost(self) -> int:
        """The others."""
        return len(self.runs) - len(self.kept)

    @property
    def one_truth(self) -> bool:
        """All runs have the truth of one file."""
        truth = self.cell.groups.get("truth", {})
        return truth.get("source") == "file" and "{seed}" not in truth["file"]

    def score(self, name: str) -> tuple[list[float], list[float]]:
        """Means and standard errors of a score, seed by seed."""
        return _columns([run.scores[name][:2] for run in self.kept if name in run.scores])


def seen(cell: Cell, runner: Runner) -> Seen:
    """Make the runs of a cell."""
    return Seen(cell, runner([task(cell.groups, seed) for seed in cell.seeds]))


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def value(found: Seen, runner: Runner) -> tuple[str, dict[str, Any]]:
    """A cell as the table has it, and the numbers behind it; `runner` makes what else it needs."""
    show = found.cell.column.show
    if show in SHOWN:
        return SHOWN[show](found, runner)
    if show.endswith("?"):
        if not any(show[:-1] in run.scores for run in found.runs):
            return "", {}
        show = show[:-1]
    means, errors = found.score(show)
    mean, error = combined(means, errors, found.one_truth)
    if not means and not found.lost:
        return "-", {}
    kept = {"mean": mean, "standard_error": error, "seeds": means, "lost": found.lost}
    return (
        shown(means, errors, found.lost, found.one_truth)
        if show == RMSE
        else with_error(mean, error)
    ), kept


def _each(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    told = [f"{run.scores[RMSE][0]:.4f}" if RMSE in run.scores else "-" for run in found.runs]
    return " ".join(told), {}


def _lost(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    return f"{found.lost} of {len(found.runs)}", {}


def _largest(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    return (f"{max(run.scores[RMSE][2] for run in found.kept):.2f}" if found.kept else "-"), {}


def _milliseconds(found: Seen, runner: Runner) -> tuple[str, dict[str, Any]]:
    if found.runs[0].ended:
        return "-", {}
    cost = milliseconds(runner, found.cell.groups, found.cell.seeds[0])
    return f"{cost:.2g}", {"milliseconds": cost}


def _setting(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    told = [filled(f"{{{name}}}", found.cell.groups) for name in found.cell.grid]
    return ", ".join(told), {}


def _note(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    return found.cell.row.words.get("note", ""), {}


@cache
def published() -> dict[str, dict[str, Any]]:
    """All published scores."""
    return tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))


def _published(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    name = found.cell.row.words.get("published")
    if name is None:
        return "-", {}
    told = published()[name]
    return f"{told['rmse']:g} ({told['short']})" if "short" in told else f"{told['rmse']:g}", {}


def exactly(found: Seen, runner: Runner) -> Seen:
    """The same runs without their networks."""
    kept = {group: keys for group, keys in found.cell.groups.items() if group != "networks"}
    return seen(replace(found.cell, groups=kept), runner)


def _exact(found: Seen, runner: Runner) -> tuple[str, dict[str, Any]]:
    other = exactly(found, runner)
    means, errors = other.score(RMSE)
    return shown(means, errors, other.lost), {"seeds": means, "lost": other.lost}


def _exact_milliseconds(found: Seen, runner: Runner) -> tuple[str, dict[str, Any]]:
    return _milliseconds(exactly(found, runner), runner)


def _difference(found: Seen, runner: Runner) -> tuple[str, dict[str, Any]]:
    """Of runs with and without the network, on the same truths and observations, in per cent."""
    exact = exactly(found, runner)
    both = [
        (one, other)
        for one, other in zip(found.runs, exact.runs, strict=True)
        if not (one.lost(found.cell.lost_above) or other.lost(found.cell.lost_above))
    ]
    if not both:
        return "-", {}
    apart = [time_mean(one.rmse - other.rmse) for one, other in both]
    mean, error = combined([one.mean for one in apart], [one.standard_error for one in apart])
    whole = statistics.fmean(other.scores[RMSE][0] for _, other in both) / PERCENT
    told = {"per_cent": mean / whole, "standard_error": error / whole}
    return f"{mean / whole:+.1f} ± {error / whole:.1f} %", told


def _verdict(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    """Our score beside the published one: within its tolerance and two errors of ours."""
    words, note = found.cell.row.words, found.cell.row.words.get("note", "")
    if "published" not in words or not found.kept:
        return note, {}
    mean, error = combined(*found.score(RMSE), found.one_truth)
    allowed = words["tolerance"] + ALLOWED_ERRORS * error
    difference = mean - published()[words["published"]]["rmse"]
    if difference > allowed:
        told = "**higher**"
    else:
        told = "lower" if difference < -allowed else "as published"
    told = f"{told} ({difference:+.3f}, allowed {allowed:.3f})"
    return f"{told}; {note}" if note else told, {"difference": difference, "allowed": allowed}


def _lead(found: Seen, _runner: Runner) -> tuple[str, dict[str, Any]]:
    name = "background_rmse"
    return (f"{np.mean(found.score(name)[0]):.4f}" if found.kept else "-"), {}


SHOWN: dict[str, Callable[[Seen, Runner], tuple[str, dict[str, Any]]]] = {
    "each": _each,
    "lost": _lost,
    "largest": _largest,
    "ms": _milliseconds,
    "exact": _exact,
    "exact_ms": _exact_milliseconds,
    "setting": _setting,
    "note": _note,
    "published": _published,
    "difference": _difference,
    "verdict": _verdict,
    "forecast": _lead,
}
"""What a column can show beside a score of the run file; `SCORE?` is a score where there is one."""
