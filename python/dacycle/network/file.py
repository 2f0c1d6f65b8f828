"""Exported networks: TorchScript files that describe themselves.

The archive is an ordinary TorchScript module with a `forward` and, as buffers that it does not
use, `sample_input` and `sample_output`. It carries two more files: `extra/dacycle.nml`, a namelist
of what `da_cycle` must know, and `extra/dacycle.json`, the metadata:

    format         2-part name and version of what follows: "dacycle network", 1
    name, role     one of `dacycle.network.roles`
    halo           points on either side that `forward` wants and does not give back
    points         of the one circle that it is for, which `forward` gets as a whole; 0: any
    inputs         what each channel in is, outputs: what each channel out is
    memory         how many of them, the last ones, are carried from call to call
    dtype          float32 or float64
    trained_for    the system that it learned in
    scores         of the file itself, where its kind has any
    configuration  of the training, seed included; weights: how many; torch: version
    sample         input `(batch, channels, points)`, and the output that belongs to it

Loading runs code that the file holds: load only what you trust, and compare the sha256 of its card.
"""

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import f90nml
import torch
from torch import Tensor

from dacycle.errors import NetworkFileError
from dacycle.network.archive import check_archive
from dacycle.network.type import Network

__all__ = ["FORMAT", "VERSION", "Metadata", "Sample", "load", "quiet", "save"]

FORMAT = "dacycle network"
VERSION = 1
EXTRA = "dacycle.json"
NAMELIST = "dacycle.nml"

DEBUG = ".debug_pkl"
"""What TorchScript's messages find lines of source with: full paths of where it was exported."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Sample:
    """An input of a network and its output, flat, the last index fastest."""

    shape_in: tuple[int, ...]
    input: tuple[float, ...]
    shape_out: tuple[int, ...]
    output: tuple[float, ...]

    def tensors(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Input and output."""
        return (
            torch.tensor(self.input, dtype=dtype).reshape(self.shape_in),
            torch.tensor(self.output, dtype=dtype).reshape(self.shape_out),
        )


@dataclass(frozen=True)
class Metadata:
    """What a file says of its network; see the module."""

    name: str
    role: str
    halo: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    memory: int
    dtype: str
    weights: int
    trained_for: dict[str, Any]
    scores: dict[str, float]
    configuration: dict[str, Any]
    torch: str
    sample: Sample
    points: int = 0
    format: str = field(default=FORMAT)
    version: int = field(default=VERSION)


def save(network: Network, metadata: Metadata, path: Path, width: int | None = None) -> None:
    """Write a network, whole or not at all. Its parameters need no gradient from then on.

    Args:
        network: of the file.
        metadata: of it.
        path: of the file.
        width: values a point of its widest layer; none: that of its convolutions.
    """
    network.periodic(False)
    network.requires_grad_(False).eval()
    sample = metadata.sample.tensors(DTYPES[metadata.dtype])
    for name, tensor in zip(("sample_input", "sample_output"), sample, strict=True):
        network.register_buffer(name, tensor, persistent=False)
    part = path.with_suffix(".part")
    extra = {
        EXTRA: json.dumps(asdict(metadata), indent=1),
        NAMELIST: _namelist(metadata, width or _width(network)),
    }
    with quiet():
        torch.jit.save(torch.jit.script(network), str(part), _extra_files=extra)
    _forget_places(part)
    part.replace(path)


def load(path: str | os.PathLike[str]) -> tuple[torch.jit.ScriptModule, Metadata]:
    """A network and what its file says of it.

    Raises:
        NetworkFileError: there is no such file, it is damaged or no TorchScript, or lacks the
            metadata.
    """
    if not Path(path).is_file():
        raise NetworkFileError(f"{path}: no such file")
    extra = {EXTRA: ""}
    data = Path(path).read_bytes()
    check_archive(path, data)
    try:
        with quiet():
            module: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(data), map_location="cpu", _extra_files=extra
            )
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()
        raise NetworkFileError(
            f"{path}: no TorchScript file ({reason[0] if reason else type(error).__name__})"
        ) from error
    if not extra[EXTRA]:
        raise NetworkFileError(
            f"{path}: no metadata: not written by `dacycle export`; `dacycle adopt` takes it over"
        )
    try:
        found = json.loads(extra[EXTRA])
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            raise NetworkFileError(
                f"{path}: its metadata are '{found['format']}' version {found['version']} "
                f"(this program reads '{FORMAT}' version {VERSION})"
            )
        sample = Sample(**{name: tuple(value) for name, value in found.pop("sample").items()})
        for name in ("inputs", "outputs"):
            found[name] = tuple(found[name])
        metadata = Metadata(**found, sample=sample)
        known = metadata.dtype in DTYPES
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkFileError(f"{path}: its metadata cannot be read ({error})") from error
    if not known:
        raise NetworkFileError(f"{path}: dtype '{metadata.dtype}' (known: {', '.join(DTYPES)})")
    return module, metadata


def _forget_places(path: Path) -> None:
    """Leave out where on this machine the network's source lay, and when it was written."""
    whole = path.with_suffix(".whole")
    path.replace(whole)
    try:
        with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(path, "w") as kept:
            for entry in archive.infolist():
                if not entry.filename.endswith(DEBUG):
                    kept.writestr(zipfile.ZipInfo(entry.filename), archive.read(entry))
    finally:
        whole.unlink()


def _width(network: Network) -> int:
    """Values a point of the widest layer."""
    layers = (module for module in network.modules() if isinstance(module, torch.nn.Conv1d))
    return max(
        (layer.out_channels for layer in layers),
        default=max(network.channels_in, network.channels_out),
    )


def _namelist(metadata: Metadata, width: int) -> str:
    """What `da_cycle` reads: `fortran/network/metadata.f90`."""
    trained = metadata.trained_for
    state = metadata.inputs.count("state")
    groups = {
        "network": {
            "format": VERSION,
            "role": metadata.role,
            "form": "tendency" if "tendency" in metadata.outputs else "increment",
            "halo_left": metadata.halo,
            "halo_right": metadata.halo,
            **({"points": metadata.points} if metadata.points else {}),
            "components": state,
            "memory": metadata.memory,
            "width": width,
        },
        "trained_for": {
            "model": trained["model"],
            "forcing": trained["forcing"],
            "interval": trained["dt"] * trained["steps"],
            "error_sd": trained.get("error_sd", 0.0),
            "members": trained.get("members", 0),
            "observed": _observed(trained),
        },
    }
    text = io.StringIO()
    f90nml.Namelist(groups).write(text)
    return text.getvalue()


def _observed(trained: dict[str, Any]) -> str:
    """What was observed, as `fortran/roles/trained_for.f90` says it of a run.

    Of an analysis which points, of an observation operator which kind; else it does not matter.
    """
    if "curve" in trained:
        return "average" if trained.get("average_half_width", 0) > 0 else str(trained["curve"])
    if "every" not in trained:
        return "any"
    shift = f", shifted by {trained['shift']}" if trained.get("shift") else ""
    return f"each {trained['every']}{shift}"


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch recommends other formats than TorchScript; the Fortran side reads this one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
        yield
