"""What the seam costs: networks in Python, and in Fortran from `.pt` and `.pt2` files.

    python benchmarks/network_seam.py [models_export/*.pt] [--shapes 40x1 40x20 400x20 4000x20]
                                      [--repeats 5] [--build build]

Times an ensemble forward of each network, on one thread and one rank, in turns within one run:

    python    the module in PyTorch, eager, on the whole padded ensemble at once
    .pt       the operator that `da_cycle` calls, from the TorchScript file
    .pt2      the same from the package (`dacycle export --aoti`)

in microseconds of processor time, median of the repeats with least and most, as other processes may
be at work. `ideal` is what the points would take at the greatest speed that the network reaches in
Python on any of a row of shapes; `ratio` is `.pt` over it. The first network, `small`, is a
residual one of 9,185 weights. The call itself (what passing a state of 40 points to a network that
gives it back takes) is printed last.

Needs the build folder, for the Fortran side: `network_seam.f90` is compiled against its library.
"""

import argparse
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from dacycle.export import sample_fields
from dacycle.network import file as network_file
from dacycle.network.file import DTYPES, Metadata, Sample, load
from dacycle.network.package import compile_file, network_of
from dacycle.network.residual_cnn import ResidualCNN, Settings
from dacycle.network.type import Fields, wrap

SOURCE = Path(__file__).with_suffix(".f90")
BEST_OF = ((1, 40), (1, 400), (4, 400), (20, 40), (20, 400), (1, 4000), (100, 40))
"""Batches and points among which a network is fastest a point."""

ENOUGH = 0.1
"""Seconds that a measurement lasts, about."""

SMALL = Settings(channels=16, layers=7, gated=False)
CALLS = 20_000


def make(name: str, settings: Settings, folder: Path) -> Path:
    """A model with random weights, as an exported file."""
    torch.manual_seed(1)
    network = ResidualCNN(Fields((2.3,), (3.6,), (1.0,)), settings)
    nn.init.normal_(network.body.last.weight, std=0.1)
    x = sample_fields(("state",), 2, 8 + 2 * network.halo, 1, torch.float32)
    y = network(x).detach()
    sample = Sample(
        tuple(x.shape), tuple(x.flatten().tolist()), tuple(y.shape), tuple(y.flatten().tolist())
    )
    metadata = Metadata(
        name=name,
        role="model",
        halo=network.halo,
        inputs=("state",),
        outputs=("increment",),
        memory=0,
        dtype="float32",
        weights=sum(weight.numel() for weight in network.parameters()),
        trained_for={"model": "lorenz96", "forcing": 8.0, "dt": 0.05, "steps": 1},
        scores={},
        configuration={"network": {"architecture": "residual_cnn", **vars(settings)}},
        torch=torch.__version__,
        sample=sample,
    )
    path = folder / f"{name}.pt"
    network_file.save(network, metadata, path)
    return path


class Seam:
    """The Fortran side: `network_seam.f90`, with its networks loaded."""

    def __init__(self, program: Path, networks: list[Path]) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say("\n".join([str(len(networks)), *map(str, networks)]))

    def _say(self, line: str) -> str:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("the Fortran side has ended")
        return answer

    def time(self, network: int, points: int, members: int, calls: int) -> float:
        """Microseconds of a call."""
        return float(self._say(f"{network} {points} {members} {calls}"))


def build(program: Path, folder: Path) -> None:
    """Compile the Fortran side."""
    library = folder / "fortran/libdacycle_core.a"
    modules = next(library.parent.rglob("da_network_network.mod")).parent
    others = [path.parent for path in library.parent.rglob("da_base_random.mod")]
    found = [f"-I{path}" for path in (modules, *others)]
    made = ["-o", str(program), f"-J{program.parent}"]
    linked = [str(library), "-lnetcdff", "-lpnetcdf", "-llapack", "-lblas", "-ldl"]
    subprocess.run(["mpif90", "-O2", *found, *made, str(SOURCE), *linked], check=True)
    bridge = folder / "fortran/app/libdacycle_torch.so"
    (program.parent / bridge.name).symlink_to(bridge.resolve())


def eager(network: Callable[[Tensor], Tensor], x: Tensor, calls: int) -> float:
    """Microseconds of a call."""
    with torch.inference_mode():
        network(x)
        start = time.process_time()
        for _ in range(calls):
            network(x)
        return 1e6 * (time.process_time() - start) / calls


def calls_for(microseconds: float) -> int:
    """So many that a measurement takes long enough."""
    return max(2, int(1e6 * ENOUGH / max(microseconds, 1.0)))


def speed(network: Callable[[Tensor], Tensor], inputs: Callable[[int, int], Tensor]) -> float:
    """Least microseconds a point of one member."""
    best = float("inf")
    for batch, points in BEST_OF:
        x = inputs(batch, points)
        calls = calls_for(eager(network, x, 2))
        best = min(best, *(eager(network, x, calls) / (batch * points) for _ in range(3)))
    return best


def shown(times: list[float]) -> str:
    """Median and spread."""
    return f"{statistics.median(times):9.0f} ({min(times):.0f}-{max(times):.0f})".ljust(28)


def overhead(folder: Path, library: Path) -> float:
    """Microseconds of passing a state through the bridge."""

    class Same(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    path = folder / "same.pt"
    torch.jit.save(torch.jit.script(Same()), path)
    bridge = ctypes.CDLL(str(library))
    network, kind = ctypes.c_void_p(), ctypes.c_int()
    file = path.read_bytes()
    length = ctypes.c_int64(len(file))
    bridge.dacycle_torch_load(
        file, length, 0, b"cpu", 0, 1, ctypes.byref(network), ctypes.byref(kind)
    )
    x, y = (torch.zeros(40) for _ in range(2))
    sizes = [ctypes.c_int64(extent) for extent in (1, 1, 40, 1, 40)]
    fields = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (x, x, y)]
    text = ctypes.create_string_buffer(1)
    times: dict[str, list[float]] = {"run": [], "message": []}
    for _ in range(5):
        start = time.process_time()
        for _ in range(CALLS):
            bridge.dacycle_torch_run(network, 0, *sizes, *fields)
        times["run"].append(time.process_time() - start)
        start = time.process_time()
        for _ in range(CALLS):
            # As many arguments, which ctypes must look at; the function takes the first two.
            bridge.dacycle_torch_message(text, 1, *sizes, *fields)
        times["message"].append(time.process_time() - start)
    return 1e6 * (min(times["run"]) - min(times["message"])) / CALLS


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", type=Path, nargs="*")
    parser.add_argument("--shapes", nargs="+", default=["40x1", "40x20", "400x20", "4000x20"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--build", type=Path, default=Path("build"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = [make("small", SMALL, folder), *given.networks]
        build(folder / "seam", given.build)
        files = [path for script in scripts for path in (script, compile_file(script, folder))]
        seam = Seam(folder / "seam", files)
        print(
            "network  points x members   python                      .pt                         "
            ".pt2                            ideal  ratio"
        )
        for number, script in enumerate(scripts):
            module, metadata = load(script)
            network = network_of(script, module, metadata).eval().requires_grad_(False)

            def inputs(batch: int, points: int, metadata: Metadata = metadata) -> Tensor:
                fields = sample_fields(metadata.inputs, batch, points, 1, DTYPES[metadata.dtype])
                return wrap(fields, metadata.halo)

            point = speed(network, inputs)
            for shape in given.shapes:
                points, members = map(int, shape.split("x"))
                x = inputs(members, points)
                calls = calls_for(eager(network, x, 2))
                times: list[list[float]] = [[], [], []]
                for _ in range(given.repeats):
                    times[0].append(eager(network, x, calls))
                    for which in (1, 2):
                        asked = 2 * number + which
                        times[which].append(seam.time(asked, points, members, calls))
                ideal = point * points * members
                ratio = statistics.median(times[1]) / ideal
                print(
                    f"{script.stem[:8]:8s} {points:6d} x {members:<4d} "
                    f"{''.join(map(shown, times))}{ideal:9.0f}  {ratio:5.2f}",
                    flush=True,
                )
        library = given.build / "fortran/app/libdacycle_torch.so"
        print(f"the call itself: {overhead(folder, library):.2f} µs")


if __name__ == "__main__":
    main()
