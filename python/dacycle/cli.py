"""The command `dacycle`: its subcommands are in `dacycle.commands`."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from dacycle.commands.list import COMMANDS, Command, command
from dacycle.commands.terminal import BAD_INPUT, FAILED, INTERRUPTED, complain
from dacycle.errors import DacycleError, RunError

__all__ = ["main"]

MEANT = {
    ".nml": "dacycle run {file}  or  dacycle check {file}",
    ".nc": "dacycle score {file}  or  dacycle plot {file}",
    ".pt": "dacycle validate {file}",
    ".toml": "dacycle sweep {file}  or  dacycle train KIND {file}",
}
"""What somebody wants who gives a file in the place of a command, by the file's suffix."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status.

    A mistake of the user ends in one line on standard error and status 2, or the status of
    `da_cycle` if it was the program that refused.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and (meant := MEANT.get(Path(words[0]).suffix)):
        complain(f"'{words[0]}' is a file: {meant.format(file=words[0])}")
        return BAD_INPUT
    given = _parser().parse_args(words)
    chosen: Command = given.command
    try:
        return chosen.run(given)
    except RunError as error:
        complain(error)
        return error.status if error.status > 0 else FAILED
    except DacycleError as error:
        complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("dacycle: interrupted\n")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dacycle",
        description="Cycled data assimilation on the Lorenz-96 family.",
        epilog="`dacycle COMMAND --help` tells more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"dacycle {version('dacycle')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name in COMMANDS:
        one = command(name)
        indented = "".join(f"  {line}\n" for line in one.EXAMPLES.splitlines())
        its_parser = commands.add_parser(
            name,
            help=one.SUMMARY,
            description=f"{one.SUMMARY[0].upper()}{one.SUMMARY[1:]}.",
            epilog=f"examples:\n{indented}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add_arguments(its_parser)
        its_parser.set_defaults(command=one)
    return parser
