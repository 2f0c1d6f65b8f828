"""Several processes that train one network: each has data of its own, and gradients are averaged.

    mpirun -n 4 dacycle train dan CONFIG.toml

Every process makes the same update from the same mean gradient, so their weights stay equal to the
bit and need not be sent. A batch is that of each process. The first one alone tests, reports and
writes; the checkpoint holds the data and the random numbers of all.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from dacycle.errors import TrainingError

__all__ = ["Alone", "Processes", "Several", "start_processes"]

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Where launchers of MPI say how many processes they have started."""


class Processes(Protocol):
    """What the loop needs to know of its like."""

    rank: int
    size: int

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Put the mean over all processes into the gradients."""

    def any(self, here: bool) -> bool:
        """Whether it holds in one of the processes."""

    def gather(self, here: Any) -> list[Any]:
        """That of all processes, in their order, at the first; elsewhere nothing."""


class Alone:
    """One process."""

    rank = 0
    size = 1

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Nothing to do."""

    def any(self, here: bool) -> bool:
        """Whether it holds here."""
        return here

    def gather(self, here: Any) -> list[Any]:
        """That of this one."""
        return [here]


class Several:
    """The processes of MPI's world."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.rank: int = world.Get_rank()
        self.size: int = world.Get_size()

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Put the mean over all processes into the gradients."""
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        device = gradients[0].device
        total = parameters_to_vector(gradients).cpu().numpy()
        self._world.Allreduce(import_module("mpi4py.MPI").IN_PLACE, total)
        vector_to_parameters(torch.from_numpy(total).to(device) / self.size, gradients)

    def any(self, here: bool) -> bool:
        """Whether it holds in one of the processes."""
        return bool(self._world.allreduce(int(here)))

    def gather(self, here: Any) -> list[Any]:
        """That of all processes, in their order, at the first; elsewhere nothing."""
        return self._world.gather(here) or []


def start_processes() -> Processes:
    """The processes that mpirun has started, or this one.

    Raises:
        TrainingError: there are several, and mpi4py is not installed or belongs to another MPI.
    """
    told = max(int(os.environ.get(name, "1")) for name in SIZES)
    if told == 1:
        return Alone()
    try:
        world = import_module("mpi4py.MPI").COMM_WORLD
    except (ImportError, RuntimeError) as error:
        raise TrainingError(
            f"{told} processes were started, and mpi4py is not there: pip install 'dacycle[mpi]'"
        ) from error
    if world.Get_size() != told:
        raise TrainingError(
            f"{told} processes were started, and mpi4py sees {world.Get_size()}: "
            "it belongs to another MPI than mpirun"
        )
    return Several(world)
