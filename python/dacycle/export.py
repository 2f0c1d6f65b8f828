"""`dacycle export`: the network of a training as one TorchScript file, with its card.

The scores on the card are those of the file itself, on a padded circle and in its own precision,
not of the module that was trained.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dacycle.errors import TrainingError
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.file import DTYPES, Metadata, Sample, load, save
from dacycle.network.roles import ROLES
from dacycle.network.type import Network, wrap
from dacycle.training.command import CONFIGURATION, open_training

__all__ = ["OnCircle", "export_training", "sample_fields"]

SAMPLE_POINTS = 8
SAMPLE_BATCH = 2
SAMPLE_SEED = 314159


class OnCircle(Network):
    """A file's module on the whole circle, `(batch, channels_in, n)`: for the tests of a task."""

    def __init__(self, module: torch.jit.ScriptModule, metadata: Metadata) -> None:
        super().__init__(
            metadata.halo, len(metadata.inputs), len(metadata.outputs), metadata.memory
        )
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Fields in, fields out."""
        out: Tensor = self.module(wrap(x, self.halo))
        return out


def export_training(
    folder: Path,
    target: Path,
    say: Callable[[str], None],
    *,
    dtype: str | None = None,
    command: str = "",
) -> Path:
    """Write `NAME.pt` and `NAME.md` into the folder `target`; returns the former.

    Args:
        folder: of the training.
        target: made if it is not there.
        say: is told what is being done.
        dtype: `float32` or `float64`; none: that of the training.
        command: for the card.

    Raises:
        TrainingError: there is no training, or no network that could be exported.
    """
    plan, loop = open_training(folder)
    progress = loop.progress
    if progress.update == 0:
        raise TrainingError(f"{folder}: nothing has been learned yet")
    dtype = dtype or plan.training.dtype
    network = loop.task.network.to(dtype=DTYPES[dtype], device="cpu")
    network.periodic(False)
    role = ROLES[plan.kind.role]
    inputs = role.inputs(1, network.memory)
    metadata = Metadata(
        name=plan.name,
        role=plan.kind.role,
        halo=network.halo,
        inputs=inputs,
        outputs=role.outputs(plan.kind.form(plan.tables), 1, network.memory),
        memory=network.memory,
        dtype=dtype,
        weights=sum(weight.numel() for weight in network.parameters()),
        trained_for=plan.kind.trained_for(plan.tables),
        scores={},
        configuration={
            **plan.as_tables(),
            "updates": progress.update,
            "changes": [*progress.changes, *_finish(progress.finish)],
        },
        torch=torch.__version__,
        sample=_sample(network, inputs, DTYPES[dtype]),
    )
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "network.pt")
        save(network, metadata, file)
        say(f"{plan.name}: scores of the file on fresh data")
        random = torch.Generator().manual_seed(plan.training.seed)
        tested = plan.kind(
            OnCircle(*load(file)), plan.tables, random, DTYPES[dtype], torch.device("cpu")
        )
        metadata = replace(metadata, scores=tested.test(long=True))
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{plan.name}.pt"
    save(network, metadata, path)
    configuration = folder / CONFIGURATION
    given = configuration.read_text(encoding="utf-8") if configuration.is_file() else ""
    card = _card(path, metadata, progress.update, progress.seconds, command, given)
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    return path


def sample_fields(
    inputs: Sequence[str], batch: int, points: int, seed: int, dtype: torch.dtype
) -> Tensor:
    """Fields such as the network meets: states about the climate, departures of about one."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, len(inputs), points, generator=random, dtype=torch.float64)
    for channel, name in enumerate(inputs):
        if name == "state":
            x[:, channel] = lorenz96.MEAN + lorenz96.DEVIATION * x[:, channel]
        elif name == "memory":
            x[:, channel] = torch.tanh(x[:, channel])
    return x.to(dtype)


def _sample(network: Network, inputs: Sequence[str], dtype: torch.dtype) -> Sample:
    width = SAMPLE_POINTS + 2 * network.halo
    x = sample_fields(inputs, SAMPLE_BATCH, width, SAMPLE_SEED, dtype)
    with torch.no_grad():
        y = network(x)
    return Sample(
        tuple(x.shape),
        tuple(x.double().flatten().tolist()),
        tuple(y.shape),
        tuple(y.double().flatten().tolist()),
    )


def _card(
    path: Path, metadata: Metadata, updates: int, seconds: float, command: str, given: str
) -> str:
    """What people want to know of a file, in Markdown."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = {
        "sha256": f"`{sha256}`",
        "role": metadata.role,
        "channels in": _counted(metadata.inputs),
        "channels out": _counted(metadata.outputs),
        "halo": f"{metadata.halo} points on either side",
        "precision": metadata.dtype,
        "weights": f"{metadata.weights:,}",
        "trained for": ", ".join(f"{name} {value}" for name, value in metadata.trained_for.items()),
        "training": f"{updates:,} updates, {seconds / 60:.0f} minutes of processor time",
        "PyTorch": metadata.torch,
    }
    scores = {name: f"{value:.4g}" for name, value in metadata.scores.items()}
    kind = metadata.configuration["kind"]
    return "\n".join(
        [
            f"# {metadata.name}",
            "",
            *_table("", rows),
            "",
            "Scores of this file on fresh data (`dacycle export` measured them):",
            "",
            *_table("score", scores),
            "",
            "Made by",
            "",
            "```",
            f"dacycle train {kind} {metadata.name}.toml -o RUN",
            command or "dacycle export RUN",
            "```",
            "",
            f"with {metadata.name}.toml:",
            "",
            "```toml",
            given.rstrip(),
            "```",
            "",
            *_changes(metadata.configuration["changes"]),
            "All settings, defaults included, are in the file's metadata:",
            "",
            "```json",
            json.dumps(metadata.configuration),
            "```",
            "",
        ]
    )


def _finish(update: int | None) -> list[str]:
    return [] if update is None else [f"update {update}: the end was asked for, the decay begins"]


def _changes(changes: Sequence[str]) -> list[str]:
    if not changes:
        return []
    return ["Changed under way:", "", *(f"- {change}" for change in changes), ""]


def _table(head: str, rows: dict[str, str]) -> list[str]:
    return [
        f"| {head} | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows.items()),
    ]


def _counted(names: Sequence[str]) -> str:
    """`state, sensitivity, 16 x memory`."""
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())
