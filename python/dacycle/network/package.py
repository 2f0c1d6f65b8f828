"""Networks compiled for the machine at hand: AOTInductor packages, beside the TorchScript files.

A package `NAME.pt2` holds three functions as native code, for a batch of any size and any number
of points, with H points of halo in all:

    forward   x (batch, channels_in, n + H)  to  M(x) (batch, channels_out, n)
    tl        x, dx                          to  M'(x) dx
    ad        x, dy                          to  M'(x)^T dy,  dy with H points of nothing behind it

The adjoint is the reverse differentiation of `forward`, written out. It is linear in dy, and the
tangent linear is its own adjoint: forward differentiation leaves dual numbers, which cannot be
compiled.

`extra/dacycle.nml` and `extra/dacycle.json` are those of the TorchScript file;
`extra/sample_input` and `extra/sample_output` are tensors, as text, and `extra/dtype` is float32 or
float64. `extra/made_for` says for which release of torch and which processor the code is: elsewhere
`da_cycle` refuses it.
"""

import logging
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError
from torch._inductor import aot_compile, config
from torch._inductor.exc import CppCompileError, InductorError, InvalidCxxCompiler
from torch._inductor.package.package import load_package
from torch.export import Dim, ExportedProgram, export
from torch.export.pt2_archive._package import package_pt2
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from dacycle.errors import NetworkFileError, TrainingError, one_line
from dacycle.network.converted import converted
from dacycle.network.factory import ARCHITECTURES, read_network
from dacycle.network.file import DTYPES, EXTRA, NAMELIST, Metadata, load, quiet
from dacycle.network.runge_kutta import RungeKutta
from dacycle.network.type import Fields, Network

__all__ = ["compile_file", "network_of", "save"]

ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-12}
"""Of a result, relative to the largest one: other orders of sums than libtorch's."""

EXAMPLE = (7, 1009)
"""Batch and points that functions are traced with: equal to no number of channels, as an accident
of that kind would be taken for a law."""

TESTED = ((1, 1), (1, 40), (2, 1), (5, 37))
"""Batches and points that a new package is tested with."""

FUNCTIONS = ("forward", "tl", "ad")

SETTINGS = {"compile_threads": 1, "cpp.threads": 1, "cpp.enable_loop_tail_vec": False}
"""Of the compiler. Where an adjoint's padding is masked, the vector code for the last points of a
row reads past the end of the array, to no effect but where its memory ends too: a crash."""

CPU_INFO = Path("/proc/cpuinfo")
INSTRUCTIONS = re.compile(
    r"(s?sse|avx|amx|fma|f16c|bmi|abm|adx|aes|gfni|movbe|pclmul|popcnt|sha|vaes|vpclmul|xsave"
    r"|asimd|sve|sme(?!p)|i8mm|bf16|fphp|fcma|jscvt|atomics)\w*"
)
"""Of a processor: what a compiler may make use of."""

Function = Callable[..., Tensor]


def compile_file(path: Path, target: Path) -> Path:
    """Compile the network of an exported file; returns the package, `NAME.pt2` in a folder.

    Args:
        path: of `dacycle export`.
        target: the folder, made if it is not there.

    Raises:
        NetworkFileError: it is no exported network, or none that is known how to make again.
        TrainingError: nothing can be compiled here.
    """
    module, metadata = load(path)
    sample = metadata.sample.tensors(DTYPES[metadata.dtype])
    if "module" in metadata.configuration:
        halo = sample[0].shape[2] - sample[1].shape[2]
        example = _example(sample[0].shape[1], halo, sample[0].dtype, metadata.points)
        network: nn.Module = converted(path, module, example)
    else:
        network = network_of(path, module, metadata)
    if not _near(network(sample[0]), sample[1]):
        raise NetworkFileError(
            f"{path}: was made by another version of its architecture, whose code computes "
            "something else now"
        )
    target.mkdir(parents=True, exist_ok=True)
    package = target / f"{path.stem}.pt2"
    extra = {name: _record(path, name) for name in (EXTRA, NAMELIST)}
    try:
        save(network, sample, extra, package, metadata.points)
    except (RuntimeError, UserError, NotImplementedError, AssertionError) as error:
        raise NetworkFileError(
            f"{path}: PyTorch cannot compile it ({one_line(error)}); da_cycle runs the file itself"
        ) from error
    return package


def save(
    module: nn.Module,
    sample: tuple[Tensor, Tensor],
    extra: Mapping[str, str],
    path: Path,
    circle: int = 0,
) -> None:
    """Compile a module that maps `(batch, channels, points)` to fewer points, if its halo is wide.

    Args:
        module: on the CPU.
        sample: an input and its output.
        extra: files for the archive by name: `dacycle.nml` at least, for `da_cycle`.
        path: ends in `.pt2`; the file is written whole or not at all.
        circle: points of the one circle that it is for; 0: any.

    Raises:
        TrainingError: PyTorch is on a path with a space, there is no C++ compiler that works, or
            the result is not the module's.
    """
    if " " in torch.__file__:
        raise TrainingError(
            "compiling a network needs a PyTorch on a path without spaces, at which the commands "
            f"of its compiler would be cut: it is in {Path(torch.__file__).parent}"
        )
    module = module.requires_grad_(False).eval()
    part = path.with_suffix(".part.pt2")
    halo = sample[0].shape[-1] - sample[1].shape[-1]
    channels = sample[0].shape[1], sample[1].shape[1]
    told = {
        **extra,
        "made_for": _made_for(),
        "dtype": str(sample[0].dtype).removeprefix("torch."),
        "sample_input": _numbers(sample[0]),
        "sample_output": _numbers(sample[1]),
    }
    with quiet(), _few_words():
        functions = _traced(module, channels, halo, sample[0].dtype, circle)
        compiled = {name: _compiled(program) for name, program in functions.items()}
        try:
            package_pt2(str(part), aoti_files=compiled, extra_files=told)
            _test(module, part, channels, halo, sample[0].dtype, circle)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def network_of(path: Path, module: torch.jit.ScriptModule, metadata: Metadata) -> Network:
    """The network of a file in Python again, from its architecture and its weights.

    TorchScript itself cannot be compiled for any number of points; what is made is tested against
    the file.
    """
    entries = metadata.configuration.get("network", {})
    try:
        architecture, settings = read_network(entries, tuple(ARCHITECTURES), f"{path}: [network]")
        fields = Fields(
            *(
                [1.0] * (len(names) - metadata.memory)
                for names in (metadata.inputs, metadata.inputs, metadata.outputs)
            )
        )
        network: Network = ARCHITECTURES[architecture].new(fields, settings)
        if hasattr(module, "tendency"):
            network = RungeKutta(network, module.dt)
        network.load_state_dict(
            {name: x for name, x in module.state_dict().items() if not name.startswith("sample_")}
        )
    except (TrainingError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise NetworkFileError(
            f"{path}: cannot be compiled, as its architecture is not known here ({reason}); "
            "dacycle.network.package.save compiles any module"
        ) from error
    network.periodic(False)
    return network.to(DTYPES[metadata.dtype])


def _record(path: Path, name: str) -> str:
    """One of the texts in the archive of a file."""
    with zipfile.ZipFile(path) as archive:
        (found,) = (entry for entry in archive.namelist() if entry.endswith(f"/extra/{name}"))
        return archive.read(found).decode()


def _traced(
    module: nn.Module, channels: tuple[int, int], halo: int, dtype: torch.dtype, circle: int
) -> dict[str, ExportedProgram]:
    """The three functions as programs of any batch and any number of points, or of one circle."""
    x = _example(channels[0], halo, dtype, circle)
    # Tensors of their own: the tracer takes one tensor given twice for one argument.
    dx = torch.zeros_like(x)
    dy = torch.zeros(x.shape[0], channels[1], x.shape[2], dtype=dtype)
    forward = _program(module, halo, circle, x)
    # In elementary operations: those of modules have no second derivatives here.
    steps: Function = forward.run_decompositions().module()

    def adjoint(x: Tensor, dy: Tensor) -> Tensor:
        y, pull = _vjp(steps, x)
        return pull(dy[..., : y.shape[-1]])

    def tangent(x: Tensor, dx: Tensor) -> Tensor:
        y, pull = _vjp(steps, x)
        return _vjp(pull, torch.zeros_like(y))[1](dx)

    return {
        "forward": forward,
        "tl": _program(_graph(tangent, x, dx), halo, circle, x, dx),
        "ad": _program(_graph(adjoint, x, dy), halo, circle, x, dy),
    }


def _example(channels: int, halo: int, dtype: torch.dtype, circle: int) -> Tensor:
    batch, points = EXAMPLE
    return torch.zeros(batch, channels, (circle or points) + halo, dtype=dtype)


def _vjp(function: Function, x: Tensor) -> tuple[Tensor, Function]:
    """A function of one argument at a point, and its adjoint there."""
    y, pull = torch.func.vjp(function, x)[:2]
    return y, lambda dy: pull(dy)[0]


def _graph(function: Function, *arguments: Tensor) -> GraphModule:
    graph: GraphModule = make_fx(
        function,
        {torch.ops.aten.convolution_backward.default: _transposed_convolution},
        tracing_mode="symbolic",
        _allow_non_fake_inputs=True,
    )(*arguments)
    return graph


def _transposed_convolution(
    dy: Tensor, _x: Tensor, weight: Tensor, _sizes: Any, *setting: Any
) -> Any:
    """The adjoint of a convolution in its input: the compiler keeps the size of the example's.

    `setting` is stride, padding, dilation, transposed, output padding, groups, and of which
    arguments derivatives are wanted.
    """
    *kind, transposed, output_padding, groups, wanted = setting
    if transposed or list(wanted) != [True, False, False] or set(kind[0]) != {1}:
        return NotImplemented
    dx: Tensor = torch.ops.aten.convolution(dy, weight, None, *kind, True, output_padding, groups)
    return dx, None, None


def _program(module: nn.Module, halo: int, circle: int, *arguments: Tensor) -> ExportedProgram:
    # All arguments have the same extents, which one name for each says.
    extents = {0: Dim("batch", min=1)}
    if circle == 0:
        extents[2] = Dim("width", min=halo + 2)
    return export(module, arguments, dynamic_shapes=(extents,) * len(arguments))


def _compiled(program: ExportedProgram) -> list[Any]:
    """Files of native code, of one thread: a rank has no more, unless its user says otherwise."""
    try:
        with config.patch(SETTINGS):
            files = aot_compile(
                program.module(),
                program.example_inputs[0],
                options={"aot_inductor.package": True},
            )
    except (InductorError, InvalidCxxCompiler, CppCompileError) as error:
        raise TrainingError("compiling a network needs a C++ compiler that works (g++)") from error
    assert isinstance(files, list)
    return files


def _test(
    module: nn.Module,
    package: Path,
    channels: tuple[int, int],
    halo: int,
    dtype: torch.dtype,
    circle: int,
) -> None:
    """What is compiled against libtorch's own differentiation of the module, on some sizes."""
    forward, tangent, adjoint = (load_package(str(package), name) for name in FUNCTIONS)
    random = torch.Generator().manual_seed(1)

    def draw(batch: int, fields: int, points: int) -> Tensor:
        return torch.randn(batch, fields, points, generator=random, dtype=dtype)

    for batch, any_points in TESTED:
        points = circle or any_points
        x, dx = (draw(batch, channels[0], points + halo) for _ in range(2))
        dy = draw(batch, channels[1], points)
        y, pull = _vjp(module, x)
        back = pull(dy)
        along = torch.func.jvp(module, (x,), (dx,))[1]
        compared = {
            "forward": (forward(x), y),
            "tangent linear": (tangent(x, dx), along),
            "adjoint": (adjoint(x, functional.pad(dy, (0, halo))), back),
        }
        for name, (found, expected) in compared.items():
            if not _near(found, expected):
                raise TrainingError(
                    f"the compiled {name} differs from the network's, with {batch} x {points} "
                    "points: use the TorchScript file, and report this"
                )


def _near(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    apart = (found - expected).abs().max()
    return bool(apart <= ROUNDING[expected.dtype] * expected.abs().max())


def _numbers(tensor: Tensor) -> str:
    """Three extents and the values, as text."""
    return " ".join(map(str, [*tensor.shape, *tensor.double().flatten().tolist()]))


def _made_for() -> str:
    """The release of torch, and what the processor can do; all of it must be there again."""
    said = CPU_INFO.read_text(encoding="utf-8") if CPU_INFO.is_file() else ""
    features = re.search(r"^(?:flags|Features)\s*:(.*)$", said, re.MULTILINE)
    known = features[1].split() if features else []
    instructions = sorted({name for name in known if INSTRUCTIONS.fullmatch(name)})
    return " ".join([torch.__version__.split("+")[0], *instructions])


@contextmanager
def _few_words() -> Iterator[None]:
    """Without what the compiler has to say to its authors."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
