"""`dacycle export` and `dacycle validate`: the file, its card, and what is refused."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dacycle.cli import main
from dacycle.errors import NetworkFileError
from dacycle.export import export_training
from dacycle.model import lorenz96_torch
from dacycle.network.file import load, save
from dacycle.network.package import network_of
from dacycle.network.type import Network, wrap
from dacycle.training.command import open_training
from dacycle.validate import validate

CONFIG = """
[network]
channels = 4
layers = 1
memory = 2
[model]
n = 12
[twins]
batch = 4
cycles = 2
test_batch = 2
test_cycles = 5
test_burn_in = 2
test_cycles_long = 10
[training]
windows = 20
test = 20
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    config = folder / "tiny.toml"
    config.write_text(CONFIG)
    assert main(["train", "dan", str(config), "-o", str(folder / "run"), "-q"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    assert main(["export", str(trained), "-o", str(trained / "out")]) == 0
    return trained / "out" / "tiny.pt"


def test_the_file_describes_itself(exported: Path) -> None:
    module, metadata = load(exported)
    assert (metadata.name, metadata.role, metadata.halo) == ("tiny", "analysis", 4)
    assert metadata.inputs == ("state", "sensitivity", "memory", "memory")
    assert metadata.outputs == ("increment", "memory", "memory")
    assert (metadata.memory, metadata.dtype) == (2, "float32")
    assert metadata.trained_for["dt"] == 0.05
    assert metadata.trained_for["n"] == 12
    assert metadata.configuration["training"]["windows"] == 20
    assert set(metadata.scores) == {"rmse", "rmse_max", "cold_lost"}
    assert all(not weight.requires_grad for weight in module.parameters())


def test_metadata_are_plain_json_in_the_archive(exported: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("extra/dacycle.json")]
        found = json.loads(archive.read(name))
    assert (found["format"], found["version"]) == ("dacycle network", 1)
    assert found["halo"] == 4


def test_the_file_gives_what_the_training_had(exported: Path, trained: Path) -> None:
    module, metadata = load(exported)
    network = open_training(trained)[1].task.network
    x = torch.randn(3, 4, 20)
    torch.testing.assert_close(module(wrap(x, metadata.halo)), network(x), rtol=0, atol=1e-6)


def test_the_card_has_the_sum_of_the_file(exported: Path) -> None:
    card = exported.with_suffix(".md").read_text()
    assert hashlib.sha256(exported.read_bytes()).hexdigest() in card
    assert CONFIG.strip() in card
    assert f"{load(exported)[1].scores['rmse']:.4g}" in card


def test_an_export_repeats_to_the_bit(exported: Path, trained: Path, tmp_path: Path) -> None:
    again = export_training(trained, tmp_path, lambda _: None)
    assert again.read_bytes() == exported.read_bytes()


def test_precision_may_be_chosen(trained: Path, tmp_path: Path) -> None:
    assert main(["export", str(trained), "-o", str(tmp_path), "--dtype", "float64"]) == 0
    module, metadata = load(tmp_path / "tiny.pt")
    assert metadata.dtype == "float64"
    assert module(torch.zeros(1, 4, 12, dtype=torch.float64)).dtype == torch.float64
    assert all(check.passed for check in validate(tmp_path / "tiny.pt")[1])


def test_a_sound_file_is_found_sound(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(exported)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("passed") == 7
    assert "FAILED" not in printed


class Global(Network):
    """Knows the mean of all points: not local, whatever its halo says."""

    def __init__(self) -> None:
        super().__init__(4, 4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3, 4:-4] - x.mean()


class Narrow(Network):
    """Gives back more points than it should."""

    def __init__(self) -> None:
        super().__init__(4, 4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3, 3:-3]


class Rounded(Network):
    """Has no derivative that could be of use."""

    def __init__(self) -> None:
        super().__init__(4, 4, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3, 4:-4] + 0.5 * (torch.round(100 * x[:, 1:, 4:-4]) - x[:, 1:, 4:-4]).detach()


@pytest.mark.parametrize(
    ("network", "failing"),
    [(Global(), "halo: circle in slabs"), (Narrow(), "wrong shape"), (Rounded(), "Taylor")],
)
def test_an_unsound_file_is_found_out(
    network: Network,
    failing: str,
    exported: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    metadata = load(exported)[1]
    x = metadata.sample.tensors(torch.float32)[0]
    y = network(x)
    sample = replace(metadata.sample, shape_out=tuple(y.shape), output=tuple(y.flatten().tolist()))
    path = tmp_path / "unsound.pt"
    save(network, replace(metadata, sample=sample), path)
    assert main(["validate", str(path)]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert any(failing in line for line in failed)


def test_a_file_with_other_weights_is_found_out(exported: Path, tmp_path: Path) -> None:
    module, metadata = load(exported)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1.5)
    extra = {"dacycle.json": json.dumps(metadata_tables(metadata))}
    torch.jit.save(module, str(tmp_path / "other.pt"), _extra_files=extra)
    checks = validate(tmp_path / "other.pt")[1]
    assert [check.name for check in checks if not check.passed] == ["sample: largest difference"]


def test_the_jacobian_of_a_model_is_measured(tmp_path: Path) -> None:
    """An untrained emulator gives the identity; the physical model is another."""
    config = tmp_path / "still.toml"
    config.write_text(
        "[network]\nchannels = 4\nlayers = 1\n[model]\nn = 20\n"
        "[emulator]\ntest_free = 5\ntest_batch = 2\n"
        "[training]\nwindows = 1\nlearning_rate = 1e-9\n"
    )
    assert main(["train", "emulator", str(config), "-o", str(tmp_path / "run"), "-q"]) == 0
    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path)]) == 0
    metadata, checks = validate(tmp_path / "still.pt")
    assert (metadata.role, metadata.inputs, metadata.outputs) == (
        "model",
        ("state",),
        ("increment",),
    )
    assert set(metadata.scores) >= {"error_of_a_step", "free_steps", "free_deviation"}
    measured = {check.name: check.value for check in checks if check.name.startswith("Jacobian")}
    assert len(measured) == 5
    x = lorenz96_torch.climatology(8, 20, 8.0, 0.05, torch.Generator().manual_seed(3)).double()
    physical = torch.stack(
        [
            torch.autograd.functional.jacobian(
                lambda state: lorenz96_torch.step(state, 8.0, 0.05), state
            )
            for state in x
        ]
    )
    expected = float((physical - torch.eye(20)).norm() / physical.norm())
    assert measured["Jacobian: relative error of a step"] == pytest.approx(expected, rel=1e-3)
    assert measured["Jacobian: part outside the stencil"] == pytest.approx(0, abs=1e-6)


def metadata_tables(metadata: Any) -> dict[str, Any]:
    from dataclasses import asdict

    tables: dict[str, Any] = asdict(metadata)
    return tables


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "no TorchScript file"),
        (lambda content: content[: len(content) // 2], "no TorchScript file"),
        (lambda _: b"not at all", "no TorchScript file"),
    ],
)
def test_a_damaged_file_is_told(
    damage: Callable[[bytes], bytes],
    message: str,
    exported: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(damage(exported.read_bytes()))
    assert main(["validate", str(path)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"dacycle: error: {path}: {message}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (None, "no metadata: not written by `dacycle export`"),
        ("{}", "its metadata cannot be read"),
        ("[", "its metadata cannot be read"),
        ('{"format": "dacycle network", "version": 2}', "version 2 (this program reads"),
    ],
)
def test_metadata_that_are_no_use_are_told(
    extra: str | None, message: str, exported: Path, tmp_path: Path
) -> None:
    module = load(exported)[0]
    path = tmp_path / "without.pt"
    torch.jit.save(module, str(path), _extra_files={"dacycle.json": extra} if extra else {})
    with pytest.raises(NetworkFileError) as caught:
        load(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("command", ["export", "validate"])
def test_what_is_not_there_is_told(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith(f"dacycle: error: {tmp_path / 'none'}: no ")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is at hand")
@pytest.mark.skipif(" " in torch.__file__, reason="PyTorch compiles on no path with a space")
def test_a_file_is_compiled(exported: Path, tmp_path: Path) -> None:
    """What is compiled has been tested against the file's module before it is there."""
    assert main(["export", str(exported), "--aoti", "-o", str(tmp_path / "here")]) == 0
    package = tmp_path / "here" / "tiny.pt2"
    with zipfile.ZipFile(package) as new, zipfile.ZipFile(exported) as old:
        for name in ("dacycle.nml", "dacycle.json"):
            (copy,) = (entry for entry in new.namelist() if entry.endswith(f"/extra/{name}"))
            (first,) = (entry for entry in old.namelist() if entry.endswith(f"/extra/{name}"))
            assert new.read(copy) == old.read(first)
    assert [path.name for path in package.parent.iterdir()] == ["tiny.pt2"]


def test_what_cannot_be_compiled(
    exported: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(torch, "__file__", "/my disk/torch/__init__.py")
        assert main(["export", str(exported), "--aoti", "-o", str(tmp_path / "out")]) == 2
        assert "a path without spaces" in capsys.readouterr().err
        assert not list((tmp_path / "out").iterdir())
    assert main(["export", str(exported), "--aoti", "--dtype", "float64"]) == 2
    assert "has its precision" in capsys.readouterr().err
    module, metadata = load(exported)
    other = replace(metadata, configuration={"network": {"architecture": "transformer"}})
    with pytest.raises(NetworkFileError, match="its architecture is not known here"):
        network_of(exported, module, other)


def test_files_do_not_tell_where_they_were_made(exported: Path, repository: Path) -> None:
    for path in [exported, *(repository / "models_export").glob("*.pt")]:
        with zipfile.ZipFile(path) as archive:
            assert not [name for name in archive.namelist() if name.endswith("debug_pkl")]
            for name in archive.namelist():
                assert str(repository).encode() not in archive.read(name), (path, name)
