"""Trainings that take a second."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

TINY = {
    "dan": """
[network]
channels = 4
layers = 1
memory = 2
[model]
n = 12
[twins]
batch = 4
cycles = 2
reseed = 0.2
test_batch = 2
test_cycles = 5
test_burn_in = 2
test_cycles_long = 10
[training]
windows = 30
learning_rate = 3e-3
warm_up = 5
report = 5
test = 10
checkpoint = 7
""",
    "emulator": """
[network]
channels = 4
layers = 1
[model]
n = 12
[emulator]
leads = 2
batch = 4
test_batch = 2
test_free = 5
[training]
windows = 30
learning_rate = 3e-3
warm_up = 5
report = 5
test = 10
checkpoint = 7
""",
    "observation": """
[network]
channels = 4
layers = 1
kernel = 3
[model]
n = 12
[observation]
average_half_width = 1.0
batch = 4
test_batch = 2
[training]
windows = 30
learning_rate = 3e-3
warm_up = 5
report = 5
test = 10
checkpoint = 7
""",
    "correction": """
[network]
bilinear = 4
channels = 4
[correction]
run = "RUN"
batch = 4
[training]
windows = 30
learning_rate = 3e-3
warm_up = 5
report = 5
test = 10
checkpoint = 7
""",
}

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
        text = TINY[kind].replace("RUN", str(run_with_model_error))
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{kind}.toml"
        path.write_text(text)
        return path

    return write
