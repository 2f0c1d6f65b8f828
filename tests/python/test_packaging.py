"""What the build installs is what stands in the repository."""

import subprocess
import sys
from pathlib import Path


def test_each_source_is_installed(repository: Path) -> None:
    build = (repository / "python" / "meson.build").read_text()
    sources = sorted(
        str(path.relative_to(repository / "python"))
        for pattern in ("*.py", "*.pyi", "py.typed")
        for path in (repository / "python" / "dacycle").rglob(pattern)
    )
    assert sources == [line.strip(" ',") for line in build.splitlines() if "'dacycle/" in line]


def test_the_launcher_loads_nothing_heavy() -> None:
    code = "import sys, dacycle.launch; print('numpy' in sys.modules, 'xarray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_public_names_are_there() -> None:
    import dacycle

    for name in dacycle.__all__:
        assert callable(getattr(dacycle, name))
