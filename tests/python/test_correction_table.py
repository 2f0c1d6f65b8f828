"""The score table of corrections: its settings, a short version of it, its place in the page."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from dacycle import namelist as nml
from dacycle import runner


@pytest.fixture(scope="module")
def table(repository: Path) -> ModuleType:
    path = repository / "experiments" / "correction" / "correction_table.py"
    spec = importlib.util.spec_from_file_location("correction_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["correction_table"] = module  # where its dataclasses look up their names
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def the_program(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))


def test_every_setting_is_one_that_the_program_takes(table: ModuleType) -> None:
    rows = table.read_rows(table.HERE / "scores.toml")
    assert len({(row.twin, row.scheme, row.forecast) for row in rows}) == len(rows)
    for row in rows:
        cycle = row.groups["cycle"]
        assert cycle["cycles"] - cycle["burn_in"] >= 3000
        assert len(row.seeds) >= 3
        network = row.groups.get("networks", {}).get("correction", "")
        # What is not shipped is there after the command that its configuration names.
        if Path(network).exists() or not network:
            runner.check(row.groups)


def test_a_run_is_kept_until_its_settings_change(table: ModuleType, tmp_path: Path) -> None:
    row = table.read_rows(table.HERE / "scores.toml", cycles=60, burn_in=20)[0]
    path = table.run(row, 1, tmp_path)
    first = path.stat().st_mtime_ns
    assert table.run(row, 1, tmp_path) == path
    assert path.stat().st_mtime_ns == first
    other = replace(row, groups=nml.merge(row.groups, {"inflation": {"posterior": 1.3}}))
    table.run(other, 1, tmp_path)
    assert path.stat().st_mtime_ns != first
    cells = table.line(row, [path], 20).split(" | ")
    assert cells[:3] == ["| l96_cubic", "LETKF N=20", "plain, additive noise"]
    assert 0.05 < float(cells[3].split()[0]) < 1
    assert len(table.picture({"l96_cubic": [(row, [path])]}).axes) == 1


def test_the_table_has_its_place_in_the_page(table: ModuleType) -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    assert "| new |" in table.put(page, ["| new |\n"])
    with pytest.raises(ValueError, match="lacks the lines"):
        table.put("a page", [])
