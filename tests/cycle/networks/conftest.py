"""Networks whose answer is known: formulas as TorchScript, with the metadata that an export has."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dacycle.network.package import save as compile_network

METADATA = "dacycle.nml"
POINTS = 40
BACKGROUND_SD = 0.5


class Lorenz96Increment(nn.Module):
    """One Runge-Kutta step of Lorenz-96 less where it began: what the Fortran model does."""

    def __init__(self, forcing: float = 8.0, dt: float = 0.05) -> None:
        super().__init__()
        self.forcing = forcing
        self.dt = dt
        self.one = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def tendency(self, x: Tensor) -> Tensor:
        """Loses two points on the left and one on the right."""
        here = x[:, :, 2:-1]
        return (x[:, :, 3:] - x[:, :, :-3]) * x[:, :, 1:-2] - here + self.forcing

    def forward(self, x: Tensor) -> Tensor:
        h = self.dt
        k1 = self.tendency(x)
        k2 = self.tendency(x[:, :, 2:-1] + 0.5 * h * k1)
        k3 = self.tendency(x[:, :, 4:-2] + 0.5 * h * k2)
        k4 = self.tendency(x[:, :, 6:-3] + h * k3)
        slopes = k1[:, :, 6:-3] + 2.0 * (k2[:, :, 4:-2] + k3[:, :, 2:-1]) + k4
        return self.one * (h / 6.0) * slopes


class ForcingDifference(nn.Module):
    """What another forcing makes of two steps: the correction of a model that has the wrong one."""

    def __init__(self, right: float, wrong: float) -> None:
        super().__init__()
        self.right = Lorenz96Increment(right)
        self.wrong = Lorenz96Increment(wrong)

    def forward(self, x: Tensor) -> Tensor:
        one = x[:, :, 8:-4] + self.right(x)
        other = x[:, :, 8:-4] + self.wrong(x)
        return one[:, :, 8:-4] + self.right(one) - other[:, :, 8:-4] - self.wrong(other)


class CubicTerms(nn.Module):
    """What the cubic model's tendency has beyond Lorenz-96; two points left, three right."""

    def __init__(self) -> None:
        super().__init__()
        self.cubic = nn.Parameter(torch.tensor(0.025, dtype=torch.float64), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[2] - 5
        before2, before, here = x[:, :, :n], x[:, :, 1 : n + 1], x[:, :, 2 : n + 2]
        next1, next2, next3 = x[:, :, 3 : n + 3], x[:, :, 4 : n + 4], x[:, :, 5 : n + 5]
        products = next1 * before * (next2 - before2) - next2 * here * (next3 - before)
        return self.cubic * products - 0.01 * here + 0.5


class Gain(nn.Module):
    """The analysis of 3D-Var with independent errors everywhere: a constant gain."""

    def __init__(self, background_sd: float, error_sd: float) -> None:
        super().__init__()
        precision = 1 / background_sd**2 + 1 / error_sd**2
        self.variance = nn.Parameter(
            torch.tensor(1 / precision, dtype=torch.float64), requires_grad=False
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.variance * x[:, 1:2]


class Nothing(nn.Module):
    """No increment: the state goes its own way, and loses the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.tensor(0.0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.zero * x[:, 1:2]


class CountingGain(nn.Module):
    """A gain that falls with the cycles, which it counts in its memory."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.tensor(0.5), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        cycles = x[:, 2:3, 1:-1] + 1.0
        # A neighbour's share, so that halos matter.
        smooth = x[:, 1:2, 1:-1] + 0.1 * (x[:, 1:2, 2:] + x[:, 1:2, :-2])
        return torch.cat((self.first * torch.exp(-0.2 * cycles) * smooth, cycles), 1)


class Square(nn.Module):
    """x², observed."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.one * x * x


def save(
    module: nn.Module,
    path: Path,
    role: str,
    halo: tuple[int, int] = (0, 0),
    channels: int = 1,
    memory: int = 0,
    interval: float = 0.05,
    members: int = 0,
    dtype: torch.dtype = torch.float64,
    form: str = "increment",
    changes: str = "",
) -> Path:
    """The module in a file as `dacycle export` writes it; `changes` replaces the metadata."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, channels, POINTS + sum(halo), generator=generator, dtype=torch.float64)
    module = module.to(dtype)
    x = x.to(dtype)
    module.register_buffer("sample_input", x)
    module.register_buffer("sample_output", module(x))
    metadata = changes or (
        f"&network format = 1, role = '{role}', form = '{form}', "
        f"halo_left = {halo[0]}, halo_right = {halo[1]}, memory = {memory} /\n"
        f"&trained_for model = 'lorenz96', interval = {interval}, members = {members} /\n"
    )
    torch.jit.save(torch.jit.script(module), path, _extra_files={METADATA: metadata})
    return path


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network for each role."""
    folder = tmp_path_factory.mktemp("networks")
    step = (8, 4)
    save(Lorenz96Increment(), folder / "model.pt", "model", step)
    save(ForcingDifference(8.5, 8.0), folder / "correction.pt", "correction", (16, 8), interval=0.1)
    save(CubicTerms(), folder / "tendency.pt", "correction", (2, 3), form="tendency")
    single = torch.float32
    save(Lorenz96Increment(), folder / "single.pt", "model", step, dtype=single)
    save(Gain(BACKGROUND_SD, 1.0), folder / "gain.pt", "analysis", channels=2)
    save(Gain(BACKGROUND_SD, 1.0), folder / "alone.pt", "analysis", channels=2, members=1)
    save(Nothing(), folder / "nothing.pt", "analysis", channels=2)
    save(CountingGain(), folder / "counting.pt", "analysis", (1, 1), channels=3, memory=1)
    save(Square(), folder / "square.pt", "observation")
    return folder


@pytest.fixture(scope="session")
def package(networks: Path) -> Path:
    """The model as a network, compiled; it says what its TorchScript file does."""
    extra = {METADATA: b""}
    script = torch.jit.load(networks / "model.pt", _extra_files=extra)
    sample = script.sample_input, script.sample_output
    path = networks / "model.pt2"
    metadata = {METADATA: extra[METADATA].decode()}
    compile_network(Lorenz96Increment().double(), sample, metadata, path)
    return path


@pytest.fixture
def save_network() -> Callable[..., Path]:
    """`save_network(module, path, role, halo, ...)`, as above."""
    return save


@pytest.fixture
def write_network(tmp_path: Path) -> Callable[..., Path]:
    """`write_network(name, **settings)`: a correction, said to be something."""

    def write(name: str, **settings: object) -> Path:
        settings = {"role": "correction", "halo": (8, 4)} | settings
        return save(Lorenz96Increment(), tmp_path / name, **settings)  # type: ignore[arg-type]

    return write
