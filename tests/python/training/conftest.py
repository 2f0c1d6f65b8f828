"""Trainings that take a second."""

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
"""
}

WriteConfig = Callable[..., Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    def write(kind: str, *changes: tuple[str, str]) -> Path:
        text = TINY[kind]
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{kind}.toml"
        path.write_text(text)
        return path

    return write
