"""The picture of rank histograms."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dacycle.plot.ranks import ranks
from dacycle.run_file import open_run
from dacycle.verification.ranks import rank_histogram


def test_bars_are_relative_to_a_flat_histogram(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(verification=True)) as run:
        drawn = ranks(run)
        for axes, state in zip(drawn.axes, ("background", "analysis"), strict=True):
            heights = [bar.get_height() for bar in axes.patches]
            np.testing.assert_allclose(heights, 10 * rank_histogram(run, state).frequency)
            assert axes.get_title().lower() == state
