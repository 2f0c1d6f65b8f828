"""`dacycle.export_module`: modules that know nothing of dacycle, and what is refused."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import dacycle
from dacycle.errors import NetworkFileError
from dacycle.network.file import load
from dacycle.network.type import wrap
from dacycle.validate import validate

BELONGS = {"model": "lorenz96", "forcing": 8.0, "interval": 0.05}


class Residual(nn.Module):
    """A new state, with padding of any kind inside."""

    def __init__(self, padding_mode: str, kernel: int = 5) -> None:
        super().__init__()
        reach = kernel // 2
        self.first = nn.Conv1d(1, 6, kernel, padding=reach, padding_mode=padding_mode)
        self.last = nn.Conv1d(6, 1, 3, padding=1, padding_mode=padding_mode)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(torch.tanh(self.first(x)))


class Mean(nn.Module):
    """Looks at all points."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x - x.mean(-1, keepdim=True))


class Untyped(nn.Module):
    """What TorchScript cannot compile: a keyword's dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor, **more: float) -> Tensor:
        return self.convolution(x) * more.get("scale", 1.0)


class Memory(nn.Module):
    """State, sensitivity and two fields of memory, in; state and memory, out."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(4, 3, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@pytest.mark.parametrize("padding_mode", ["circular", "zeros", "reflect"])
def test_padding_of_any_kind_gives_the_circle(padding_mode: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = Residual(padding_mode).double()
    path = dacycle.export_module(
        module, tmp_path / "mine.pt", role="model", gives="next", **BELONGS
    )
    script, metadata = load(path)
    assert (metadata.halo, metadata.role, metadata.dtype) == (3, "model", "float64")
    x = torch.randn(2, 1, 30, dtype=torch.float64)
    circle = Residual("circular").double()
    circle.load_state_dict(module.state_dict())
    found = x + script(wrap(x, metadata.halo))
    torch.testing.assert_close(found, circle(x), rtol=0, atol=1e-14)
    assert all(check.passed for check in validate(path, physical=False)[1])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256 in path.with_suffix(".md").read_text()


def test_a_module_that_loses_points_is_taken_as_it_is(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv1d(1, 4, 5), nn.SiLU(), nn.Conv1d(4, 1, 3))
    path = dacycle.export_module(module, tmp_path / "valid.pt", role="correction", **BELONGS)
    script, metadata = load(path)
    assert metadata.halo == 3
    x = torch.randn(2, 1, 20)
    torch.testing.assert_close(script(x), module(x))


def test_the_module_is_left_as_it_was(tmp_path: Path) -> None:
    module = Residual("circular").train()
    dacycle.export_module(module, tmp_path / "mine.pt", role="model", gives="next", **BELONGS)
    assert module.training
    assert all(weight.requires_grad for weight in module.parameters())
    assert set(dict(module.named_buffers())) == set()


def test_code_that_torchscript_does_not_understand_is_traced(tmp_path: Path) -> None:
    module = Untyped()
    path = dacycle.export_module(module, tmp_path / "traced.pt", role="model", **BELONGS)
    script, _ = load(path)
    x = torch.randn(3, 1, 17)
    torch.testing.assert_close(script(wrap(x, 1)), module(x))


def test_an_analysis_with_memory(tmp_path: Path) -> None:
    path = dacycle.export_module(
        Memory(), tmp_path / "dan.pt", role="analysis", gives="next", memory=2, **BELONGS
    )
    script, metadata = load(path)
    assert metadata.inputs == ("state", "sensitivity", "memory", "memory")
    assert metadata.outputs == ("increment", "memory", "memory")
    assert script(torch.randn(1, 4, 12)).shape == (1, 3, 10)


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        (Mean(), {}, "depends on all points"),
        (nn.Linear(40, 36), {}, "any number of points"),
        (nn.Conv1d(2, 1, 3), {}, "cannot be called with"),
        (nn.Conv1d(1, 2, 3), {}, "gives 2 channels"),
        (nn.Conv1d(1, 1, 2), {}, "as many on the left as on the right"),
        (nn.Conv1d(1, 1, 3).half(), {}, "weights are float16"),
        (nn.Flatten(0), {}, r"one tensor \(batch, channels, points\)"),
        (nn.Conv1d(1, 1, 3), {"role": "emulator"}, "role = 'emulator'"),
        (nn.Conv1d(1, 1, 3), {"gives": "state"}, "gives = 'state'"),
        (nn.Conv1d(1, 1, 3), {"role": "correction", "gives": "next"}, "not for a correction"),
        (nn.Conv1d(1, 1, 3), {"interval": 0.0}, "interval"),
        (nn.Conv1d(1, 1, 3), {"components": 0}, "components"),
    ],
)
def test_what_cannot_be_an_operator_is_refused(
    module: nn.Module, settings: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(NetworkFileError, match=message):
        dacycle.export_module(
            module, tmp_path / "mine.pt", **{"role": "model", **BELONGS, **settings}
        )
    assert not list(tmp_path.iterdir())


def test_a_wrong_name_and_a_folder_that_cannot_be(tmp_path: Path) -> None:
    module = nn.Conv1d(1, 1, 3)
    with pytest.raises(NetworkFileError, match=r"must end in \.pt"):
        dacycle.export_module(module, tmp_path / "mine.onnx", role="model", **BELONGS)
    (tmp_path / "file").touch()
    with pytest.raises(NetworkFileError, match="file"):
        dacycle.export_module(module, tmp_path / "file" / "mine.pt", role="model", **BELONGS)
