"""What to sweep: a TOML file, read and checked.

    namelist = "sweep_letkf.nml"      # the settings that stay, beside this file; or [base.GROUP]
    seeds = [1, 2, 3]                 # each point is run with each of them
    diverged_above = 1.0              # an objective beyond this counts as diverged, too

    [keys]                            # the namelist keys that vary
    ensemble.members = [7, 10, 20]
    inflation.posterior = [1.0, 1.02, 1.04]
    localisation.radius = {low = 2.0, high = 16.0, step = 2.0}

With `search = "optuna"`, `trials` points are chosen by what the ones before them gave; a range may
then leave out `step`, or have `log = true`.
"""

import itertools
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dacycle import namelist as nml
from dacycle.errors import SweepError

__all__ = ["SEARCHES", "Plan", "Point", "Range", "Values", "grid", "read_plan", "settings"]

T = TypeVar("T")

Point = dict[str, Any]
"""A value for each swept key, as `{"inflation.posterior": 1.02}`."""

SEARCHES = ("grid", "optuna")

SEED = "cycle.seed"

QUIET: nml.Groups = {
    "output": {"fields_every": 0, "members_every": 0, "feedback": False},
    "checkpoint": {"every": 0},
}
"""A run of a sweep keeps its scores alone."""

SMALLER_IS_BETTER = ("_rmse", "_crps")
"""How the names of scores end that can be an objective."""

ENTRIES = (
    "namelist",
    "base",
    "keys",
    "seeds",
    "search",
    "trials",
    "batch",
    "sampler_seed",
    "objective",
    "diverged_above",
)

KINDS = {str: "a string", int: "a whole number", dict: "a table"}

ROUNDING = 1e-9
"""A range ends at `high` though its steps add up to a little less."""

DIGITS = 12
"""Of a value in a range, so that 1.0 + 2 * 0.02 is 1.04."""


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, each `step` or all of them.

    Attributes:
        step: distance of the values; none: any value between the ends.
        log: search evenly in the logarithm.
        whole: only whole numbers.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False


Values = tuple[Any, ...] | Range
"""What a key may be: one of a list, or a number in a range."""


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        base: the settings that stay, paths made absolute.
        keys: what each swept key, `group.key`, may be.
        seeds: of the runs of each point.
        search: `grid` for every combination, `optuna` for `trials` of them.
        trials: points that Optuna tries.
        batch: points that Optuna chooses at once; they run side by side.
        sampler_seed: of Optuna's choices.
        objective: the score whose time mean, averaged over the seeds, is to be small.
        diverged_above: an objective beyond it counts as diverged.
    """

    base: nml.Groups
    keys: dict[str, Values]
    seeds: tuple[int, ...] = (1,)
    search: str = "grid"
    trials: int = 50
    batch: int = 4
    sampler_seed: int = 1
    objective: str = "analysis_rmse"
    diverged_above: float = math.inf


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The sweep that a TOML file describes.

    Raises:
        SweepError: the file cannot be read, or says something that is no sweep.
        NamelistError: the namelist it names cannot be read.
    """
    try:
        entries = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise SweepError(f"{path}: {reason}") from error
    except ValueError as error:
        raise SweepError(f"{path}: {error}") from error
    try:
        return _plan(entries, Path(path).parent)
    except _WrongError as error:
        raise SweepError(f"{path}: {error}") from None


def settings(plan: Plan, point: Mapping[str, Any], seed: int) -> nml.Groups:
    """The namelist of one run of the sweep."""
    changes: nml.Groups = {}
    for name, value in {**point, SEED: seed}.items():
        group, _, key = name.partition(".")
        changes.setdefault(group, {})[key] = value
    return nml.merge(nml.merge(plan.base, QUIET), changes)


def grid(plan: Plan) -> list[Point]:
    """Every combination of the values, the last key varying fastest."""
    columns = [listed(values) for values in plan.keys.values()]
    return [dict(zip(plan.keys, row, strict=True)) for row in itertools.product(*columns)]


def listed(values: Values) -> list[Any]:
    """All values of a list or of a range with a step."""
    if not isinstance(values, Range):
        return list(values)
    assert values.step is not None
    count = math.floor((values.high - values.low) / values.step + ROUNDING) + 1
    numbers = [round(values.low + i * values.step, DIGITS) for i in range(count)]
    return [int(number) for number in numbers] if values.whole else numbers


class _WrongError(Exception):
    """What is wrong with an entry."""


def _plan(entries: dict[str, Any], folder: Path) -> Plan:
    for name in entries:
        if name not in ENTRIES:
            raise _WrongError(f"{name} is not a known entry (known: {', '.join(ENTRIES)})")
    search = entries.get("search", "grid")
    if search not in SEARCHES:
        raise _WrongError(f"search = {search!r} is not known (known: {', '.join(SEARCHES)})")
    for name in ("trials", "batch", "sampler_seed"):
        if name in entries and search != "optuna":
            raise _WrongError(f"{name} is of no use with search = {search!r} (only with 'optuna')")
    objective = _of(str, entries, "objective", "analysis_rmse")
    if not objective.endswith(SMALLER_IS_BETTER):
        ends = " or ".join(SMALLER_IS_BETTER)
        raise _WrongError(f"objective = {objective!r}: must be a score whose name ends in {ends}")
    return Plan(
        base=_base(entries, folder),
        keys=_keys(_of(dict, entries, "keys", {}), search),
        seeds=_seeds(entries.get("seeds", [1])),
        search=search,
        trials=_count(entries, "trials", Plan.trials),
        batch=_count(entries, "batch", Plan.batch),
        sampler_seed=_of(int, entries, "sampler_seed", Plan.sampler_seed),
        objective=objective,
        diverged_above=_limit(entries),
    )


def _base(entries: dict[str, Any], folder: Path) -> nml.Groups:
    groups: nml.Groups = {}
    if "namelist" in entries:
        path = folder / _of(str, entries, "namelist", "")
        groups = nml.resolve(nml.read(path), path.parent)
    given: dict[str, Any] = _of(dict, entries, "base", {})
    for group, keys in given.items():
        if not isinstance(keys, dict):
            raise _WrongError(f"base.{group}: must be a table of keys, as [base.cycle]")
    return nml.merge(groups, nml.resolve(given, folder))


def _keys(groups: dict[str, Any], search: str) -> dict[str, Values]:
    keys: dict[str, Values] = {}
    for group, table in groups.items():
        if not isinstance(table, dict):
            raise _WrongError(
                f"keys.{group}: give group and key, as inflation.posterior = [1.0, 1.02]"
            )
        for key, values in table.items():
            name = f"{group}.{key}".lower()
            if name in keys:
                raise _WrongError(f"keys.{name} stands there more than once")
            keys[name] = _values(name, values, search)
    if not keys:
        raise _WrongError(
            "[keys] names no namelist key to vary, as inflation.posterior = [1.0, 1.02]"
        )
    if SEED in keys:
        raise _WrongError(f"keys.{SEED}: give the seeds as seeds = [1, 2, 3]")
    for name in keys:
        if name.startswith(("output.", "checkpoint.")):
            raise _WrongError(f"keys.{name}: the sweep looks after output and checkpoints itself")
    return keys


def _values(name: str, values: Any, search: str) -> Values:
    if isinstance(values, list):
        if not values:
            raise _WrongError(f"keys.{name}: the list is empty")
        for index, value in enumerate(values):
            if not isinstance(value, bool | int | float | str):
                raise _WrongError(f"keys.{name}: {value!r} is no logical, number or string")
            if isinstance(value, float) and not math.isfinite(value):
                raise _WrongError(f"keys.{name}: {value!r} is not finite")
            if value in values[:index]:
                raise _WrongError(f"keys.{name}: {value!r} stands in the list more than once")
        return tuple(values)
    if isinstance(values, dict):
        return _range(name, values, search)
    raise _WrongError(f"keys.{name}: must be a list of values or {{low = …, high = …, step = …}}")


def _range(name: str, given: dict[str, Any], search: str) -> Range:
    unknown = set(given) - {"low", "high", "step", "log"}
    if unknown or not {"low", "high"} <= set(given):
        raise _WrongError(
            f"keys.{name}: a range has low, high and step or log, not {sorted(given)}"
        )
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise _WrongError(f"keys.{name}: log must be true or false, not {log!r}")
    numbers = {key: value for key, value in given.items() if key != "log"}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise _WrongError(f"keys.{name}: {key} = {value!r} is no number")
    found = Range(log=log, whole=all(isinstance(v, int) for v in numbers.values()), **numbers)
    if not found.low < found.high < math.inf:
        raise _WrongError(f"keys.{name}: low = {found.low} must be less than high = {found.high}")
    if search == "grid" and (found.step is None or log):
        raise _WrongError(f"keys.{name}: a grid needs a step, and no log (or list the values)")
    if found.step is not None and (log or not 0 < found.step < math.inf):
        raise _WrongError(f"keys.{name}: step = {found.step} must be positive, and without log")
    if log and found.low <= 0:
        raise _WrongError(f"keys.{name}: low = {found.low} must be positive with log = true")
    return found


def _seeds(seeds: Any) -> tuple[int, ...]:
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int for s in seeds):
        raise _WrongError(f"seeds = {seeds!r}: must be a list of whole numbers, as [1, 2, 3]")
    if len(set(seeds)) < len(seeds):
        raise _WrongError(f"seeds = {seeds!r}: a seed stands there more than once")
    return tuple(seeds)


def _limit(entries: dict[str, Any]) -> float:
    value = entries.get("diverged_above", math.inf)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise _WrongError(f"diverged_above = {value!r}: must be a positive number")
    return float(value)


def _count(entries: dict[str, Any], name: str, default: int) -> int:
    value = _of(int, entries, name, default)
    if value < 1:
        raise _WrongError(f"{name} = {value}: must be at least 1")
    return value


def _of(kind: type[T], entries: dict[str, Any], name: str, default: T) -> T:
    value = entries.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _WrongError(f"{name} = {value!r}: must be {KINDS[kind]}")
    return value
