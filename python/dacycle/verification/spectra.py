"""Spectra: at which scales an analysis is wrong, and whether its spread knows.

A field x_j on the periodic circle of n points, less its mean over them, has the amplitudes

    X_k = 1/n sum_j x_j exp(-2 pi i j k / n),   P_k = |X_k|^2 + |X_{-k}|^2,   k = 1, ..., n/2,

so that the P_k of all wavenumbers k add up to its variance over the circle (Parseval). They are
averaged over the field records after burn-in, each wavenumber with its standard error. The spectrum
of the spread needs the members themselves (`members_every` in `&output`): the mean P_k of their
deviations from the ensemble mean, over N - 1.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import mean_of, settled

__all__ = ["Spectrum", "power", "spectra"]

VALUES_AT_ONCE = 4_000_000
"""Of a field, read together."""


@dataclass(frozen=True)
class Spectrum:
    """A mean spectrum after burn-in: `(wavenumber,)` each, from wavenumber 1 to n/2.

    Attributes:
        wavenumber: waves on the circle.
        power: variance at each wavenumber.
        standard_error: of `power`, autocorrelation allowed for.
    """

    wavenumber: NDArray[np.int64]
    power: NDArray[np.float64]
    standard_error: NDArray[np.float64]


def power(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """P_k of fields `(..., n)`: `(..., n // 2)`, k = 1, ..., n // 2."""
    n = field.shape[-1]
    squares = 2 * np.abs(np.fft.rfft(field)[..., 1:] / n) ** 2
    if n % 2 == 0:
        # The shortest wave of an even circle is its own mirror image.
        squares[..., -1] /= 2
    return np.asarray(squares)


def spectra(run: xr.Dataset) -> dict[str, Spectrum]:
    """The spectra of a run that its fields and members give, of the first component.

    Returns:
        `truth`, `background error` and `analysis error` where there is a truth, otherwise the
        states themselves, `background mean` and `analysis mean`; and `analysis spread` where there
        are members.

    Raises:
        RunFileError: no field was written after burn-in.
    """
    if "component" in run.dims:
        run = run.isel(component=0)
    if run.sizes.get("field_time", 0) == 0:
        raise RunFileError("no fields: set fields_every in &output")
    records = np.flatnonzero(settled(run, run["field_time"].values))
    if records.size == 0:
        raise RunFileError("no field was written after burn-in")
    states = ("background", "analysis")
    names = [f"{state} {'error' if 'truth' in run else 'mean'}" for state in states]
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    if "truth" in run:
        rows = {"truth": [], **rows}
    length = max(1, VALUES_AT_ONCE // run.sizes["x"])
    for start in range(int(records[0]), run.sizes["field_time"], length):
        fields = run.isel(field_time=slice(start, start + length))
        reference = fields["truth"].values if "truth" in run else 0.0
        for state, name in zip(states, names, strict=True):
            rows[name].append(power(fields[f"{state}_mean"].values - reference))
        if "truth" in run:
            rows["truth"].append(power(fields["truth"].values))
    found = {name: _mean(np.concatenate(series)) for name, series in rows.items()}
    if run.sizes.get("member_time", 0) > 0 and run.sizes["member"] > 1:
        dumps = np.flatnonzero(settled(run, run["member_time"].values))
        if dumps.size:
            found["analysis spread"] = _mean(_of_members(run, int(dumps[0])))
    return found


def _of_members(run: xr.Dataset, first: int) -> NDArray[np.float64]:
    """Of the dumps of members from the first that counts: `(member_time, wavenumber)`."""
    length = max(1, VALUES_AT_ONCE // (run.sizes["x"] * run.sizes["member"]))
    rows = []
    for start in range(first, run.sizes["member_time"], length):
        dumps = run["analysis_members"].isel(member_time=slice(start, start + length))
        members = dumps.transpose("member_time", "member", "x").values
        deviations = members - members.mean(axis=1, keepdims=True)
        rows.append(power(deviations).sum(axis=1) / (members.shape[1] - 1))
    return np.concatenate(rows)


def _mean(series: NDArray[np.float64]) -> Spectrum:
    """Of a series of spectra `(record, wavenumber)`."""
    each = [mean_of(column) for column in series.T]
    return Spectrum(
        np.arange(1, series.shape[1] + 1),
        np.array([one.value for one in each]),
        np.array([one.standard_error for one in each]),
    )
