"""Lorenz-96 in PyTorch, against the Fortran kernels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dacycle.model import lorenz96, lorenz96_torch

FORCING = 8.0
DT = 0.05
SIZES = [4, 5, 11, 40, 513]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(1996)


def states(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    return random.normal(2.3, 3.6, (3, n))


@pytest.mark.parametrize("n", SIZES)
def test_step_is_that_of_the_kernels(random: np.random.Generator, n: int) -> None:
    x = states(random, n)
    expected = lorenz96.step(x, FORCING, DT)
    found = lorenz96_torch.step(torch.from_numpy(x), FORCING, DT).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.max(np.abs(x)))


@pytest.mark.parametrize("n", SIZES)
def test_gradients_are_those_of_the_kernels(random: np.random.Generator, n: int) -> None:
    x, dx, dy = states(random, n), random.normal(size=(3, n)), random.normal(size=(3, n))

    def step(state: torch.Tensor) -> torch.Tensor:
        return lorenz96_torch.step(state, FORCING, DT)

    point = torch.from_numpy(x)
    _, forward = torch.autograd.functional.jvp(step, point, torch.from_numpy(dx))
    _, backward = torch.autograd.functional.vjp(step, point, torch.from_numpy(dy))
    expected = lorenz96.step_tl(x, dx, FORCING, DT), lorenz96.step_ad(x, dy, FORCING, DT)
    for found, wanted in zip((forward, backward), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-13)


def test_a_forecast_is_its_steps(random: np.random.Generator) -> None:
    x = torch.from_numpy(states(random, 40))
    twice = lorenz96_torch.step(lorenz96_torch.step(x, FORCING, DT), FORCING, DT)
    assert torch.equal(lorenz96_torch.forecast(x, FORCING, DT, 2), twice)


def test_climatology_is_on_the_attractor_and_follows_its_seed() -> None:
    made = [
        lorenz96_torch.climatology(200, 40, FORCING, DT, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert made[0].dtype == torch.float32
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert float(made[0].mean()) == pytest.approx(lorenz96_torch.MEAN, abs=0.1)
    assert float(made[0].std()) == pytest.approx(lorenz96_torch.DEVIATION, abs=0.1)
