"""The figure of RMSE against window: its settings, a short version of it, its place in the page."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dacycle import runner
from dacycle.sweep.plan import grid, settings

CYCLES = 1200
BURN_IN = 200


@pytest.fixture(scope="module")
def figure(repository: Path) -> ModuleType:
    path = repository / "experiments" / "window_figure.py"
    spec = importlib.util.spec_from_file_location("window_figure", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["window_figure"] = module  # where its dataclasses look up their names
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def the_program(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("DACYCLE_PROGRAM", str(program))


@pytest.fixture(scope="module")
def short(figure: ModuleType, tmp_path_factory: pytest.TempPathFactory, program: Path) -> Any:
    """Every curve at windows of 1 and 10, its middle setting alone, one seed."""
    runs = tmp_path_factory.mktemp("window_figure")
    points = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DACYCLE_PROGRAM", str(program))
        for curve in figure.read_curves(figure.CURVES, cycles=CYCLES, burn_in=BURN_IN, seeds=[1]):
            for window, plan in curve.windows.items():
                if window not in (0, 1, 10):
                    continue
                middle = {key: (values[len(values) // 2],) for key, values in plan.keys.items()}
                curve.windows[window] = figure.replace(plan, keys=middle)
                points[curve.name, window] = figure.run(curve, window, runs, 1)
    return points


def test_every_setting_is_one_that_the_program_takes(figure: ModuleType) -> None:
    curves = figure.read_curves(figure.CURVES)
    assert len({curve.name for curve in curves}) == len(curves) <= len(figure.STYLES)
    for curve in curves:
        for plan in curve.windows.values():
            assert plan.base["cycle"]["cycles"] - plan.base["cycle"]["burn_in"] >= 5000
            assert len(plan.seeds) >= 3
            runner.check(settings(plan, grid(plan)[0], 1))


def test_what_the_figure_shows_holds_in_a_short_run(short: Any) -> None:
    """Far from the scores of long runs, which scatter by 0.02 over so few cycles."""
    rmse = {key: point.filter.mean for key, point in short.items()}
    smoothed = {key: point.smoother.mean for key, point in short.items() if point.smoother}
    assert rmse["4D-Var", 10] < rmse["4D-Var", 1] - 0.05
    assert rmse["4D-Var", 10] < 0.27
    assert rmse["IEnKS", 10] < rmse["EnKF", 0] < rmse["4D-Var", 10]
    assert rmse["IEnKS", 10] < 0.185
    assert smoothed["IEnKS", 10] < 0.7 * rmse["IEnKS", 10]
    assert smoothed["4D-Var", 10] < 0.8 * rmse["4D-Var", 10]
    assert rmse["4D-Var MDA", 10] < 0.26


def test_table_and_picture_show_every_point(figure: ModuleType, short: Any) -> None:
    points = list(short.values())
    lines = [figure.line(point) for point in points]
    assert "| EnKF | - | `inflation.posterior" in lines[0]
    page = figure.put(f"a\n{figure.BEGIN}old\n{figure.END}b\n", lines)
    assert page == f"a\n{figure.BEGIN}\n{figure.HEAD}{''.join(lines)}\n{figure.END}b\n"
    with pytest.raises(ValueError, match="lacks the lines"):
        figure.put("a page", lines)
    left, right = figure.picture(points).axes
    assert [len(axes.get_lines()) for axes in (left, right)] == [4, 3]
    for axes, which in ((left, "filter"), (right, "smoother")):
        drawn = axes.containers[1].lines[0].get_data()
        found = [(p.window, getattr(p, which).mean) for p in points if p.curve == "IEnKS"]
        np.testing.assert_array_equal(np.transpose(drawn), found)
    rows = figure.csv_text(points).splitlines()
    assert len(rows) == 1 + len(points)
    assert rows[-1].startswith("4D-Var MDA,10,background.sd = 0.17,0.2")


def test_a_scheme_that_loses_the_truth_is_named(figure: ModuleType) -> None:
    lost = figure.Point("IEnKS", 50, None, None)
    assert figure.line(lost) == "| IEnKS | 50 | none | lost the truth | - |\n"
    assert figure.csv_text([lost]).splitlines()[1] == "IEnKS,50,none,,,,"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[curve]]\nname = 'a'", "curve 'a': no windows"),
        ("[[curve]]\nname = 'a'\nwidnows = 1", "curve 'a': unknown entry widnows"),
    ],
)
def test_a_wrong_curve_is_refused(
    figure: ModuleType, tmp_path: Path, text: str, message: str
) -> None:
    head = "cycles = 10\nburn_in = 1\nseeds = [1]\nlost_above = 1.0\n[base]\n"
    (tmp_path / "curves.toml").write_text(head + text)
    with pytest.raises(ValueError, match=message):
        figure.read_curves(tmp_path / "curves.toml")


def test_the_page_holds_every_point(figure: ModuleType) -> None:
    page = figure.PAGE.read_text(encoding="utf-8")
    table = page.partition(figure.BEGIN)[2].partition(figure.END)[0]
    for curve in figure.read_curves(figure.CURVES):
        for window in curve.windows:
            assert f"| {curve.name} | {window or '-'} |" in table, "run window_figure.py"
