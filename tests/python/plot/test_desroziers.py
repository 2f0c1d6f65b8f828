"""The picture of diagnosed variances."""

from collections.abc import Callable
from pathlib import Path

from dacycle.plot.desroziers import desroziers_by_region
from dacycle.run_file import open_run
from dacycle.verification.desroziers import desroziers


def test_regions_stand_beside_all(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run:
        drawn = desroziers_by_region(run)
        everywhere = desroziers(run).observation_ratio.value
        first = desroziers(run, region=(0, 4)).observation_ratio.value
    (axes,) = drawn.axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names[:3] == ["all", "0-5", "5-10"]
    assert len(names) == 9
    shown = axes.containers[0].lines[0].get_ydata()
    assert list(shown[:2]) == [everywhere, first]


def test_arcs_without_observations_are_left_out(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run:
        half = run.isel(observation=run["obs_position"].values < 20)
        (axes,) = desroziers_by_region(half).axes
    assert len(axes.get_xticklabels()) == 5
