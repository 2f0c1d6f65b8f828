"""Command lines and places that cannot be written are refused, and nothing is left behind.

Tests may run as root, whom permissions do not bind: the places used here refuse root too.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SHORT = "&cycle cycles = 6, burn_in = 2 /\n&lorenz96 n = 8 /\n&ensemble members = 5 /\n"


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ("&output file = 'no/such/run.nc' /", ["&output file", "written in 'no/such'"]),
        ("&output file = 'run.nml/run.nc' /", ["&output file", "written in 'run.nml'"]),
        ("&output file = 'folder' /", ["&output file = 'folder'", "directory; name a file"]),
        ("&output file = '/proc/run.nc' /", ["&output file", "/proc/run.nc.lock", "created"]),
        ("&output file = 'run.nml' /", ["&output file = 'run.nml'", "read", "name another"]),
        ("&output file = './folder/../run.nml' /", ["&output file", "read", "name another"]),
        ("&checkpoint file = 'no/such/kept' /", ["&checkpoint file", "written in 'no/such'"]),
        ("&checkpoint file = 'folder' /", ["&checkpoint file", "directory; name a file"]),
        ("&checkpoint file = 'run.nml' /", ["&checkpoint file", "read", "name another"]),
        ("&checkpoint file = 'run.nc' /", ["&checkpoint file", "output", "name another"]),
        ("&checkpoint file = 'run.nc.part' /", ["&checkpoint file", "output", "name another"]),
    ],
)
def test_places(groups: str, words: list[str], refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert refused(SHORT + groups, words).startswith("run.nml: ")


@pytest.mark.parametrize("place", ["no/such/run.nc", "/proc/run.nc"])
def test_one_rank_speaks_for_all(place: str, refused: Callable[..., str]) -> None:
    refused(SHORT + f"&output file = '{place}' /", ["&output file", place], ranks=3)


def test_input_is_not_overwritten(
    make_truth: Callable[..., Path],
    make_observations: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    make_truth()
    make_observations()
    files = (
        SHORT + "&truth source = 'file', file = '@/truth.nc' /\n"
        "&observations source = 'file', file = '@/observations.nc' /\n"
    )
    refused(files + "&output file = 'truth.nc' /", ["&output file = 'truth.nc'", "overwritten"])
    refused(files + "&checkpoint file = 'observations.nc' /", ["&checkpoint", "overwritten"])


def test_more_ranks_than_points(refused: Callable[..., str]) -> None:
    text = "&cycle cycles = 6, burn_in = 2 /\n&lorenz96 n = 4 /\n"
    refused(text, ["4 grid points", "5 ranks", "start at most 4"], ranks=5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no namelist file", "usage: da_cycle run.nml"]),
        ([""], ["no namelist file"]),
        (["--check"], ["no namelist file"]),
        (["--bogus", "run.nml"], ["'--bogus'", "not known", "--help"]),
        (["run.nml", "other.nml"], ["one file is needed", "'run.nml'", "'other.nml'"]),
        (["--progress", "run.nml"], ["--progress 'run.nml'", "auto, bar, plain, none"]),
        (["run.nml", "--progress"], ["--progress ''", "auto, bar, plain, none"]),
        (["--restart", "--fresh", "run.nml"], ["one of --restart and --fresh"]),
        (["nowhere.nml"], ["nowhere.nml: ", "does it exist"]),
        (["folder"], ["folder: ", "directory"]),
        (["folder/run.nml"], ["folder/run.nml: ", "does it exist"]),
        (["run.nml/run.nml"], ["run.nml/run.nml: ", "does it exist"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_command_lines(
    arguments: list[str], words: list[str], error_of: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "run.nml").write_text(SHORT)
    (tmp_path / "folder").mkdir()
    line = error_of(arguments)
    assert [word for word in words if word not in line] == [], line


def test_one_rank_speaks_for_all_of_the_command_line(error_of: Callable[..., str]) -> None:
    assert "nowhere.nml" in error_of(["nowhere.nml"], 3)
    assert "'--bogus'" in error_of(["--bogus"], 3)


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_unstable_model_ends_in_one_line(
    ranks: int, error_of: Callable[..., str], tmp_path: Path
) -> None:
    """It is found while running: status 1; without a checkpoint no part of the output stays."""
    (tmp_path / "run.nml").write_text(
        "&cycle cycles = 6, burn_in = 2, interval = 0.9 /\n&lorenz96 dt = 0.9 /\n"
    )
    line = error_of(["run.nml"], ranks, status=1)
    assert "not finite" in line
    assert "dt too long" in line


def test_a_namelist_from_a_pipe(program: Path, tmp_path: Path) -> None:
    """It is read to its end, not taken for an empty one."""
    done = subprocess.run(
        [program, "--check", "/dev/stdin"],
        input="&cycle cycles = 6, burn_in = 6 /\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("da_cycle: error: /dev/stdin: &cycle burn_in = 6")
