"""Modules as people have them: each is adopted, or refused in one line that says what to do."""

import functools
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import dacycle
from dacycle.errors import NetworkFileError
from dacycle.network.file import load
from dacycle.network.type import wrap

BELONGS: dict[str, Any] = {"model": "lorenz96", "forcing": 8.0, "interval": 0.05}


def conv(channels_in: int, channels_out: int, kernel: int = 5) -> nn.Conv1d:
    return nn.Conv1d(
        channels_in, channels_out, kernel, padding=kernel // 2, padding_mode="circular"
    )


def net(change: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> nn.Sequential:
    return nn.Sequential(change(conv(1, 8)), nn.Tanh(), conv(8, 1))


class Does(nn.Module):
    """A network, and a function that says what its forward does with it."""

    def __init__(self, forward: Callable[..., Any], **more: Any) -> None:
        super().__init__()
        self.n = net()
        self.does = forward
        for name, value in more.items():
            setattr(self, name, value)

    def forward(self, *args: Any, **more: Any) -> Any:
        return self.does(self, *args, **more)


class Clipped(nn.Module):
    """A branch on values that TorchScript takes."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        if bool(y.abs().max() > 1e6):
            y = 0.5 * y
        return y


class Hidden(nn.Module):
    """float32 weights, and a float64 buffer from NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv(1, 1, 3)
        self.register_buffer("sd", torch.from_numpy(np.array([3.6])))

    def forward(self, x: Tensor) -> Tensor:
        return self.c(x) * self.sd


class Plain(nn.Module):
    """A kernel that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = torch.tensor([[[0.1, -0.2, 0.3]]])

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv1d(x, self.kernel)


class Closure(nn.Module):
    """Each point by itself, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.n = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.n(x)


class Rows(nn.Module):
    """(batch, points) to (batch, points)."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv(1, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.c(x[:, None]))[:, 0]


class Attention(nn.Module):
    """Looks at all points."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv1d(1, 4, 1) for _ in range(3))
        self.last = nn.Conv1d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.q(x).transpose(1, 2) @ self.k(x), -1)
        return self.last(self.v(x) @ weights.transpose(1, 2))


class UNet(nn.Module):
    """Half the points inside."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv1d(1, 4, 3, stride=2, padding=1, padding_mode="circular")
        self.up = nn.ConvTranspose1d(4, 1, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(torch.tanh(self.down(x)))


class Keeps(nn.Module):
    """A state that stays from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv(1, 1)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.c(x) * self.calls


def with_batch_norm() -> nn.Module:
    layers = nn.Sequential(conv(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Tanh(), conv(4, 1))
    layers.train()
    layers(torch.randn(5, 1, 40))
    return layers


def zero_last() -> nn.Module:
    layers = net()
    nn.init.zeros_(layers[2].weight)
    nn.init.zeros_(layers[2].bias)
    return layers


def pruned() -> nn.Module:
    layers = net()
    prune.l1_unstructured(layers[0], "weight", 0.5)
    layers(torch.randn(1, 1, 40))
    return layers


def hooked(hook: Callable[..., Any]) -> nn.Module:
    layers = net()
    layers[0].register_forward_hook(hook)
    return layers


def locked() -> nn.Module:
    layers = net()
    layers.lock = threading.Lock()
    return layers


def frozen(module: nn.Module | None = None) -> nn.Module:
    """As FTorch's pt2ts writes it: traced, and weights made constants."""
    return torch.jit.freeze(torch.jit.trace((module or net()).eval(), torch.randn(2, 1, 40)))


def called(module: nn.Module) -> nn.Module:
    module(torch.randn(2, 1, 40))
    return module


def deeply(self: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return self.n(x)


# What is adopted.
TAKEN: dict[str, Callable[[], Any]] = {
    "plain": net,
    "double": lambda: net().double(),
    "weight_norm, old": lambda: called(net(nn.utils.weight_norm)),
    "weight_norm": lambda: called(net(parametrizations.weight_norm)),
    "spectral_norm, old": lambda: called(net(nn.utils.spectral_norm)),
    "spectral_norm": lambda: net(parametrizations.spectral_norm),
    "pruned": pruned,
    "zero last layer": zero_last,
    "batch norm, dropout, train mode": with_batch_norm,
    "zeros outside": lambda: nn.Conv1d(1, 1, 5, padding=2),
    "reflect": lambda: nn.Conv1d(1, 1, 5, padding=2, padding_mode="reflect"),
    "replicate": lambda: nn.Conv1d(1, 1, 5, padding=2, padding_mode="replicate"),
    "dilated": lambda: nn.Sequential(nn.Conv1d(1, 4, 3, dilation=4), nn.Conv1d(4, 1, 3)),
    "grouped": lambda: nn.Sequential(conv(1, 8), nn.Conv1d(8, 8, 1, groups=4), conv(8, 1)),
    "loses points": lambda: nn.Sequential(nn.Conv1d(1, 4, 5), nn.SiLU(), nn.Conv1d(4, 1, 3)),
    "float64 buffer": Hidden,
    "tensor attribute": Plain,
    "branch in TorchScript": Clipped,
    "*args": lambda: Does(lambda self, *args: self.n(args[0])),
    "keywords": lambda: Does(lambda self, x, scale=2.0, **more: scale * self.n(x)),
    "in place on its input": lambda: Does(lambda self, x: self.n(x.clamp_(-5, 5))),
    "partial": lambda: functools.partial(Does(lambda self, x, scale: scale * self.n(x)), scale=2.0),
    "bound method": lambda: net().forward,
    "function": lambda: lambda x: x.roll(1, -1) * 0.1 + x**2 * 0.01,
    "forward hook": lambda: hooked(lambda module, given, out: 2 * out),
    "lock": locked,
    "DataParallel": lambda: nn.DataParallel(net()),
    "torch.compile": lambda: torch.compile(net()),
    "compiled layer": lambda: nn.Sequential(torch.compile(conv(1, 4)), conv(4, 1)),
    "scripted": lambda: torch.jit.script(net()),
    "traced": lambda: torch.jit.trace(net(), torch.randn(2, 1, 40)),
    "frozen": frozen,
    "frozen, double": lambda: torch.jit.freeze(torch.jit.script(net().double().eval())),
    "frozen ReLU": lambda: frozen(nn.Sequential(conv(1, 16), nn.ReLU(), conv(16, 1))),
    "EMA": lambda: torch.optim.swa_utils.AveragedModel(net()),
    "fx": lambda: torch.fx.symbolic_trace(net()),
    "points as a row": Rows,
    "channels last": Closure,
    "dense": lambda: nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 40)),
    "dense, 36": lambda: nn.Linear(36, 36),
    "dense, rows": lambda: Does(lambda self, x: self.d(x.view(-1, 40)), d=nn.Linear(40, 40)),
    "layer norm": lambda: nn.Sequential(conv(1, 1), nn.LayerNorm(40)),
}

# What is refused, and a part of the line.
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "state_dict": (lambda: net().state_dict(), "load_state_dict"),
    "checkpoint": (lambda: {"epoch": 3}, "load_state_dict"),
    "path": (lambda: "mine.pt", "dacycle adopt"),
    "Path": (lambda: Path("mine.pt"), "dacycle adopt"),
    "class": (lambda: Rows, "is a class"),
    "None": (lambda: None, "NoneType is no torch.nn.Module"),
    "array": (lambda: np.zeros(40), "ndarray is no torch.nn.Module"),
    "tensor": (lambda: torch.zeros(40), "Tensor is no torch.nn.Module"),
    "no_grad": (lambda: Does(torch.no_grad()(lambda self, x: self.n(x))), "no derivative"),
    "inference_mode": (lambda: Does(torch.inference_mode()(lambda s, x: s.n(x))), "derivative"),
    "with no_grad": (lambda: Does(deeply), "no derivative"),
    "detach": (lambda: Does(lambda self, x: self.n(x).detach()), "no derivative"),
    "detached part": (lambda: Does(lambda self, x: self.n(x) + x.detach() ** 2), "Taylor"),
    "numpy": (lambda: Does(lambda s, x: torch.from_numpy(s.n(x).numpy())), "differentiated"),
    "numpy, detached": (
        lambda: Does(lambda self, x: self.n(x) + torch.from_numpy(np.sin(x.detach().numpy()))),
        "a trace of it does not",
    ),
    "traced branch": (
        lambda: Does(lambda self, x: self.n(x) if x.mean() > 0 else -self.n(x)),
        "branches on the values",
    ),
    "item": (lambda: Does(lambda self, x: self.n(x) * x.std().item()), "branches on the values"),
    "tuple": (lambda: Does(lambda self, x: (self.n(x), x)), "one tensor"),
    "dictionary out": (lambda: Does(lambda self, x: {"x": self.n(x)}), "one tensor"),
    "number out": (lambda: Does(lambda self, x: self.n(x).mean()), "one tensor"),
    "complex out": (lambda: Does(lambda self, x: self.n(x) + 1j), "complex64 numbers"),
    "complex weights": (lambda: net().to(torch.complex64), "weights are complex64"),
    "half": (lambda: net().half(), "weights are float16"),
    "bfloat16": (lambda: net().bfloat16(), "weights are bfloat16"),
    "mixed": (lambda: nn.Sequential(conv(1, 4), conv(4, 1).double()), "float32, float64"),
    "quantised": (
        lambda: torch.ao.quantization.quantize_dynamic(
            nn.Sequential(nn.Linear(40, 40)), {nn.Linear}, dtype=torch.qint8
        ),
        "derivative",
    ),
    "lazy": (lambda: nn.Sequential(nn.LazyConv1d(4, 3), conv(4, 1)), "was never called"),
    "meta": (lambda: net().to("meta"), "holds no values"),
    "no forward": (lambda: nn.ModuleList([net()]), "cannot be called"),
    "two arguments": (lambda: Does(lambda self, x, t: self.n(x) * t), "cannot be called"),
    "two channels in": (lambda: conv(2, 1), "cannot be called with"),
    "two channels out": (lambda: conv(1, 2), "gives 2 channels"),
    "even kernel": (lambda: nn.Conv1d(1, 1, 4), "as many on the left"),
    "fewer points": (lambda: nn.Conv1d(1, 1, 2, stride=2), "as many"),
    "two dimensions": (lambda: nn.Conv2d(1, 1, 3), "cannot be called"),
    "RNN": (lambda: nn.GRU(1, 1, batch_first=True), "cannot be called"),
    "keeps a state": (Keeps, "another result"),
    "noise": (lambda: Does(lambda s, x: s.n(x) + torch.randn_like(x)), "another result"),
    "dropout on": (lambda: Does(lambda s, x: functional.dropout(s.n(x), 0.5)), "another result"),
    "traced dropout": (
        lambda: torch.jit.trace(
            nn.Sequential(conv(1, 1), nn.Dropout()).train(),
            torch.randn(2, 1, 40),
            check_trace=False,
        ),
        "another result",
    ),
    "not finite": (lambda: Does(lambda self, x: torch.log(x)), "not finite"),
    "attention": (Attention, "points = n"),
    "mean": (lambda: Does(lambda self, x: self.n(x) - x.mean(-1, keepdim=True)), "all points"),
    "U-Net": (UNet, "points ="),
    "batch as a whole": (lambda: Does(lambda s, x: s.n(x) - x.mean(0)), "members alone"),
    "its own error": (lambda: Does(lambda self, x: self.missing), "no attribute 'missing'"),
    "KeyError": (lambda: Does(lambda self, x: {}["x"]), "cannot be called"),
    "assertion": (lambda: Does(lambda self, x: self.n(x[:0])), "cannot be called|one tensor"),
}


def made(make: Callable[[], Any]) -> Any:
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


@pytest.mark.parametrize("name", TAKEN)
def test_is_adopted(name: str, tmp_path: Path) -> None:
    module = made(TAKEN[name])
    state = {key: value.clone() for key, value in getattr(module, "state_dict", dict)().items()}
    path = dacycle.export_module(module, tmp_path / "mine.pt", role="model", **BELONGS)
    script, metadata = load(path)
    n = metadata.points or 30
    assert metadata.points == {"dense": 40, "dense, 36": 36, "dense, rows": 40}.get(
        name, 40 if name == "layer norm" else 0
    )
    # The circle, by the module itself in evaluation mode where it closes it.
    x = 3.0 * torch.randn(2, 1, n).to(next(script.parameters()).dtype)
    found = script(wrap(x, metadata.halo))
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    if name in ("plain", "double", "weight_norm", "spectral_norm", "pruned", "forward hook"):
        torch.testing.assert_close(found, module.eval()(x).detach(), rtol=1e-5, atol=1e-6)
    for key, value in state.items():
        assert torch.equal(getattr(module, "state_dict", dict)()[key], value)


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    module = made(make)
    with pytest.raises(NetworkFileError, match=message) as refused:
        dacycle.export_module(module, tmp_path / "mine.pt", role="model", **BELONGS)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())
