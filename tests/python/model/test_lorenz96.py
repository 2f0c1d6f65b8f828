"""The Fortran kernels on NumPy arrays, against the equations written out in NumPy."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dacycle.model.lorenz96 import step, step_ad, step_tl

FORCING = 8.0
DT = 0.05
SIZES = [4, 5, 11, 40, 513, 2000]
ROUNDING = 1e-14

Array = NDArray[np.float64]


def tendency(x: Array, forcing: float = FORCING) -> Array:
    """dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F."""
    following, before, second = (np.roll(x, shift, -1) for shift in (-1, 1, 2))
    return (following - second) * before - x + forcing


def reference_step(x: Array, forcing: float, dt: float) -> Array:
    """One step of classical fourth-order Runge-Kutta."""
    f = partial(tendency, forcing=forcing)
    k1 = f(x)
    k2 = f(x + dt / 2 * k1)
    k3 = f(x + dt / 2 * k2)
    k4 = f(x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def climatology(random: np.random.Generator, *shape: int) -> Array:
    return random.normal(2.3, 3.6, shape)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(1996)


@pytest.mark.parametrize("n", SIZES)
def test_step_agrees_with_numpy(random: np.random.Generator, n: int) -> None:
    x = climatology(random, n)
    expected = reference_step(x, FORCING, DT)
    assert np.max(np.abs(step(x, FORCING, DT) - expected)) <= ROUNDING * np.max(np.abs(x)) * 10


@pytest.mark.parametrize("n", SIZES)
def test_members_do_not_touch(random: np.random.Generator, n: int) -> None:
    x = climatology(random, 5, n)
    dx = random.normal(size=x.shape)
    together = [step(x, FORCING, DT), step_tl(x, dx, FORCING, DT), step_ad(x, dx, FORCING, DT)]
    alone = [
        np.array([step(xm, FORCING, DT) for xm in x]),
        np.array([step_tl(xm, dxm, FORCING, DT) for xm, dxm in zip(x, dx, strict=True)]),
        np.array([step_ad(xm, dxm, FORCING, DT) for xm, dxm in zip(x, dx, strict=True)]),
    ]
    for block, members in zip(together, alone, strict=True):
        np.testing.assert_array_equal(block, members)


@pytest.mark.parametrize("n", SIZES)
def test_tangent_linear_passes_the_taylor_test(random: np.random.Generator, n: int) -> None:
    x, dx = climatology(random, n), random.normal(size=n)
    linear = step_tl(x, dx, FORCING, DT)
    defects = [
        np.linalg.norm(step(x + a * dx, FORCING, DT) - step(x, FORCING, DT) - a * linear) / a
        for a in (1e-2, 1e-3, 1e-4)
    ]
    assert defects[0] > 0
    for coarse, fine in pairwise(defects):
        assert coarse / fine == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("n", SIZES)
def test_adjoint_is_the_transpose(random: np.random.Generator, n: int) -> None:
    x, dx, dy = climatology(random, n), random.normal(size=n), random.normal(size=n)
    linear = step_tl(x, dx, FORCING, DT)
    forward = np.dot(linear, dy)
    backward = np.dot(dx, step_ad(x, dy, FORCING, DT))
    assert abs(forward - backward) <= 1e-12 * np.linalg.norm(linear) * np.linalg.norm(dy)


def test_quadratic_term_conserves_energy(random: np.random.Generator) -> None:
    """With F = 0, d/dt sum x^2 = -2 sum x^2: the quadratic term does no work."""
    x = climatology(random, 40)
    dt = 1e-4
    energy = [float(np.sum(state**2)) for state in (x, step(x, 0.0, dt))]
    change = np.log(energy[1] / energy[0]) / dt
    assert change == pytest.approx(-2, rel=1e-8)


def test_order_of_accuracy_is_four(random: np.random.Generator) -> None:
    x = climatology(random, 40) / 4 + 2

    def after(steps: int) -> Array:
        state = x
        for _ in range(steps):
            state = step(state, FORCING, 0.4 / steps)
        return state

    exact = after(1024)
    errors = [np.linalg.norm(after(steps) - exact) for steps in (16, 32, 64)]
    for coarse, fine in pairwise(errors):
        assert np.log2(coarse / fine) == pytest.approx(4, abs=0.3)


def test_rest_state_stays(random: np.random.Generator) -> None:
    rest = np.full((3, 40), FORCING)
    np.testing.assert_array_equal(step(rest, FORCING, DT), rest)


def test_any_memory_layout_gives_the_same(random: np.random.Generator) -> None:
    x = climatology(random, 6, 40)
    expected = step(x, FORCING, DT)
    np.testing.assert_array_equal(step(np.asfortranarray(x), FORCING, DT), expected)
    np.testing.assert_array_equal(step(np.repeat(x, 2, axis=1)[:, ::2], FORCING, DT), expected)


def test_input_is_not_changed(random: np.random.Generator) -> None:
    x, dx = climatology(random, 40), random.normal(size=40)
    kept = x.copy(), dx.copy()
    step_ad(x, dx, FORCING, DT)
    step_tl(x, dx, FORCING, DT)
    np.testing.assert_array_equal((x, dx), kept)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros(40, np.float32), TypeError, "x must be a float64 array, not float32"),
        ([0.0] * 40, TypeError, "x must be a float64 array, not list"),
        (np.zeros((2, 3, 40)), ValueError, r"not \(2, 3, 40\)"),
        (np.zeros((0, 40)), ValueError, r"not \(0, 40\)"),
        (np.zeros(3), ValueError, "at least 4 points, not 3"),
    ],
)
def test_wrong_arrays_are_refused(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        step(x, FORCING, DT)


@pytest.mark.parametrize("linear", [step_tl, step_ad])
def test_perturbation_must_have_the_shape_of_the_state(linear: Callable[..., Array]) -> None:
    with pytest.raises(ValueError, match=r"must have the shape of x, \(4, 10\), not \(40,\)"):
        linear(np.zeros((4, 10)), np.zeros(40), FORCING, DT)
