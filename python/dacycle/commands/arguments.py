"""Arguments that several commands take, and what they may be."""

import argparse
import math
from argparse import ArgumentParser as Parser
from argparse import Namespace as Given
from pathlib import Path

__all__ = ["Given", "Parser", "add_ranks", "add_runs", "positive", "time"]


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def time(text: str) -> float:
    """A model time from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a model time, at least 0, not {text!r}")
    return value


def add_runs(parser: Parser) -> None:
    """One run file or several."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="run.nc", help="run files of da_cycle"
    )


def add_ranks(parser: Parser, meaning: str) -> None:
    """How many MPI ranks."""
    parser.add_argument(
        "-n", "--ranks", type=positive, default=1, metavar="N", help=f"{meaning} (default: 1)"
    )
