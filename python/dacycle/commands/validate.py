"""`dacycle validate`."""

from pathlib import Path

from dacycle.commands.arguments import Given, Parser
from dacycle.commands.terminal import FAILED, console, need_torch

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "test an exported network"
EXAMPLES = "dacycle validate models_export/dan.pt"


def add_arguments(parser: Parser) -> None:
    """Files of networks."""
    parser.add_argument(
        "networks", type=Path, nargs="+", metavar="NAME.pt", help="files of `dacycle export`"
    )


def run(given: Given) -> int:
    """Print what was tested of each; a test that fails ends in status 1."""
    need_torch()
    from dacycle.validate import validate, validation_table

    sound = True
    for path in given.networks:
        metadata, checks = validate(path)
        console().print(validation_table(f"{path}: {metadata.role} {metadata.name}", checks))
        sound = sound and all(check.passed for check in checks)
    return 0 if sound else FAILED
