"""What the build installs is what stands in the repository."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def test_each_source_is_installed_and_nothing_else(repository: Path) -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "mesonbuild.mesonmain", "introspect", "--install-plan", "build"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    plan = json.loads(listing.stdout)["install_subdirs"]
    folder, installed = next((path, one) for path, one in plan.items() if path.endswith("/dacycle"))
    assert Path(folder) == repository / "python" / "dacycle"
    left_out = set(installed["exclude_dirs"])
    for path in Path(folder).rglob("*"):
        if path.is_dir() and path.name == "__pycache__":
            assert str(path.relative_to(folder)) in left_out
        elif path.is_file() and path.parent.name != "__pycache__":
            assert path.suffix in (".py", ".pyi", ".typed"), f"{path} would be installed"


def test_the_launcher_loads_nothing_heavy() -> None:
    code = "import sys, dacycle.launch; print('numpy' in sys.modules, 'xarray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = "{'matplotlib', 'netCDF4', 'numpy', 'torch', 'xarray'}"
    code = f"import sys, dacycle.cli as c; c._parser(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_public_names_are_there() -> None:
    import dacycle

    for name in dacycle.__all__:
        assert callable(getattr(dacycle, name))
    assert {*dacycle.__all__, "__version__"} <= set(dir(dacycle))
    assert dacycle.__version__ == version("dacycle")
