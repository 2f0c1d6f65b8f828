"""`dacycle train`: the loop, its checkpoints, and going on after a stop."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dacycle.cli import main
from dacycle.export import OnCircle
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.file import load
from dacycle.network.quadratic_stencil import monomials
from dacycle.run_file import open_run
from dacycle.training.list import KINDS
from dacycle.training.loop import CHECKPOINT, FINISH

WriteConfig = Callable[..., Path]

ROUNDING = 1e-12
"""Of states of size 10 after a step."""


def train(kind: str, config: Path, folder: Path, *options: str) -> int:
    return main(["train", kind, str(config), "-o", str(folder), *options])


def kept(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    state["progress"].pop("seconds")
    return state


def assert_same(found: Any, expected: Any) -> None:
    """Every number, to the bit."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("kind", ["dan", "emulator", "observation"])
def test_the_loss_falls(kind: str, tmp_path: Path, write_config: WriteConfig) -> None:
    folder = tmp_path / "run"
    config = write_config(kind, ("windows = 30", "windows = 200"))
    assert train(kind, config, folder, "--quiet") == 0
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = [line["root_of_loss"] for line in lines if "root_of_loss" in line]
    assert len(losses) == 40
    assert sum(losses[-4:]) < 0.7 * max(sum(losses[:4]), sum(losses[4:8]))
    assert [line["update"] for line in kept(folder)["progress"]["tests"]] == [*range(10, 210, 10)]


@pytest.mark.parametrize("form", ["increment", "tendency"])
def test_a_correction_finds_what_the_model_lacks(
    form: str, tmp_path: Path, write_config: WriteConfig
) -> None:
    config = write_config(
        "correction",
        ("windows = 30", "windows = 150"),
        ("batch = 4", f"batch = 64\nform = '{form}'"),
    )
    assert train("correction", config, tmp_path / "run", "-q") == 0
    scores = kept(tmp_path / "run")["progress"]["tests"][-1]
    assert scores["from_truth_rmse_1"] < 0.8 * scores["from_truth_rmse_uncorrected_1"]


@pytest.mark.parametrize("form", ["increment", "tendency"])
def test_da_cycle_adds_a_correction_to_what_it_was_trained_for(
    form: str, tmp_path: Path, write_config: WriteConfig, program: Path
) -> None:
    config = write_config("correction", ("batch = 4", f"batch = 4\nform = '{form}'"))
    assert train("correction", config, tmp_path / "run", "-q") == 0
    folder = str(tmp_path)
    assert main(["export", str(tmp_path / "run"), "-o", folder, "--dtype", "float64"]) == 0
    (tmp_path / "run.nml").write_text(
        "&cycle analysis = 'none', cycles = 2, burn_in = 0 / &lorenz96 n = 12 /\n"
        "&ensemble members = 1 / &output file = 'run.nc' /\n"
        "&networks correction = 'correction.pt' /\n"
    )
    subprocess.run([program, "run.nml"], cwd=tmp_path, check=True, capture_output=True)
    network = OnCircle(*load(tmp_path / "correction.pt"))

    def added(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = network(x[:, None])[:, 0]
        return out

    with open_run(tmp_path / "run.nc") as run:
        x = torch.from_numpy(run.analysis_mean.values[:1].copy())
        found = torch.from_numpy(run.background_mean.values[1:2].copy())
    plain = lorenz96.step(x, 8.0, 0.05)
    corrected = lorenz96.step_with(x, 8.0, 0.05, added)
    expected = plain + added(x) if form == "increment" else corrected
    assert torch.allclose(found, expected, rtol=0, atol=ROUNDING)
    assert not torch.allclose(found, plain, rtol=0, atol=1e3 * ROUNDING)


def test_an_emulator_finds_the_model(tmp_path: Path, write_config: WriteConfig) -> None:
    """The quadratic stencil contains the model, and comes near it in a few hundred updates."""
    config = write_config(
        "emulator",
        ("channels = 4\nlayers = 1", "architecture = 'quadratic_stencil'"),
        ("leads = 2", "leads = 2\nform = 'tendency'\ngap = 10\njacobian = 0.1"),
        ("windows = 30", "windows = 250"),
        ("learning_rate = 3e-3", "learning_rate = 0.1"),
        ("batch = 4", "batch = 16"),
        ("test = 10", "test = 250"),
    )
    assert train("emulator", config, tmp_path / "run", "-q") == 0
    assert kept(tmp_path / "run")["progress"]["tests"][-1]["error_of_a_step"] < 0.01


@pytest.mark.slow
def test_the_coefficients_of_the_model_are_found_to_rounding(
    repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    config = repository / "experiments" / "emulator" / "identification.toml"
    assert train("emulator", config, folder, "-q") == 0
    (weights,) = [value for name, value in kept(folder)["network"].items() if "weight" in name]
    model = {(): 8.0, (0,): -1.0, (-1, 1): 1.0, (-2, -1): -1.0}
    expected = [model.get(points, 0.0) for points in monomials(2)]
    assert weights.tolist() == pytest.approx(expected, abs=1e-12)


def test_an_observed_field_and_its_derivative_are_found(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    """A curve with a kink, of an average: within a minute near enough to be assimilated."""
    config = write_config(
        "observation",
        ("channels = 4\nlayers = 1", "channels = 16\nlayers = 3\nkernel = 3"),
        ("batch = 4", "batch = 64"),
        ("windows = 30", "windows = 300"),
        ("learning_rate = 3e-3", "learning_rate = 4e-3"),
        ("test_batch = 2", "test_batch = 64"),
    )
    assert train("observation", config, tmp_path / "run", "-q") == 0
    scores = kept(tmp_path / "run")["progress"]["tests"][-1]
    assert scores["error_of_the_field"] < 0.05
    assert scores["error_of_the_tangent_linear"] < 0.2


def test_a_field_that_the_network_contains_is_found_to_rounding(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    """The square of an average is a quadratic stencil."""
    config = write_config(
        "observation",
        ("channels = 4\nlayers = 1", "architecture = 'quadratic_stencil'"),
        ("[observation]", "[observation]\ncurve = 'square'"),
        ("[training]", "[training]\ndtype = 'float64'"),
        ("batch = 4", "batch = 16"),
        ("windows = 30", "windows = 1500"),
        ("learning_rate = 3e-3", "learning_rate = 0.03"),
        ("test = 10", "test = 1500"),
    )
    assert train("observation", config, tmp_path / "run", "-q") == 0
    scores = kept(tmp_path / "run")["progress"]["tests"][-1]
    assert scores["error_of_the_field"] < 1e-6


def test_a_window_wider_than_the_circle_is_refused(
    tmp_path: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config("observation", ("average_half_width = 1.0", "average_half_width = 6.5"))
    assert train("observation", config, tmp_path / "run", "-q") == 2
    assert capsys.readouterr().err == (
        f"dacycle: error: {config}: [observation] average_half_width = 6.5 must be at most half "
        "of [model] n = 12\n"
    )


def test_a_setting_of_another_curve_is_refused(
    tmp_path: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config("observation", ("[observation]", "[observation]\nlog_offset = 2.0"))
    assert train("observation", config, tmp_path / "run", "-q") == 2
    assert "[observation] log_offset is not used: curve = 'power'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
class TestEachKind:
    def test_a_seed_gives_the_same_bits(
        self, kind: str, tmp_path: Path, write_config: WriteConfig
    ) -> None:
        config = write_config(kind)
        for name in ("a", "b"):
            assert train(kind, config, tmp_path / name, "--quiet") == 0
        assert_same(kept(tmp_path / "a"), kept(tmp_path / "b"))

    def test_a_killed_training_goes_on_to_the_same_bits(
        self, kind: str, tmp_path: Path, write_config: WriteConfig
    ) -> None:
        config = write_config(kind, ("windows = 30", "windows = 60"), ("batch = 4", "batch = 16"))
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        assert train(kind, config, whole, "--quiet") == 0
        line = [Path(sys.executable).with_name("dacycle"), "train", kind, config, "-o", killed]
        with subprocess.Popen(line, stdout=subprocess.DEVNULL) as running:
            until = time.monotonic() + 120
            while not (killed / CHECKPOINT).exists() and time.monotonic() < until:
                time.sleep(0.001)
            running.kill()
        assert kept(killed)["progress"]["update"] < 60, "killed too late to test anything"
        assert train(kind, config, killed, "--quiet") == 0
        assert_same(kept(killed), kept(whole))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_training_goes_on_to_the_same_bits(
    number: int, tmp_path: Path, write_config: WriteConfig
) -> None:
    config = write_config("dan", ("windows = 30", "windows = 60"), ("batch = 4", "batch = 16"))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train("dan", config, whole, "--quiet") == 0
    line = [Path(sys.executable).with_name("dacycle"), "train", "dan", config, "-o", stopped]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        while "update 5 " not in running.stdout.readline():
            pass
        running.send_signal(number)
        rest, _ = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert "stopped after update" in rest
    assert 5 <= kept(stopped)["progress"]["update"] < 60
    assert train("dan", config, stopped, "--quiet") == 0
    assert_same(kept(stopped), kept(whole))


@pytest.mark.slow
def test_the_training_of_the_docs_beats_3dvar(repository: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text((repository / "docs" / "training.md").read_text().split("```")[1][4:])
    assert train("dan", config, tmp_path / "tiny", "-q") == 0
    three_dimensional_variational = 0.41
    scores = kept(tmp_path / "tiny")["progress"]["tests"][-1]
    assert scores["update"] == 600
    assert scores["rmse_max"] < 2 * scores["rmse"] < 1.5 * three_dimensional_variational


def test_finish_begins_the_decay(tmp_path: Path, write_config: WriteConfig) -> None:
    folder = tmp_path / "run"
    assert train("dan", write_config("dan", ("windows = 30", "windows = 9")), folder, "-q") == 0
    (folder / FINISH).touch()
    assert train("dan", write_config("dan"), folder, "-q") == 0
    progress = kept(folder)["progress"]
    assert (progress["finish"], progress["update"]) == (9, 12)


def test_a_finished_training_is_left_as_it_is(tmp_path: Path, write_config: WriteConfig) -> None:
    config, folder = write_config("dan"), tmp_path / "run"
    assert train("dan", config, folder, "-q") == 0
    before = kept(folder)
    assert train("dan", config, folder, "-q") == 0
    assert_same(kept(folder), before)


def test_another_training_is_not_gone_on_with(
    tmp_path: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert train("dan", write_config("dan"), folder, "-q") == 0
    other = write_config("dan", ("channels = 4", "channels = 6"))
    assert train("dan", other, folder, "-q") == 2
    assert capsys.readouterr().err == (
        f"dacycle: error: {folder}: its checkpoint is of a training with other settings: "
        "[network] channels was 4 and is 6 "
        "(--fresh begins anew, --change goes on with other data)\n"
    )
    assert train("dan", other, folder, "-q", "--change") == 2
    assert train("dan", other, folder, "-q", "--fresh") == 0
    assert kept(folder)["network"]["body.first.weight"].shape[0] == 6


def test_data_may_be_changed_under_way_and_it_is_kept(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    folder = tmp_path / "run"
    assert train("dan", write_config("dan"), folder, "-q") == 0
    other = write_config("dan", ("reseed = 0.2", "reseed = 0.3"), ("windows = 30", "windows = 40"))
    assert train("dan", other, folder, "-q") == 2
    assert train("dan", other, folder, "-q", "--change") == 0
    assert kept(folder)["progress"]["update"] == 40
    assert kept(folder)["progress"]["changes"] == ["update 30: [twins] reseed was 0.2 and is 0.3"]
    assert train("dan", other, folder, "-q") == 0


def test_twins_that_blow_up_do_not_stop_the_training(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    config = write_config("dan", ("batch = 4", "batch = 16\nreseed_sd = 1000.0"))
    assert train("dan", config, tmp_path / "run", "-q") == 0
    progress = kept(tmp_path / "run")["progress"]
    assert (progress["update"], progress["skipped"]) == (30, 0)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"nothing like it"])
def test_a_broken_checkpoint_is_told(
    content: bytes, tmp_path: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    assert train("dan", write_config("dan"), tmp_path, "-q") == 2
    errors = capsys.readouterr().err
    assert errors.startswith(
        f"dacycle: error: {tmp_path / CHECKPOINT}: no checkpoint of a training"
    )
    assert errors.count("\n") == 1


def test_a_device_that_is_not_there_is_told(
    tmp_path: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    device = "cuda:99"
    config = write_config("dan", ("[training]", f"[training]\ndevice = '{device}'"))
    assert train("dan", config, tmp_path / "run", "-q") == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"dacycle: error: [training] device = '{device}' cannot be used")
    assert errors.count("\n") == 1


def test_without_pytorch_all_but_networks_works() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from dacycle.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run([*line, "defaults"], capture_output=True, text=True, check=True)
    assert "&cycle" in done.stdout
    done = subprocess.run([*line, "train", "dan", "x.toml"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "dacycle: error: networks need PyTorch, which is not installed: bin/setup installs it\n"
    )
