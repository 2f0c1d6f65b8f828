"""Spectra of waves that are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dacycle.errors import RunFileError
from dacycle.run_file import open_run
from dacycle.verification.spectra import power, spectra


@pytest.mark.parametrize("n", [7, 8, 40])
def test_wavenumbers_add_up_to_the_variance(n: int) -> None:
    fields = np.random.default_rng(n).normal(3, 2, (5, n))
    found = power(fields)
    assert found.shape == (5, n // 2)
    np.testing.assert_allclose(found.sum(axis=1), fields.var(axis=1))


@pytest.mark.parametrize("n", [9, 10])
def test_each_wavenumber_is_the_sum_of_its_definition(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    j = np.arange(n)
    for k in range(1, n // 2 + 1):
        amplitude = [np.sum(x * np.exp(-2j * np.pi * j * s * k / n)) / n for s in (1, -1)]
        expected = np.sum(np.abs(amplitude) ** 2)
        if 2 * k == n:
            expected /= 2
        assert power(x)[k - 1] == pytest.approx(expected)


def test_a_wave_stands_at_its_wavenumber(make_run: Callable[..., Path]) -> None:
    """The truth is a wave of length 8 and amplitude 3.6, errors are white, with sd 0.2 and 0.25."""
    with open_run(make_run()) as run:
        found = spectra(run)
    assert list(found) == ["truth", "background error", "analysis error"]
    truth = found["truth"]
    assert truth.wavenumber.tolist() == list(range(1, 21))
    assert truth.power[4] == pytest.approx(3.6**2 / 2)
    assert np.delete(truth.power, 4).max() < 1e-20
    for state, sd in (("background", 0.25), ("analysis", 0.2)):
        one = found[f"{state} error"]
        expected = np.full(20, 2 * sd**2 / 40)
        expected[-1] /= 2
        assert np.abs((one.power - expected) / one.standard_error).max() < 5


def test_without_a_truth_there_are_the_states(make_run: Callable[..., Path]) -> None:
    with open_run(make_run(truth=False)) as run:
        found = spectra(run)
    assert list(found) == ["background mean", "analysis mean"]
    assert found["analysis mean"].power.argmax() == 4


def test_members_show_the_spectrum_of_the_spread(make_run: Callable[..., Path]) -> None:
    with open_run(make_run()) as run:
        random = np.random.default_rng(1)
        members = run["analysis_mean"].values[:, None] + 0.3 * random.normal(size=(300, 10, 40))
        whole = run.assign(analysis_members=(("member_time", "member", "x"), members))
        one = spectra(whole.assign_coords(member_time=run["time"].values))["analysis spread"]
    variance = members[50:].var(axis=1, ddof=1).mean(axis=-1)
    outside = members[50:].mean(axis=-1).var(axis=1, ddof=1)
    assert one.power.sum() == pytest.approx(np.mean(variance - outside))


def test_fields_after_burn_in_are_needed(make_run: Callable[..., Path]) -> None:
    with (
        open_run(make_run(fields_every=0)) as run,
        pytest.raises(RunFileError, match="set fields_every"),
    ):
        spectra(run)
    with (
        open_run(make_run(cycles=20, burn_in=20)) as run,
        pytest.raises(RunFileError, match="after burn-in"),
    ):
        spectra(run)
