"""`dacycle train`."""

import sys
from pathlib import Path

from dacycle.commands.arguments import Given, Parser
from dacycle.commands.terminal import console, need_torch
from dacycle.errors import TrainingError
from dacycle.training.list import KINDS

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "train a network"
EXAMPLES = """\
dacycle train dan --defaults > dan.toml
dacycle train dan dan.toml -o trainings/dan     # a second call goes on
touch trainings/dan/finish                      # let the learning rate decay, and end
"""


def add_arguments(parser: Parser) -> None:
    """A kind of network, a configuration, and how to begin."""
    parser.add_argument(
        "kind",
        choices=KINDS,
        metavar="KIND",
        help="; ".join(f"{name}: {what}" for name, what in KINDS.items()),
    )
    parser.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml", help="settings")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder (default: CONFIG, in this one)"
    )
    parser.add_argument("--defaults", action="store_true", help="print a complete configuration")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--fresh", action="store_true", help="begin anew in spite of a checkpoint")
    begin.add_argument(
        "--change", action="store_true", help="go on although the settings of the data are others"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show errors only")


def run(given: Given) -> int:
    """Train, or print the defaults."""
    need_torch()
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from dacycle.training.command import run_training
    from dacycle.training.plan import defaults

    if given.defaults:
        sys.stdout.write(defaults(given.kind))
        return 0
    if given.config is None:
        raise TrainingError(
            f"no configuration is given: `dacycle train {given.kind} --defaults` prints one"
        )
    terminal = console()
    say = _silent if given.quiet else terminal.print
    folder = given.output or Path(given.config.stem)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=terminal,
        transient=True,
        disable=given.quiet or not terminal.is_terminal,
    )
    with bar:
        task = bar.add_task(given.kind, total=None)
        stopped_by = run_training(
            given.kind,
            given.config,
            folder,
            say,
            fresh=given.fresh,
            change=given.change,
            watch=lambda done, last: bar.update(task, completed=done, total=last),
        )
    return 128 + stopped_by if stopped_by else 0


def _silent(*_: object) -> None:
    pass
