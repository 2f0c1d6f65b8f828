"""What to train: a TOML file, read and checked.

    name = "dan_l96"                  # of the exported file
    [network]                         # architecture = "...", and its own keys
    [training]                        # dacycle.training.settings
    [model] ...                       # the tables of the kind: dacycle.training.kinds.*

All of it has defaults; `dacycle train KIND --defaults` prints them with their meaning.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dacycle.errors import TrainingError
from dacycle.network.factory import ARCHITECTURES, read_network
from dacycle.option import reference, table
from dacycle.training.list import kind as kind_of
from dacycle.training.settings import Training
from dacycle.training.task import Task

__all__ = ["Plan", "defaults", "differences", "plan_of", "read_plan"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

MAY_CHANGE = ("windows", "decay", "report", "test", "checkpoint", "tensorboard", "threads")
"""Keys of `[training]` that a training that goes on may have otherwise than before."""


@dataclass(frozen=True)
class Plan:
    """A training.

    Attributes:
        kind: of network.
        name: of the exported file.
        architecture: of the network.
        network: its settings.
        training: the loop's.
        tables: those of the kind, by name.
    """

    kind: type[Task]
    name: str
    architecture: str
    network: Any
    training: Training
    tables: Mapping[str, Any]

    def as_tables(self) -> dict[str, Any]:
        """The settings as plain nested tables, defaults included."""
        return {
            "kind": self.kind.name,
            "name": self.name,
            "network": {"architecture": self.architecture, **asdict(self.network)},
            "training": asdict(self.training),
            **{name: asdict(settings) for name, settings in self.tables.items()},
        }


def read_plan(kind: str, path: str | os.PathLike[str]) -> Plan:
    """The training that a TOML file describes; its name is the file's if it gives none.

    Raises:
        TrainingError: the file cannot be read, or says something that is no training.
    """
    try:
        entries = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise TrainingError(f"{path}: {reason}") from error
    except ValueError as error:
        raise TrainingError(f"{path}: {error}") from error
    return plan_of(kind, {"name": Path(path).stem, **entries}, str(path))


def plan_of(kind: str, entries: Mapping[str, Any], place: str) -> Plan:
    """The training that nested tables describe, as `Plan.as_tables` gives them.

    Raises:
        TrainingError: they say something that is no training; `place` begins the message.
    """
    chosen = kind_of(kind)
    known = ("name", "network", "training", *chosen.tables)
    for name in entries:
        if name not in known:
            raise TrainingError(
                f"{place}: {name} is not a known entry of `train {kind}` "
                f"(known: {', '.join(known)})"
            )
    name = entries.get("name", "")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise TrainingError(f"{place}: name = {name!r}: must be fit to name a file")
    network = entries.get("network", {})
    if not isinstance(network, Mapping):
        raise TrainingError(f"{place}: [network] must be a table, not {network!r}")
    architecture, settings = read_network(network, chosen.architectures, f"{place}: [network]")
    tables = {
        name: table(settings_of, entries.get(name, {}), f"{place}: [{name}]")
        for name, settings_of in chosen.tables.items()
    }
    plan = Plan(
        kind=chosen,
        name=name,
        architecture=architecture,
        network=settings,
        training=table(Training, entries.get("training", {}), f"{place}: [training]"),
        tables=tables,
    )
    chosen.check(plan.tables, place)
    return plan


def differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The settings in which a training that goes on may not differ, and does."""
    lines = []
    for group in [name for name in wanted if isinstance(wanted[name], Mapping)]:
        before, now = kept.get(group, {}), wanted[group]
        for key in sorted({*before, *now}):
            free = group == "training" and key in MAY_CHANGE
            if not free and before.get(key) != now.get(key):
                lines.append(f"[{group}] {key} was {before.get(key)!r} and is {now.get(key)!r}")
    return lines


def defaults(kind: str) -> str:
    """A complete configuration, each key with its default and its meaning."""
    chosen = kind_of(kind)
    parts = [f'# dacycle train {kind} THIS.toml\n# name = "..."  # default: that of the file\n']
    for number, name in enumerate(chosen.architectures):
        text = reference(ARCHITECTURES[name].settings)
        head = f'[network]\narchitecture = "{name}"\n'
        if number > 0:
            text = "".join(f"# {line}\n" for line in text.splitlines())
            head = f'# or:\n# architecture = "{name}"\n'
        parts.append(head + text)
    parts.append(f"[training]\n{reference(Training)}")
    parts += [f"[{name}]\n{reference(kind)}" for name, kind in chosen.tables.items()]
    return "\n".join(parts)
