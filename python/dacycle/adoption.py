"""A PyTorch module of your own as a file that `da_cycle` runs.

    import dacycle

    dacycle.export_module(
        module, "models_export/mine.pt",
        role="model", gives="next", model="lorenz96", forcing=8.0, interval=0.05,
    )

The module maps fields `(batch, channels, points)` to fields, whatever the number of points, and may
pad inside, with zeros or round the circle, or lose points at either side. How far it looks is
measured. In the file it gets so many points more at either side, and what its own padding has
touched is cut off: so any slab of a circle, or a tile of it, gives the numbers of the whole circle.
"""

import copy
import hashlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit.frontend import FrontendError

from dacycle.errors import NetworkFileError
from dacycle.export import sample_fields
from dacycle.network.file import DTYPES, Metadata, Sample, save
from dacycle.network.type import Network
from dacycle.validate import validate

__all__ = ["export_module"]

ROLES = ("model", "correction", "analysis", "observation")
GIVES = ("increment", "next")

WIDTHS = (64, 256, 1024)
"""Points of the slabs on which a module's reach is measured, until one is wide enough."""

DRAWN = 8
"""States that a reach is measured at: where a rectifier is shut, nothing passes."""

SEED = 271828


def export_module(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    role: str,
    model: str,
    interval: float,
    forcing: float = 0.0,
    gives: str = "increment",
    components: int = 1,
    memory: int = 0,
    error_sd: float = 0.0,
    notes: str = "",
) -> Path:
    """Write a module as TorchScript with its metadata, and its card beside it; returns the path.

    The file is tested as `dacycle validate` does before it gets its name: one that fails is not
    there. The module itself is left as it is.

    Args:
        module: `(batch, channels in, points)` to `(batch, channels out, points - lost)`, float32 or
            float64, with all normalisation inside. Channels in are the state's components, for an
            analysis followed by those of H^T R^-1 (y - H(x)), and by the memory; channels out are
            the components, or for an observation operator one field, followed by the memory.
        path: of the file, which ends in `.pt`.
        role: `model`, `correction`, `analysis` or `observation`.
        model: name of the model that it belongs to, as in `&cycle model`.
        interval: model time from its input to its output, or between two analyses.
        forcing: of that model; 0: it has none.
        gives: `increment`, what is added to the state, or `next`, the new state itself.
        components: of the state, at a point.
        memory: fields that it carries from call to call.
        error_sd: standard deviation of the observations' errors that an analysis learned with.
        notes: for the card.

    Raises:
        NetworkFileError: the module cannot be used, or fails a test; the message says which.
    """
    path = Path(path)
    name = path.stem
    _check_settings(path, role, gives, interval, components, memory)
    adopted, inputs, outputs = _adopt(module, role, gives, components, memory)
    dtype = _dtype(adopted)
    adopted.halo = _halo(adopted, inputs, dtype)
    adopted.settle()
    fields = sample_fields(inputs, 2, 8 + 2 * adopted.halo, SEED, DTYPES[dtype])
    with torch.no_grad():
        result = adopted(fields)
    if result.shape[1] != len(outputs):
        raise NetworkFileError(
            f"the module gives {result.shape[1]} channels; for the role '{role}' with "
            f"{components} components and {memory} of memory it must give {len(outputs)}"
        )
    metadata = Metadata(
        name=name,
        role=role,
        halo=adopted.halo,
        inputs=inputs,
        outputs=outputs,
        memory=memory,
        dtype=dtype,
        weights=sum(weight.numel() for weight in adopted.parameters()),
        trained_for={
            "model": model,
            "forcing": forcing,
            "dt": interval,
            "steps": 1,
            "error_sd": error_sd,
        },
        scores={},
        configuration={"module": type(module).__name__, "notes": notes},
        torch=torch.__version__,
        sample=Sample(
            tuple(fields.shape),
            tuple(fields.double().flatten().tolist()),
            tuple(result.shape),
            tuple(result.double().flatten().tolist()),
        ),
    )
    with tempfile.TemporaryDirectory(dir=_folder(path)) as scratch:
        file = Path(scratch, path.name)
        _save(adopted, metadata, fields, file)
        failed = [check for check in validate(file, physical=False)[1] if not check.passed]
        if failed:
            found = "; ".join(f"{check.name}: {check.value:.2e}" for check in failed)
            raise NetworkFileError(f"the module cannot stand for an operator: {found}")
        file.replace(path)
    path.with_suffix(".md").write_text(_card(path, metadata), encoding="utf-8")
    return path


class _Adopted(Network):
    """A module on a slab: what its own padding has touched is cut off."""

    def __init__(
        self, module: nn.Module, channels: tuple[int, int], memory: int, state: int
    ) -> None:
        super().__init__(0, channels[0], channels[1], memory)
        self.module = module
        self.state = state
        self.lost = 0

    def settle(self) -> None:
        """From here on the halo is known."""
        self.cut = self.halo - self.lost

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels_in, n + 2 * halo)` to `(batch, channels_out, n)`."""
        out: Tensor = self.module(x)
        out = out[:, :, self.cut : out.shape[2] - self.cut]
        if self.state == 0:
            return out
        before = x[:, : self.state, self.halo : x.shape[2] - self.halo]
        return torch.cat((out[:, : self.state] - before, out[:, self.state :]), 1)


def _check_settings(
    path: Path, role: str, gives: str, interval: float, components: int, memory: int
) -> None:
    if path.suffix != ".pt":
        raise NetworkFileError(f"{path}: the name must end in .pt")
    if role not in ROLES:
        raise NetworkFileError(f"role = '{role}' (known: {', '.join(ROLES)})")
    if gives not in GIVES:
        raise NetworkFileError(f"gives = '{gives}' (known: {', '.join(GIVES)})")
    if gives == "next" and role in ("correction", "observation"):
        raise NetworkFileError(f"gives = 'next' is for a model or an analysis, not for a {role}")
    if not interval > 0:
        raise NetworkFileError(f"interval = {interval} must be above 0")
    if components < 1 or memory < 0:
        raise NetworkFileError("components must be at least 1, and memory at least 0")


def _adopt(
    module: nn.Module, role: str, gives: str, components: int, memory: int
) -> tuple[_Adopted, tuple[str, ...], tuple[str, ...]]:
    """A copy of the module as a network, and what its channels are."""
    inputs = ["state"] * components
    if role == "analysis":
        inputs += ["sensitivity"] * components
    outputs = ["increment"] * components if role != "observation" else ["observed"]
    carried = ["memory"] * memory
    channels = (len(inputs) + memory, len(outputs) + memory)
    state = components if gives == "next" else 0
    # Such a copy has no periodic(): only networks of this package close circles themselves.
    own = copy.deepcopy(module).eval().cpu().requires_grad_(False)
    adopted = _Adopted(own, channels, memory, state)
    return adopted, tuple(inputs + carried), tuple(outputs + carried)


def _dtype(adopted: _Adopted) -> str:
    """Of the weights; of a formula without any, float64."""
    found = {weight.dtype for weight in adopted.parameters()}
    for name, dtype in DTYPES.items():
        if found == {dtype}:
            return name
    if not found:
        adopted.register_parameter(
            "precision", nn.Parameter(torch.zeros(1, dtype=torch.float64), requires_grad=False)
        )
        return "float64"
    kinds = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in found))
    raise NetworkFileError(f"the module's weights are {kinds}; all must be float32, or float64")


def _halo(adopted: _Adopted, inputs: tuple[str, ...], dtype: str) -> int:
    """Points to either side on which an output depends, measured; also sets what is lost."""
    for width in WIDTHS:
        x = sample_fields(inputs, DRAWN, width, SEED, DTYPES[dtype]).requires_grad_(True)
        y = _apply(adopted.module, x)
        lost = width - y.shape[-1]
        if lost < 0 or lost % 2 > 0:
            raise NetworkFileError(
                f"the module gives {y.shape[-1]} points for {width}: it must give as many, or lose "
                "as many on the left as on the right"
            )
        adopted.lost = lost // 2
        middle = y.shape[-1] // 2
        (slope,) = torch.autograd.grad(y[..., middle].sum(), x)
        seen = slope.abs().amax((0, 1)).nonzero()[:, 0] - (middle + adopted.lost)
        reach = max(adopted.lost, int(seen.abs().max()) if seen.numel() else 0)
        if 2 * reach < width // 2:
            return reach
    raise NetworkFileError(
        f"each output of the module depends on all points of a slab of {WIDTHS[-1]} (attention, "
        "a mean or a Fourier transform over the points?): da_cycle cuts the circle into slabs, so "
        f"it must look no further than {WIDTHS[-1] // 4} points to a side"
    )


def _apply(module: nn.Module, x: Tensor) -> Tensor:
    try:
        y = module(x)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        line = str(error).strip().splitlines()
        raise NetworkFileError(
            f"the module cannot be called with {tuple(x.shape)}, that is (batch, channels, points):"
            f" {line[0] if line else type(error).__name__} (it must take any number of points)"
        ) from error
    if not isinstance(y, Tensor) or y.dim() != 3 or y.shape[0] != x.shape[0]:
        raise NetworkFileError(
            f"the module must give one tensor (batch, channels, points) for {tuple(x.shape)}"
        )
    return y


def _save(adopted: _Adopted, metadata: Metadata, fields: Tensor, file: Path) -> None:
    """Scripted, or where TorchScript does not understand the module's code, traced."""
    try:
        save(adopted, metadata, file)
    except (RuntimeError, OSError, TypeError, FrontendError) as error:
        with warnings.catch_warnings(), torch.no_grad():
            # What a trace has frozen, the tests of the file find.
            warnings.simplefilter("ignore")
            try:
                adopted.module = torch.jit.trace(adopted.module, fields)  # type: ignore[no-untyped-call]
                save(adopted, metadata, file)
            except RuntimeError:
                reason = str(error).strip().splitlines()[0]
                raise NetworkFileError(f"TorchScript cannot take the module: {reason}") from error


def _folder(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NetworkFileError(f"{path.parent}: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise NetworkFileError(f"{path.parent}: cannot be written to")
    return path.parent


def _card(path: Path, metadata: Metadata) -> str:
    rows: dict[str, Any] = {
        "sha256": f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`",
        "role": metadata.role,
        "halo": f"{metadata.halo} points on either side",
        "precision": metadata.dtype,
        "weights": f"{metadata.weights:,}",
        "belongs to": ", ".join(f"{key} {value}" for key, value in metadata.trained_for.items()),
        "module": f"`{metadata.configuration['module']}`",
        "PyTorch": metadata.torch,
    }
    lines = [f"# {metadata.name}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in rows.items()]
    lines += ["", "Written by `dacycle.export_module`.", ""]
    notes = metadata.configuration["notes"]
    return "\n".join([*lines, notes, ""] if notes else lines)
