"""The reliability diagrams."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.plot.reliability import reliability_diagram
from dacycle.run_file import open_run
from dacycle.verification.reliability import reliability


def test_each_event_has_a_diagram(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        drawn = reliability_diagram(run)
        events = reliability(run)
    diagrams = [axes for axes in drawn.axes if axes.get_title()]
    assert [axes.get_title() for axes in diagrams] == ["x > 0", "x > 4"]
    for axes, event in zip(diagrams, events, strict=True):
        points = axes.containers[0].lines[0]
        np.testing.assert_array_equal(points.get_ydata(), event.frequency)
        assert axes.get_ylim() == (-0.03, 1.03)


@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_any_number_of_events_finds_its_place(count: int, make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        drawn = reliability_diagram(run.isel(threshold=np.arange(count) % 2))
        drawn.draw_without_rendering()
    assert len(drawn.axes) == 2 * count
