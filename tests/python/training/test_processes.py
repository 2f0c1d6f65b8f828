"""Several processes that train one network, under the real mpirun."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from dacycle.program import environment
from dacycle.training.loop import CHECKPOINT

WriteConfig = Callable[..., Path]
Command = Callable[[Path, Sequence[str], int], list[str]]

AVERAGED = """
import sys, torch
from dacycle.training.processes import start_processes
processes = start_processes()
weights = [torch.zeros(2, 3, requires_grad=True), torch.zeros(4, requires_grad=True)]
for weight in weights:
    weight.grad = torch.full_like(weight, float(processes.rank + 1))
processes.average(weights)
assert all(bool((weight.grad == 1.5).all()) for weight in weights)
assert processes.any(processes.rank == 1) and not processes.any(False)
assert processes.gather(processes.rank) == ([0, 1] if processes.rank == 0 else [])
"""


# Of a single update, so that a longer training begins like a shorter one.
SHORT_DECAY = ("[training]", "[training]\ndecay = 0.01")

DACYCLE = Path(sys.executable).with_name("dacycle")


def launch(
    mpirun: Command, program: Path, arguments: Sequence[str], ranks: int
) -> subprocess.CompletedProcess[str]:
    line = mpirun(program, arguments, ranks)
    return subprocess.run(
        line, capture_output=True, text=True, timeout=300, env=environment(os.environ)
    )


def kept(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    return state


def test_gradients_are_averaged(mpirun: Command) -> None:
    done = launch(mpirun, Path(sys.executable), ["-c", AVERAGED], 2)
    assert done.returncode == 0, done.stderr


def test_two_processes_learn_together_and_go_on_to_the_same_bits(
    mpirun: Command, tmp_path: Path, write_config: WriteConfig
) -> None:
    def train(name: str, windows: int, ranks: int) -> subprocess.CompletedProcess[str]:
        config = write_config("dan", ("windows = 30", f"windows = {windows}"), SHORT_DECAY)
        line = ["train", "dan", str(config), "-o", str(tmp_path / name)]
        return launch(mpirun, DACYCLE, line, ranks)

    whole = train("whole", 20, 2)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count("begin at update 0 on 2 processes") == 1
    assert train("parted", 10, 2).returncode == 0
    assert train("parted", 20, 2).returncode == 0
    for name, weight in kept(tmp_path / "whole")["network"].items():
        assert torch.equal(weight, kept(tmp_path / "parted")["network"][name])
    first, other = kept(tmp_path / "whole"), kept(tmp_path / "whole")["others"][0]
    assert not torch.equal(first["task"]["truth"], other["task"]["truth"])
    alone = train("whole", 20, 1)
    assert alone.returncode == 2
    assert "its checkpoint is of 2 processes, and there are 1" in alone.stderr
