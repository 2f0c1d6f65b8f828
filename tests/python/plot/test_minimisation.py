"""The pictures of minimisations."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dacycle.plot.minimisation import convergence_by_iteration, hessian_eigenvalues
from dacycle.run_file import open_run
from dacycle.verification.minimisation import convergence, hessian_spectrum

MakeRun = Callable[..., Path]


def test_outer_loops_follow_one_another(make_run: MakeRun) -> None:
    with open_run(make_run(minimisation=True)) as run:
        above, below = convergence_by_iteration(run).axes
        loops = convergence(run)
    gradients = [line for line in below.get_lines() if line.get_marker() == "o"]
    first = 0
    for line, loop in zip(gradients, loops, strict=True):
        x = np.asarray(line.get_xdata())
        assert x[0] == first
        np.testing.assert_array_equal(line.get_ydata(), loop.gradient)
        first = x[-1]
    assert below.get_xlim() == (0, first)
    legend = above.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["J", "observations", "background"]


def test_doubtful_eigenvalues_are_marked(make_run: MakeRun) -> None:
    with open_run(make_run(minimisation=True)) as run:
        axes = hessian_eigenvalues(run).axes[0]
        found = hessian_spectrum(run)
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    np.testing.assert_array_equal(lines["mean"].get_ydata(), found.mean)
    doubtful = lines["residual above 1%"]
    np.testing.assert_array_equal(doubtful.get_ydata(), found.mean[found.residual > 0.01])
    assert 0 < np.asarray(doubtful.get_ydata()).size < found.mean.size
