"""Observed fields: a network in place of an observation operator.

    h(x) ~ c(z(x)),   c: value, abs, square, power, log;   z: the state, or its mean around a point

as `da_cycle` observes them (`dacycle.observation.kinds_torch`), learned from states of the model's
climate. With `start_sd` they are perturbed: members of an ensemble are not on the attractor. The
loss has the squared error of the tangent linear on random perturbations beside that of the field,
both in units of their own size (Sobolev training): minimisations live on the derivative, and an
operator with a kink has one that no smooth network reaches there.

Czarnecki, W. M., S. Osindero, M. Jaderberg, G. Swirszcz and R. Pascanu (2017): Sobolev training for
neural networks. NeurIPS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

from dacycle.errors import TrainingError
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.factory import ARCHITECTURES
from dacycle.network.type import Fields, Network
from dacycle.observation.kinds_torch import CURVES, average
from dacycle.option import option
from dacycle.training.model import Model
from dacycle.training.task import Tables, Task

__all__ = ["TASK", "Observation", "ObservationTask", "exact_operator"]

TEST_SEED = 271828
SCALE_STATES = 64
"""Of the climate, from which the size of the field is taken."""

PARAMETERS = {"power": ("power_exponent", "power_cap"), "log": ("log_offset",)}
"""Of each curve, the settings that it has."""


@dataclass(frozen=True)
class Observation:
    """What is observed, with the keys of `&observations`, and the states to learn it from."""

    curve: str = option("what is observed of z", "power", known=tuple(CURVES))
    average_half_width: float = option(
        "z is the mean of the state over so many points on each side; 0: its value", 0.0, low=0
    )
    power_exponent: float = option("curve power: sign(z) min(|z|^exponent, cap)", 2.0, low=1)
    power_cap: float = option("curve power: largest size of the result", 50.0, above=0)
    log_offset: float = option("curve log: log(|z| + offset)", 1.0, above=0)
    batch: int = option("states in the loss", 64, low=1)
    gap: int = option("steps of the model between two windows on a trajectory", 4, low=1)
    start_sd: float = option("standard deviation of a perturbation of each state", 0.5, low=0)
    jacobian: float = option("weight of the tangent linear's error in the loss", 1.0, low=0)
    test_batch: int = option("fresh states in a test; ten times as many in the last", 256, low=1)


class ObservationTask(Task):
    """Trains an observed field; see the module."""

    name = "observation"
    role = "observation"
    architectures = ("residual_cnn", "bilinear_cnn", "quadratic_stencil")
    tables: ClassVar = {"model": Model, "observation": Observation}

    def __init__(
        self,
        network: Network,
        tables: Tables,
        random: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.network = network
        self.model: Model = tables["model"]
        self.observation: Observation = tables["observation"]
        self.random = random
        self.dtype = dtype
        self.device = device
        self.exact = exact_operator(self.observation)
        self.truth = self._states(self.observation.batch, random)

    @classmethod
    def check(cls, tables: Tables, place: str) -> None:
        """Refuse what `da_cycle` refuses: a window wider than the circle, another curve's settings.

        Raises:
            TrainingError: there is one of these.
        """
        model, setting = tables["model"], tables["observation"]
        defaults = Observation()
        for curve, keys in PARAMETERS.items():
            for key in keys:
                if curve != setting.curve and getattr(setting, key) != getattr(defaults, key):
                    raise TrainingError(
                        f"{place}: [observation] {key} is not used: curve = '{setting.curve}'"
                    )
        if 2 * setting.average_half_width > model.n:
            raise TrainingError(
                f"{place}: [observation] average_half_width = {setting.average_half_width} must be "
                f"at most half of [model] n = {model.n}"
            )

    @classmethod
    def trained_for(cls, tables: Tables) -> dict[str, Any]:
        """Where it learned."""
        model, setting = tables["model"], tables["observation"]
        return {
            "model": "lorenz96",
            "n": model.n,
            "forcing": model.forcing,
            "dt": model.dt,
            "steps": model.steps,
            "curve": setting.curve,
            "average_half_width": setting.average_half_width,
            **{key: getattr(setting, key) for key in PARAMETERS.get(setting.curve, ())},
        }

    @classmethod
    def new_network(cls, architecture: str, settings: Any, tables: Tables) -> Network:
        """A network whose output is as large as the field in the model's climate."""
        model, setting = tables["model"], tables["observation"]
        states = _climatology(model, SCALE_STATES, torch.Generator().manual_seed(TEST_SEED))
        size = float(exact_operator(setting)(states).square().mean().sqrt())
        fields = Fields((lorenz96.MEAN,), (lorenz96.DEVIATION,), (size,))
        return ARCHITECTURES[architecture].new(fields, settings)

    def loss(self) -> Tensor:
        """Mean square errors of field and tangent linear, as parts of their mean squares."""
        setting = self.observation
        x = self.truth + setting.start_sd * self._noise(self.truth.shape, self.random)
        dx = self._noise(x.shape, self.random)
        total = torch.zeros((), dtype=self.dtype, device=self.device)
        errors = self._errors(x, dx, with_tangent=setting.jacobian > 0)
        for error, weight in zip(errors, (1.0, setting.jacobian), strict=False):
            total = total + weight * error
        model = self.model
        with torch.no_grad():
            self.truth = lorenz96.forecast(self.truth, model.forcing, model.dt, setting.gap)
        return total

    def test(self, long: bool = False) -> dict[str, float]:
        """Relative errors of field and tangent linear on states of the climate, and the RMSE.

        In the last test also the largest error of any point, in units of the observations.
        """
        random = torch.Generator().manual_seed(TEST_SEED)
        count = 10 * self.observation.test_batch if long else self.observation.test_batch
        x = self._states(count, random)
        dx = self._noise(x.shape, random)
        with torch.no_grad():
            field, tangent = self._errors(x, dx, with_tangent=True)
            error = self._learned(x) - self.exact(x)
        scores = {
            "rmse": float(error.square().mean().sqrt()),
            "error_of_the_field": float(field.sqrt()),
            "error_of_the_tangent_linear": float(tangent.sqrt()),
        }
        return scores | {"largest_error": float(error.abs().max())} if long else scores

    def state(self) -> dict[str, Any]:
        """The trajectories."""
        return {"truth": self.truth}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.truth = state["truth"]

    def _errors(self, x: Tensor, dx: Tensor, *, with_tangent: bool) -> list[Tensor]:
        """Mean square errors of field and tangent linear over their mean squares."""
        with torch.no_grad():
            wanted = _with_tangent(self.exact, x, dx)
        found = _with_tangent(self._learned, x, dx) if with_tangent else (self._learned(x),)
        return [
            (one - other).square().mean() / other.square().mean()
            for one, other in zip(found, wanted, strict=False)
        ]

    def _learned(self, x: Tensor) -> Tensor:
        field: Tensor = self.network(x[:, None])[:, 0]
        return field

    def _noise(self, shape: torch.Size, random: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=random, dtype=self.dtype).to(self.device)

    def _states(self, count: int, random: torch.Generator) -> Tensor:
        return _climatology(self.model, count, random).to(dtype=self.dtype, device=self.device)


def _with_tangent(
    function: Callable[[Tensor], Tensor], x: Tensor, dx: Tensor
) -> tuple[Tensor, Tensor]:
    """Value and tangent linear: by dual numbers, which exported files take, too."""
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, dx)  # type: ignore[no-untyped-call]
        value, tangent = forward_ad.unpack_dual(function(dual))  # type: ignore[no-untyped-call]
    if tangent is None:
        return value, torch.zeros_like(value)
    return value, tangent


def exact_operator(setting: Observation) -> Callable[[Tensor], Tensor]:
    """The exact field of states `(..., n)`."""
    curve = CURVES[setting.curve]

    def observed(x: Tensor) -> Tensor:
        z = average(x, setting.average_half_width)
        return curve(z, setting.power_exponent, setting.power_cap, setting.log_offset)

    return observed


def _climatology(model: Model, count: int, random: torch.Generator) -> Tensor:
    return lorenz96.climatology(count, model.n, model.forcing, model.dt, random, torch.float64)


TASK = ObservationTask
