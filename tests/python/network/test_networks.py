"""Contracts that each architecture keeps; one more in the factory is one more here."""

import io
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from dacycle.model import lorenz96_torch
from dacycle.network.factory import ARCHITECTURES
from dacycle.network.quadratic_stencil import QuadraticStencil, Settings, monomials
from dacycle.network.runge_kutta import RungeKutta
from dacycle.network.type import Fields, Network, wrap

ONE = Fields((2.3,), (3.6,), (0.5,))
TWO = Fields((2.3, 0.0), (3.6, 0.7), (0.5,))
N = 40

NAMES = [*ARCHITECTURES, "residual_cnn plain", "bilinear_cnn tanh", "runge_kutta"]


def new_network(name: str) -> Network:
    """In float64, with weights that leave no output zero."""
    torch.manual_seed(1)
    if name == "runge_kutta":
        architecture = ARCHITECTURES["bilinear_cnn"]
        network: Network = RungeKutta(architecture.new(ONE, architecture.settings()), 0.05)
    else:
        architecture = ARCHITECTURES[name.split()[0]]
        given: dict[str, Any] = {"plain": {"gated": False}, "tanh": {"activation": "tanh"}}
        settings = architecture.settings(**given.get(name.partition(" ")[2], {}))
        network = architecture.new(ONE if "stencil" in name else TWO, settings)
    network = network.double()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return network.requires_grad_(False)


def fields(network: Network, n: int = N, batch: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    shape = (batch, network.channels_in, n)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    x[:, 0] = 2.3 + 3.6 * x[:, 0]
    return x


def whole(network: Network, x: Tensor) -> Tensor:
    """The output on the circle, by way of a padded slab."""
    out: Tensor = network(wrap(x, network.halo))
    return out


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_shape_is_what_the_network_says(self, name: str) -> None:
        network = new_network(name)
        out = whole(network, fields(network))
        assert out.shape == (3, network.channels_out, N)
        assert out.abs().amin(dim=(0, 2)).max() > 0

    def test_the_circle_may_be_cut_anyhow(self, name: str) -> None:
        network = new_network(name)
        x = fields(network)
        expected = whole(network, x)
        around = wrap(x, network.halo)
        for cuts in ([0, 13, N], [0, 1, 2, 30, N]):
            slabs = [
                network(around[..., first : last + 2 * network.halo])
                for first, last in pairwise(cuts)
            ]
            torch.testing.assert_close(torch.cat(slabs, -1), expected, rtol=0, atol=1e-13)
        turned = whole(network, x.roll(7, -1)).roll(-7, -1)
        torch.testing.assert_close(turned, expected, rtol=0, atol=1e-13)

    def test_halo_is_no_wider_than_needed(self, name: str) -> None:
        """A point that is `halo` away has an effect on one side at least."""
        network = new_network(name)
        xh = wrap(fields(network, 4 * network.halo), network.halo)
        xh.requires_grad_(True)
        middle = 2 * network.halo
        network(xh)[..., middle].sum().backward()
        reached = xh.grad.abs().sum((0, 1)).nonzero().flatten() - network.halo - middle
        assert max(-int(reached.min()), int(reached.max())) == network.halo

    @pytest.mark.parametrize("n", [4, 40, 45])
    def test_a_closed_circle_gives_the_same(self, name: str, n: int) -> None:
        network = new_network(name)
        x = fields(network, n)
        expected = whole(network, x)
        network.periodic(True)
        torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-13)
        network.periodic(False)
        assert torch.equal(whole(network, x), expected)

    def test_the_exported_file_gives_the_same(self, name: str) -> None:
        network = new_network(name)
        file = io.BytesIO()
        torch.jit.save(torch.jit.script(network), file)
        file.seek(0)
        loaded = torch.jit.load(file)
        for n, batch in ((N, 3), (4, 1), (77, 2)):
            xh = wrap(fields(network, n, batch), network.halo)
            torch.testing.assert_close(loaded(xh), network(xh), rtol=0, atol=1e-14)

    def test_tangent_linear_and_adjoint_agree(self, name: str) -> None:
        network = new_network(name)
        xh = wrap(fields(network), network.halo)
        generator = torch.Generator().manual_seed(3)
        dx = torch.randn(xh.shape, generator=generator, dtype=torch.float64)
        y, forward = torch.func.jvp(network, (xh,), (dx,))
        dy = torch.randn(y.shape, generator=generator, dtype=torch.float64)
        _, pull = torch.func.vjp(network, xh)
        backward = pull(dy)[0]
        defect = abs(float((forward * dy).sum() - (dx * backward).sum()))
        assert defect <= 1e-13 * float(forward.norm() * dy.norm())


@pytest.mark.parametrize("name", ["residual_cnn", "memory_cnn", "bilinear_cnn"])
def test_an_untrained_network_changes_nothing(name: str) -> None:
    architecture = ARCHITECTURES[name]
    network = architecture.new(TWO, architecture.settings())
    x = torch.randn(2, network.channels_in, N)
    assert whole(network, x)[:, 0].abs().max() == 0


def test_memory_stays_between_minus_one_and_one() -> None:
    network = new_network("memory_cnn")
    x = fields(network)
    x[:, 2:] = 0
    for _ in range(20):
        out = whole(network, x)
        assert out[:, 1:].abs().max() <= 1
        x[:, 2:] = out[:, 1:]
    assert out[:, 1:].abs().max() > 0


def test_memory_follows_its_equation() -> None:
    network = new_network("memory_cnn")
    memory, halo = network.memory, network.halo
    xh = wrap(fields(network), halo)
    raw = network.body(torch.cat((network.scaling(xh[:, :2]), xh[:, 2:]), 1))
    gate = 1 / (1 + torch.exp(-raw[:, 1 : 1 + memory]))
    kept = xh[:, 2:, halo:-halo]
    expected = gate * kept + (1 - gate) * torch.tanh(3 * raw[:, 1 + memory :])
    torch.testing.assert_close(network(xh)[:, 1:], expected, rtol=0, atol=1e-14)


def test_brajard_2020_has_the_weights_of_the_paper() -> None:
    architecture = ARCHITECTURES["bilinear_cnn"]
    network = architecture.new(ONE, architecture.settings())
    batch_normalisation = 2
    assert sum(weight.numel() for weight in network.parameters()) + batch_normalisation == 9389


def test_quadratic_stencil_contains_lorenz96() -> None:
    """dx_i/dt = x_{i+1} x_{i-1} - x_{i-2} x_{i-1} - x_i + F, one weight each."""
    stencil = QuadraticStencil(Fields((0.0,), (1.0,), (1.0,)), Settings()).double()
    place = monomials(2).index
    assert len(monomials(2)) == 18
    with torch.no_grad():
        for points, weight in (((), 8.0), ((0,), -1.0), ((-1, 1), 1.0), ((-2, -1), -1.0)):
            stencil.weight[place(points)] = weight
    network = RungeKutta(stencil, 0.05)
    x = fields(network)
    expected = lorenz96_torch.step(x, 8.0, 0.05)
    torch.testing.assert_close(x + whole(network, x), expected, rtol=0, atol=1e-13)
