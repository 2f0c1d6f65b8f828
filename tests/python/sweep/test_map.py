"""The map: what table, CSV and picture show of the results."""

import csv
import math
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dacycle.cli import main
from dacycle.sweep import Plan, Result
from dacycle.sweep.picture import draw, picture
from dacycle.sweep.plan import Range
from dacycle.sweep.table import csv_text, panels, summary, tables

GRID = Plan(
    base={},
    keys={
        "ensemble.members": (7, 10),
        "inflation.posterior": (1.0, 1.02),
        "localisation.radius": (2.0, 4.0, 6.0),
    },
    seeds=(1, 2),
)


def results() -> list[Result]:
    made = []
    for members, low in ((7, 0.22), (10, 0.20)):
        for inflation in (1.0, 1.02):
            for radius in (2.0, 4.0, 6.0):
                mean = low + abs(radius - 4.0) / 100 + abs(inflation - 1.02)
                lost = inflation == 1.0 and radius == 6.0
                point: dict[str, Any] = dict(
                    zip(GRID.keys, (members, inflation, radius), strict=True)
                )
                values = {1: mean - 0.001, 2: math.inf if lost else mean + 0.001}
                made.append(Result(point, values, int(lost), 0))
    return made


def shown(plan: Plan, found: list[Result]) -> str:
    console = Console(width=150)
    with console.capture() as capture:
        for table in tables(plan, found):
            console.print(table)
    return capture.get()


def test_the_table_marks_the_best_and_the_lost() -> None:
    text = shown(GRID, results())
    assert text.count("*") == 2  # one for each number of members
    lines = [line for line in text.splitlines() if line.startswith("│ 1.0")]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    assert cells == [
        ["1.0", "0.2600", "0.2400", "div 1/2"],
        ["1.02", "0.2400", "0.2200*", "0.2400"],
        ["1.0", "0.2400", "0.2200", "div 1/2"],
        ["1.02", "0.2200", "0.2000*", "0.2200"],
    ]


def test_the_summary_names_the_best_of_each_map() -> None:
    assert summary(GRID, results()) == [
        "ensemble.members = 7: best analysis_rmse 0.2200 ± 0.0010 (2 seeds) at "
        "inflation.posterior = 1.02, localisation.radius = 4",
        "ensemble.members = 10: best analysis_rmse 0.2000 ± 0.0010 (2 seeds) at "
        "inflation.posterior = 1.02, localisation.radius = 4",
    ]
    lost = [Result(result.point, {1: math.inf, 2: math.inf}, 2, 0) for result in results()]
    assert summary(GRID, lost)[0].endswith("no point without a run that diverged or failed")


def test_the_csv_holds_each_seed() -> None:
    rows = list(csv.DictReader(StringIO(csv_text(GRID, results()))))
    assert len(rows) == 12
    assert rows[1]["analysis_rmse"] == "0.240000"
    assert (rows[1]["seed_1"], rows[1]["seed_2"]) == ("0.239000", "0.241000")
    assert (rows[2]["analysis_rmse"], rows[2]["standard_error"]) == ("inf", "nan")
    assert (rows[2]["seed_2"], rows[2]["diverged"]) == ("inf", "1")


def test_the_heat_map_shows_each_cell_and_frames_the_best() -> None:
    drawn = picture(GRID, results())
    maps = [axes for axes in drawn.axes if axes.images]
    assert len(maps) == len(panels(GRID, results())) == 2
    for axes in maps:
        written = [text.get_text() for text in axes.texts]
        assert len(written) == 6
        assert written.count("div 1/2") == 1
        (frame,) = axes.patches
        assert (frame.get_x(), frame.get_y()) == (0.5, 0.5)  # type: ignore[attr-defined]
        assert axes.images[0].get_array().mask.sum() == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("lost", [False, True])
def test_other_maps_are_drawn(here: Path, lost: bool) -> None:
    """One key, words, and Optuna's points in one, two and three keys."""
    plans = [
        Plan(base={}, keys={"a.b": (1.0, 2.0)}),
        Plan(base={}, keys={"a.b": (1.0,)}),
        Plan(base={}, keys={"a.b": ("one", "two")}),
        Plan(base={}, keys={"a.b": ("one", "two"), "c.d": (True, False)}),
    ]
    for count in (1, 2, 3):
        keys: dict[str, Any] = {f"a.k{i}": Range(0.0, 1.0) for i in range(count)}
        plans += [Plan(base={}, keys=keys, search="optuna")]
    plans += [Plan(base={}, keys={"a.b": ("one", "two")}, search="optuna")]
    for number, plan in enumerate(plans):
        names = [
            values if isinstance(values, tuple) else (0.2, 0.7) for values in plan.keys.values()
        ]
        found = [
            Result(dict(zip(plan.keys, row, strict=True)), {1: math.inf if lost else 0.2}, lost, 0)
            for row in zip(*names, strict=True)
        ]
        draw(plan, found, here / f"{number}.png")
        assert (here / f"{number}.png").stat().st_size > 1000
        assert shown(plan, found)


def test_the_command_prints_and_writes_the_map(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "[base]\ncycle = {analysis = 'etkf', cycles = 40, burn_in = 10}\nlorenz96.n = 12\n"
        "[keys]\nensemble.members = [12, 15]\ninflation.posterior = [1.0, 1.05]\n"
    )
    Path("mine.toml").write_text(text)
    assert main(["sweep", "mine.toml"]) == 0
    printed = capsys.readouterr()
    assert "ensemble.members \\ inflation.posterior" in printed.out
    assert "best analysis_rmse" in printed.out
    assert printed.err == "sweep: 4 of 4 runs: " + printed.err.partition("runs: ")[2]
    assert (here / "mine" / "map.txt").read_text() in printed.out.replace("\r", "")
    assert main(["sweep", "mine.toml", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.toml"], "dacycle: error: none.toml: No such file or directory\n"),
        (["wrong.toml"], "&inflation postrior is not a known key"),
        (["good.toml", "-o", "file/out"], "file/out: Not a directory"),
    ],
)
def test_bad_input_ends_with_a_line_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.toml").write_text("keys.inflation.postrior = [1.0]\n")
    Path("good.toml").write_text("keys.inflation.posterior = [1.0]\nbase.cycle.cycles = 5\n")
    Path("file").write_text("")
    assert main(["sweep", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
