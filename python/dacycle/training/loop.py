"""The training loop: one for all kinds of networks.

A run that was stopped, or killed, goes on from its last checkpoint and gives, on the same machine,
the same bits as one that never was: weights, optimiser, data and random numbers are all kept.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dacycle.errors import TrainingError
from dacycle.training import schedule
from dacycle.training.processes import Processes
from dacycle.training.settings import Training
from dacycle.training.task import Task

__all__ = ["CHECKPOINT", "FINISH", "Loop", "Progress", "read_checkpoint", "unwatched"]

CHECKPOINT = "checkpoint.pt"

FINISH = "finish"
"""A file of this name in the folder of a training begins its decay."""

Log = Callable[[dict[str, float], int], None]
Say = Callable[[str], None]
Watch = Callable[[int, int], None]


def unwatched(_: int, __: int) -> None:
    """Nobody wants to know of each update."""


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        update: updates done.
        finish: the update at which the decay was asked for, if it was.
        seconds: of processor time.
        skipped: updates whose gradient was not finite, and which moved nothing.
        tests: scores of all tests so far, each with its update.
        changes: settings that were changed under way, each with its update.
    """

    update: int = 0
    finish: int | None = None
    seconds: float = 0.0
    skipped: int = 0
    tests: list[dict[str, float]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)


class Loop:
    """Trains the network of a task, with checkpoints in a folder."""

    def __init__(
        self,
        task: Task,
        training: Training,
        folder: Path,
        plan: dict[str, Any],
        processes: Processes,
    ) -> None:
        self.processes = processes
        self.task = task
        self.training = training
        self.folder = folder
        self.plan = plan
        self.optimiser = torch.optim.AdamW(
            task.network.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
        )
        self.progress = Progress()

    def resume(self, kept: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is of another number of processes.
        """
        parts = [kept, *kept.get("others", [])]
        if len(parts) != self.processes.size:
            raise TrainingError(
                f"{self.folder}: its checkpoint is of {len(parts)} processes, "
                f"and there are {self.processes.size}"
            )
        mine = parts[self.processes.rank]
        self.task.network.load_state_dict(kept["network"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.task.random.set_state(mine["random"])
        self.task.load(mine["task"])
        self.progress = Progress(**kept["progress"])

    def run(self, say: Say, log: Log, stop: Callable[[], bool], watch: Watch = unwatched) -> bool:
        """Train until the schedule ends, or a stop is asked for; returns whether it is finished.

        Args:
            say: is told lines for people.
            log: is told numbers by name, and the update they belong to.
            stop: whether to stop after this update.
            watch: is told after each update how many are done, and how many there will be.
        """
        training, done = self.training, self.progress
        self.task.network.periodic(True)
        losses: list[Tensor] = []
        clock = time.process_time()
        while done.update < self.last:
            if self.processes.any(stop()):
                self.save()
                return False
            self._look_for_finish(say)
            loss, norm = self._update()
            losses.append(loss)
            watch(done.update, self.last)
            if done.update % training.report == 0:
                now = time.process_time()
                done.seconds += now - clock
                self._report(losses, norm, now - clock, say, log)
                losses, clock = [], now
            if done.update % training.test == 0 or done.update == self.last:
                self._test(say, log)
            if done.update % training.checkpoint == 0:
                self.save()
        self.save()
        return True

    @property
    def last(self) -> int:
        """Number of updates in all."""
        return schedule.ends(self.training, self.progress.finish)

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        mine = {"random": self.task.random.get_state(), "task": self.task.state()}
        parts = self.processes.gather(mine)
        if self.processes.rank > 0:
            return
        path = self.folder / CHECKPOINT
        part = path.with_suffix(".part")
        torch.save(
            {
                "plan": json.dumps(self.plan),
                "network": self.task.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                **parts[0],
                "others": parts[1:],
                "progress": asdict(self.progress),
            },
            part,
        )
        part.replace(path)

    def _update(self) -> tuple[Tensor, float]:
        """Move the weights once; returns the loss and the gradient's norm before clipping."""
        training, done, network = self.training, self.progress, self.task.network
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        self.optimiser.zero_grad()
        with self._precision():
            loss = self.task.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.average(network.parameters())
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), training.clip))
        if math.isfinite(norm):
            self.optimiser.step()
        else:
            done.skipped += 1
        done.update += 1
        return loss.detach(), norm

    def _rate(self) -> float:
        done = self.progress
        return self.training.learning_rate * schedule.factor(
            self.training, done.update, done.finish
        )

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        """bfloat16 convolutions, if asked for, but not in the second half of the decay."""
        first = schedule.decay_begins(self.training, self.progress.finish)
        coarse = self.training.bfloat16 and 2 * self.progress.update < first + self.last
        device = torch.device(self.training.device).type
        with torch.autocast(device, torch.bfloat16, enabled=coarse):
            yield

    def _look_for_finish(self, say: Say) -> None:
        done = self.progress
        if done.finish is not None or self.training.schedule != "constant":
            return
        here = self.processes.rank == 0 and (self.folder / FINISH).exists()
        if not self.processes.any(here):
            return
        if done.update < schedule.decay_begins(self.training, None):
            done.finish = done.update
            say(f"'{FINISH}' is there: the learning rate decays, until update {self.last}")

    def _report(
        self, losses: list[Tensor], norm: float, seconds: float, say: Say, log: Log
    ) -> None:
        done = self.progress
        root = math.sqrt(float(torch.stack(losses).nanmean()))
        log({"root_of_loss": root, "learning_rate": self._rate(), "gradient": norm}, done.update)
        skipped = f", {done.skipped} skipped" if done.skipped else ""
        say(
            f"update {done.update} of {self.last}: root of loss {root:.4f}, "
            f"rate {self._rate():.1e}, {1000 * seconds / len(losses):.0f} ms each{skipped}"
        )

    def _test(self, say: Say, log: Log) -> None:
        if self.processes.rank > 0:
            return
        done = self.progress
        scores = self.task.test()
        done.tests.append({"update": done.update, **scores})
        log({f"test/{name}": value for name, value in scores.items()}, done.update)
        listed = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        say(f"test at update {done.update}: {listed}")


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The checkpoint of a training; its plan is the plain tables. None if there is none.

    Raises:
        TrainingError: it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        kept: dict[str, Any] = torch.load(path, weights_only=True)
        kept["plan"] = json.loads(kept["plan"])
    except Exception as error:  # a broken file ends in any of a dozen kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: no checkpoint of a training ({reason})") from error
    return kept
