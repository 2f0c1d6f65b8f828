"""Network files with a bit that is another; and what `--check` does without running a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dacycle import namelist as nml
from dacycle.errors import NetworkFileError
from dacycle.network.archive import check_archive

DaCycle = Callable[..., Any]


class Unwilling(nn.Module):
    """Cannot be called without it being noticed."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1), requires_grad=False)
        self.register_buffer("sample_input", torch.ones(1, 1, 40))
        self.register_buffer("sample_output", torch.ones(1, 1, 40))

    def forward(self, x: Tensor) -> Tensor:
        if x.size(0) > 0:
            raise ValueError("was run")
        return x


def test_check_runs_no_network(
    da_cycle: DaCycle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not even need libtorch."""
    metadata = "&network format = 1, role = 'correction' /\n&trained_for model = 'lorenz96' /\n"
    torch.jit.save(
        torch.jit.script(Unwilling()),
        tmp_path / "net.pt",
        _extra_files={"dacycle.nml": metadata},
    )
    nml.write({"networks": {"correction": "net.pt"}}, tmp_path / "run.nml")
    asked = da_cycle(["--check", "--with-networks", "run.nml"], cwd=tmp_path)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "was run" in asked.stderr
    alone = da_cycle(["--with-networks", "run.nml"], cwd=tmp_path)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "--with-networks is for --check" in alone.stderr
    monkeypatch.setenv("DACYCLE_TORCH_BRIDGE", "/nowhere/libdacycle_torch.so")
    done = da_cycle(["--check", "run.nml"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_flipped_bits_in_the_program(
    da_cycle: DaCycle, write_network: Callable[..., Path], tmp_path: Path
) -> None:
    """A few of those that tests/python/network flips and tests/fortran/test_archive flips all of.

    The program refuses what Python refuses, in one line.
    """
    whole = write_network("net.pt").read_bytes()
    nml.write({"networks": {"correction": "net.pt"}}, tmp_path / "run.nml")
    random = np.random.default_rng(2)
    for bit in (*random.integers(0, 8 * len(whole), 6), *random.integers(1, 2400, 4)):
        damaged = bytearray(whole)
        damaged[-1 - bit // 8 % len(whole)] ^= 1 << bit % 8
        (tmp_path / "net.pt").write_bytes(damaged)
        try:
            check_archive("net.pt", bytes(damaged))
            status = 0
        except NetworkFileError:
            status = 2
        done = da_cycle(["--check", "run.nml"], cwd=tmp_path)
        assert done.returncode == status, (bit, done.stderr)
        assert done.stderr.count("\n") == status // 2
