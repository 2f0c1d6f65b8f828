"""Which points to run next: all of a grid, or those that Optuna asks for.

Each search is a generator: it yields a batch of points and is sent their objectives, infinite
where a run diverged. Optuna is asked for a batch at once, so what it asks depends on the plan and
its seed alone, not on how many runs are at work or which of them ends first; a sweep that is called
a second time is asked for the same points and finds them on disk.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from dacycle.errors import SweepError
from dacycle.sweep.plan import Plan, Point, Range, Values, grid

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Search", "search_for", "trials_of"]

Search = Generator[list[Point], list[float], None]


def search_for(plan: Plan) -> Search:
    """The search that the plan names.

    Raises:
        SweepError: it is Optuna, which is not installed.
    """
    return _optuna(plan) if plan.search == "optuna" else _grid(plan)


def trials_of(plan: Plan) -> int:
    """How many points the search asks for."""
    return plan.trials if plan.search == "optuna" else len(grid(plan))


def _grid(plan: Plan) -> Search:
    yield grid(plan)


def _optuna(plan: Plan) -> Search:
    try:
        import optuna
    except ImportError as error:
        raise SweepError(
            "search = 'optuna' needs the package optuna (pip install 'dacycle[sweep]')"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # TPE (Bergstra et al. 2011); what is asked for and not yet known counts as bad meanwhile, so
    # that a batch spreads.
    sampler = optuna.samplers.TPESampler(seed=plan.sampler_seed, constant_liar=True)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    distributions = {key: _distribution(values) for key, values in plan.keys.items()}
    left = plan.trials
    while left > 0:
        trials = [study.ask(distributions) for _ in range(min(plan.batch, left))]
        values = yield [{key: trial.params[key] for key in plan.keys} for trial in trials]
        for trial, value in zip(trials, values, strict=True):
            study.tell(trial, value)
        left -= len(trials)


def _distribution(values: Values) -> "BaseDistribution":
    from optuna import distributions as choose

    if not isinstance(values, Range):
        return choose.CategoricalDistribution(list[Any](values))
    if values.whole:
        step = 1 if values.step is None else int(values.step)
        return choose.IntDistribution(int(values.low), int(values.high), values.log, step)
    return choose.FloatDistribution(values.low, values.high, values.log, values.step)
