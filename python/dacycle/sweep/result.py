"""What a sweep found at each point, over its seeds."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dacycle.errors import SweepError
from dacycle.sweep.plan import Plan, Point
from dacycle.sweep.store import DIVERGED, DONE, FAILED, Store

__all__ = ["Result", "as_good", "best", "result_of"]


@dataclass(frozen=True)
class Result:
    """A point and its runs.

    Attributes:
        point: the values of the swept keys.
        values: the objective of each seed: infinite where the run diverged or failed.
        diverged: how many runs diverged: the ensemble was not finite, or the objective beyond the
            plan's limit.
        failed: how many ended for a reason that is not the filter's.
    """

    point: Point
    values: dict[int, float]
    diverged: int
    failed: int

    @property
    def mean(self) -> float:
        """Of the objective over the seeds; infinite if one diverged."""
        return statistics.fmean(self.values.values())

    @property
    def standard_error(self) -> float:
        """Of that mean, from the scatter of the seeds; NaN for one seed or a diverged run."""
        if len(self.values) < 2 or not math.isfinite(self.mean):
            return math.nan
        return statistics.stdev(self.values.values()) / math.sqrt(len(self.values))


def result_of(plan: Plan, store: Store, point: Point) -> Result:
    """The runs of a point, all of which are in the store.

    Raises:
        SweepError: a run that ended well has no such score.
    """
    values: dict[int, float] = {}
    diverged = failed = 0
    for seed in plan.seeds:
        row = store.latest(point, seed)
        if row.outcome == DONE and plan.objective not in row.scores:
            raise SweepError(
                f"objective = '{plan.objective}' has no value (is there a truth?); the runs have "
                f"{', '.join(row.scores)}"
            )
        value = row.scores[plan.objective] if row.outcome == DONE else math.inf
        failed += row.outcome == FAILED
        if row.outcome == DIVERGED or plan.diverged_above < value < math.inf:
            diverged += 1
            value = math.inf
        values[seed] = value
    return Result(point, values, diverged, failed)


def best(results: Iterable[Result]) -> Result | None:
    """The result with the smallest mean; none if each has a run that diverged."""
    finite = [result for result in results if math.isfinite(result.mean)]
    return min(finite, key=lambda result: result.mean, default=None)


def as_good(results: Sequence[Result]) -> list[Result]:
    """The others that are no further from the best than two standard errors of a difference.

    The standard error is the median over the results: with a few seeds a point's own says little,
    and one that nearly diverged would be excused by its scatter.
    """
    least = best(results)
    errors = [r.standard_error for r in results if math.isfinite(r.standard_error)]
    if least is None or not errors:
        return []
    margin = 2 * math.hypot(1, 1) * statistics.median(errors)
    return [other for other in results if other is not least and other.mean - least.mean <= margin]
