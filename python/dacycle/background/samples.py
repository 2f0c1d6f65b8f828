"""Fields whose covariance stands for that of background errors: where they come from.

`climatology`: the states of a free run, less their mean.

`nmc`: differences M_L2(x_a(t - L2)) - M_L1(x_a(t - L1)) of two forecasts, of leads L1 < L2, that
are valid at the same time, from the analyses x_a of a run (Parrish & Derber 1992). Both know the
analyses up to t - L2; their difference is what the longer lead has made of the errors, and what
the analyses between have corrected.

`ensemble`: deviations of the members of an ensemble of analyses from their mean, `sqrt(N - 1)`
below the line, forecast by one lead (Fisher 2003; lead 0: the analyses' own).

Parrish, D. F. and J. C. Derber (1992): The National Meteorological Center's spectral
statistical-interpolation analysis system. Monthly Weather Review, 120, 1747-1763.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import BackgroundError
from dacycle.model import lorenz96
from dacycle.namelist import Groups
from dacycle.run_file import effective_namelist
from dacycle.verification.estimate import settled

__all__ = ["METHODS", "Samples", "climatology", "deviations", "differences"]

METHODS = ("climatology", "nmc", "ensemble")

VALUES_AT_ONCE = 4_000_000
"""Of a field, read and forecast together."""

WHOLE = 1e-6
"""How near to a whole number a ratio of times must lie, relatively."""

FORECAST_MODEL = "lorenz96"
"""The model whose kernels Python has."""

TWO = 2


@dataclass(frozen=True)
class Samples:
    """Samples of background errors, in parts that fit into memory.

    Attributes:
        model: name of the run's forecast model.
        described: the method and its settings, for a summary.
        records: how many fields there are.
        parts: fields `(record, component, x)`, one part after another; read once.
        around_mean: whether the mean over records and points is still to be taken off.
    """

    model: str
    described: str
    records: int
    parts: Iterator[NDArray[np.float64]]
    around_mean: bool


def climatology(run: xr.Dataset) -> Samples:
    """The states of a free run: `analysis = 'none'`, `members = 1`.

    Raises:
        BackgroundError: it is no free run, or has no fields after burn-in.
    """
    groups = effective_namelist(run)
    if groups["cycle"]["analysis"] != "none" or groups["ensemble"]["members"] != 1:
        raise BackgroundError(
            "climatology needs a free run: analysis = 'none' in &cycle, members = 1 in &ensemble"
        )
    records = _settled_records(run, "analysis_mean", "field_time", "fields_every")
    parts = _parts(run["analysis_mean"], "field_time", records)
    return Samples(_model(groups), "climatology", records.size, parts, around_mean=True)


def differences(run: xr.Dataset, leads: tuple[float, float]) -> Samples:
    """Differences of forecasts of two leads, from the analyses of a run.

    Args:
        run: an open run file with fields.
        leads: model times, the shorter (0: the analysis itself) and the longer.

    Raises:
        BackgroundError: no fields after burn-in, leads that are no multiples of the model's step
            or do not part by a multiple of the time between fields, or another model than
            Lorenz-96.
    """
    groups = effective_namelist(run)
    shorter, longer = leads
    if not 0 <= shorter < longer:
        raise BackgroundError(f"leads {shorter:g} {longer:g}: the first must be the shorter")
    records = _settled_records(run, "analysis_mean", "field_time", "fields_every")
    every = groups["cycle"]["interval"] * groups["output"]["fields_every"]
    apart = _multiple(longer - shorter, every, "the difference of the leads", "fields' distance")
    if records.size <= apart:
        raise BackgroundError(
            f"leads {shorter:g} {longer:g}: {records.size} fields after burn-in are too few"
        )
    step = _Forecast(groups)

    def parts() -> Iterator[NDArray[np.float64]]:
        at_once = max(apart + 1, VALUES_AT_ONCE // (run.sizes["x"]))
        for start in range(0, records.size - apart, at_once):
            some = records[start : start + at_once + apart]
            analyses = next(_parts(run["analysis_mean"], "field_time", some, whole=True))
            older, newer = analyses[:-apart], analyses[apart:]
            yield step(older, longer) - step(newer, shorter)

    described = f"nmc, leads {shorter:g} and {longer:g}"
    step.steps(shorter)
    step.steps(longer)
    return Samples(_model(groups), described, records.size - apart, parts(), around_mean=True)


def deviations(run: xr.Dataset, lead: float) -> Samples:
    """Deviations of an ensemble's members from their mean, each over sqrt(1 - 1/N).

    Args:
        run: an open run file with members (`members_every`), at least two.
        lead: model time by which the members are forecast before.

    Raises:
        BackgroundError: no members after burn-in or only one, a lead that is no multiple of the
            model's step, or, with a lead, another model than Lorenz-96.
    """
    groups = effective_namelist(run)
    members = int(groups["ensemble"]["members"])
    if members < TWO:
        raise BackgroundError("ensemble needs members = 2 or more in &ensemble")
    records = _settled_records(run, "analysis_members", "member_time", "members_every")
    forecast = _Forecast(groups) if lead > 0 else None
    if forecast:
        forecast.steps(lead)

    def parts() -> Iterator[NDArray[np.float64]]:
        for record in records:
            dump = run["analysis_members"].isel(member_time=int(record))
            states = _with_components(dump, "member")
            if forecast:
                states = forecast(states, lead)
            yield (states - states.mean(axis=0)) / np.sqrt(1 - 1 / members)

    described = f"ensemble of {members}, lead {lead:g}"
    return Samples(_model(groups), described, records.size * members, parts(), around_mean=False)


class _Forecast:
    """The run's forecast model on fields `(record, component, x)`."""

    def __init__(self, groups: Groups) -> None:
        if _model(groups) != FORECAST_MODEL:
            raise BackgroundError(
                f"forecasts are made with model = '{FORECAST_MODEL}' only, the run's is "
                f"'{_model(groups)}': take --method climatology, or ensemble with lead 0"
            )
        self._settings = groups[FORECAST_MODEL]

    def steps(self, lead: float) -> int:
        return _multiple(lead, self._settings["dt"], "a lead", "model's dt") if lead > 0 else 0

    def __call__(self, fields: NDArray[np.float64], lead: float) -> NDArray[np.float64]:
        x = np.ascontiguousarray(fields[:, 0])
        for _ in range(self.steps(lead)):
            x = lorenz96.step(x, self._settings["forcing"], self._settings["dt"])
        return x[:, None]


def _model(groups: Groups) -> str:
    return str(groups["cycle"]["model"])


def _multiple(time: float, unit: float, what: str, of: str) -> int:
    count = round(time / unit)
    if count < 1 or abs(count * unit - time) > WHOLE * time:
        raise BackgroundError(f"{what}, {time:g}: must be a whole multiple of the {of}, {unit:g}")
    return count


def _settled_records(run: xr.Dataset, name: str, time: str, key: str) -> NDArray[np.int64]:
    if run.sizes.get(time, 0) == 0 or name not in run:
        raise BackgroundError(f"no {name} in the run file: set {key} in &output")
    records = np.flatnonzero(settled(run, run[time].values))
    if records.size == 0:
        raise BackgroundError(f"no {name} was written after burn-in")
    return records


def _parts(
    field: xr.DataArray, time: str, records: NDArray[np.int64], *, whole: bool = False
) -> Iterator[NDArray[np.float64]]:
    """The field's records, which follow one another, `(record, component, x)`."""
    a_record = field.size // field.sizes[time]
    length = records.size if whole else max(1, VALUES_AT_ONCE // a_record)
    for start in range(0, records.size, length):
        some = records[start : start + length]
        yield _with_components(field.isel({time: slice(some[0], some[-1] + 1)}), time)


def _with_components(field: xr.DataArray, first: str) -> NDArray[np.float64]:
    if "component" not in field.dims:
        field = field.expand_dims("component")
    return np.asarray(field.transpose(first, "component", "x").values, dtype=np.float64)
