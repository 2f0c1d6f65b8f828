"""Files that are no use: one clear line, status 2, nothing written; in a run and when examined."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dacycle import namelist as nml

ErrorOf = Callable[..., str]
WriteNetwork = Callable[..., Path]

TRAINED = "&trained_for model = 'lorenz96', interval = 0.05 /\n"
METADATA = f"&network format = 1, role = 'correction', halo_left = 8, halo_right = 4 /\n{TRAINED}"
NOT_TORCHSCRIPT = "is not a TorchScript file, or is cut short"
RANKS = [1, 3]


class Inner(nn.Module):
    """Gives back what its halo leaves; what is wrong with it, its children say."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1, dtype=torch.float64), requires_grad=False)
        self.register_buffer("sample_input", torch.ones(1, 1, 52, dtype=torch.float64))
        self.register_buffer("sample_output", torch.ones(1, 1, 40, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.one * x[:, :, 8:-4]


class Unnamed(Inner):
    @torch.jit.unused
    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def apply_to(self, x: Tensor) -> Tensor:
        return self.one * x


class Two(Inner):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Single(Inner):
    def forward(self, x: Tensor) -> Tensor:
        return (self.one * x[:, :, 8:-4]).float()


class Unwilling(Inner):
    def forward(self, x: Tensor) -> Tensor:
        if x.size(0) > 0:
            raise ValueError("is not in the mood")
        return x


class Flat(Inner):
    def __init__(self) -> None:
        super().__init__()
        self.sample_input = torch.ones(52, dtype=torch.float64)


class WithoutSample(Inner):
    def __init__(self) -> None:
        super().__init__()
        del self.sample_output


class Half(Inner):
    def __init__(self) -> None:
        super().__init__()
        self.half()


def good(path: Path) -> None:
    script(Inner())(path)


def script(module: nn.Module, metadata: str = METADATA) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        extra = {"dacycle.nml": metadata}
        torch.jit.save(torch.jit.script(module), path, _extra_files=extra)

    return write


def metadata_of(said: str) -> Callable[[Path], None]:
    return script(Inner(), f"&network format = 1, role = 'correction', {said} /\n{TRAINED}")


def cut_to(kept: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        good(path)
        path.write_bytes(path.read_bytes()[:kept])

    return write


def flipped(path: Path) -> None:
    good(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(byte ^ 0xFF for byte in data[middle : middle + 200])
    path.write_bytes(data)


def weights_alone(path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, path)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "none": (lambda path: None, "there is no such file"),
    "a folder": (Path.mkdir, "cannot be read (is it a directory?)"),
    "empty": (Path.touch, NOT_TORCHSCRIPT),
    "a namelist": (lambda path: path.write_text("&cycle /\n"), NOT_TORCHSCRIPT),
    "cut after 5": (cut_to(5), NOT_TORCHSCRIPT),
    "cut after 3000": (cut_to(3000), NOT_TORCHSCRIPT),
    "cut before the end": (cut_to(-10), NOT_TORCHSCRIPT),
    "bits flipped": (flipped, "is damaged: "),
    "weights alone": (weights_alone, "has no metadata"),
    "no metadata": (script(Inner(), ""), "has no metadata"),
    "metadata of prose": (script(Inner(), "ask me"), "'ask' stands outside a group"),
    "unknown key": (metadata_of("halo = 8"), "&network halo is not a known key"),
    "unknown role": (
        script(Inner(), f"&network format = 1, role = 'forecast' /\n{TRAINED}"),
        "&network role = 'forecast' is not known (known: model, correction, observation, analysis)",
    ),
    "other format": (
        script(Inner(), f"&network format = 2, role = 'correction' /\n{TRAINED}"),
        "is of format 2, this program reads format 1",
    ),
    "other halo": (metadata_of("halo_left = 8, halo_right = 5"), "its sample has 12 points of"),
    "other channels": (
        metadata_of("halo_left = 8, halo_right = 4, components = 2"),
        "its sample has 1 channels in, its metadata say 2",
    ),
    "other memory": (
        metadata_of("halo_left = 8, halo_right = 4, memory = 1"),
        "its sample has 1 channels in, its metadata say 2",
    ),
    "no sample": (script(WithoutSample()), "it holds no sample_output"),
    "flat sample": (script(Flat()), "sample_input has not three dimensions"),
    "no forward": (script(Unnamed()), "its module has no forward"),
    "two results": (script(Two()), "the network's forward gives no tensor"),
    "half precision": (script(Half()), "its weights are Half, must be float32 or float64"),
    "other precision": (script(Single()), "the network gives Float [1, 1, 40], expected Double"),
    "raises": (script(Unwilling()), "is not in the mood"),
}

BESIDE_A_MODEL = {"other channels": "is for 2 values a point, the model has 1"}
"""What a run says instead: it compares with its model before it runs what the file holds."""


@pytest.fixture
def refused(error_of: ErrorOf, tmp_path: Path) -> ErrorOf:
    """`refused(path, role='correction', **groups)`: what the run with that network says."""

    def check(path: Path | str, role: str = "correction", ranks: int = 1, **groups: Any) -> str:
        settings = nml.merge({"networks": {role: str(path)}}, groups)
        nml.write(settings, tmp_path / "run.nml")
        message = error_of(["run.nml"], ranks)
        start = f"run.nml: &networks {role}: {path}"
        assert message.startswith(start)
        return message.removeprefix(start).removeprefix(": ")

    return check


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", FILES)
def test_wrong_files(name: str, ranks: int, refused: ErrorOf, tmp_path: Path) -> None:
    make, expected = FILES[name]
    make(tmp_path / "net.pt")
    assert BESIDE_A_MODEL.get(name, expected) in refused("net.pt", ranks=ranks)


@pytest.mark.parametrize(
    ("name", "ranks"), [*((name, 1) for name in FILES), ("none", 3), ("raises", 3)]
)
def test_wrong_files_examined(name: str, ranks: int, error_of: ErrorOf, tmp_path: Path) -> None:
    make, expected = FILES[name]
    make(tmp_path / "net.pt")
    message = error_of(["--check-network", "net.pt"], ranks)
    assert message.startswith("net.pt")
    assert expected in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_not_to_be_read(refused: ErrorOf, write_network: WriteNetwork, tmp_path: Path) -> None:
    write_network("net.pt").chmod(0)
    assert refused("net.pt").startswith("cannot be opened")


@pytest.mark.parametrize("ranks", RANKS)
def test_other_role(refused: ErrorOf, write_network: WriteNetwork, ranks: int) -> None:
    path = write_network("model.pt", role="model")
    message = "is a network for the role 'model', wanted is 'correction'"
    assert refused(path, ranks=ranks) == message


@pytest.mark.parametrize("ranks", RANKS)
def test_other_components(refused: ErrorOf, write_network: WriteNetwork, ranks: int) -> None:
    path = write_network("one.pt")
    message = refused(path, ranks=ranks, cycle={"model": "lorenz96_two_scale"})
    assert message == "is for 1 values a point, the model has 11"


@pytest.mark.parametrize("ranks", RANKS)
def test_halo_wider_than_the_circle(
    refused: ErrorOf, write_network: WriteNetwork, ranks: int
) -> None:
    message = refused(write_network("wide.pt"), ranks=ranks, lorenz96={"n": 6})
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
@pytest.mark.parametrize("device", ["cuda", "cuda:7"])
@pytest.mark.parametrize("ranks", RANKS)
def test_no_gpu(refused: ErrorOf, write_network: WriteNetwork, device: str, ranks: int) -> None:
    path = write_network("correction.pt")
    message = refused(path, ranks=ranks, networks={"device": device})
    assert message.startswith(f"device '{device}': ")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1"])
def test_unknown_device(refused: ErrorOf, write_network: WriteNetwork, device: str) -> None:
    message = refused(write_network("correction.pt"), networks={"device": device})
    assert message == f"device '{device}' is not known (known: cpu, cuda, cuda:1)"


@pytest.mark.parametrize("ranks", RANKS)
def test_another_sha256(refused: ErrorOf, write_network: WriteNetwork, ranks: int) -> None:
    """The file is not even loaded: this one is none."""
    path = write_network("correction.pt")
    path.write_bytes(b"not a network")
    found, wanted = hashlib.sha256(b"not a network").hexdigest(), "0" * 64
    message = refused(path, ranks=ranks, networks={"correction_sha256": wanted})
    assert message == f"its sha256 is {found}, wanted is {wanted}"


def test_a_sha256_that_is_right(
    da_cycle: Callable[..., Any], write_network: WriteNetwork, tmp_path: Path
) -> None:
    path = write_network("correction.pt")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for written in (digest, digest.upper()):
        groups = {"networks": {"correction": str(path), "correction_sha256": written}}
        nml.write(groups, tmp_path / "run.nml")
        done = da_cycle(["--check", "run.nml"], cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"correction_sha256": "0" * 64}, "correction_sha256 is not used: correction names no"),
        ({"model": "net.pt", "model_sha256": "0" * 63}, "64 hexadecimal digits are needed"),
        ({"model": "net.pt", "model_sha256": "g" * 64}, "64 hexadecimal digits are needed"),
    ],
)
def test_a_sha256_of_nothing(
    groups: dict[str, str], message: str, error_of: ErrorOf, tmp_path: Path
) -> None:
    nml.write({"networks": groups}, tmp_path / "run.nml")
    assert message in error_of(["run.nml"])


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
