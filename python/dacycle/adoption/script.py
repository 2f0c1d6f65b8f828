"""A module on a slab as TorchScript: compiled, or where its code is not understood, traced.

A trace records what one call does. It is taken where calls with other fields and sizes give what
the module itself gives, and where none of its branches depends on the values of its fields: which
is looked for, as no number of calls can show it.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dacycle.adoption.convention import fields_for
from dacycle.errors import NetworkFileError, one_line
from dacycle.network.file import quiet
from dacycle.network.type import Network
from dacycle.validate import ROUNDING

__all__ = ["Adopted", "script", "widest"]

STRETCHES = (1.0, 3.0)
"""Of the states that module and file are compared at."""


class Adopted(Network):
    """A module on a slab: what its own padding has touched is cut off.

    Its output is in the precision of its input, and an increment where the module gives a state.

    Attributes:
        state: the first so many fields that the module gives are a state; 0: it gives increments.
        cut: points to either side that the module gives and the network does not.
    """

    state: int
    cut: int

    def __init__(self, module: nn.Module, dtype: torch.dtype, halo: int, lost: int) -> None:
        super().__init__(halo, 1, 1)
        # First of all parameters: it says in which precision the network is called.
        self.register_parameter(
            "precision", nn.Parameter(torch.zeros(1, dtype=dtype), requires_grad=False)
        )
        self.module = module
        self.state = 0
        self.cut = halo - lost

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, channels_in, n + 2 * halo)` to `(batch, channels_out, n)`."""
        out: Tensor = self.module(x).to(x.dtype)
        # Without asking for sizes: compilers then take it for any.
        if self.cut > 0:
            out = out[:, :, self.cut : -self.cut]
        if self.state == 0:
            return out
        before = x[:, : self.state]
        if self.halo > 0:
            before = before[:, :, self.halo : -self.halo]
        return torch.cat((out[:, : self.state] - before, out[:, self.state :]), 1)


def script(adopted: Adopted, inputs: Sequence[str], dtype: str, points: int) -> list[str]:
    """Make the network's module one that TorchScript takes; returns what should be said of it.

    Raises:
        NetworkFileError: there is none that gives what the module gives.
    """
    sizes = ((2, 8), (3, 41), (1, 17))
    tried = [
        stretch * fields_for(inputs, batch, points or n + 2 * adopted.halo, dtype, seed)
        for seed, (batch, n) in enumerate(sizes)
        for stretch in STRETCHES
    ]
    with torch.no_grad():
        expected = [adopted(x.clone()) for x in tried]
    reason = _unlike(lambda: _through_file(adopted), tried, expected, ROUNDING[dtype])
    if reason is None:
        return []
    if _is_script(adopted.module):
        raise NetworkFileError(f"the TorchScript does not run in a network: {reason}")
    read = _ValuesRead(tried[0])
    with read, torch.no_grad():
        adopted(read.fields)
    if read.found:
        raise NetworkFileError(
            "the module's forward branches on the values of its fields, or makes Python numbers of "
            "them, which a trace would freeze: write it with torch.where or torch.clamp, or so "
            f"that torch.jit.script takes it (it says: {reason})"
        )
    own = adopted.module
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        try:
            traced = torch.jit.trace(own, tried[0].clone(), check_trace=False)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise NetworkFileError(
                f"TorchScript cannot take the module: {reason}; nor trace it: {one_line(error)}"
            ) from error
    adopted.module = traced
    differs = _unlike(lambda: _through_file(adopted), tried, expected, ROUNDING[dtype])
    if differs is not None:
        raise NetworkFileError(
            f"TorchScript cannot take the module: {reason}; and a trace of it does not do what it "
            f"does with other fields and sizes: {differs}"
        )
    branches = {
        f"{warning.filename.rpartition('/')[2]}, line {warning.lineno}"
        for warning in caught
        if issubclass(warning.category, torch.jit.TracerWarning)  # type: ignore[attr-defined]
    }
    return [
        f"the module was traced, and {place} followed as one call did: other sizes were tried and "
        "give the same as the module"
        for place in sorted(branches)
    ]


def widest(network: nn.Module, fields: Tensor) -> int:
    """Values a point of the widest layer, in a call."""
    counted = _Counted()
    with counted, torch.no_grad():
        network(fields)
    return max(1, -(-counted.most // (fields.shape[0] * fields.shape[2])))


def _is_script(module: nn.Module) -> bool:
    return any(isinstance(inner, torch.jit.ScriptModule) for inner in module.modules())


def _through_file(network: Network) -> Callable[[Tensor], Tensor]:
    """As `da_cycle` will have it."""
    buffer = io.BytesIO()
    with quiet():
        torch.jit.save(torch.jit.script(network), buffer)
        buffer.seek(0)
        loaded: Callable[[Tensor], Tensor] = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
    return loaded


def _unlike(
    make: Callable[[], Callable[[Tensor], Tensor]],
    tried: Sequence[Tensor],
    expected: Sequence[Tensor],
    rounding: float,
) -> str | None:
    """Why something does not give what is expected; none: it does, and has a derivative."""
    try:
        made = make()
        for x, y in zip(tried, expected, strict=True):
            found = made(x.clone().requires_grad_(True))
            if not found.requires_grad:
                return "its derivative is lost there"
            apart = float((found.detach() - y).abs().max())
            if found.shape != y.shape or not apart <= rounding * max(float(y.abs().max()), 1e-30):
                return f"it gives something else there, by {apart:.1e}"
    except Exception as error:
        return one_line(error)
    return None


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The largest result of any operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.most = max(self.most, result.numel())
        return result


class _ValuesRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Whether Python numbers are made of what comes from the fields: by `if`, `item` or `float`.

    What comes from them is known by its memory, as views and in-place operations share it; it is
    all kept, so that none is used again.
    """

    def __init__(self, fields: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fields = fields.clone()
        self.found = False
        self._kept = {self._key(self.fields): self.fields}

    @staticmethod
    def _key(tensor: Tensor) -> int:
        return int(tensor.untyped_storage()._cdata)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        given = list(_tensors((args, kwargs)))
        if any(self._key(tensor) in self._kept for tensor in given):
            made = list(_tensors(result))
            self.found = self.found or not made
            # What is written into, too.
            for tensor in (*made, *(given if function._schema.is_mutable else ())):
                self._kept[self._key(tensor)] = tensor
        return result


def _tensors(value: Any) -> Any:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)
