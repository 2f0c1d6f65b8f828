"""Emulators: a network in place of the model's step.

As a resolvent the network gives the increment of a step, as a tendency what a Runge-Kutta step
integrates:

    x_{k+1} = x_k + f(x_k)         or         x_{k+1} = x_k + RK4(f, x_k)

Either is exported as the increment of a step. The loss is the mean square error over `leads` steps
on from states of the model's climate, the gradient going through all of them. With `start_sd` the
starts are perturbed, and followed by model and network alike: members of an ensemble are not on
the attractor. With `jacobian` the loss has the squared error of the tangent linear on random
perturbations, too (Sobolev training): an adjoint is no better than what it was trained for.

Brajard, J., A. Carrassi, M. Bocquet and L. Bertino (2020): see `dacycle.network.bilinear_cnn`.
Czarnecki, W. M., S. Osindero, M. Jaderberg, G. Swirszcz and R. Pascanu (2017): Sobolev training for
neural networks. NeurIPS. Tian et al. (2026): on Jacobians of learned weather models.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.factory import ARCHITECTURES
from dacycle.network.runge_kutta import RungeKutta
from dacycle.network.type import Fields, Network
from dacycle.option import option
from dacycle.training.model import Model
from dacycle.training.task import Tables, Task

__all__ = ["TASK", "EmulatorTask"]

TEST_SEED = 271828
LYAPUNOV_TIME = 0.6
"""Of Lorenz-96 with F = 8, model time (1 / 1.67)."""

FAR = 10.0
"""A free run that is further from the mean, in deviations of the climate, has blown up."""


@dataclass(frozen=True)
class Emulator:
    """How the network stands for the model, and what it sees."""

    form: str = option(
        "what the network gives: the increment of a step, or the tendency",
        "resolvent",
        known=("resolvent", "tendency"),
    )
    leads: int = option("steps in the loss, through which the gradient goes", 4, low=1)
    batch: int = option("trajectories at a time", 64, low=1)
    gap: int = option("steps of the model between two windows on a trajectory", 4, low=1)
    start_sd: float = option("standard deviation of a perturbation of each start", 0.1, low=0)
    jacobian: float = option("weight of the tangent linear's error in the loss", 0.0, low=0)
    test_batch: int = option("fresh trajectories in a test", 64, low=1)
    test_free: int = option("steps of the last test's free run", 10_000, low=1)


class EmulatorTask(Task):
    """Trains a model's step; see the module."""

    name = "emulator"
    role = "model"
    architectures = ("residual_cnn", "bilinear_cnn", "quadratic_stencil")
    tables: ClassVar = {"model": Model, "emulator": Emulator}

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
        self.emulator: Emulator = tables["emulator"]
        self.random = random
        self.dtype = dtype
        self.device = device
        self.truth = self._climatology(self.emulator.batch, random)

    @classmethod
    def trained_for(cls, tables: Tables) -> dict[str, Any]:
        """Where it learned."""
        model, emulator = tables["model"], tables["emulator"]
        return {
            "model": "lorenz96",
            "n": model.n,
            "forcing": model.forcing,
            "dt": model.dt,
            "steps": model.steps,
            "form": emulator.form,
        }

    @classmethod
    def new_network(cls, architecture: str, settings: Any, tables: Tables) -> Network:
        """A network whose outputs are as large as the tendencies, or increments, of the climate."""
        model = tables["model"]
        dt = model.dt * model.steps
        tendency = tables["emulator"].form == "tendency"
        scale = lorenz96.TENDENCY_DEVIATION * (1 if tendency else dt)
        fields = Fields((lorenz96.MEAN,), (lorenz96.DEVIATION,), (scale,))
        network = ARCHITECTURES[architecture].new(fields, settings)
        return RungeKutta(network, dt) if tendency else network

    def loss(self) -> Tensor:
        """Mean square error over the leads of the next window, in units of the climate's."""
        setting = self.emulator
        noise = torch.randn(self.truth.shape, generator=self.random, dtype=self.dtype)
        truth = self.truth + setting.start_sd * noise.to(self.device)
        learned = truth
        total = torch.zeros((), dtype=self.dtype, device=self.device)
        if setting.jacobian > 0:
            total = total + setting.jacobian * self._tangent_error(truth)
        for _ in range(setting.leads):
            with torch.no_grad():
                truth = self._physical(truth)
            learned = self._learned(learned)
            total = total + (learned - truth).square().mean() / setting.leads
        with torch.no_grad():
            for _ in range(setting.gap):
                self.truth = self._physical(self.truth)
        return total / lorenz96.DEVIATION**2

    def test(self, long: bool = False) -> dict[str, float]:
        """Errors of a step and after one and two Lyapunov times, as part of the climate's.

        At length, also a free run's mean and deviation, and how many of the steps it lasted.
        """
        random = torch.Generator().manual_seed(TEST_SEED)
        dt = self.model.dt * self.model.steps
        leads = {
            "error_of_a_step": 1,
            "error_at_1_lyapunov_time": max(1, round(LYAPUNOV_TIME / dt)),
            "error_at_2_lyapunov_times": max(1, round(2 * LYAPUNOV_TIME / dt)),
        }
        # Two states drawn at random from the climate are so far apart.
        apart = 2**0.5 * lorenz96.DEVIATION
        scores: dict[str, float] = {}
        with torch.no_grad():
            start = self._climatology(self.emulator.test_batch, random)
            truth = learned = start
            for lead in range(1, max(leads.values()) + 1):
                truth, learned = self._physical(truth), self._learned(learned)
                error = float((learned - truth).square().mean(-1).sqrt().mean()) / apart
                scores |= {name: error for name, at in leads.items() if at == lead}
            return scores | self._free(start) if long else scores

    def state(self) -> dict[str, Any]:
        """The trajectories."""
        return {"truth": self.truth}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.truth = state["truth"]

    def _free(self, start: Tensor) -> dict[str, float]:
        """Scores of a free run."""
        x, lasted = start, 0
        total = square = torch.zeros((), dtype=torch.float64, device=self.device)
        while lasted < self.emulator.test_free:
            x = self._learned(x)
            # `not all`: what is not a number must end it, too.
            if not bool(((x - lorenz96.MEAN).abs() < FAR * lorenz96.DEVIATION).all()):
                break
            lasted += 1
            total = total + x.double().mean()
            square = square + x.double().square().mean()
        if lasted == 0:
            return {"free_steps": 0.0}
        mean = float(total) / lasted
        deviation = (float(square) / lasted - mean**2) ** 0.5
        return {"free_steps": float(lasted), "free_mean": mean, "free_deviation": deviation}

    def _tangent_error(self, x: Tensor) -> Tensor:
        """Mean square error of the tangent linear on random perturbations of size one."""
        noise = torch.randn(x.shape, generator=self.random, dtype=self.dtype).to(self.device)
        with torch.no_grad():
            wanted = torch.func.jvp(self._physical, (x,), (noise,))[1]
        found = torch.func.jvp(self._learned, (x,), (noise,))[1]
        error: Tensor = (found - wanted).square().mean()
        return error

    def _physical(self, x: Tensor) -> Tensor:
        return lorenz96.forecast(x, self.model.forcing, self.model.dt, self.model.steps)

    def _learned(self, x: Tensor) -> Tensor:
        increment: Tensor = self.network(x[:, None])[:, 0]
        return x + increment

    def _climatology(self, count: int, random: torch.Generator) -> Tensor:
        model = self.model
        states = lorenz96.climatology(count, model.n, model.forcing, model.dt, random, self.dtype)
        return states.to(self.device)


TASK = EmulatorTask
