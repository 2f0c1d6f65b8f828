"""Damaged network files: no bit that is another goes unnoticed where it changes what is read."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dacycle.errors import NetworkFileError
from dacycle.network.archive import check_archive
from dacycle.network.file import load

SHIPPED = Path(__file__).parents[3] / "models_export"
FLIPS = 400


def as_torch_writes() -> bytes:
    """Compressed code, sizes behind the data, and a wide end of the directory."""
    file = io.BytesIO()
    module = torch.jit.script(nn.Sequential(nn.Conv1d(3, 4, 5), nn.ReLU(), nn.Conv1d(4, 1, 5)))
    torch.jit.save(module, file, _extra_files={"dacycle.nml": "&network /"})
    return file.getvalue()


def as_exported() -> bytes:
    return (SHIPPED / "observation_l96_power.pt").read_bytes()


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("write", [as_torch_writes, as_exported])
def test_flipped_bits_are_found_or_change_nothing(write: Callable[[], bytes]) -> None:
    data = write()
    check_archive("net.pt", data)
    random = np.random.default_rng(1)
    whole, found = contents(data), 0
    # Of the directory and the end as many as of all: little is there, and much depends on it.
    everywhere = random.integers(0, 8 * len(data), FLIPS)
    at_the_end = 8 * len(data) - 1 - np.arange(8 * 98)
    for bit in (*everywhere, *at_the_end):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            check_archive("net.pt", bytes(damaged))
        except NetworkFileError:
            found += 1
        else:
            assert contents(bytes(damaged)) == whole
    assert found > FLIPS / 2


@pytest.mark.parametrize("kept", [0, 1, 21, 22, 100, 20000, -1])
def test_files_that_are_cut_or_longer(kept: int) -> None:
    data = as_exported()
    for wrong in (data[:kept], data + b"\0", b"\0" + data, data + data):
        with pytest.raises(NetworkFileError, match=r"^net.pt: "):
            check_archive("net.pt", wrong)


def test_a_damaged_file_is_not_loaded(tmp_path: Path) -> None:
    data = bytearray(as_exported())
    data[data.index(b"data/7") + 2000] ^= 1
    (tmp_path / "net.pt").write_bytes(data)
    with pytest.raises(NetworkFileError, match=r"is damaged: '.*data/7' has not the checksum"):
        load(tmp_path / "net.pt")
