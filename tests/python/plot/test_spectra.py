"""The picture of spectra."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dacycle.plot.spectra import spectra_by_scale
from dacycle.run_file import open_run
from dacycle.verification.spectra import spectra


def test_errors_are_shown_alone_and_over_the_truth(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run:
        drawn = spectra_by_scale(run)
        found = spectra(run)
    variance, share = drawn.axes
    lines = {str(line.get_label()): line for line in variance.get_lines()}
    assert list(lines) == list(found)
    for name, one in found.items():
        np.testing.assert_array_equal(lines[name].get_ydata(), one.power)
    expected = found["analysis error"].power / found["truth"].power
    shown = {str(line.get_label()): line for line in share.get_lines()}
    np.testing.assert_array_equal(shown["analysis error"].get_ydata(), expected)


def test_without_a_truth_there_is_one_panel(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(truth=False)) as run:
        assert len(spectra_by_scale(run).axes) == 1


def test_many_wavenumbers_are_averaged_over_bands(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(n=3000, cycles=60, fields_every=2)) as run:
        drawn = spectra_by_scale(run)
        whole = spectra(run)["analysis error"]
    line = drawn.axes[0].get_lines()[2]
    waves, power = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert waves.size <= 200
    assert (waves[0], power[0]) == (1, whole.power[0])
    assert np.all(np.diff(waves) > 0)
    np.testing.assert_allclose(power[-1], whole.power[-10:].mean(), rtol=0.2)
