"""The command `da_cycle` of the installed package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dacycle import launch
from dacycle.program import command, environment


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_launcher_becomes_the_program(program: Path, ranks: int) -> None:
    launcher = Path(sys.executable).with_name("da_cycle")
    line = command(launcher, ["--version"], ranks)
    done = subprocess.run(
        line, env=environment(os.environ), capture_output=True, text=True, check=True
    )
    direct = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == direct.stdout


def test_a_package_without_the_program_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "packaged_program", lambda: None)
    with pytest.raises(SystemExit, match="da_cycle: error: the package holds no compiled program"):
        launch.main()
