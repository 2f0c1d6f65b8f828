"""Covariances that are the same around every point: estimated, described, written.

c(l) = mean of d_i d_{i+l} over the points i of the circle and over all samples d. As the Fourier
transform of c is the mean power spectrum of the samples, it is nowhere negative: the circulant
matrix of all lags is positive semidefinite. Lags that end within the circle are tapered by the
compactly supported correlation of Gaspari & Cohn (1999, eq. 4.10), which keeps this (the
elementwise product of two such matrices is one), and takes sampling noise off far lags.

Daley's length is sqrt(-c(0) / c''(0)), with the derivative from the spectrum (Daley 1991,
section 4.3): that of a Gaussian exp(-l²/(2 L²)) is L.

Gaspari, G. and S. E. Cohn (1999): Construction of correlation functions in two and three
dimensions. Quarterly Journal of the Royal Meteorological Society, 125, 723-757.
Daley, R. (1991): Atmospheric Data Analysis. Cambridge University Press.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import netCDF4
import numpy as np
from numpy.typing import NDArray

from dacycle.background.samples import Samples
from dacycle.errors import BackgroundError

__all__ = [
    "FITTED",
    "Covariance",
    "Fit",
    "best_fit",
    "correlation",
    "daley_length",
    "lag_covariances",
    "write_covariance",
]

FITTED = ("soar", "gaussian", "exponential")
"""The correlation functions that `&background` knows."""

MOST_LAGS = 32
"""As far as `da_cycle` takes the climate to be correlated."""

SHORTEST, LONGEST, LENGTHS = 0.1, 100.0, 3001
"""Grid points: what lengths a fit tries, evenly in their logarithm."""


@dataclass(frozen=True)
class Covariance:
    """Lag covariances of each component on a circle.

    Attributes:
        values: `(component, lag)`, lags 0, 1, ... grid points.
        points: of the circle.
        model: whose errors they are.
        described: how they were estimated.
        records: from how many fields.
    """

    values: NDArray[np.float64]
    points: int
    model: str
    described: str
    records: int

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviation of each component."""
        return np.sqrt(self.values[:, 0])


@dataclass(frozen=True)
class Fit:
    """A correlation function: name, length in grid points, root mean square error over the lags."""

    name: str
    length: float
    error: float


def lag_covariances(samples: Samples, lags: int | None = None) -> Covariance:
    """The mean covariances of samples on their circle.

    Args:
        samples: read to their end.
        lags: the last lag; by default half the circle, at most 32.

    Raises:
        BackgroundError: `lags` is less than 1 or beyond half the circle; the samples are not finite
            or have no variance.
    """
    power, mean = None, None
    count = 0
    for fields in samples.parts:
        n = fields.shape[-1]
        spectra = (np.abs(np.fft.rfft(fields)) ** 2).sum(axis=0) / n
        means = fields.mean(axis=-1).sum(axis=0)
        power = spectra if power is None else power + spectra
        mean = means if mean is None else mean + means
        count += fields.shape[0]
    if power is None or mean is None:
        raise BackgroundError("there are no samples")
    values = np.fft.irfft(power / count, n)[:, : n // 2 + 1]
    if samples.around_mean:
        values = values - (mean / count)[:, None] ** 2
    if not np.isfinite(values).all():
        raise BackgroundError("the samples are not finite: has the run diverged?")
    if not (values[:, 0] > 0).all():
        raise BackgroundError("the samples have no variance")
    last = min(n // 2, MOST_LAGS) if lags is None else lags
    if not 1 <= last <= n // 2:
        raise BackgroundError(f"lags {last}: must lie between 1 and half the circle, {n // 2}")
    values = values[:, : last + 1]
    if last < n // 2:
        values = values * gaspari_cohn(np.arange(last + 1) / ((last + 1) / 2))
    return Covariance(values, n, samples.model, samples.described, count)


def gaspari_cohn(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fifth-order taper of distances in half widths: 1 at 0, nothing from 2 on."""
    near = 1 + r**2 * (-5 / 3 + r * (5 / 8 + r * (1 / 2 - r / 4)))
    s = np.maximum(r, 1.0)
    far = 4 + s * (-5 + s * (5 / 3 + s * (5 / 8 + s * (-1 / 2 + s / 12)))) - 2 / (3 * s)
    return np.where(r <= 1, near, np.where(r < 2, np.maximum(far, 0.0), 0.0))


def spectrum(covariance: Covariance) -> NDArray[np.float64]:
    """The eigenvalues of the circulant matrices, `(component, wavenumber)`, from 0 to n/2."""
    n = covariance.points
    row = np.zeros((covariance.values.shape[0], n))
    lags = covariance.values.shape[1]
    row[:, :lags] = covariance.values
    row[:, n - lags + 1 :] = covariance.values[:, :0:-1]
    return np.asarray(np.fft.rfft(row).real)


def daley_length(covariance: Covariance) -> NDArray[np.float64]:
    """Daley's length of each component, in grid points."""
    n = covariance.points
    eigenvalues = spectrum(covariance)
    weights = np.full(eigenvalues.shape[1], 2.0)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    k = 2 * np.pi / n * np.arange(eigenvalues.shape[1])
    curvature = (weights * k**2 * eigenvalues).sum(axis=1)
    return np.asarray(np.sqrt((weights * eigenvalues).sum(axis=1) / curvature))


def correlation(name: str, r: NDArray[np.float64]) -> NDArray[np.float64]:
    """A correlation function of `&background` at distances in lengths.

    Raises:
        ValueError: the name is not in `FITTED`.
    """
    if name == "soar":
        return np.asarray((1 + r) * np.exp(-r))
    if name == "gaussian":
        return np.asarray(np.exp(-(r**2) / 2))
    if name == "exponential":
        return np.asarray(np.exp(-r))
    raise ValueError(f"correlation {name!r} is not known ({', '.join(FITTED)})")


def best_fit(values: NDArray[np.float64], names: Sequence[str] = FITTED) -> Fit:
    """The correlation function nearest to lag covariances `(lag,)`, by least squares."""
    lag = np.arange(values.size)
    lengths = np.geomspace(SHORTEST, LONGEST, LENGTHS)
    fits = []
    for name in names:
        errors = correlation(name, lag / lengths[:, None]) - values / values[0]
        size = np.sqrt((errors**2).mean(axis=1))
        best = int(size.argmin())
        fits.append(Fit(name, float(lengths[best]), float(size[best])))
    return min(fits, key=lambda fit: fit.error)


def write_covariance(covariance: Covariance, path: str | os.PathLike[str], title: str) -> None:
    """Write the file that `&background covariance = 'file'` reads, over one that is there.

    Raises:
        BackgroundError: it cannot be written.
    """
    try:
        with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
            file.setncatts(
                {
                    "title": title,
                    "source": f"dacycle {version('dacycle')}",
                    "model": covariance.model,
                    "points": np.int32(covariance.points),
                    "method": covariance.described,
                    "records": np.int32(covariance.records),
                }
            )
            components, lags = covariance.values.shape
            file.createDimension("component", components)
            file.createDimension("lag", lags)
            values = file.createVariable("covariance", np.float64, ("component", "lag"))
            values.long_name = "covariance of errors at two points, by the points between them"
            values.units = "1"
            values[:] = covariance.values
    except OSError as error:
        raise BackgroundError(f"{path}: {error.strerror or 'cannot be written'}") from error
