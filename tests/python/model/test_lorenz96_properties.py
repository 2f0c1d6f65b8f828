"""Lorenz-96 against what is known of it: climatology and Lyapunov spectrum (N = 40, F = 8)."""

import numpy as np
import pytest

from dacycle.model.lorenz96 import step, step_tl

N = 40
FORCING = 8.0
DT = 0.05
STEPS_TO_ATTRACTOR = 1000


@pytest.fixture(scope="module")
def attractor() -> np.ndarray:
    """One state on the attractor."""
    x = FORCING + np.random.default_rng(1).standard_normal(N)
    for _ in range(STEPS_TO_ATTRACTOR):
        x = step(x, FORCING, DT)
    return x


@pytest.fixture(scope="module")
def exponents(attractor: np.ndarray) -> np.ndarray:
    """Lyapunov exponents per unit of time, descending (Benettin's method, 1,000 units of time)."""
    steps = 20000
    x = attractor
    basis = np.eye(N)
    growth = np.zeros(N)
    for _ in range(steps):
        carried = step_tl(np.broadcast_to(x, (N, N)).copy(), basis, FORCING, DT)
        x = step(x, FORCING, DT)
        q, r = np.linalg.qr(carried.T)
        growth += np.log(np.abs(np.diag(r)))
        basis = np.ascontiguousarray(q.T)
    return np.sort(growth / (steps * DT))[::-1]


def test_climatology(attractor: np.ndarray) -> None:
    x = attractor
    states = []
    for _ in range(40000):
        x = step(x, FORCING, DT)
        states.append(x)
    assert np.mean(states) == pytest.approx(2.34, abs=0.06)
    assert np.std(states) == pytest.approx(3.64, abs=0.06)


@pytest.mark.slow
def test_exponents_sum_to_the_divergence(exponents: np.ndarray) -> None:
    """The flow contracts volumes at the rate N everywhere; the step does so to its order."""
    assert exponents.sum() == pytest.approx(-N, rel=2e-3)


@pytest.mark.slow
def test_leading_exponent(exponents: np.ndarray) -> None:
    assert exponents[0] == pytest.approx(1.67, abs=0.05)


@pytest.mark.slow
def test_thirteen_exponents_are_positive(exponents: np.ndarray) -> None:
    assert np.sum(exponents > 0.02) == 13
    assert np.min(np.abs(exponents)) < 0.02  # along the flow


@pytest.mark.slow
def test_kaplan_yorke_dimension(exponents: np.ndarray) -> None:
    total = np.cumsum(exponents)
    whole = int(np.max(np.nonzero(total >= 0))) + 1
    dimension = whole + total[whole - 1] / -exponents[whole]
    assert dimension == pytest.approx(27.1, abs=0.3)
