"""A checkpoint or an output so far with a bit that is another is refused, or changes nothing."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import pytest

from dacycle import namelist as nml

Groups = dict[str, dict[str, Any]]

BAD_INPUT = 2
FLIPS = 12
"""Of each kind; 300 and more were tried by hand."""

GROUPS: Groups = {
    "cycle": {"cycles": 1500, "burn_in": 5, "analysis": "etkf"},
    "lorenz96": {"n": 8},
    "truth": {"spin_up": 1.0},
    "ensemble": {"members": 4, "spin_up": 1.0},
    "adaptive_inflation": {"scheme": "miyoshi2011"},
    "verification": {"crps": True, "lead_times": [0.1], "forecasts_every": 5},
    "output": {"members_every": 10, "fields_every": 2},
    "checkpoint": {"every": 50},
}


@dataclass
class Stopped:
    """A run that was killed: its files, and the bytes that it ends with if it goes on."""

    folder: Path
    files: dict[str, bytes]
    whole: bytes

    def damage(self, name: str, content: bytes) -> None:
        """Put the files back as they were left, but for one."""
        (self.folder / "run.nc").unlink(missing_ok=True)
        for other, left in self.files.items():
            (self.folder / other).write_bytes(content if other == name else left)


@pytest.fixture
def stopped(unfinished: Callable[..., Path], run: Callable[..., Path], tmp_path: Path) -> Stopped:
    checkpoint = unfinished(GROUPS, 1, 100)
    files = {path.name: path.read_bytes() for path in (checkpoint, tmp_path / "run.nc.part")}
    whole = run(GROUPS, tmp_path, 1, ["--restart"]).read_bytes()
    return Stopped(tmp_path, files, whole)


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@pytest.mark.parametrize("name", ["run.nc.checkpoint", "run.nc.part"])
def test_a_flipped_bit(name: str, stopped: Stopped, da_cycle: Callable[..., Any]) -> None:
    """Half of them in the first 6 kB, where the headers are."""
    dice = random.Random(name)
    content = stopped.files[name]
    refused = 0
    for flip in range(FLIPS):
        place = dice.randrange(min(len(content), 6000) if flip % 2 else len(content))
        bit = dice.randrange(8)
        stopped.damage(name, flipped(content, place, bit))
        done = da_cycle(["--restart", "run.nml"], 1, cwd=stopped.folder, timeout=60)
        if done.returncode == 0:
            assert (stopped.folder / "run.nc").read_bytes() == stopped.whole, (place, bit)
            continue
        assert done.returncode == BAD_INPUT, (place, bit, done.stderr)
        assert len(done.stderr.splitlines()) == 1
        assert name in done.stderr
        assert "--fresh" in done.stderr
        refused += 1
    assert refused > FLIPS // 3


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_number_of_the_output_is_another(
    ranks: int, stopped: Stopped, error_of: Callable[..., str]
) -> None:
    """Each kind of variable, in its first number."""
    for name in ("analysis_rmse", "analysis_mean", "analysis_members", "obs_qc", "obs_row")[ranks:]:
        stopped.damage("run.nc.part", stopped.files["run.nc.part"])
        with netCDF4.Dataset(stopped.folder / "run.nc.part", "a") as file:
            first = (0,) * file[name].ndim
            file[name][first] = file[name][first] + 1
        line = error_of(["--restart", "run.nml"], ranks)
        assert line.startswith(f"run.nc.part: cannot be opened to go on: {name} is not as this run")


def test_output_that_is_cut_short(stopped: Stopped, error_of: Callable[..., str]) -> None:
    content = stopped.files["run.nc.part"]
    for kept in (0.1, 0.5):
        stopped.damage("run.nc.part", content[: int(kept * len(content))])
        line = error_of(["--restart", "run.nml"])
        assert line.startswith("run.nc.part: cannot be opened to go on: ")


def test_output_of_another_run(
    stopped: Stopped, run: Callable[..., Path], error_of: Callable[..., str]
) -> None:
    other = run(nml.merge(GROUPS, {"cycle": {"seed": 2}}), stopped.folder / "other")
    stopped.damage("run.nc.part", other.read_bytes())
    line = error_of(["--restart", "run.nml"])
    assert line.startswith("run.nc.part: cannot be opened to go on: it is not the file that")


def test_killed_while_statistics_are_written(stopped: Stopped, run: Callable[..., Path]) -> None:
    """They are the only part of the header that the end of a run changes."""
    stopped.damage("run.nc.part", stopped.whole)
    whole = run(GROUPS, stopped.folder, 1, ["--restart"])
    assert whole.read_bytes() == stopped.whole


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_damaged_study(
    ranks: int,
    unfinished: Callable[..., Path],
    run: Callable[..., Path],
    error_of: Callable[..., str],
    tmp_path: Path,
) -> None:
    """Values and header are verified; how many observations there were after the checkpoint is not
    taken over."""
    study = {"points": [3], "every": 3, "file": "study.nc"}
    groups = nml.merge(GROUPS, {"cycle": {"analysis": "letkf"}, "study": study})
    del groups["adaptive_inflation"]
    unfinished(groups, ranks, 100)
    part = tmp_path / "study.nc.part"
    left = part.read_bytes()
    for name in ("transform", "obs_value", "point"):
        with netCDF4.Dataset(part, "a") as file:
            first = (0,) * file[name].ndim
            file[name][first] = file[name][first] + 1
        assert f"{name} is not as this run left it" in error_of(["--restart", "run.nml"], ranks)
        part.write_bytes(left)
    part.write_bytes(left.replace(b"eigenvalues", b"eigenvaluez", 1))
    assert "its header is damaged" in error_of(["--restart", "run.nml"], ranks)
    records = 11
    part.write_bytes(left[:records] + b"\xff" + left[records + 1 :])
    run(groups, tmp_path, 3 - ranks, ["--restart"])
    run(groups, tmp_path / "uninterrupted")
    for name in ("study.nc", "run.nc"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "uninterrupted" / name).read_bytes()
