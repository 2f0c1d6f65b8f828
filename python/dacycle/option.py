"""Documented settings: dataclasses whose fields say what they mean and what they may be.

Each table of a TOML file is a dataclass, each key a field of it made by `option`, with its default
and its one line of documentation beside it. `reference` prints them as a file to begin with;
`table` refuses what is unknown, missing, of the wrong type or out of range in one clear line.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from dacycle.errors import TrainingError

__all__ = ["option", "reference", "table"]

T = TypeVar("T")

WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
}

COLUMNS = 96
"""Of a line of the reference, the comment included, beyond which the comment stands above."""


def option(
    doc: str,
    default: Any = MISSING,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    known: tuple[str, ...] = (),
    odd: bool = False,
) -> Any:
    """A field of a table: what it means, its default, and what it may be.

    Args:
        doc: one line.
        default: left out, the file must give it.
        low: the least value.
        above: a value that must be exceeded.
        high: the largest value.
        known: the strings that it can be.
        odd: whether the number must be odd.
    """
    limits: dict[str, Any] = {"low": low, "above": above, "high": high, "known": known}
    return field(default=default, metadata={"doc": doc, "odd": odd, **limits})


def table(kind: type[T], entries: Any, place: str) -> T:
    """One table as its dataclass.

    Args:
        kind: a dataclass whose fields are `option`s.
        entries: what the file says.
        place: for messages, as `dan.toml: [model]`.

    Raises:
        TrainingError: a key is unknown or missing, or a value of a wrong type or out of range.
    """
    if not isinstance(entries, Mapping):
        raise TrainingError(f"{place} must be a table, not {entries!r}")
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    for name in entries:
        if name not in known:
            raise TrainingError(f"{place} {name} is not a known key (known: {', '.join(known)})")
    for name, entry in known.items():
        if name not in entries and entry.default is MISSING:
            raise TrainingError(f"{place} {name} is missing: {entry.metadata['doc']}")
    return kind(**{name: _value(known[name], value, place) for name, value in entries.items()})


def reference(kind: type[Any]) -> str:
    """The keys of a table with their defaults and what they mean, as TOML."""
    lines = []
    for entry in fields(kind):
        known = entry.metadata["known"]
        doc = entry.metadata["doc"] + (f" ({', '.join(known)})" if known else "")
        given = entry.default is not MISSING
        line = f"{entry.name} = {_toml(entry.default)}" if given else f"# {entry.name} ="
        doc = doc if given else f"{doc}; must be given"
        together = f"{line}  # {doc}"
        lines.append(together if len(together) <= COLUMNS else f"# {doc}:\n{line}")
    return "\n".join(lines) + "\n"


def _value(entry: Field[Any], value: Any, place: str) -> Any:
    wanted: Any = entry.type
    assert isinstance(wanted, type), "settings hold plain types"
    if wanted is float and type(value) is int:
        value = float(value)
    given = f"{place} {entry.name} = {_toml(value)}"
    if type(value) is not wanted:
        raise TrainingError(f"{given}: must be {WORDS[wanted]}")
    limits = entry.metadata
    if limits["known"] and value not in limits["known"]:
        raise TrainingError(f"{given} is not known (known: {', '.join(limits['known'])})")
    # `not holds`, so that a value that is no number meets no limit.
    if limits["low"] is not None and not value >= limits["low"]:
        raise TrainingError(f"{given}: must be at least {limits['low']}")
    if limits["above"] is not None and not value > limits["above"]:
        raise TrainingError(f"{given}: must be above {limits['above']}")
    if limits["high"] is not None and not value <= limits["high"]:
        raise TrainingError(f"{given}: must be at most {limits['high']}")
    if limits["odd"] and value % 2 == 0:
        raise TrainingError(f"{given}: must be odd")
    return value


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
