"""Corrections: what a network adds to a model that is wrong, learned from analyses.

In the increment form the network adds to each step, in the tendency form to the tendency in each
stage of the Runge-Kutta scheme (Farchi et al. 2021 find it the better one inside an assimilation):

    x <- M(x) + w(x)               or         dx/dt = f(x) + w(x)

The data are the analyses of a run of `da_cycle` (offline learning; Brajard et al. 2021): from one,
the corrected model is to reach the next, or, with `intervals`, each of the next ones. What the
filter does not know the network cannot learn: its analyses' errors are in start and target.

Brajard, J., A. Carrassi, M. Bocquet and L. Bertino (2021): Combining data assimilation and machine
learning to infer unresolved scale parametrization. Phil. Trans. R. Soc. A, 379, 20200086.
Farchi, A., P. Laloyaux, M. Bonavita and M. Bocquet (2021): Using machine learning to correct model
error in data assimilation and forecast applications. Q. J. R. Meteorol. Soc., 147, 3067-3084.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from dacycle.errors import RunFileError, TrainingError
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.factory import ARCHITECTURES
from dacycle.network.type import Fields, Network
from dacycle.option import option
from dacycle.run_file import effective_namelist, open_run
from dacycle.training.task import Tables, Task

__all__ = ["TASK", "CorrectionTask"]

MODEL = "lorenz96"
"""The one that has its counterpart in PyTorch."""

LEADS = (1, 10)
"""Intervals between analyses, of the forecasts from truth to truth."""

WHOLE = 1e-6
"""An interval is so near to a whole number of steps."""


@dataclass(frozen=True)
class Correction:
    """What the network adds to, and the analyses it learns from."""

    run: str = option("run file of da_cycle; a relative path is from the current folder", "run.nc")
    form: str = option(
        "what the network adds to: each step of the model, or its tendency",
        "increment",
        known=("increment", "tendency"),
    )
    size: float = option(
        "expected size of the correction, as part of the model's tendency", 0.1, above=0
    )
    intervals: int = option("analyses ahead that are in the loss", 1, low=1)
    batch: int = option("analyses to start from, drawn for each update", 64, low=1)
    skip: int = option("first analyses that are left out, beside the run's burn-in", 0, low=0)
    test: float = option("part of the analyses, the last ones, for tests", 0.1, above=0, high=0.5)


@dataclass(frozen=True)
class Analyses:
    """Of a run: `fields` `(times, n)`, and the model that carries one to the next.

    Attributes:
        truth: of a twin experiment, of the shape of `fields`. Nothing is learned from it.
    """

    fields: Tensor
    truth: Tensor | None
    forcing: float
    dt: float
    steps: int


class CorrectionTask(Task):
    """Trains a correction; see the module."""

    name = "correction"
    role = "correction"
    architectures = ("bilinear_cnn", "residual_cnn", "quadratic_stencil")
    tables: ClassVar = {"correction": Correction}

    def __init__(
        self,
        network: Network,
        tables: Tables,
        random: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.network = network
        self.correction: Correction = tables["correction"]
        self.random = random
        self.analyses = _read(self.correction)
        fields = self.analyses.fields.to(dtype=dtype, device=device)
        held_back = _tests(self.correction, fields.shape[0])
        self.learned_from, self.tested_on = fields[:-held_back], fields[-held_back:]

    @classmethod
    def check(cls, tables: Tables, place: str) -> None:
        """Refuse a run that nothing can be learned from.

        Raises:
            TrainingError: there is no such run, or it lacks what is needed.
        """
        try:
            analyses = _read(tables["correction"])
        except RunFileError as error:
            raise TrainingError(f"{place}: [correction] run: {error}") from error
        times = analyses.fields.shape[0]
        held_back = _tests(tables["correction"], times)
        if min(held_back, times - held_back) < tables["correction"].intervals + 1:
            raise TrainingError(
                f"{place}: [correction] run: {times} analyses after the burn-in are too few"
            )

    @classmethod
    def trained_for(cls, tables: Tables) -> dict[str, Any]:
        """Where it learned."""
        setting = tables["correction"]
        analyses = _read(setting)
        return {
            "model": MODEL,
            "n": analyses.fields.shape[1],
            "forcing": analyses.forcing,
            "dt": analyses.dt,
            "steps": 1,
            "form": setting.form,
        }

    @classmethod
    def form(cls, tables: Tables) -> str:
        """As it is set."""
        form: str = tables["correction"].form
        return form

    @classmethod
    def new_network(cls, architecture: str, settings: Any, tables: Tables) -> Network:
        """A network whose outputs are a part of the tendency, or of the increment of a step."""
        setting = tables["correction"]
        scale = lorenz96.TENDENCY_DEVIATION * setting.size
        if setting.form == "increment":
            scale *= _read(setting).dt
        fields = Fields((lorenz96.MEAN,), (lorenz96.DEVIATION,), (scale,))
        return ARCHITECTURES[architecture].new(fields, settings)

    def loss(self) -> Tensor:
        """Mean square distance to the analyses of the intervals, in units of their variance."""
        intervals = self.correction.intervals
        starts = self.learned_from.shape[0] - intervals
        drawn = torch.randint(starts, (self.correction.batch,), generator=self.random)
        return self._distance(self.learned_from, drawn) / intervals

    def test(self, long: bool = False) -> dict[str, float]:
        """RMSE of forecasts to the next analysis, with the correction and without it.

        Of a twin experiment also from truth to truth, over some leads: what the model lacks itself,
        without the errors of the analyses.
        """
        scores = self._scores(self.tested_on, "", (1,))
        if self.analyses.truth is not None:
            held_back = self.tested_on.shape[0]
            truth = self.analyses.truth[-held_back:].to(self.tested_on)
            leads = [lead for lead in LEADS if lead < held_back]
            scores |= self._scores(truth, "from_truth_", leads)
        return scores

    def state(self) -> dict[str, Any]:
        """Nothing: each window is drawn anew."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Nothing."""

    def _distance(self, fields: Tensor, starts: Tensor) -> Tensor:
        x = fields[starts]
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        for interval in range(1, self.correction.intervals + 1):
            x = self._ahead(x, self._corrected)
            total = total + (x - fields[starts + interval]).square().mean()
        return total / fields.var()

    def _scores(self, fields: Tensor, prefix: str, leads: Sequence[int]) -> dict[str, float]:
        """RMSE after so many intervals, of forecasts that start from each of the fields."""
        scores = {}
        with torch.no_grad():
            for name, model in (("rmse", self._corrected), ("rmse_uncorrected", self._plain)):
                x = fields
                for lead in range(1, max(leads) + 1):
                    x = self._ahead(x[:-1], model)
                    if lead in leads:
                        error = float((x - fields[lead:]).square().mean()) ** 0.5
                        scores[f"{prefix}{name}_{lead}"] = error
        return scores

    def _ahead(self, x: Tensor, model: Callable[[Tensor], Tensor]) -> Tensor:
        """One interval between analyses."""
        for _ in range(self.analyses.steps):
            x = model(x)
        return x

    def _plain(self, x: Tensor) -> Tensor:
        return lorenz96.step(x, self.analyses.forcing, self.analyses.dt)

    def _corrected(self, x: Tensor) -> Tensor:
        if self.correction.form == "increment":
            return self._plain(x) + self._added(x)
        return lorenz96.step_with(x, self.analyses.forcing, self.analyses.dt, self._added)

    def _added(self, x: Tensor) -> Tensor:
        added: Tensor = self.network(x[:, None])[:, 0]
        return added


def _tests(correction: Correction, times: int) -> int:
    return max(1, round(correction.test * times))


def _read(correction: Correction) -> Analyses:
    """The analyses of a run after its burn-in, and the model it ran with.

    Raises:
        RunFileError: there is no such run, or it cannot be learned from.
    """
    path = Path(correction.run)
    with open_run(path) as run:
        settings = effective_namelist(run)
        model = settings["cycle"]["model"]
        if model != MODEL:
            raise RunFileError(f"{path}: its model is '{model}' (must be '{MODEL}')")
        if "analysis_mean" not in run or run.analysis_mean.ndim != 2:
            raise RunFileError(f"{path}: no field analysis_mean(field_time, x)")
        if settings["output"]["fields_every"] != 1:
            raise RunFileError(f"{path}: not each analysis is there (&output fields_every = 1)")
        first = int(settings["cycle"]["burn_in"]) + correction.skip
        fields = run.analysis_mean.values[first:]
        known = "truth" in run and run.truth.shape == run.analysis_mean.shape
        truth = torch.from_numpy(run.truth.values[first:].copy()) if known else None
    if not np.isfinite(fields).all():
        raise RunFileError(f"{path}: its analyses are not finite")
    dt = float(settings[MODEL]["dt"])
    steps = float(settings["cycle"]["interval"]) / dt
    if abs(steps - round(steps)) > WHOLE * steps:
        raise RunFileError(f"{path}: its interval is no multiple of the model's dt")
    forcing = float(settings[MODEL]["forcing"])
    return Analyses(torch.from_numpy(fields.copy()), truth, forcing, dt, round(steps))


TASK = CorrectionTask
