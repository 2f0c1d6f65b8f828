"""Time means and their standard errors, against known processes."""

import numpy as np
import pytest

from dacycle.verification.time_mean import autocovariance, time_mean


def autoregressive(random: np.random.Generator, cycles: int, keep: float) -> np.ndarray:
    noise = random.normal(size=cycles)
    series = np.empty(cycles)
    value = 0.0
    for cycle in range(cycles):
        value = keep * value + noise[cycle]
        series[cycle] = value
    return series


def geyer_standard_error(series: np.ndarray) -> float:
    """The formula, term by term."""
    n = series.size
    anomaly = series - series.mean()
    gamma = [float(anomaly[: n - k] @ anomaly[k:]) / n for k in range(n)]
    total = 0.0
    for even in range(0, n - 1, 2):
        pair = gamma[even] + gamma[even + 1]
        if pair <= 0:
            break
        total += pair
    return float(np.sqrt((2 * total - gamma[0]) / n))


@pytest.mark.parametrize("n", [2, 3, 50, 301])
def test_autocovariance_is_the_sum_of_products(n: int) -> None:
    series = np.random.default_rng(n).normal(size=n) + 3
    anomaly = series - series.mean()
    expected = [anomaly[: n - k] @ anomaly[k:] / n for k in range(n)]
    np.testing.assert_allclose(autocovariance(series), expected, atol=1e-14)


@pytest.mark.parametrize("keep", [-0.5, 0.0, 0.9])
@pytest.mark.parametrize("n", [2, 7, 400])
def test_standard_error_is_geyers(n: int, keep: float) -> None:
    series = autoregressive(np.random.default_rng(7), n, keep)
    found = time_mean(series)
    assert found.standard_error == pytest.approx(geyer_standard_error(series), rel=1e-10)
    assert found.mean == pytest.approx(float(series.mean()))
    assert (found.maximum, found.values) == (float(np.abs(series).max()), n)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_standard_error_is_that_of_the_process(keep: float) -> None:
    """For s_t = keep s_{t-1} + noise, var(mean) tends to 1 / (n (1 - keep)^2)."""
    random = np.random.default_rng(42)
    n = 4000
    expected = 1 / (np.sqrt(n) * (1 - keep))
    found = [time_mean(autoregressive(random, n, keep)).standard_error for _ in range(20)]
    assert np.mean(found) == pytest.approx(expected, rel=0.08)


def test_constant_series_has_no_error() -> None:
    assert time_mean(np.full(100, 40.0)).standard_error == 0


def test_missing_values_make_all_missing() -> None:
    found = time_mean(np.array([1.0, np.nan, 2.0]))
    assert np.isnan([found.mean, found.standard_error, found.maximum]).all()


def test_one_value_has_a_mean_without_an_error() -> None:
    found = time_mean(np.array([0.2]))
    assert found.mean == 0.2
    assert np.isnan(found.standard_error)


def test_no_value_has_no_mean() -> None:
    found = time_mean(np.empty(0))
    assert np.isnan([found.mean, found.standard_error, found.maximum]).all()


@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_only_a_series_is_averaged(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(time,\)"):
        time_mean(np.zeros(shape))
