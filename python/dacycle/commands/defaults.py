"""`dacycle defaults`."""

import sys

from dacycle.commands.arguments import Given, Parser

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "print a complete, commented namelist"
EXAMPLES = "dacycle defaults > run.nml"


def add_arguments(parser: Parser) -> None:
    """Nothing."""


def run(given: Given) -> int:
    """Print what the program documents."""
    from dacycle import runner

    sys.stdout.write(runner.defaults())
    return 0
