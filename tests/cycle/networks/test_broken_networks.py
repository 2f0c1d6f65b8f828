"""Files that are no use: one clear line, status 2, nothing written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dacycle import namelist as nml

ErrorOf = Callable[..., str]
WriteNetwork = Callable[..., Path]

TRAINED = "&trained_for model = 'lorenz96', interval = 0.05 /\n"


@pytest.fixture
def refused(error_of: ErrorOf, tmp_path: Path) -> ErrorOf:
    """`refused(path, role='correction', **groups)`: what the run with that network says."""

    def check(path: Path | str, role: str = "correction", ranks: int = 1, **groups: Any) -> str:
        settings = nml.merge({"networks": {role: str(path)}}, groups)
        nml.write(settings, tmp_path / "run.nml")
        message = error_of(["run.nml"], ranks)
        assert message.startswith(f"run.nml: &networks {role}: {path}: ")
        return message.removeprefix(f"run.nml: &networks {role}: {path}: ")

    return check


def test_no_file(refused: ErrorOf, tmp_path: Path) -> None:
    assert refused(tmp_path / "no.pt") == "there is no such file"


@pytest.mark.parametrize("kept", [0, 5, 3000])
def test_cut_short(refused: ErrorOf, write_network: WriteNetwork, kept: int) -> None:
    path = write_network("short.pt")
    path.write_bytes(path.read_bytes()[:kept])
    assert refused(path) == "is not a TorchScript file, or is cut short"


def test_weights_alone(refused: ErrorOf, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    assert refused(path) == "is not a TorchScript file, or is cut short"


def test_other_role(refused: ErrorOf, write_network: WriteNetwork) -> None:
    path = write_network("model.pt", role="model")
    assert refused(path) == "is a network for the role 'model', wanted is 'correction'"


def test_unknown_role(error_of: ErrorOf, write_network: WriteNetwork, tmp_path: Path) -> None:
    path = write_network("other.pt", role="forecast")
    nml.write({"networks": {"correction": str(path)}}, tmp_path / "run.nml")
    assert error_of(["run.nml"]).endswith(
        f"{path} (metadata), line 1: &network role = 'forecast' is not known "
        "(known: analysis, model, correction, observation)"
    )


def test_no_metadata(refused: ErrorOf, write_network: WriteNetwork) -> None:
    path = write_network("bare.pt", changes=" ")
    assert refused(path).startswith("has no metadata")


def test_other_format(refused: ErrorOf, write_network: WriteNetwork) -> None:
    path = write_network("new.pt", changes=f"&network format = 2, role = 'correction' /\n{TRAINED}")
    assert refused(path) == "is of format 2, this program reads format 1"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("halo_left = 8, halo_right = 5", "its sample has 12 points of halo"),
        ("halo_left = 8, halo_right = 4, components = 2", "its sample has 1 channels in"),
        ("halo_left = 8, halo_right = 4, memory = 1", "its sample has 1 channels in"),
    ],
)
def test_metadata_of_something_else(
    said: str, message: str, refused: ErrorOf, write_network: WriteNetwork
) -> None:
    changes = f"&network format = 1, role = 'correction', {said} /\n{TRAINED}"
    assert refused(write_network("wrong.pt", changes=changes)).startswith(message)


def test_halo_wider_than_the_circle(refused: ErrorOf, write_network: WriteNetwork) -> None:
    message = refused(write_network("wide.pt"), lorenz96={"n": 6})
    assert message == "sees 8 points to a side, the circle has only 6"


def test_other_interval(error_of: ErrorOf, write_network: WriteNetwork, tmp_path: Path) -> None:
    path = write_network("long.pt", interval=0.07)
    nml.write({"networks": {"correction": str(path)}}, tmp_path / "run.nml")
    assert "0.07 must be a whole multiple of the step of 0.05" in error_of(["run.nml"])


def test_a_tendency_of_a_model_that_gives_none(
    refused: ErrorOf, write_network: WriteNetwork
) -> None:
    changes = (
        "&network format = 1, role = 'correction', form = 'tendency', halo_left = 8, "
        "halo_right = 4 / &trained_for model = 'lorenz96_cubic', interval = 0.05 /\n"
    )
    path = write_network("tendency.pt", changes=changes)
    message = refused(path, cycle={"model": "lorenz96_cubic"})
    assert message.startswith("corrects a tendency, which model = 'lorenz96_cubic' does not give")


def test_a_tendency_that_is_no_correction(error_of: ErrorOf, write_network: WriteNetwork) -> None:
    path = write_network("tendency.pt", role="model", form="tendency")
    nml.write({"networks": {"model": str(path)}}, path.with_name("run.nml"))
    assert "&network form is that of a correction" in error_of(["run.nml"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("ranks", [1, 2])
def test_no_gpu(refused: ErrorOf, write_network: WriteNetwork, ranks: int) -> None:
    path = write_network("correction.pt")
    message = refused(path, ranks=ranks, networks={"device": "cuda"})
    assert message.startswith("device 'cuda': ")


def test_unknown_device(refused: ErrorOf, write_network: WriteNetwork) -> None:
    message = refused(write_network("correction.pt"), networks={"device": "gpu"})
    assert message == "device 'gpu' is not known (known: cpu, cuda, cuda:1)"


def test_no_bridge(
    refused: ErrorOf, write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DACYCLE_TORCH_BRIDGE", "/nowhere/libdacycle_torch.so")
    message = refused(write_network("correction.pt"))
    assert message.startswith(
        "a network needs /nowhere/libdacycle_torch.so, which cannot be loaded"
    )


@pytest.mark.parametrize("asked", [{"impact": {"every": 1}}, {"diagnostics": {"dfs_samples": 1}}])
def test_what_a_network_cannot_tell(
    asked: dict[str, Any], error_of: ErrorOf, write_network: WriteNetwork, tmp_path: Path
) -> None:
    groups = nml.merge(
        {"cycle": {"analysis": "var3d"}, "ensemble": {"members": 1}},
        {"networks": {"analysis": str(write_network("gain.pt"))}},
    )
    nml.write(nml.merge(groups, asked), tmp_path / "run.nml")
    assert "a network tells nothing that &impact and &diagnostics ask for" in error_of(["run.nml"])
