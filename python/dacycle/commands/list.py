"""The subcommands by name, in the order of `dacycle --help`: modules of this folder."""

from importlib import import_module
from typing import Protocol

from dacycle.commands.arguments import Given, Parser

__all__ = ["COMMANDS", "Command", "command"]

COMMANDS = (
    "run",
    "plot",
    "score",
    "impact",
    "sweep",
    "background",
    "train",
    "export",
    "adopt",
    "validate",
    "check",
    "defaults",
)


class Command(Protocol):
    """What a module of this folder has; see the folder's docstring."""

    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: Parser) -> None:
        """What the command takes."""

    def run(self, given: Given) -> int:
        """Do it; returns the exit status."""


def command(name: str) -> Command:
    """The subcommand of a name in `COMMANDS`."""
    module: Command = import_module(f"dacycle.commands.{name}")
    return module
