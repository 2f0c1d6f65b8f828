"""`dacycle train`: begins a training, or goes on with it."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from dacycle.errors import TrainingError
from dacycle.training.loop import CHECKPOINT, FINISH, Loop, read_checkpoint, unwatched
from dacycle.training.plan import Plan, differences, plan_of, read_plan
from dacycle.training.processes import Alone, Processes, start_processes

__all__ = ["new_loop", "open_training", "run_training"]

CONFIGURATION = "config.toml"
DIARY = "log.txt"
SERIES = "log.jsonl"

NOWHERE = Path(os.devnull)

FIXED = ("[network]", "[training]", "[model]")
"""Tables of which no change is possible under way."""


def run_training(
    kind: str,
    config: Path,
    folder: Path,
    say: Callable[[str], None],
    *,
    fresh: bool = False,
    change: bool = False,
    watch: Callable[[int, int], None] = unwatched,
) -> int:
    """Train until the end, or until SIGINT or SIGTERM; returns the signal, or 0.

    Under mpirun, each of the processes calls this.

    Args:
        kind: of network.
        config: TOML file.
        folder: of checkpoint and logs; made if it is not there.
        say: is told lines of progress.
        fresh: begin anew in spite of a checkpoint.
        change: go on with other settings than before; this is kept, and told by the card.
        watch: is told after each update how many are done, and how many there will be.

    Raises:
        TrainingError: the configuration is wrong, or the checkpoint is of another training.
    """
    plan = read_plan(kind, config)
    settings = plan.training
    processes = start_processes()
    first = processes.rank == 0
    torch.set_num_threads(settings.threads)
    folder.mkdir(parents=True, exist_ok=True)
    kept = None if fresh else read_checkpoint(folder)
    if kept is None and first:
        for name in (CHECKPOINT, FINISH, DIARY, SERIES):
            (folder / name).unlink(missing_ok=True)
    loop = new_loop(plan, folder, processes)
    if kept is not None:
        wrong = differences(kept["plan"], loop.plan)
        if wrong and (not change or any(line.startswith(FIXED) for line in wrong)):
            raise TrainingError(
                f"{folder}: its checkpoint is of a training with other settings: "
                f"{'; '.join(wrong)} (--fresh begins anew, --change goes on with other data)"
            )
        loop.resume(kept)
        loop.progress.changes += [f"update {loop.progress.update}: {line}" for line in wrong]
    if first and config.resolve() != (folder / CONFIGURATION).resolve():
        shutil.copyfile(config, folder / CONFIGURATION)
    with (
        (folder / DIARY if first else NOWHERE).open("a", encoding="utf-8") as diary,
        (folder / SERIES if first else NOWHERE).open("a", encoding="utf-8") as series,
        _signals() as caught,
        _tensorboard(folder, settings.tensorboard and first) as board,
    ):

        def tell(line: str) -> None:
            diary.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}\n")
            diary.flush()
            if first:
                say(line)

        def log(numbers: dict[str, float], update: int) -> None:
            series.write(json.dumps({"update": update, **numbers}) + "\n")
            series.flush()
            for name, value in numbers.items():
                board(name, value, update)

        weights = sum(weight.numel() for weight in loop.task.network.parameters())
        begun = "go on after" if kept else "begin at"
        several = f" on {processes.size} processes" if processes.size > 1 else ""
        tell(f"{plan.name}: {weights} weights, {begun} update {loop.progress.update}{several}")
        finished = loop.run(tell, log, lambda: bool(caught), watch if first else unwatched)
        tell("finished" if finished else f"stopped after update {loop.progress.update}")
    if finished:
        return 0
    return caught[0] if caught else int(signal.SIGTERM)


def new_loop(plan: Plan, folder: Path, processes: Processes | None = None) -> Loop:
    """Network, data and loop of a plan at their beginning.

    Args:
        plan: of the training.
        folder: of its checkpoint.
        processes: that train together; none: this one alone.

    Raises:
        TrainingError: the device is not there.
    """
    settings = plan.training
    device = _device(settings.device)
    dtype = {"float32": torch.float32, "float64": torch.float64}[settings.dtype]
    torch.manual_seed(settings.seed)
    network = plan.kind.new_network(plan.architecture, plan.network, plan.tables)
    network = network.to(dtype=dtype, device=device)
    network.periodic(True)
    processes = processes or Alone()
    random = torch.Generator().manual_seed(_seed(settings.seed, processes.rank))
    task = plan.kind(network, plan.tables, random, dtype, device)
    return Loop(task, settings, folder, plan.as_tables(), processes)


def open_training(folder: Path) -> tuple[Plan, Loop]:
    """A training that is there, as its last checkpoint left it.

    Raises:
        TrainingError: there is no checkpoint, or it cannot be read.
    """
    kept = read_checkpoint(folder)
    if kept is None:
        raise TrainingError(f"{folder}: no training is there (no {CHECKPOINT})")
    tables: dict[str, Any] = dict(kept["plan"])
    plan = plan_of(tables.pop("kind"), tables, str(folder))
    loop = new_loop(plan, folder)
    loop.resume(kept)
    return plan, loop


def _seed(seed: int, rank: int) -> int:
    """Of a process's own random numbers; PyTorch's generator takes no more than 32 bits of it."""
    if rank == 0:
        return seed
    return int(np.random.SeedSequence((seed, rank)).generate_state(1)[0])


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"[training] device = {name!r} cannot be used: {reason}") from error
    return device


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The first SIGINT or SIGTERM is noted, for a stop after a checkpoint; the next one acts."""
    caught: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, before[number])

    for number in map(int, (signal.SIGINT, signal.SIGTERM)):
        before[number] = signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _tensorboard(folder: Path, wanted: bool) -> Iterator[Callable[[str, float, int], None]]:
    """What writes a number by name and update."""
    if not wanted:
        yield lambda name, value, update: None
        return
    try:
        writer = import_module("torch.utils.tensorboard").SummaryWriter(folder / "tensorboard")
    except ImportError as error:
        raise TrainingError(
            "[training] tensorboard = true needs TensorBoard: pip install 'dacycle[tensorboard]'"
        ) from error
    try:
        yield writer.add_scalar
    finally:
        writer.close()
