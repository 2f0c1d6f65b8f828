"""`docs/tutorial_network.md`: its files, as a reader would type them, do what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tutorial_network.md"


def blocks(kind: str) -> dict[str, str]:
    """The page's files by name: each is announced as "As `NAME`:" just before."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(rf"As `(\S+)`:\n\n```{kind}\n(.*?)```", text, re.DOTALL)
    assert found
    return dict(found)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has come to the end of the first section."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name, text in (blocks("python") | blocks("")).items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "my_emulator.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def rmse(folder: Path, program: Path, name: str) -> float:
    done = subprocess.run(
        [program, "--progress", "none", name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = re.search(r"^analysis_rmse +(\S+)", done.stdout, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_the_filter_forecasts_with_the_readers_network(followed: Path, program: Path) -> None:
    """0.2085 on the page; PyTorch's training differs a little between processors."""
    assert rmse(followed, program, "my_filter.nml") < 0.23


def test_4dvar_takes_its_derivatives(followed: Path, program: Path) -> None:
    """0.2217 on the page, 0.2212 with the physical model's."""
    assert 0.21 < rmse(followed, program, "my_var.nml") < 0.235
