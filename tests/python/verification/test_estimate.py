"""Functions of time means, against the scatter of many series."""

import numpy as np
import pytest

from dacycle.verification.estimate import function_of_means, mean_of, ratio_of_means

SERIES, CYCLES, KEEP = 300, 1000, 0.7


def pairs() -> np.ndarray:
    """Two autoregressive series that depend on each other, many times: `(SERIES, CYCLES, 2)`."""
    random = np.random.default_rng(8)
    noise = random.normal(size=(SERIES, CYCLES, 2))
    noise[..., 1] += noise[..., 0]
    series = np.empty_like(noise)
    value = np.zeros((SERIES, 2))
    for cycle in range(CYCLES):
        value = KEEP * value + noise[:, cycle]
        series[:, cycle] = value
    return series + np.array([3.0, 20.0])


def test_the_standard_error_of_a_ratio_is_its_scatter() -> None:
    found = [ratio_of_means(one[:, 0], one[:, 1]) for one in pairs()]
    scatter = np.std([one.value for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(scatter, rel=0.12)


def test_the_standard_error_of_a_product_is_its_scatter() -> None:
    values, errors = [], []
    for one in pairs():
        a, b = one.mean(axis=0)
        found = function_of_means(a * b, np.array([b, a]), one)
        values.append(found.value)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_a_constant_ratio_has_no_error() -> None:
    series = np.random.default_rng(2).uniform(1, 2, 50)
    found = ratio_of_means(3 * series, series)
    assert found.value == pytest.approx(3)
    assert found.standard_error == pytest.approx(0, abs=1e-12)


def test_nothing_over_nothing_is_unknown() -> None:
    for below in (np.zeros(5), np.empty(0)):
        found = ratio_of_means(np.zeros(below.size), below)
        assert np.isnan([found.value, found.standard_error]).all()


def test_a_mean_is_a_time_mean() -> None:
    series = np.arange(10.0)
    assert mean_of(series).value == 4.5


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="do not agree"):
        function_of_means(0.0, np.zeros(3), np.zeros((10, 2)))
