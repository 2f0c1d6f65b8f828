"""The tables of networks beside what they stand for: settings, arithmetic, place in the page."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dacycle import runner

TABLES = ["emulator", "observation"]


@pytest.fixture(scope="module")
def table(repository: Path) -> ModuleType:
    path = repository / "experiments" / "network_table.py"
    spec = importlib.util.spec_from_file_location("network_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["network_table"] = module  # where its dataclasses look up their names
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TABLES)
def test_every_setting_is_one_that_the_program_takes(
    name: str, table: ModuleType, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))
    found = table.read_table(table.EXPERIMENTS / name)
    assert len(found.seeds) >= 3
    for row in found.rows:
        cycle = row.groups["cycle"]
        assert cycle["cycles"] - cycle["burn_in"] >= 5000
        for variant in table.TIMED:
            assert ("networks" in row.variant(variant)) == (variant == "network")
            runner.check(row.variant(variant))


@pytest.mark.parametrize("name", TABLES)
def test_the_page_holds_every_row(name: str, table: ModuleType) -> None:
    found = table.read_table(table.EXPERIMENTS / name)
    page = found.page.read_text()
    for row in found.rows:
        assert f"| {row.scheme} |" in page, f"run experiments/network_table.py {name}"


def test_a_difference_is_that_of_the_same_seeds(table: ModuleType) -> None:
    """A scatter that both runs share is no error of the difference."""
    cost = {"exact": 0.5, "network": 12.0}
    found = table.Result([0.2, 0.3, 0.4], [0.203, 0.303, 0.403], cost)
    difference, error = found.difference
    assert difference == pytest.approx(1.0)
    assert error == pytest.approx(0.0, abs=1e-9)
    row = table.Row("a scheme", {}, "0.2 (somebody)")
    assert table.line(row, found, 0.1) == (
        "| a scheme | 0.2 (somebody) | 0.300 ± 0.058 | 0.303 ± 0.058 | +1.0 ± 0.0 % | 10 % "
        "| 0.5 and 12 |\n"
    )
    assert table.csv_text([row], [found], [1, 2, 3]).splitlines() == [
        "scheme,exact_1,exact_2,exact_3,network_1,network_2,network_3,exact_ms,network_ms",
        "a scheme,0.200000,0.300000,0.400000,0.203000,0.303000,0.403000,0.500,12.000",
    ]


def test_the_table_replaces_the_old_one(table: ModuleType) -> None:
    mark = "network_table.py emulator"
    page = f"before\n<!-- made by {mark} -->\nold\n<!-- end of {mark} -->\nafter\n"
    once = table.put(page, mark, ["| new |\n"])
    assert table.put(once, mark, ["| new |\n"]) == once
    assert "old" not in once
    assert f"{table.HEAD}| new |\n" in once
    with pytest.raises(ValueError, match="lacks the lines"):
        table.put("a page", mark, [])
