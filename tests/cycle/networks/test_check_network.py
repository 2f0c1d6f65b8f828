"""`da_cycle --check-network`: right networks pass on any ranks, and each mistake is found."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dacycle import namelist as nml

REPOSITORY = Path(__file__).parents[3]
SHIPPED = sorted(path.name for path in (REPOSITORY / "models_export").glob("*.pt"))
FORMULAS = ["model", "correction", "single", "gain", "counting", "square"]

OPTION = "--check-network"
DTYPES = {"float32": torch.float32, "float64": torch.float64}

DaCycle = Callable[..., subprocess.CompletedProcess[str]]
ErrorOf = Callable[..., str]
Save = Callable[..., Path]


class Smooth(nn.Module):
    """Convolutions with a halo of four points, for mistakes to be put in."""

    def __init__(self, padding: int = 0) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv1d(1, 8, 5, padding=padding)
        self.second = nn.Conv1d(8, 1, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(0.2 * x)))


class Kinked(Smooth):
    """The same with ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(functional.relu(self.first(0.2 * x)))


class ZeroPadded(Smooth):
    """Sees zeros beyond the ends of what it is given, and takes half of the halo that it says."""

    def __init__(self) -> None:
        super().__init__(padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(0.2 * x[:, :, 2:-2])))


class Detached(Smooth):
    """A hundredth of it has no derivative."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.tanh(self.first(0.2 * x)))
        return 0.99 * y + 0.01 * y.detach()


class Mixing(Smooth):
    """A member sees the others."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.tanh(self.first(0.2 * x)))
        return y - 0.01 * y.mean(0, keepdim=True)


class NotFinite(Smooth):
    """No number where a state is not above -20: nowhere in the sample."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(0.2 * x))) + 0.0 * torch.log(2.2 + x[:, :, 4:-4])


class OneSize(Smooth):
    """Knows circles of 40 points alone."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(0.2 * x.view(-1, 1, 48))))


class Constant(Smooth):
    """Does not depend on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(0.0 * x)))


def check(da_cycle: DaCycle, path: Path, ranks: int = 1) -> subprocess.CompletedProcess[str]:
    done = da_cycle([OPTION, path.name], ranks, cwd=path.parent)
    assert "passed" not in done.stderr
    return done


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_are_right(name: str, ranks: int, da_cycle: DaCycle) -> None:
    done = check(da_cycle, REPOSITORY / "models_export" / name, ranks)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_right_and_the_same_on_any_ranks(
    name: str, da_cycle: DaCycle, networks: Path
) -> None:
    tables = []
    for ranks in (1, 2, 3):
        done = check(da_cycle, networks / f"{name}.pt", ranks)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert "FAILED" not in done.stdout
        assert lines[4].startswith(f"on {ranks} rank")
        assert (lines[-1].startswith("other bits than one rank gives")) == (ranks > 1)
        # Smallest circle and cuts are those of the ranks; derivatives are of 40 points.
        tables.append([line.split()[-3:-2] for line in lines if "product" in line])
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("module", [Smooth, Kinked])
def test_other_shapes_are_right(
    module: type[nn.Module], dtype: str, da_cycle: DaCycle, save_network: Save, tmp_path: Path
) -> None:
    path = save_network(module(), tmp_path / "net.pt", "model", (4, 4), dtype=DTYPES[dtype])
    done = check(da_cycle, path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"role model, {dtype}, 1 channels in, 1 out" in done.stdout


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (ZeroPadded, "circle in pieces"),
        (Detached, "tangent linear, Taylor remainder"),
        (Mixing, "members alone, and together"),
        (NotFinite, "values that are not finite"),
        (OneSize, "forward fails (N_x = 4): RuntimeError: "),
        (Constant, "nothing depends on its input"),
    ],
)
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_mistake_is_found(
    module: type[nn.Module],
    fault: str,
    dtype: str,
    ranks: int,
    error_of: ErrorOf,
    save_network: Save,
    tmp_path: Path,
) -> None:
    save_network(module(), tmp_path / "net.pt", "model", (4, 4), dtype=DTYPES[dtype])
    message = error_of([OPTION, "net.pt"], ranks, status=1)
    assert message.startswith("net.pt: ")
    assert fault in message


def test_a_sample_of_something_else_is_found(
    error_of: ErrorOf, save_network: Save, tmp_path: Path
) -> None:
    save_network(Smooth(), tmp_path / "net.pt", "model", (4, 4))
    found = torch.jit.load(str(tmp_path / "net.pt"), _extra_files=(extra := {"dacycle.nml": ""}))
    with torch.no_grad():
        found.sample_output.mul_(1.001)
    torch.jit.save(found, str(tmp_path / "net.pt"), _extra_files=extra)
    message = error_of([OPTION, "net.pt"], status=1)
    assert message == "net.pt: not right: sample of the file (N_x = 40)"


VAR4D = {
    "cycle": {"cycles": 3, "analysis": "var4d", "burn_in": 0},
    "ensemble": {"members": 1},
    "variational": {"window": 3},
    "background": {"covariance": "homogeneous", "sd": 0.4},
}


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("role", ["model", "linear_model", "observation"])
def test_float32_networks_are_right_in_place(
    role: str, ranks: int, da_cycle: DaCycle, save_network: Save, networks: Path, tmp_path: Path
) -> None:
    """Beside the limits of float32 those of double precision stand for all other operators."""
    path = networks / "single.pt"
    if role == "observation":
        path = save_network(Smooth(), tmp_path / "o.pt", role, (4, 4), dtype=torch.float32)
    nml.write(nml.merge(VAR4D, {"networks": {role: str(path)}}), tmp_path / "run.nml")
    done = da_cycle(["--check-adjoint", "run.nml"], ranks, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "float32: where such a network has a part" in done.stdout
    exact = "model, one step" if role == "observation" else "H, cycle 1"
    least = {line[:34].strip(): line.split()[-3] for line in done.stdout.splitlines()}
    assert float(least[exact]) < 1e-6
    assert float(least["G, all observations of the window"]) > 1e-8


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mistake_is_found_in_place(
    dtype: str, error_of: ErrorOf, save_network: Save, tmp_path: Path
) -> None:
    path = save_network(Detached(), tmp_path / "o.pt", "observation", (4, 4), dtype=DTYPES[dtype])
    nml.write(nml.merge(VAR4D, {"networks": {"observation": str(path)}}), tmp_path / "run.nml")
    message = error_of(["--check-adjoint", "run.nml"], status=1)
    assert "H, cycle 1: the Taylor remainder does not fall" in message
    assert "model, one step" not in message


def test_options_beside_it_are_refused(error_of: ErrorOf) -> None:
    assert "no other option" in error_of([OPTION, "--check", "net.pt"])
    assert "no network is given" in error_of([OPTION])
