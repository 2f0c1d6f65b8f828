"""What commands say, and the statuses they end with."""

import signal
import sys
from importlib.util import find_spec

from rich.console import Console

from dacycle.errors import DacycleError

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INTERRUPTED",
    "complain",
    "console",
    "end_on_sigterm",
    "need_torch",
    "warn",
]

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130
TERMINATED = 143
"""128 + SIGINT and 128 + SIGTERM, as shells count."""

UNBOUNDED = 10_000
"""Columns of text."""


def console() -> Console:
    """Standard output; where there is no terminal, tables stay unbroken as in a log."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(width=width, highlight=False, markup=False)


def warn(line: str) -> None:
    """Print one line on standard error."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"dacycle: warning: {line}")


def complain(error: Exception | str) -> None:
    """Say on standard error, in one line, what went wrong."""
    sys.stderr.write(f"dacycle: error: {error}\n")


def end_on_sigterm() -> None:
    """Let SIGTERM end this process in order.

    A batch system ends a job with SIGTERM: the program behind us is to write its checkpoint.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))


def need_torch() -> None:
    """Refuse to go on without PyTorch.

    Raises:
        DacycleError: it is not installed.
    """
    if find_spec("torch") is None:
        raise DacycleError("networks need PyTorch, which is not installed: bin/setup installs it")
