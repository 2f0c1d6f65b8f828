"""Data assimilation networks: an analysis that is learned by cycling it.

    E_a = E_f + a(E_f, H^T R^-1 (y - H mean(E_f))),    E_f <- M(E_a)

member by member, on `batch` twin experiments at a time that go on for ever. A window is `cycles`
analyses; its loss is the mean over twins and cycles of

    2 s^2 (sqrt(1 + e^2 / s^2) - 1),    e^2 = mean square of mean(E_a) - x_t,

which is e^2 for errors that are small beside s = `robust` sd; its gradient goes through network and
model from cycle to cycle, back to the window's start (truncated backpropagation). With its field
H^T R^-1 d, zero where nothing is observed, one network serves any network of observations.

Some twins begin anew before each window, at the truth plus noise or at the state of another twin,
lest the network see nothing but its own good analyses and never learn how to come back to them.
These are what the loss is linear for: squared, a lost twin would outweigh all others.

Boudier, P., A. Fillion, S. Gratton, S. Gürol and S. Zhang (2023): Data assimilation networks.
J. Adv. Model. Earth Syst., 15, e2022MS003353. McCabe, M. and J. Brown (2021): Learning to
assimilate in chaotic dynamical systems. NeurIPS. Bocquet, M., A. Farchi, T. S. Finn, C. Durand,
S. Cheng, Y. Chen, I. Pasmans and A. Carrassi (2024): Accurate deep learning-based filtering for
chaotic dynamics by identifying instabilities without an ensemble. Chaos, 34, 091104.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dacycle.errors import TrainingError
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.factory import ARCHITECTURES
from dacycle.network.type import Fields, Network
from dacycle.option import option
from dacycle.training.model import Model
from dacycle.training.task import Tables, Task

__all__ = ["TASK", "DanTask"]

TEST_SEED = 271828
"""Of the fresh trajectories: the same at each early look, and never those of the training."""

LOST = 2.0
"""A twin whose error exceeds this multiple of the climate's deviation begins anew."""

BOUND = 40.0
"""No state of Lorenz-96 goes so far; a step from there is still finite."""


@dataclass(frozen=True)
class Observations:
    """Of single points, with independent errors."""

    every: int = option("each so many points one is observed", 1, low=1)
    shift: int = option("points by which the observed ones move on each cycle", 0, low=0)
    sd: float = option("standard deviation of their errors", 1.0, above=0)


@dataclass(frozen=True)
class Twins:
    """The twin experiments that the network learns in."""

    batch: int = option("twin experiments at a time", 128, low=1)
    members: int = option("of the ensemble that the network updates", 1, low=1)
    cycles: int = option("analyses in a window, through which the gradient goes", 12, low=1)
    reseed: float = option("part of the twins that begin anew before a window", 0.01, low=0, high=1)
    reseed_sd: float = option("standard deviation of the error they begin with", 1.0, above=0)
    cold: float = option("part of these that begin at a state of another twin", 0.0, low=0, high=1)
    robust: float = option(
        "RMSE from which on a twin counts linearly in the loss, as part of the observations' sd",
        0.5,
        above=0,
    )
    test_batch: int = option("fresh twins in a test", 64, low=1)
    test_cycles: int = option("cycles of an early test", 500, low=2)
    test_cycles_long: int = option("cycles of the last test, for the scores", 2200, low=2)
    test_burn_in: int = option("first cycles that a test leaves out", 100, low=1)


@dataclass
class Cycling:
    """Twin experiments in progress.

    Attributes:
        truth: `(batch, n)`.
        members: background `(batch, members, n)`.
        memory: `(batch * members, channels, n)`, what the network carries.
        cycle: of the next analysis, counted from 0.
    """

    truth: Tensor
    members: Tensor
    memory: Tensor
    cycle: int = 0


class DanTask(Task):
    """Trains an analysis; see the module."""

    name = "dan"
    role = "analysis"
    architectures = ("memory_cnn", "residual_cnn")
    tables: ClassVar = {"model": Model, "observations": Observations, "twins": Twins}

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
        self.observations: Observations = tables["observations"]
        self.twins: Twins = tables["twins"]
        self.random = random
        self.dtype = dtype
        self.device = device
        self.cycling = self._start(self.twins.batch, random)

    @classmethod
    def check(cls, tables: Tables, place: str) -> None:
        """Refuse tables that do not fit together.

        Raises:
            TrainingError: a shift of observations that leaves nothing out, or fits no circle; a
                cold start of the only twin.
        """
        model, observations, twins = tables["model"], tables["observations"], tables["twins"]
        if twins.cold > 0 and twins.batch == 1:
            raise TrainingError(
                f"{place}: [twins] cold = {twins.cold}: needs a batch of two or more"
            )
        if observations.every > model.n:
            raise TrainingError(
                f"{place}: [observations] every = {observations.every}: must be at most "
                f"[model] n = {model.n}"
            )
        if observations.shift > 0 and (
            observations.every == 1 or model.n % observations.every != 0
        ):
            raise TrainingError(
                f"{place}: [observations] shift = {observations.shift}: needs every > 1 that "
                f"divides [model] n = {model.n}"
            )

    @classmethod
    def trained_for(cls, tables: Tables) -> dict[str, Any]:
        """Where it learned."""
        model, observations, twins = tables["model"], tables["observations"], tables["twins"]
        return {
            "model": "lorenz96",
            "n": model.n,
            "forcing": model.forcing,
            "dt": model.dt,
            "steps": model.steps,
            "every": observations.every,
            "shift": observations.shift,
            "error_sd": observations.sd,
            "members": twins.members,
        }

    @classmethod
    def new_network(cls, architecture: str, settings: Any, tables: Tables) -> Network:
        """A network whose increments are as large as observation errors."""
        sd = tables["observations"].sd
        # The sensitivity of one observation is a departure over sd^2, and departures are about sd.
        fields = Fields((lorenz96.MEAN, 0.0), (lorenz96.DEVIATION, 1 / sd), (sd,))
        return ARCHITECTURES[architecture].new(fields, settings)

    def loss(self) -> Tensor:
        """That of the analyses of the next window; the twins are then at its end."""
        now = self.cycling
        self._reseed(now)
        total = torch.zeros((), dtype=self.dtype, device=self.device)
        scale = (self.twins.robust * self.observations.sd) ** 2
        for _ in range(self.twins.cycles):
            analysis = self._analyse(now, self.random)
            square = (analysis.mean(1) - now.truth).square().mean(-1)
            total = total + (2 * scale * ((1 + square / scale).sqrt() - 1)).mean()
            self._forecast(now, analysis)
        now.members = now.members.detach()
        now.memory = now.memory.detach()
        return total / self.twins.cycles

    def test(self, long: bool = False) -> dict[str, float]:
        """Scores on fresh trajectories: RMSE of the analyses, its mean and maximum over time.

        And `cold_lost`: of twins that began at the state of another one, the part whose error is
        not below that of the observations after as many cycles as the burn-in.
        """
        cycles = self.twins.test_cycles_long if long else self.twins.test_cycles
        burn_in = self.twins.test_burn_in
        random = torch.Generator().manual_seed(TEST_SEED)
        with torch.no_grad():
            now = self._start(self.twins.test_batch, random)
            errors = []
            for cycle in range(burn_in + cycles):
                analysis = self._analyse(now, random)
                if cycle >= burn_in:
                    errors.append((analysis.mean(1) - now.truth).square().mean(-1).sqrt())
                self._forecast(now, analysis)
            lost = self._lost_from_cold(random)
        rmse = torch.stack(errors)
        return {"rmse": float(rmse.mean()), "rmse_max": float(rmse.max()), "cold_lost": lost}

    def state(self) -> dict[str, Any]:
        """All that the next window depends on, beside the network and the generator."""
        return vars(self.cycling).copy()

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.cycling = Cycling(**state)

    def _start(self, count: int, random: torch.Generator) -> Cycling:
        model, members = self.model, self.twins.members
        truth = lorenz96.climatology(count, model.n, model.forcing, model.dt, random, self.dtype)
        noise = self._normal(random, count, members, model.n)
        truth = truth.to(self.device)
        memory = torch.zeros(
            count * members, self.network.memory, model.n, dtype=self.dtype, device=self.device
        )
        return Cycling(truth, truth[:, None] + self.twins.reseed_sd * noise, memory)

    def _lost_from_cold(self, random: torch.Generator) -> float:
        now = self._start(self.twins.test_batch, random)
        now.members = now.members.roll(1, 0)
        for _ in range(self.twins.test_burn_in):
            analysis = self._analyse(now, random)
            error = (analysis.mean(1) - now.truth).square().mean(-1).sqrt()
            self._forecast(now, analysis)
        # Not `error >= sd`: an error that is not a number must count, too.
        return float((~(error < self.observations.sd)).double().mean())

    def _analyse(self, now: Cycling, random: torch.Generator) -> Tensor:
        """Analysis `(batch, members, n)` of the background; the memory is the new one then."""
        batch, members, n = now.members.shape
        sd = self.observations.sd
        departure = now.truth - now.members.mean(1) + sd * self._normal(random, batch, n)
        sensitivity = departure * self._observed(now.cycle) / sd**2
        fields = torch.stack(
            (now.members, sensitivity[:, None].expand(batch, members, n)), 2
        ).reshape(batch * members, 2, n)
        out = self.network(torch.cat((fields, now.memory), 1))
        now.memory = out[:, 1:]
        analysis: Tensor = now.members + out[:, 0].reshape(batch, members, n)
        # A twin that blows up must not make the gradient of all others infinite.
        return analysis.clamp(-BOUND, BOUND)

    def _forecast(self, now: Cycling, analysis: Tensor) -> None:
        model = self.model
        now.members = lorenz96.forecast(analysis, model.forcing, model.dt, model.steps)
        with torch.no_grad():
            now.truth = lorenz96.forecast(now.truth, model.forcing, model.dt, model.steps)
        now.cycle += 1

    def _observed(self, cycle: int) -> Tensor:
        """One where a point is observed, else zero."""
        setting = self.observations
        points = torch.arange(self.model.n, device=self.device) - setting.shift * cycle
        return (points % setting.every == 0).to(self.dtype)

    def _reseed(self, now: Cycling) -> None:
        """Begin some twins anew, and all that have lost the truth."""
        batch, members, n = now.members.shape
        drawn = torch.rand(batch, generator=self.random) < self.twins.reseed
        cold = torch.rand(batch, generator=self.random) < self.twins.cold
        noise = self._normal(self.random, batch, members, n)
        error = (now.members.mean(1) - now.truth).square().mean(-1).sqrt()
        # Not `error > limit`: an error that is not a number must count, too.
        lost = ~(error <= LOST * lorenz96.DEVIATION)
        anew = drawn.to(self.device) | lost
        origin = torch.where(cold.to(self.device)[:, None], now.truth.roll(1, 0), now.truth)
        begun = origin[:, None] + self.twins.reseed_sd * noise
        now.members = torch.where(anew[:, None, None], begun, now.members)
        forgets = anew.repeat_interleave(members)[:, None, None]
        now.memory = torch.where(forgets, torch.zeros_like(now.memory), now.memory)

    def _normal(self, random: torch.Generator, *shape: int) -> Tensor:
        """Normal numbers, drawn on the CPU so that a seed gives the same ones on any device."""
        return torch.randn(*shape, generator=random, dtype=self.dtype).to(self.device)


TASK = DanTask
