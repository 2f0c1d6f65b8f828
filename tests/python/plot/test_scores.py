"""The picture of error and spread."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from dacycle.plot.scores import scores
from dacycle.run_file import open_run
from dacycle.verification.scores import read_scores, with_error

MakeRun = Callable[..., Path]


def labels(drawn: Figure) -> list[list[str]]:
    found = []
    for axes in drawn.axes:
        legend = axes.get_legend()
        found.append([text.get_text() for text in legend.get_texts()] if legend else [])
    return found


def test_legends_hold_the_stated_means(make_run: MakeRun) -> None:
    with open_run(make_run()) as run:
        stated = {score.name: score for score in read_scores(run)}
        drawn = scores(run)
    shown = {name: with_error(one.mean, one.standard_error) for name, one in stated.items()}
    assert labels(drawn) == [
        [f"RMSE {shown[f'{state}_rmse']}", f"spread {shown[f'{state}_spread']}"]
        for state in ("analysis", "background")
    ]


def test_without_truth_there_is_the_spread(make_run: MakeRun) -> None:
    with open_run(make_run(truth=False)) as run:
        shown = labels(scores(run))
    assert all(len(row) == 1 and row[0].startswith("spread") for row in shown)


def test_burn_in_is_shaded(make_run: MakeRun) -> None:
    with open_run(make_run(burn_in=50)) as run:
        assert all(len(axes.patches) == 1 for axes in scores(run).axes)
    with open_run(make_run(burn_in=0)) as run:
        assert all(len(axes.patches) == 0 for axes in scores(run).axes)
