"""`dacycle validate`: is an exported network what its file says, and fit to be an operator?

Each check has a number and a limit that it must not exceed. The file is tested, never the module
it was made from, and as `da_cycle` runs it: without the optimisations of TorchScript, its tangent
linear by forward differentiation. Linearisations are in float64, whatever the file's precision, as
rounding in float32 would hide their errors; where weights are constants of the file, in its own.

Of a model the Jacobian is compared with that of the physical model it learned from, as learned
models can have a good forecast and a useless adjoint (Tian et al. 2026): these are measures, with
no limit.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from rich.table import Table
from torch import Tensor
from torch.autograd import forward_ad

from dacycle.errors import NetworkFileError, one_line
from dacycle.export import sample_fields
from dacycle.model import lorenz96_torch as lorenz96
from dacycle.network.file import DTYPES, Metadata, load
from dacycle.network.roles import ROLES, Role
from dacycle.network.type import wrap

__all__ = ["Check", "validate", "validation_table"]

ROUNDING = {"float32": 1e-4, "float64": 1e-12}
"""Of an output, relative to the largest one: layers of sums of some hundred terms in any order."""

DOT_PRODUCT = {torch.float32: 5e-5, torch.float64: 1e-12}
TAYLOR = 0.5
"""A step ten times smaller must make the defect smaller by ten, with kinks (ReLU) by three."""

LINEAR = {torch.float32: 1e-4, torch.float64: 1e-9}
"""A defect so small is rounding: the network is linear."""

POINTS = 40
SIZES = (1, 4, 40, 257)
CUTS = ((0, 1, 2, 17, POINTS), (0, 13, POINTS))
STEPS = {torch.float32: (1e-1, 1e-2), torch.float64: (1e-3, 1e-4)}
DIRECTIONS = 9
"""States that the Taylor test is made at: the median counts, as a kink may lie close to any one."""

SMALLEST = 1e-30
LEADS = (1, 4, 10)
JACOBIANS = 8
LEADING = 5
"""Singular values that are compared."""


@dataclass(frozen=True)
class Check:
    """A number that was measured.

    Attributes:
        name: what it is.
        value: of it.
        limit: that it must not exceed; none: it is for people to judge.
    """

    name: str
    value: float
    limit: float | None = None

    @property
    def passed(self) -> bool:
        """Whether it is within its limit."""
        return self.limit is None or self.value <= self.limit


def validate(path: Path, *, physical: bool = True) -> tuple[Metadata, list[Check]]:
    """What a file says of its network, and all checks of it.

    Args:
        path: of the file.
        physical: compare a model's Jacobian with the physical one's, too.

    Raises:
        NetworkFileError: it is no exported network.
    """
    module, metadata = load(path)
    try:
        with _as_in_da_cycle():
            return metadata, _checks(path, module, metadata, physical)
    except (RuntimeError, ValueError, TypeError, ArithmeticError) as error:
        raise NetworkFileError(f"{path}: does not run: {one_line(error)}") from error


def _checks(
    path: Path, module: torch.jit.ScriptModule, metadata: Metadata, physical: bool
) -> list[Check]:
    checks = [_counts(metadata), _parity(module, metadata), _shapes(module, metadata)]
    if not all(check.passed for check in checks):
        return checks
    if metadata.points == 0:
        checks.append(_cuts(module, metadata))
    checks.append(_members(module, metadata))
    exact, dtype = _most_precise(path, module, metadata)
    checks += _linear(exact, metadata, dtype)
    learned = metadata.role == "model" and metadata.trained_for["model"] == "lorenz96"
    if physical and learned:
        checks += _jacobian(exact, metadata, dtype)
    return checks


@contextmanager
def _as_in_da_cycle() -> Iterator[None]:
    """The graph of the file as it is, as `fortran/network/torch_script.cpp` has it."""
    profiling = torch._C._jit_set_profiling_mode(False)
    try:
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            yield
    finally:
        torch._C._jit_set_profiling_mode(profiling)


def _most_precise(
    path: Path, module: torch.jit.ScriptModule, metadata: Metadata
) -> tuple[torch.jit.ScriptModule, torch.dtype]:
    """The network in float64; in its own precision where its weights are constants of the file."""
    exact = module.double()
    try:
        exact(wrap(_fields(metadata, 1, _points(metadata)).double(), metadata.halo))
    except RuntimeError:
        return load(path)[0], DTYPES[metadata.dtype]
    return exact, torch.float64


def validation_table(title: str, checks: list[Check]) -> Table:
    """The checks as a table to print."""
    table = Table(title=title, title_justify="left")
    for name in ("check", "found", "at most", ""):
        table.add_column(name, justify="left" if name in ("check", "") else "right")
    for check in checks:
        limit = "" if check.limit is None else f"{check.limit:.1e}"
        verdict = "" if check.limit is None else "passed" if check.passed else "FAILED"
        table.add_row(check.name, f"{check.value:.2e}", limit, verdict)
    return table


def _counts(metadata: Metadata) -> Check:
    """Channels in and out that are not those of the role, with as much memory as is said."""
    role = ROLES.get(metadata.role, Role())
    components = metadata.inputs.count("state")
    form = "tendency" if "tendency" in metadata.outputs else "increment"
    wrong = int(metadata.role not in ROLES)
    wrong += metadata.inputs != role.inputs(components, metadata.memory)
    wrong += metadata.outputs != role.outputs(form, components, metadata.memory)
    return Check("metadata that contradict each other", wrong, 0)


def _parity(module: torch.jit.ScriptModule, metadata: Metadata) -> Check:
    x, expected = metadata.sample.tensors(DTYPES[metadata.dtype])
    found = module(x)
    apart = _apart(found, expected) if found.dtype == expected.dtype else math.inf
    return Check("sample: largest difference", apart, _rounding(metadata))


def _shapes(module: torch.jit.ScriptModule, metadata: Metadata) -> Check:
    """How many sizes of circle and batch give an output of a wrong shape, or not finite."""
    wrong = 0
    for points in (metadata.points,) if metadata.points else SIZES:
        for batch in (1, 3):
            y = module(wrap(_fields(metadata, batch, points), metadata.halo))
            shape = (batch, len(metadata.outputs), points)
            wrong += y.shape != shape or not bool(y.isfinite().all())
    return Check("sizes that give a wrong shape", wrong, 0)


def _cuts(module: torch.jit.ScriptModule, metadata: Metadata) -> Check:
    """The circle at once, and in slabs."""
    around = wrap(_fields(metadata, 2, POINTS), metadata.halo)
    whole = module(around)
    apart = 0.0
    for cuts in CUTS:
        ends = pairwise(cuts)
        slabs = [module(around[..., first : last + 2 * metadata.halo]) for first, last in ends]
        apart = max(apart, _apart(torch.cat(slabs, -1), whole))
    return Check("halo: circle in slabs, largest difference", apart, _rounding(metadata))


def _members(module: torch.jit.ScriptModule, metadata: Metadata) -> Check:
    xh = wrap(_fields(metadata, 5, _points(metadata)), metadata.halo)
    alone = torch.cat([module(xh[member : member + 1]) for member in range(5)])
    return Check(
        "members alone, largest difference", _apart(alone, module(xh)), _rounding(metadata)
    )


def _linear(module: torch.jit.ScriptModule, metadata: Metadata, dtype: torch.dtype) -> list[Check]:
    """Dot product of tangent linear and adjoint, and the Taylor test of the former."""
    xh = wrap(_fields(metadata, DIRECTIONS, _points(metadata)).to(dtype), metadata.halo)
    random = torch.Generator().manual_seed(2)
    dx = torch.randn(xh.shape, generator=random, dtype=torch.float64).to(dtype)
    y, forward = _tangent(module, xh, dx)
    dy = torch.randn(y.shape, generator=random, dtype=torch.float64).to(dtype)
    backward = _adjoint(module, xh, dy)
    defect = abs(float((forward * dy).sum() - (dx * backward).sum()))
    size = max(float(forward.norm() * dy.norm()), SMALLEST)
    sizes = forward.flatten(1).norm(dim=1).clamp(min=SMALLEST)
    first, second = (
        ((module(xh + step * dx) - y) / step - forward).detach().flatten(1).norm(dim=1) / sizes
        for step in STEPS[dtype]
    )
    ratios = torch.where(first > LINEAR[dtype], second / first, 0.0)
    return [
        Check("adjoint: dot product defect", defect / size, DOT_PRODUCT[dtype]),
        Check(
            "tangent linear: Taylor defect falls with the step, by", float(ratios.median()), TAYLOR
        ),
    ]


def _tangent(module: Callable[[Tensor], Tensor], x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
    """Output and tangent linear, by dual numbers."""
    with torch.no_grad(), forward_ad.dual_level():
        dual = forward_ad.make_dual(x, dx)  # type: ignore[no-untyped-call]
        parts = forward_ad.unpack_dual(module(dual))  # type: ignore[no-untyped-call]
        forward = parts.tangent if parts.tangent is not None else torch.zeros_like(parts.primal)
        return parts.primal.clone(), forward.clone()


def _adjoint(module: Callable[[Tensor], Tensor], x: Tensor, dy: Tensor) -> Tensor:
    x = x.detach().requires_grad_(True)
    (back,) = torch.autograd.grad(module(x), x, dy)
    return back


def _jacobian(
    module: torch.jit.ScriptModule, metadata: Metadata, dtype: torch.dtype
) -> list[Check]:
    """Against the physical model's, at states of its climate, over several leads."""
    known = metadata.trained_for
    forcing, dt, steps = (known[name] for name in ("forcing", "dt", "steps"))
    n = metadata.points or known.get("n", POINTS)
    x = lorenz96.climatology(
        JACOBIANS, n, forcing, dt, torch.Generator().manual_seed(3), torch.float64
    )

    def physical(state: Tensor) -> Tensor:
        return lorenz96.forecast(state, forcing, dt, steps)

    def learned(state: Tensor) -> Tensor:
        out: Tensor = module(wrap(state[:, None].to(dtype), metadata.halo))
        return state + out[:, 0]

    products = [torch.eye(n, dtype=torch.float64).expand(JACOBIANS, n, n) for _ in range(2)]
    states, measures = x, []
    for lead in range(1, max(LEADS) + 1):
        both = [_jacobians(model, states) for model in (physical, learned)]
        if lead == 1:
            measures.append(Check("Jacobian: relative error of a step", _relative(*both)))
            measures.append(Check("Jacobian: part outside the stencil", _outside(both[1], steps)))
        products = [step @ before for step, before in zip(both, products, strict=True)]
        if lead in LEADS:
            values = [torch.linalg.svdvals(product)[:, :LEADING] for product in products]
            error = float(((values[1] - values[0]) / values[0]).abs().max())
            name = f"Jacobian: leading {LEADING} singular values at {lead * dt * steps:g}"
            measures.append(Check(f"{name}, relative error", error))
        states = physical(states)
    return measures


def _jacobians(model: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Row by row from the adjoint: `(batch, n, n)` of states `(batch, n)`."""
    x = states.detach().requires_grad_(True)
    y = model(x)
    rows = [torch.autograd.grad(y[:, i].sum(), x, retain_graph=True)[0] for i in range(x.shape[1])]
    return torch.stack(rows, 1)


def _relative(true: Tensor, found: Tensor) -> float:
    return float((found - true).norm() / true.norm())


def _outside(jacobians: Tensor, steps: int) -> float:
    """Norm of the rows' entries that no physical model of that reach could have."""
    n = jacobians.shape[-1]
    place = torch.arange(n)
    left = (place[:, None] - place) % n
    reached = (left <= steps * lorenz96.REACH_LEFT) | (n - left <= steps * lorenz96.REACH_RIGHT)
    return float(jacobians[:, ~reached].norm() / jacobians.norm())


def _fields(metadata: Metadata, batch: int, points: int) -> Tensor:
    return sample_fields(metadata.inputs, batch, points, 1, DTYPES[metadata.dtype])


def _points(metadata: Metadata) -> int:
    return metadata.points or POINTS


def _rounding(metadata: Metadata) -> float:
    return ROUNDING[metadata.dtype]


def _apart(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest number; infinite where shapes or numbers are wrong."""
    if found.shape != expected.shape:
        return math.inf
    apart = float((found - expected).abs().max())
    size = max(float(expected.abs().max()), SMALLEST)
    return apart / size if math.isfinite(apart) else math.inf
