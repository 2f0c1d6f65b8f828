"""The twin experiments that an analysis is trained in."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dacycle.errors import TrainingError
from dacycle.model import lorenz96_torch
from dacycle.network.type import Network
from dacycle.training.kinds.dan import DanTask, Observations, Twins
from dacycle.training.model import Model

N = 12
ROBUST = 0.5


class Nudging(Network):
    """Increment = gain times sensitivity; memory counts the calls."""

    def __init__(self, gain: float, memory: int = 0) -> None:
        super().__init__(0, 2 + memory, 1 + memory, memory)
        self.gain = torch.nn.Parameter(torch.tensor(gain, dtype=torch.float64))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return torch.cat((self.gain * x[:, 1:2], x[:, 2:] + 1), 1)


def new_task(network: Network, seed: int = 1, **changes: Any) -> DanTask:
    observations = Observations(
        **{key: changes.pop(key) for key in ("every", "shift", "sd") if key in changes}
    )
    twins = Twins(**{"batch": 3, "cycles": 2, "reseed": 0.0, "robust": ROBUST, **changes})
    random = torch.Generator().manual_seed(seed)
    tables = {"model": Model(n=N), "observations": observations, "twins": twins}
    return DanTask(network, tables, random, torch.float64, torch.device("cpu"))


def test_without_increments_the_loss_is_that_of_a_free_run() -> None:
    task = new_task(Nudging(0.0), members=2)
    truth, members = task.cycling.truth, task.cycling.members
    expected = []
    for _ in range(2):
        square = (members.mean(1) - truth).square().mean(-1)
        expected.append((2 * ROBUST**2 * ((1 + square / ROBUST**2).sqrt() - 1)).mean())
        truth = lorenz96_torch.step(truth, 8.0, 0.05)
        members = lorenz96_torch.step(members, 8.0, 0.05)
    assert float(task.loss()) == pytest.approx(float(sum(expected)) / 2, rel=1e-12)
    assert torch.equal(task.cycling.truth, truth)
    torch.testing.assert_close(task.cycling.members, members, rtol=0, atol=1e-12)


def test_the_gradient_goes_through_the_model_and_all_cycles() -> None:
    step = 1e-5
    network = Nudging(0.3)
    new_task(network, cycles=5).loss().backward()
    with torch.no_grad():
        around = [float(new_task(Nudging(0.3 + h), cycles=5).loss()) for h in (-step, step)]
    assert network.gain.grad is not None
    assert float(network.gain.grad) == pytest.approx((around[1] - around[0]) / (2 * step), rel=1e-6)


def test_the_sensitivity_is_zero_where_nothing_is_observed() -> None:
    network = Nudging(0.1)
    new_task(network, every=3, shift=1, cycles=4).loss()
    for cycle, x in enumerate(network.seen):
        observed = (torch.arange(N) - cycle) % 3 == 0
        assert bool((x[:, 1, observed] != 0).all())
        assert bool((x[:, 1, ~observed] == 0).all())


def test_the_sensitivity_is_the_departure_over_the_variance_of_its_error() -> None:
    """Departures of a background that is perfect are the errors of the observations."""
    network = Nudging(0.0)
    task = new_task(network, sd=0.2, batch=500)
    task.cycling.members = task.cycling.truth[:, None].clone()
    task.loss()
    assert float(network.seen[0][:, 1].std()) == pytest.approx(1 / 0.2, rel=0.05)


def test_members_share_the_departure_of_their_mean() -> None:
    network = Nudging(0.1)
    new_task(network, members=4).loss()
    fields = network.seen[0].reshape(3, 4, 2, N)
    assert torch.equal(fields[:, 0, 1], fields[:, 3, 1])
    assert not torch.equal(fields[:, 0, 0], fields[:, 3, 0])


def test_twins_that_begin_anew_forget() -> None:
    task = new_task(Nudging(0.2, memory=1), batch=400)
    task.loss()
    assert bool((task.cycling.memory == 2).all())
    task.twins = Twins(batch=400, cycles=1, reseed=0.25)
    task.loss()
    assert set(task.cycling.memory.unique().tolist()) == {1.0, 3.0}
    forgot = float((task.cycling.memory[:, 0, 0] == 1).double().mean())
    assert forgot == pytest.approx(0.25, abs=0.08)


def test_a_lost_twin_begins_anew() -> None:
    task = new_task(Nudging(0.2))
    task.cycling.members[0] = torch.nan
    task.cycling.members[1] += 100.0
    task.loss()
    error = (task.cycling.members.mean(1) - task.cycling.truth).abs().amax(-1)
    assert bool((error < 6).all())


def test_a_test_changes_nothing() -> None:
    task = new_task(Nudging(0.3), test_batch=2, test_cycles=5, test_burn_in=2)
    before = [task.random.get_state(), task.cycling.truth.clone(), task.cycling.members.clone()]
    scores = task.test()
    assert scores == task.test()
    assert set(scores) == {"rmse", "rmse_max", "cold_lost"}
    after = [task.random.get_state(), task.cycling.truth, task.cycling.members]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_cold_starts_need_a_second_twin() -> None:
    tables = {"model": Model(), "observations": Observations(), "twins": Twins(batch=1, cold=0.5)}
    with pytest.raises(TrainingError, match=r"x: \[twins\] cold = 0.5: needs a batch of two"):
        DanTask.check(tables, "x")
