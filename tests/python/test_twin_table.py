"""The table of every filter in twin mode: its rows, its verdicts, its place in the page."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dacycle import runner


@pytest.fixture(scope="module")
def table(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "twin_table", repository / "experiments" / "twin_table.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def the_program(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))


def row(table: ModuleType, **words: Any) -> Any:
    given = {"published": 0.2, "tolerance": 0.005, "source": "somebody", "lost_above": 1.0}
    return table.Row("a filter", "linear", {}, seeds=(1,), **(given | words))


def test_each_row_is_right_or_of_a_filter_to_come(table: ModuleType) -> None:
    rows = table.read_rows(table.ROWS)
    assert len(rows) == len({(one.scheme, one.setting) for one in rows}) >= 17
    assert all(len(one.seeds) >= 3 for one in rows)
    assert all(one.groups["cycle"]["cycles"] == 10000 for one in rows)
    for one in rows:
        if not table.not_there(one.groups["cycle"]["analysis"]):
            runner.check(one.groups)


def test_a_row_is_run(table: ModuleType) -> None:
    groups = {"cycle": {"cycles": 50, "burn_in": 10, "analysis": "etkf"}}
    score = table.run(groups, 1)
    assert 0 < score.mean < 5
    assert score.standard_error > 0
    assert table.run(groups, 2) != score
    unstable = {
        **groups,
        "cycle": {**groups["cycle"], "interval": 0.5},
        "lorenz96": {"dt": 0.5},
        "truth_lorenz96": {"dt": 0.05},
    }
    assert math.isinf(table.run(unstable, 1).mean)
    unknown = table.run({"cycle": {"analysis": "magic"}}, 1)
    assert unknown == "&cycle analysis = 'magic' is not known"
    assert "| not run: " in table.line(row(table), [unknown] * 3)
    with pytest.raises(runner.RunError):
        table.run({"cycle": {"cycles": -1, "analysis": "etkf"}}, 1)


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ((0.2, 0.201, 0.202), "as published"),
        ((0.206, 0.206, 0.206), "as published"),
        ((0.207, 0.208, 0.206), "**FAILS**"),
        ((0.191, 0.192, 0.193), "lower"),
        ((0.2, 0.2, 4.1), "1 of 3 seeds lost the truth; the others as published"),
        ((0.21, math.inf, 4.1), "2 of 3 seeds lost the truth; **FAILS**"),
        ((3.0, math.inf, 4.1), "**FAILS**: 3 of 3 seeds lost the truth"),
    ],
)
def test_the_verdict(table: ModuleType, means: tuple[float, ...], words: str) -> None:
    """A standard error of 0.001 for each seed: 0.0012 are allowed beyond the tolerance."""
    scores = [table.Score(mean, 0.001) for mean in means]
    assert table.verdict(row(table), scores)[3] == words


def test_a_row_without_published_score_has_no_verdict(table: ModuleType) -> None:
    bare = row(table, published=None, tolerance=0.0, source="", note="others: 0.31")
    shown = table.line(bare, [table.Score(0.4, 0.01)])
    assert shown == "| linear | a filter | - | 0.400 ± 0.010 | 0.4000 | - | - | others: 0.31 |\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[row]]\nscheme = 'a'", "needs scheme and setting"),
        ("[[row]]\nscheme = 'a'\nsetting = 'b'\npublished = 1", "tolerance and source together"),
        ("[[row]]\nscheme = 'a'\nsetting = 'b'\ntolerance = 1\nsource = ''", "together"),
        ("[[row]]\nscheme = 'a'\nsetting = 'b'\npublsihed = 1", "publsihed is neither a word"),
    ],
)
def test_a_wrong_row_is_refused(table: ModuleType, tmp_path: Path, text: str, message: str) -> None:
    head = "cycles = 10\nburn_in = 1\nseeds = [1]\nlost_above = 1.0\n[base]\n"
    (tmp_path / "rows.toml").write_text(head + text)
    with pytest.raises(ValueError, match=message):
        table.read_rows(tmp_path / "rows.toml")


def test_the_table_replaces_the_old_one(table: ModuleType) -> None:
    page = f"before\n{table.BEGIN}old\n{table.END}after\n"
    once = table.put(page, ["| new |\n"])
    assert once == f"before\n{table.BEGIN}\n{table.HEAD}| new |\n\n{table.END}after\n"
    assert table.put(once, ["| new |\n"]) == once
    with pytest.raises(ValueError, match="lacks the lines"):
        table.put("a page", [])


def test_the_page_holds_every_row(table: ModuleType) -> None:
    page = table.PAGE.read_text()
    for one in table.read_rows(table.ROWS):
        assert f"| {one.setting} | {one.scheme} |" in page, "run experiments/twin_table.py"
