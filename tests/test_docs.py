"""What the documentation says is so: the namelist reference, the links, the experiments."""

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "experiments", "fortran")
PAGES = sorted(
    page.relative_to(REPOSITORY).as_posix()
    for page in [
        *REPOSITORY.glob("*.md"),
        *(p for f in FOLDERS for p in (REPOSITORY / f).rglob("*.md")),
    ]
)
NAMELISTS = sorted(path.name for path in (REPOSITORY / "experiments").glob("*.nml"))


def load(path: str) -> ModuleType:
    """A script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """What headings are called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_namelist_reference_is_what_the_program_prints(program: Path) -> None:
    done = subprocess.run([program, "--defaults"], capture_output=True, text=True, check=True)
    maker = load("docs/make_namelist_reference.py")
    assert maker.page(done.stdout) == read("docs/namelist.md"), (
        "run docs/make_namelist_reference.py"
    )


def test_namelist_reference_leaves_no_key_out(program: Path) -> None:
    """Counted in the plain text, without the script's own parser."""
    done = subprocess.run([program, "--defaults"], capture_output=True, text=True, check=True)
    printed = re.findall(r"^(?:! )? {3}(?:! )?(\w+) =(?: *!| [^ ]|$)", done.stdout, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)`", read("docs/namelist.md"), re.MULTILINE) == printed
    groups = re.findall(r"^(?:! )?&(\w+)$", done.stdout, re.MULTILINE)
    assert re.findall(r"^## &(\w+)$", read("docs/namelist.md"), re.MULTILINE) == groups


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = read(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        assert linked.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(linked.read_text(encoding="utf-8")), f"{page}: {target}"


@pytest.mark.parametrize("name", NAMELISTS)
def test_experiments_are_right_and_named_after_their_file(name: str, program: Path) -> None:
    path = REPOSITORY / "experiments" / name
    done = subprocess.run([program, "--check", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    title = re.search(r"title = '(\w+):", path.read_text(encoding="utf-8"))
    assert title is not None
    assert title[1] == path.stem
    assert f"file = '{path.stem}.nc'" in path.read_text(encoding="utf-8")


def test_every_experiment_is_in_the_table() -> None:
    rows = tomllib.loads(read("experiments/tables/experiments.toml"))["row"]
    assert {row["namelist"] for row in rows} == {f"experiments/{name}" for name in NAMELISTS}
    published = tomllib.loads(read("experiments/published.toml"))
    assert {row["id"] for row in rows if "published" in row} == {
        name for name in published if f"{name}.nml" in NAMELISTS
    }


def test_the_index_names_every_page() -> None:
    index = read("docs/index.md")
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")} - {"index.md"}
    assert pages <= set(re.findall(r"\]\((\w+\.md)", index))


def test_the_readme_is_of_one_screen() -> None:
    assert read("README.md").count("\n") <= 80
