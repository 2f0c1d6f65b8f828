"""What the log says of networks: used outside what they were trained for, work done twice."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dacycle import namelist as nml
from dacycle.network.file import _observed

Groups = dict[str, dict[str, Any]]
Log = Callable[..., list[str]]

OBSERVED: Groups = {"observations": {"stride": 2.0, "drift": 1.0}}
TRAINED = "model = 'lorenz96', forcing = 8.0, interval = 0.05"


@pytest.fixture
def log(da_cycle: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> Log:
    """`log(groups, ranks=1)`: the notes before a run, without the namelist's name."""

    def check(groups: Groups, ranks: int = 1) -> list[str]:
        nml.write(groups, tmp_path / "run.nml")
        done = da_cycle(["--check", "run.nml"], ranks, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        *notes, last = done.stdout.splitlines()
        assert last.startswith("run.nml: right")
        return [note.removeprefix("run.nml: &networks ") for note in notes]

    return check


def network(write: Callable[..., Path], role: str, trained: str, **settings: Any) -> str:
    said = "" if role in ("analysis", "observation") else ", halo_left = 8, halo_right = 4"
    changes = f"&network format = 1, role = '{role}'{said} /\n&trained_for {trained} /\n"
    return str(write(f"{role}.pt", role=role, changes=changes, **settings))


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("key", ["model", "linear_model", "correction"])
def test_models_know_model_and_forcing(
    key: str, ranks: int, log: Log, write_network: Callable[..., Path]
) -> None:
    role = key.removeprefix("linear_")
    path = network(write_network, role, TRAINED)
    inside: Groups = {"networks": {key: path}}
    warned = f"{key}: warning: {path} was trained for"
    assert not [note for note in log(inside, ranks) if "warning" in note]
    notes = log(nml.merge(inside, {"lorenz96": {"forcing": 8.5}}), ranks)
    assert f"{warned} forcing = 8.0, here it is 8.5" in notes
    cubic: Groups = {"cycle": {"model": "lorenz96_cubic"}, "lorenz96_cubic": {"forcing": 8.0}}
    notes = log(nml.merge(inside, cubic), ranks)
    assert f"{warned} model = 'lorenz96', here it is 'lorenz96_cubic'" in notes
    assert len([note for note in notes if "warning" in note]) == 1


def test_an_analysis_knows_its_observations(log: Log, networks: Path, tmp_path: Path) -> None:
    path = retold(networks / "gain.pt", tmp_path, "analysis", "error_sd = 1.0, observed = 'each 2'")
    warned = f"analysis: warning: {path} was trained for"
    groups: Groups = {
        "cycle": {"analysis": "none", "interval": 0.1},
        "ensemble": {"members": 1},
        "observations": {"error_sd": 0.5, "kinds": ["square"]},
        "networks": {"analysis": str(path)},
    }
    assert log(groups) == [
        f"{warned} analyses each 0.05, here each 0.1",
        f"{warned} observations with error_sd = 1.0, here it is 0.5",
        f"{warned} observations 'each 2', here they are 'each 1, of kind square'",
    ]
    inside = nml.merge(
        groups,
        {
            "cycle": {"interval": 0.05},
            "observations": {"error_sd": 1.0, "kinds": ["value"], "stride": 2.0},
        },
    )
    assert log(inside) == []


@pytest.mark.parametrize(
    ("observations", "observed"),
    [
        ({"stride": 2.0, "drift": 1.0}, "each 2, shifted by 1"),
        ({"stride": 1.5, "offset": 0.5, "every": 3}, "each 1.5, from 0.5, in one cycle of 3"),
        ({"network": "random_points"}, "network = 'random_points'"),
        ({"positions": [3.0, 4.0]}, "a list of positions"),
    ],
)
def test_what_is_observed_has_a_name(
    observations: dict[str, Any], observed: str, log: Log, networks: Path, tmp_path: Path
) -> None:
    for trained, warnings in (("each 1", 1), (observed, 0), ("any", 0)):
        said = trained.replace("'", "''")
        path = retold(networks / "gain.pt", tmp_path, "analysis", f"observed = '{said}'")
        groups: Groups = {
            "cycle": {"analysis": "none"},
            "ensemble": {"members": 1},
            "observations": observations,
            "networks": {"analysis": str(path)},
        }
        notes = log(groups)
        assert len(notes) == warnings
        assert all(f"'each 1', here they are '{observed}'" in note for note in notes)


def test_an_observation_operator_knows_its_kind(log: Log, networks: Path, tmp_path: Path) -> None:
    path = retold(networks / "square.pt", tmp_path, "observation", "observed = 'square'")
    groups: Groups = {"networks": {"observation": str(path)}}
    assert log(nml.merge(groups, {"observations": {"kinds": ["square"]}})) == []
    assert log(groups) == [
        f"observation: warning: {path} was trained to stand for kind 'square', observed is here "
        "'value'"
    ]


def test_exports_use_the_same_words() -> None:
    assert _observed({"every": 2, "shift": 1}) == "each 2, shifted by 1"
    assert _observed({"every": 1, "shift": 0}) == "each 1"
    assert _observed({"curve": "power", "average_half_width": 0.0}) == "power"
    assert _observed({"curve": "value", "average_half_width": 2.0}) == "average"
    assert _observed({"model": "lorenz96"}) == "any"


def test_tiles_that_are_evaluated_twice(log: Log, networks: Path) -> None:
    path = networks / "correction.pt"
    groups: Groups = {"cycle": {"interval": 0.1}, "networks": {"correction": str(path)}}
    assert log(groups) == []
    assert log(groups, 4) == [
        "correction: of the 1 tile of the circle a rank evaluates up to 1: 300 % more than its "
        "share"
    ]
    large = nml.merge(groups, {"lorenz96": {"n": 60000}, "ensemble": {"members": 2}})
    assert log(large, 2) == []


def test_more_threads_than_cores(log: Log, networks: Path) -> None:
    cores = os.cpu_count()
    groups: Groups = {"networks": {"model": str(networks / "model.pt"), "threads": 1000}}
    assert log(groups) == [f"model: warning: threads = 1000, this machine has {cores} cores"]


def retold(network: Path, folder: Path, role: str, said: str) -> Path:
    """The network in a file that says what it was trained for."""
    import torch

    module = torch.jit.load(str(network))
    metadata = f"&network format = 1, role = '{role}' /\n&trained_for {TRAINED}, {said} /\n"
    path = folder / f"{role}.pt"
    torch.jit.save(module, str(path), _extra_files={"dacycle.nml": metadata})
    return path
