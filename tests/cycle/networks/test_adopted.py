"""Modules of others in the cycle: TorchScript, networks of one circle, tendencies."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dacycle
from dacycle import namelist as nml
from dacycle.cli import main

CIRCLE = 26
BELONGS: dict[str, Any] = {"model": "lorenz96", "forcing": 8.0, "interval": 0.05}

DaCycle = Callable[..., subprocess.CompletedProcess[str]]
ErrorOf = Callable[..., str]


class Lorenz96(nn.Module):
    """A step as a dense network of one circle, `(batch, points)`, would have it."""

    def __init__(self) -> None:
        super().__init__()
        eye = torch.eye(CIRCLE, dtype=torch.float64)
        self.shifts = nn.Parameter(torch.stack([eye.roll(k, 1) for k in (1, -2, -1)]))

    def tendency(self, x: Tensor) -> Tensor:
        ahead, behind2, behind = x @ self.shifts[0].T, x @ self.shifts[1].T, x @ self.shifts[2].T
        return (ahead - behind2) * behind - x + 8.0

    def forward(self, x: Tensor) -> Tensor:
        h = 0.05
        k1 = self.tendency(x)
        k2 = self.tendency(x + 0.5 * h * k1)
        k3 = self.tendency(x + 0.5 * h * k2)
        k4 = self.tendency(x + h * k3)
        return x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


class Cubic(nn.Module):
    """A tendency of one point alone."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(-0.01, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x + 0.5


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adopted") / "dense.pt"
    return dacycle.export_module(Lorenz96(), path, role="model", gives="next", **BELONGS)


def experiment(folder: Path, name: str, **groups: Any) -> str:
    settings = {"cycle": {"cycles": 12, "burn_in": 0}, "lorenz96": {"n": CIRCLE}}
    nml.write(nml.merge(settings, groups), folder / f"{name}.nml")
    return f"{name}.nml"


def test_one_circle_is_the_same_on_any_ranks_and_the_model(
    dense: Path, da_cycle: DaCycle, tmp_path: Path
) -> None:
    window = {
        "cycle": {"analysis": "var4d"},
        "ensemble": {"members": 1, "initial": "truth", "initial_sd": 0.1},
        "variational": {"window": 3},
        "background": {"covariance": "homogeneous", "sd": 0.4},
    }
    scores, contents = [], []
    for ranks, networks in ((1, {"model": str(dense)}), (3, {"model": str(dense)}), (1, {})):
        groups = window | {"output": {"file": "run.nc"}}
        groups |= {"networks": networks} if networks else {}
        name = experiment(tmp_path, "run", **groups)
        done = da_cycle([name, "--fresh"], ranks, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        scores.append(float(re.findall(r"analysis_rmse +(\S+)", done.stdout)[-1]))
        contents.append((tmp_path / "run.nc").read_bytes())
    assert contents[0] == contents[1]
    assert scores[0] == pytest.approx(scores[2], abs=1e-4)


@pytest.mark.parametrize("ranks", [1, 3])
def test_one_circle_is_right_and_refused_on_others(
    ranks: int, dense: Path, da_cycle: DaCycle, error_of: ErrorOf, tmp_path: Path
) -> None:
    done = da_cycle(["--check-network", dense.name], ranks, cwd=dense.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"one circle of {CIRCLE} points" in done.stdout
    assert "circle in pieces" not in done.stdout
    name = experiment(tmp_path, "other", networks={"model": str(dense)}, lorenz96={"n": 40})
    message = error_of([name], ranks)
    assert f"is for a circle of {CIRCLE} points alone, this one has 40" in message


def test_a_tendency_of_ones_own(da_cycle: DaCycle, tmp_path: Path) -> None:
    path = dacycle.export_module(
        Cubic(), tmp_path / "tendency.pt", role="correction", form="tendency", **BELONGS
    )
    name = experiment(
        tmp_path,
        "run",
        cycle={"cycles": 3, "analysis": "var4d"},
        ensemble={"members": 1},
        variational={"window": 2},
        background={"covariance": "homogeneous", "sd": 0.4},
        networks={"correction": str(path)},
    )
    done = da_cycle(["--check-adjoint", name], 1, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_torchscript_of_others_is_taken_over(
    da_cycle: DaCycle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As FTorch's pt2ts leaves it: traced and frozen, its weights constants."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    layers = nn.Sequential(
        nn.Conv1d(1, 8, 5, padding=2, padding_mode="circular"), nn.ReLU(), nn.Conv1d(8, 1, 1)
    ).eval()
    torch.jit.freeze(torch.jit.trace(layers, torch.randn(1, 1, 40))).save("mine.pt")
    said = ["--role", "model", "--model", "lorenz96", "--forcing", "8", "--interval", "0.05"]
    assert main(["adopt", "mine.pt", *said]) == 0
    assert "models_export/mine.pt" in capsys.readouterr().out
    done = da_cycle(["--check-network", "models_export/mine.pt"], 1, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model, float32" in done.stdout


def wrong_files(folder: Path) -> dict[str, str]:
    torch.save({"weight": torch.zeros(3)}, folder / "state.pt")
    (folder / "text.pt").write_text("none")
    torch.jit.script(nn.Linear(40, 40)).save(folder / "torn.pt")
    content = bytearray((folder / "torn.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "torn.pt").write_bytes(content)
    return {
        "state.pt": "give the module to dacycle.export_module",
        "text.pt": "no TorchScript file",
        "torn.pt": "is damaged",
        "none.pt": "No such file",
    }


def test_files_that_cannot_be_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    said = ["--role", "model", "--model", "lorenz96", "--interval", "0.05"]
    for name, message in wrong_files(tmp_path).items():
        assert main(["adopt", name, *said]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "models_export").exists()


@pytest.mark.slow
def test_adopted_networks_are_compiled(dense: Path, da_cycle: DaCycle, tmp_path: Path) -> None:
    assert main(["export", str(dense), "--aoti", "-o", str(tmp_path)]) == 0
    done = da_cycle(["--check-network", "dense.pt2"], 1, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
