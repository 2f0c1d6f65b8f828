"""What a network can be trained for: names, each a module of `dacycle.training.kinds`.

Without PyTorch, which takes seconds to load, so that the command line can name them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dacycle.training.task import Task

__all__ = ["KINDS", "kind"]

KINDS = {
    "dan": "the analysis, learned by being cycled (a data assimilation network)",
    "emulator": "the step of a model",
    "correction": "what a model lacks, learned from analyses in a run file",
    "observation": "a field that observations are values of",
}
"""By name, what the network becomes."""


def kind(name: str) -> "type[Task]":
    """The class of a name in `KINDS`: the task that its module calls `TASK`."""
    found: type[Task] = import_module(f"dacycle.training.kinds.{name}").TASK
    return found
