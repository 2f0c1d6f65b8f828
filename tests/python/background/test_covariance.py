"""Lag covariances against sums over points, against functions that are known, and on file."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from numpy.typing import NDArray

from dacycle.background import (
    FITTED,
    Covariance,
    Samples,
    best_fit,
    correlation,
    daley_length,
    lag_covariances,
    write_covariance,
)
from dacycle.background.covariance import gaspari_cohn, spectrum
from dacycle.errors import BackgroundError


def samples(fields: NDArray[np.float64], *, around_mean: bool = False, parts: int = 3) -> Samples:
    pieces = iter(np.array_split(fields, parts))
    return Samples("lorenz96", "made up", len(fields), pieces, around_mean)


@pytest.mark.parametrize("n", [7, 8, 40])
@pytest.mark.parametrize("around_mean", [False, True])
def test_they_are_means_over_points_and_samples(n: int, around_mean: bool) -> None:
    fields = np.random.default_rng(n).normal(1, 2, (10, 2, n))
    found = lag_covariances(samples(fields, around_mean=around_mean))
    assert (found.points, found.records, found.values.shape) == (n, 10, (2, n // 2 + 1))
    for c in range(2):
        d = fields[:, c] - (fields[:, c].mean() if around_mean else 0)
        expected = [(d * np.roll(d, -lag, axis=1)).mean() for lag in range(n // 2 + 1)]
        np.testing.assert_allclose(found.values[c], expected, atol=1e-12)
    np.testing.assert_allclose(found.sd, np.sqrt(found.values[:, 0]))


@pytest.mark.parametrize("n", [7, 8, 40, 200])
@pytest.mark.parametrize("lags", [None, 3])
def test_they_are_positive_semidefinite(n: int, lags: int | None) -> None:
    """Few samples, so that noise would show."""
    found = lag_covariances(samples(np.random.default_rng(n).normal(size=(3, 1, n))), lags)
    eigenvalues = spectrum(found)
    assert eigenvalues.min() > -1e-13 * eigenvalues.max()
    row = np.zeros(n)
    for lag, value in enumerate(found.values[0]):
        row[lag] = row[-lag] = value
    dense = np.array([np.roll(row, i) for i in range(n)])
    np.testing.assert_allclose(
        np.sort(np.linalg.eigvalsh(dense))[[0, -1]], [eigenvalues.min(), eigenvalues.max()]
    )


def test_lags_end_where_asked() -> None:
    fields = np.random.default_rng(1).normal(size=(5, 1, 100))
    assert lag_covariances(samples(fields)).values.shape == (1, 33)
    whole = lag_covariances(samples(fields), 50).values[0]
    short = lag_covariances(samples(fields), 4).values[0]
    np.testing.assert_allclose(short, whole[:5] * gaspari_cohn(np.arange(5) / 2.5))
    for lags in (0, 51):
        with pytest.raises(BackgroundError, match="half the circle, 50"):
            lag_covariances(samples(fields), lags)


def test_the_taper_is_gaspari_and_cohns() -> None:
    found = gaspari_cohn(np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]))
    # From their equation 4.10 by hand: C(1/2) = 263/384, C(1) = 5/24, C(3/2) = 19/1152.
    np.testing.assert_allclose(found, [1, 263 / 384, 5 / 24, 19 / 1152, 0, 0], atol=1e-14)


def test_samples_must_be_of_use() -> None:
    with pytest.raises(BackgroundError, match="no variance"):
        lag_covariances(samples(np.zeros((3, 1, 8))))
    with pytest.raises(BackgroundError, match="not finite"):
        lag_covariances(samples(np.full((3, 1, 8), np.nan)))


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("length", [0.5, 3.0])
def test_functions_are_found_again(name: str, length: float) -> None:
    fit = best_fit(2.5 * correlation(name, np.arange(21) / length))
    assert fit.name == name
    assert fit.length == pytest.approx(length, rel=2e-3)
    assert fit.error < 1e-3


def test_an_unknown_function() -> None:
    with pytest.raises(ValueError, match="soar, gaussian"):
        correlation("sinc", np.arange(3.0))


def test_daleys_length_of_a_gaussian_is_its_own() -> None:
    values = 4 * correlation("gaussian", np.arange(21) / 3.0)[None]
    assert daley_length(Covariance(values, 40, "", "", 1))[0] == pytest.approx(3.0, rel=1e-6)


def test_the_file_holds_them(tmp_path: Path) -> None:
    values = np.array([[2.0, 1.0, 0.5], [1.0, 0.0, 0.0]])
    write_covariance(
        Covariance(values, 5, "lorenz96", "nmc, leads 1 and 2", 7), tmp_path / "b.nc", "a title"
    )
    with netCDF4.Dataset(tmp_path / "b.nc") as file:
        assert file["covariance"].dimensions == ("component", "lag")
        np.testing.assert_array_equal(file["covariance"][:], values)
        assert (file.model, file.points, file.records) == ("lorenz96", 5, 7)
        assert (file.title, file.method) == ("a title", "nmc, leads 1 and 2")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BackgroundError, match=r"b\.nc"):
        write_covariance(Covariance(np.ones((1, 2)), 5, "", "", 1), tmp_path / "no" / "b.nc", "")
