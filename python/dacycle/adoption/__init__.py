"""A PyTorch module of your own as a file that `da_cycle` runs.

    import dacycle

    dacycle.export_module(
        module, "models_export/mine.pt",
        role="model", gives="next", model="lorenz96", forcing=8.0, interval=0.05,
    )

The module maps fields to fields, whatever the number of points, and may pad inside, with zeros or
round the circle, or lose points at either side. How far it looks is measured. In the file it gets
so many points more at either side, and what its own padding has touched is cut off: so any slab of
a circle, or a tile of it, gives the numbers of the whole circle. A module of one circle, such as a
dense network, gets that circle as a whole.
"""

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from dacycle.adoption.card import card
from dacycle.adoption.convention import fields_for, find_call
from dacycle.adoption.given import own_copy
from dacycle.adoption.reach import reach_of
from dacycle.adoption.script import Adopted, script, widest
from dacycle.adoption.settings import Settings
from dacycle.errors import NetworkFileError, one_line
from dacycle.network.file import DTYPES, Metadata, Sample, save
from dacycle.validate import validate

__all__ = ["export_module"]


def export_module(
    module: Any,
    path: str | os.PathLike[str],
    *,
    role: str,
    model: str,
    interval: float,
    forcing: float = 0.0,
    gives: str = "increment",
    form: str = "increment",
    components: int = 1,
    memory: int = 0,
    points: int = 0,
    error_sd: float = 0.0,
    notes: str = "",
) -> Path:
    """Write a module as TorchScript with its metadata, and its card beside it; returns the path.

    The file is tested as `dacycle validate` does before it gets its name: one that fails is not
    there. The module itself is left as it is. Where it had to be traced, a warning says what the
    trace has fixed.

    Args:
        module: a `torch.nn.Module`, TorchScript of any origin (`torch.jit.load`) or a function, of
            `(batch, channels in, points)` to `(batch, channels out, points - lost)`, or with one
            channel `(batch, points)`, or `(batch, points, channels)`; float32 or float64, with all
            normalisation inside. Channels in are the state's components, for an analysis followed
            by those of H^T R^-1 (y - H(x)), and by the memory; channels out are the components, or
            for an observation operator one field, followed by the memory.
        path: of the file, which ends in `.pt`.
        role: `model`, `correction`, `analysis` or `observation`.
        model: name of the model that it belongs to, as in `&cycle model`.
        interval: model time from its input to its output, or between two analyses; of a tendency
            the model's step.
        forcing: of that model; 0: it has none.
        gives: `increment`, what is added to the state, or `next`, the new state itself.
        form: of a correction: `increment`, added after each interval, or `tendency`, added to dx/dt
            in each Runge-Kutta stage (then `gives` may say `tendency`, too).
        components: of the state, at a point.
        memory: fields that it carries from call to call.
        points: of the one circle that it is for, which it gets as a whole; 0: any circle, or the
            one that it turns out to be for (a dense network).
        error_sd: standard deviation of the observations' errors that an analysis learned with.
        notes: for the card.

    Raises:
        NetworkFileError: the module cannot be used, or fails a test; the message says which.
    """
    asked = Settings(
        role=role,
        model=model,
        interval=interval,
        forcing=forcing,
        gives="increment" if gives == "tendency" else gives,
        form="tendency" if gives == "tendency" else form,
        components=components,
        memory=memory,
        points=points,
        error_sd=error_sd,
    )
    asked.check()
    path = _target(path)
    try:
        adopted, metadata, remarks = _adopt(module, path.stem, asked, notes)
        with tempfile.TemporaryDirectory(dir=_folder(path)) as scratch:
            file = Path(scratch, path.name)
            sample = metadata.sample.tensors(DTYPES[metadata.dtype])[0]
            save(adopted, metadata, file, width=widest(adopted, sample))
            _test(file)
            file.replace(path)
        path.with_suffix(".md").write_text(card(path, metadata, remarks), encoding="utf-8")
    except NetworkFileError:
        raise
    except Exception as error:
        # Modules run any code: whatever comes of it is theirs, and told in a line.
        raise NetworkFileError(
            f"the module cannot be adopted: {type(error).__name__}: {one_line(error)}"
        ) from error
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return path


def _adopt(
    module: Any, name: str, asked: Settings, notes: str
) -> tuple[Adopted, Metadata, list[str]]:
    """The module as a network, what is to be said in its file, and to its user."""
    own = own_copy(module)
    inputs, outputs = asked.inputs(), asked.outputs()
    weights = sum(weight.numel() for weight in own.parameters())
    call = find_call(own, inputs, len(outputs), asked.points)
    halo, lost = (0, 0) if call.points else reach_of(call.module, inputs, call.dtype)
    adopted = Adopted(call.module, DTYPES[call.dtype], halo, lost)
    adopted.channels_in, adopted.channels_out = len(inputs), len(outputs)
    adopted.memory = asked.memory
    adopted.state = asked.components if asked.gives == "next" else 0
    remarks = script(adopted.eval(), inputs, call.dtype, call.points)
    fields = fields_for(inputs, 2, call.points or 8 + 2 * halo, call.dtype)
    with torch.no_grad():
        result = adopted(fields.clone())
    metadata = Metadata(
        name=name,
        role=asked.role,
        halo=halo,
        points=call.points,
        inputs=inputs,
        outputs=outputs,
        memory=asked.memory,
        dtype=call.dtype,
        weights=weights,
        trained_for={
            "model": asked.model,
            "forcing": float(asked.forcing),
            "dt": float(asked.interval),
            "steps": 1,
            "error_sd": float(asked.error_sd),
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
    return adopted, metadata, remarks


def _test(file: Path) -> None:
    failed = [check for check in validate(file, physical=False)[1] if not check.passed]
    if failed:
        found = "; ".join(
            f"{check.name}: {check.value:.2e}, at most {check.limit:.1e}" for check in failed
        )
        raise NetworkFileError(f"the module cannot stand for an operator: {found}")


def _target(path: str | os.PathLike[str]) -> Path:
    try:
        target = Path(path)
    except TypeError as error:
        raise NetworkFileError(f"path = {path!r}: the name of a file is needed") from error
    if target.suffix != ".pt":
        raise NetworkFileError(f"{target}: the name must end in .pt")
    if target.is_dir():
        raise NetworkFileError(f"{target}: is a folder")
    return target


def _folder(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NetworkFileError(f"{path.parent}: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise NetworkFileError(f"{path.parent}: cannot be written to")
    return path.parent
