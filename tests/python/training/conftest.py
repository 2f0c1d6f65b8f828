"""Trainings that take a second."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from dacycle.network.factory import ARCHITECTURES
from dacycle.training.list import kind as kind_of

SMALL = {
    "channels": 4,
    "layers": 1,
    "memory": 2,
    "bilinear": 4,
    "n": 12,
    "batch": 4,
    "cycles": 2,
    "reseed": 0.2,
    "leads": 2,
    "average_half_width": 1.0,
    "test_batch": 2,
    "test_free": 5,
    "test_cycles": 5,
    "test_burn_in": 2,
    "test_cycles_long": 10,
    "run": "RUN",
}
"""What makes a training small, whatever its kind."""

SHORT = """\
[training]
windows = 30
learning_rate = 3e-3
warm_up = 5
report = 5
test = 10
checkpoint = 7
"""


def small(kind: str) -> str:
    """A configuration of that kind, with those of its keys that are in `SMALL`."""
    task = kind_of(kind)
    tables = {"network": ARCHITECTURES[task.architectures[0]].settings, **task.tables}
    lines = []
    for name, table in tables.items():
        keys = [key.name for key in fields(table) if key.name in SMALL]
        lines += [f"[{name}]", *(f"{key} = {json.dumps(SMALL[key])}" for key in keys)]
    return "\n".join([*lines, SHORT])


NAMELIST = """
&cycle cycles = 600, burn_in = 100, analysis = 'etkf' /
&truth model = 'lorenz96_cubic' /
&lorenz96 n = 12 /
&truth_lorenz96_cubic n = 12 /
&ensemble members = 20, initial = 'truth', initial_sd = 0.1 /
&inflation posterior = 1.0, additive = 0.3 /
&observations error_sd = 0.2 /
&output file = 'run.nc' /
"""

WriteConfig = Callable[..., Path]


@pytest.fixture(scope="session")
def run_with_model_error(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of da_cycle: the truth has a cubic term that the model lacks."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "run.nml").write_text(NAMELIST)
    subprocess.run([program, "--fresh", "run.nml"], cwd=folder, check=True, capture_output=True)
    return folder / "run.nc"


@pytest.fixture
def write_config(tmp_path: Path, run_with_model_error: Path) -> WriteConfig:
    def write(kind: str, *changes: tuple[str, str]) -> Path:
        text = small(kind).replace("RUN", str(run_with_model_error))
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{kind}.toml"
        path.write_text(text)
        return path

    return write
