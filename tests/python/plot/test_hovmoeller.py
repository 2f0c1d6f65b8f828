"""The space-time picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.plot.hovmoeller import block_rms, hovmoeller
from dacycle.run_file import open_run

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ({}, [(30, 40)] * 3),
        ({"truth": False}, [(30, 40)] * 2),
        ({"n": 1501, "cycles": 50}, [(30, 200)] * 3 + [(30, 500)]),
        ({"cycles": 20}, [(20, 40)] * 3),
    ],
)
def test_panels_hold_the_last_records(
    make_run: MakeRun, options: dict[str, int], shapes: list[tuple[int, int]]
) -> None:
    with open_run(make_run(**options)) as run:
        drawn = hovmoeller(run, 30)
    images = [axes.images[0] for axes in drawn.axes if axes.images]
    assert [image.get_array().shape for image in images] == shapes


def test_the_error_is_analysis_minus_truth(make_run: MakeRun) -> None:
    with open_run(make_run()) as run:
        drawn = hovmoeller(run, 30)
        error = (run["analysis_mean"] - run["truth"]).values[-30:]
    np.testing.assert_array_equal(drawn.axes[2].images[0].get_array(), error)
    bottom, top = drawn.axes[2].get_ylim()
    assert (bottom, top) == pytest.approx((270.5 * 0.05, 300.5 * 0.05))


def test_blocks_cover_each_point_once(make_run: MakeRun) -> None:
    with open_run(make_run(n=43, cycles=20)) as run:
        found = block_rms(run, 5)
        squares = (run["analysis_mean"] - run["truth"]).values ** 2
    assert found.shape == (20, 5)
    lengths = np.array([8, 8, 8, 8, 11])
    np.testing.assert_allclose(found**2 @ lengths, squares.sum(axis=1))
    np.testing.assert_allclose(found[:, -1] ** 2, squares[:, 32:].mean(axis=1))
