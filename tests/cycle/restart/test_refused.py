"""A checkpoint that belongs to other settings, or is damaged, is neither used nor lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]
ErrorOf = Callable[..., str]

GROUPS: Groups = {
    "cycle": {"cycles": 2000, "burn_in": 5, "seed": 3, "analysis": "etkf"},
    "lorenz96": {"n": 8},
    "ensemble": {"members": 5},
    "checkpoint": {"every": 2},
}


@pytest.fixture
def checkpoint(unfinished: Callable[..., Path]) -> Path:
    return unfinished(GROUPS)


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_unfinished_run_is_not_overwritten(
    ranks: int, checkpoint: Path, error_of: ErrorOf
) -> None:
    line = error_of(["run.nml"], ranks)
    assert line.startswith(f"{checkpoint.name} was left by an unfinished run")
    assert "--restart" in line
    assert "--fresh" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cycle": {"cycles": 2001}}, ["&cycle", "'cycles = 2000'", "'cycles = 2001'"]),
        ({"cycle": {"seed": 4}}, ["&cycle", "'seed = 3'", "'seed = 4'"]),
        ({"cycle": {"analysis": "letkf"}}, ["&cycle", "'etkf'", "'letkf'"]),
        ({"lorenz96": {"n": 9}}, ["&lorenz96", "'n = 8'", "'n = 9'"]),
        ({"lorenz96": {"forcing": 8.1}}, ["&lorenz96", "'forcing = 8.0'", "'forcing = 8.1'"]),
        ({"truth_lorenz96": {"forcing": 9}}, ["&truth_lorenz96", "'forcing = 9.0'"]),
        ({"ensemble": {"members": 6}}, ["&ensemble", "'members = 5'", "'members = 6'"]),
        ({"inflation": {"prior": 1.1}}, ["&inflation", "'prior = 1.0'", "'prior = 1.1'"]),
        ({"observations": {"stride": 2}}, ["&observations", "'stride = 1.0'", "'stride = 2.0'"]),
        ({"observations": {"positions": [1.0]}}, ["&observations", "'positions = 1.0'"]),
        ({"output": {"fields_every": 2}}, ["&output", "'fields_every = 1'", "'fields_every = 2'"]),
        ({"output": {"members_every": 2}}, ["&output", "'members_every = 0'"]),
        ({"output": {"feedback": False}}, ["&output", "'feedback = .true.'"]),
    ],
    ids=str,
)
def test_other_settings(
    changes: Groups, words: list[str], checkpoint: Path, error_of: ErrorOf, tmp_path: Path
) -> None:
    nml.write(nml.merge(GROUPS, changes), tmp_path / "run.nml")
    line = error_of(["--restart", "run.nml"])
    assert line.startswith(f"{checkpoint.name} comes from other settings: ")
    assert [word for word in [*words, "--fresh"] if word not in line] == [], line


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_checkpoint_cut_short(
    kept: float, ranks: int, checkpoint: Path, error_of: ErrorOf
) -> None:
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(kept * len(whole))])
    line = error_of(["--restart", "run.nml"], ranks)
    assert line.startswith(checkpoint.name)
    assert "--fresh" in line


@pytest.mark.parametrize("content", [b"no netCDF\n" * 100, bytes(1000), bytes(range(256)) * 20])
def test_a_checkpoint_that_is_none(content: bytes, checkpoint: Path, error_of: ErrorOf) -> None:
    checkpoint.write_bytes(content)
    line = error_of(["--restart", "run.nml"])
    assert line.startswith(f"{checkpoint.name}: is not a readable checkpoint")
    assert "--fresh" in line


def test_another_file_for_a_checkpoint(checkpoint: Path, error_of: ErrorOf) -> None:
    with netCDF4.Dataset(checkpoint, "w", format="NETCDF3_64BIT_DATA") as file:
        file.createDimension("x", 8)
        file.createVariable("ensemble", "f8", ("x",))[:] = 1.0
    line = error_of(["--restart", "run.nml"])
    assert line.startswith(f"{checkpoint.name}: is not a readable checkpoint")


@pytest.mark.parametrize("content", [None, b"", b"no netCDF\n" * 100])
def test_the_output_of_the_run_before_is_lost(
    content: bytes | None, checkpoint: Path, error_of: ErrorOf, tmp_path: Path
) -> None:
    part = tmp_path / "run.nc.part"
    part.unlink()
    if content is not None:
        part.write_bytes(content)
    line = error_of(["--restart", "run.nml"])
    assert line.startswith("run.nc.part: cannot be opened to go on")
    assert "--fresh" in line
