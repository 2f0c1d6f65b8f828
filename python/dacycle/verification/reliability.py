"""Reliability of probabilities: does what is foretold with 30 % happen in 30 % of the cases?

The event is x > threshold, its forecast probability p_k = k/N where k of N background members
exceed it. With n_k forecasts of p_k, of which o_k came true, n = sum n_k and o = sum o_k / n, the
score of Brier (1950) parts without a remainder (Murphy 1973), no probabilities being binned:

    BS = 1/n sum n_k (p_k - o_k/n_k)^2 - 1/n sum n_k (o_k/n_k - o)^2 + o (1 - o)
       =        reliability            -       resolution            + uncertainty

Reliability is never negative, so sampling alone makes it positive; `chance` is how much: the
squared errors that the observed frequencies would have of perfect forecasts, averaged like
reliability itself. They are the squared standard errors found, and at least those of independent
forecasts, p_k (1 - p_k) / n_k: a probability that was given only once shows no scatter of its own.

Brier, G. W. (1950): Verification of forecasts expressed in terms of probability. Monthly Weather
Review, 78, 1-3. Murphy, A. H. (1973): A new vector partition of the probability score. Journal of
Applied Meteorology, 12, 595-600.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dacycle.errors import RunFileError
from dacycle.verification.estimate import Estimate, function_of_means, mean_of, ratio_of_means
from dacycle.verification.scores import burn_in

__all__ = ["Curve", "Reliability", "reliability", "reliability_curves"]


FEWEST_CLASSES = 3


@dataclass(frozen=True)
class Reliability:
    """The reliability of forecasts of one event, over the cycles after burn-in.

    Attributes:
        threshold: the event is that x exceeds it.
        probability: `(members + 1,)`, forecast probabilities.
        forecasts: `(members + 1,)`, how often each was given, over points and cycles.
        frequency: `(members + 1,)`, how often the event then came; NaN if it was never foretold so.
        standard_error: `(members + 1,)`, of these frequencies.
        brier: the Brier score; smaller is better.
        reliability: its first part; 0 is best.
        resolution: its second part; larger is better.
        uncertainty: its third part, the score of always foretelling the climatology.
        rate: how often the event came at all.
        chance: the reliability that perfect forecasts would be expected to show here.
    """

    threshold: float
    probability: NDArray[np.float64]
    forecasts: NDArray[np.float64]
    frequency: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    brier: Estimate
    reliability: Estimate
    resolution: Estimate
    uncertainty: Estimate
    rate: float
    chance: float


def reliability(run: xr.Dataset) -> list[Reliability]:
    """The reliability of each event of a run.

    Raises:
        RunFileError: the run file has no events.
    """
    if "event_forecasts" not in run:
        raise RunFileError("no event_forecasts: set thresholds in &verification")
    first = burn_in(run)
    forecasts = run["event_forecasts"].values[first:]
    occurrences = run["event_occurrences"].values[first:]
    return [
        _of_event(float(threshold), forecasts[:, index], occurrences[:, index])
        for index, threshold in enumerate(run["threshold"].values)
    ]


@dataclass(frozen=True)
class Curve:
    """What came true of what was foretold, neighbouring probabilities joined: `(class,)` each.

    Attributes:
        probability: the mean forecast probability of the class.
        frequency: how often the event then came; NaN if it was never foretold so.
        standard_error: of this frequency.
    """

    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    standard_error: NDArray[np.float64]


def reliability_curves(run: xr.Dataset, most: int) -> list[Curve]:
    """Observed frequencies of each event of a run in at most `most` classes of probability.

    Certainties, 0 and 1, stay classes of their own; between them classes hold as many of the
    probabilities k/N each as can be.

    Raises:
        RunFileError: the run file has no events.
        ValueError: fewer than three classes are asked for.
    """
    if most < FEWEST_CLASSES:
        raise ValueError(f"most must be at least {FEWEST_CLASSES}, not {most}")
    if "event_forecasts" not in run:
        raise RunFileError("no event_forecasts: set thresholds in &verification")
    settled = run.isel(time=slice(burn_in(run), None))
    number = run.sizes["members_above"]
    between = np.array_split(np.arange(1, number - 1), min(most - 2, number - 2))
    classes = [np.array([0]), *between, np.array([number - 1])]
    return [
        _curve(
            settled["event_forecasts"].values[:, index],
            settled["event_occurrences"].values[:, index],
            classes,
        )
        for index in range(run.sizes["threshold"])
    ]


def _curve(
    forecasts: NDArray[np.float64],
    occurrences: NDArray[np.float64],
    classes: list[NDArray[np.int64]],
) -> Curve:
    probability = np.linspace(0, 1, forecasts.shape[1])
    weights = [forecasts[:, part].sum(axis=0) for part in classes]
    each = [
        ratio_of_means(occurrences[:, part].sum(axis=1), forecasts[:, part].sum(axis=1))
        for part in classes
    ]
    means = [
        float(np.average(probability[part], weights=weight))
        if weight.sum() > 0
        else float(probability[part].mean())
        for part, weight in zip(classes, weights, strict=True)
    ]
    return Curve(
        np.array(means),
        np.array([one.value for one in each]),
        np.array([one.standard_error for one in each]),
    )


def _of_event(
    threshold: float, forecasts: NDArray[np.float64], occurrences: NDArray[np.float64]
) -> Reliability:
    """Of counts `(time, members + 1)`."""
    probability = np.linspace(0, 1, forecasts.shape[1])
    each = [ratio_of_means(o, n) for o, n in zip(occurrences.T, forecasts.T, strict=True)]
    frequency = np.array([one.value for one in each])
    errors = np.array([one.standard_error for one in each])
    share = forecasts.mean(axis=0) / forecasts.sum(axis=1).mean()
    come = np.where(share > 0, frequency, 0.0)
    least = probability * (1 - probability) / np.maximum(forecasts.sum(axis=0), 1)
    rate = float(share @ come)
    shares = np.concatenate([forecasts, occurrences], axis=1) / forecasts.sum(axis=1).mean()

    def part(
        value: float, by_forecasts: NDArray[np.float64], by_occurrences: NDArray[np.float64]
    ) -> Estimate:
        """With the derivatives by n_k / n and o_k / n."""
        return function_of_means(value, np.concatenate([by_forecasts, by_occurrences]), shares)

    squares = occurrences * (1 - probability) ** 2 + (forecasts - occurrences) * probability**2
    return Reliability(
        threshold=threshold,
        probability=probability,
        forecasts=forecasts.sum(axis=0),
        frequency=frequency,
        standard_error=errors,
        brier=mean_of(squares.sum(axis=1) / forecasts.sum(axis=1)),
        reliability=part(
            float(share @ (probability - come) ** 2),
            probability**2 - come**2,
            2 * (come - probability),
        ),
        resolution=part(float(share @ (come - rate) ** 2), -(come**2), 2 * (come - rate)),
        uncertainty=part(rate * (1 - rate), np.zeros_like(come), np.full_like(come, 1 - 2 * rate)),
        rate=rate,
        chance=float(share @ np.maximum(np.nan_to_num(errors) ** 2, least)),
    )
