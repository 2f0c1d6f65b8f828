"""`dacycle check`."""

from pathlib import Path

from dacycle.commands.arguments import Given, Parser
from dacycle.commands.terminal import console

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "check a namelist, without a run"
EXAMPLES = "dacycle check experiments/sakov2008.nml"


def add_arguments(parser: Parser) -> None:
    """A namelist."""
    parser.add_argument("namelist", type=Path, help="namelist file")


def run(given: Given) -> int:
    """Let the program check the namelist and every file that it names."""
    from dacycle import runner

    runner.check(given.namelist)
    console().print(f"{given.namelist}: no mistake found")
    return 0
