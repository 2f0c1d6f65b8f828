"""What people give as a module: a copy of it that can be exported, or a line on what to give.

The copy is in evaluation mode, on the CPU, without gradients of its weights, and without what
exists for training only: weights that are made anew in each call (weight and spectral
normalisation, pruning, parametrisations) are put into place, compiled and parallel wrappers are
taken off.
"""

import copy
import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from dacycle.errors import NetworkFileError, one_line
from dacycle.network.file import quiet

__all__ = ["own_copy", "weights_of"]

MADE_ANEW = (WeightNorm, SpectralNorm, prune.BasePruningMethod)
"""Hooks that compute a weight before each call; all have `name` and `remove(module)`."""


class Called(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        # Its weights are then this module's, wherever it keeps the module that has them.
        inner = getattr(function, "func", None) or getattr(function, "__self__", None)
        self.inner = inner if isinstance(inner, nn.Module) else None

    def forward(self, x: Tensor) -> Any:
        """What the function gives."""
        return self.function(x)


def own_copy(given: Any) -> nn.Module:
    """A copy of what was given, ready for export; what was given is left as it is.

    Raises:
        NetworkFileError: it is no module, or one that has never been used.
    """
    module = _unwrapped(given)
    for name, weight in weights_of(module):
        if is_lazy(weight):
            raise NetworkFileError(
                f"{name} has no shape yet, as the module was never called: call it once, train it"
            )
        if weight.device.type == "meta":
            raise NetworkFileError(
                f"{name} is on the device 'meta', which holds no values: load the weights first"
            )
    copied = _copied(module)
    for weight in copied.parameters():
        weight.requires_grad_(False)
    copied.eval()
    if not isinstance(copied, torch.jit.ScriptModule):
        _take_wrappers_off(copied)
        _put_weights_into_place(copied)
    return copied


def weights_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers, by name."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _unwrapped(given: Any) -> nn.Module:
    """The module in it, or a line on what to give instead."""
    if isinstance(given, str | os.PathLike):
        raise NetworkFileError(
            f"'{os.fspath(given)}' is a path, not a module: give torch.jit.load of it, or call "
            "dacycle adopt with it; a file of torch.save is loaded into its module first"
        )
    if isinstance(given, Mapping):
        raise NetworkFileError(
            "a dictionary is no module: of a state_dict, give the module after load_state_dict"
        )
    if isinstance(given, type):
        raise NetworkFileError(f"{given.__name__} is a class: give a module of it, with weights")
    if isinstance(given, ExportedProgram):
        return given.module()
    if isinstance(given, torch.jit.ScriptFunction) or not isinstance(given, nn.Module):
        if not callable(given) or isinstance(given, Tensor):
            raise NetworkFileError(f"a {type(given).__name__} is no torch.nn.Module: give one")
        return Called(given)
    return _inside(given)


def _inside(module: nn.Module) -> nn.Module:
    """Without what `torch.compile` and parallel training have put around it."""
    while True:
        parallel = isinstance(module, DataParallel | DistributedDataParallel)
        inner = getattr(module, "module" if parallel else "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def _copied(module: nn.Module) -> nn.Module:
    if isinstance(module, torch.jit.ScriptModule):
        return _reloaded(module)
    # Only leaves of autograd's graph copy themselves: others are values that a call left behind.
    memo: dict[int, Any] = {}
    for owner in module.modules():
        for value in vars(owner).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        copied = copy.deepcopy(module, memo)
    except Exception:  # Locks, files and generators do not copy themselves.
        copied = _rebuilt(module, {})
    copied.cpu()
    for owner in copied.modules():
        for name, value in list(vars(owner).items()):
            if isinstance(value, Tensor):
                setattr(owner, name, value.detach().cpu())
    return copied


def _reloaded(module: torch.jit.ScriptModule) -> nn.Module:
    """TorchScript, through a file: on the CPU, whatever it holds."""
    buffer = io.BytesIO()
    try:
        with quiet():
            torch.jit.save(module, buffer)
            buffer.seek(0)
            copied: nn.Module = torch.jit.load(buffer, map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:
        raise NetworkFileError(f"the TorchScript cannot be saved: {one_line(error)}") from error
    return copied


def _rebuilt(module: nn.Module, done: dict[int, Any]) -> nn.Module:
    """The same module with tensors of its own; all else is shared."""
    if id(module) in done:
        known: nn.Module = done[id(module)]
        return known
    twin = type(module).__new__(type(module))
    done[id(module)] = twin
    entries = dict(vars(module))
    for kind in ("_parameters", "_buffers"):
        entries[kind] = {name: _own(value, done) for name, value in entries[kind].items()}
    entries["_modules"] = {
        name: None if child is None else _rebuilt(child, done)
        for name, child in module._modules.items()
    }
    vars(twin).update(entries)
    return twin


def _own(value: Tensor | None, done: dict[int, Any]) -> Tensor | None:
    if value is None:
        return None
    if id(value) not in done:
        held = value.detach().clone()
        done[id(value)] = nn.Parameter(held, False) if isinstance(value, nn.Parameter) else held
    own: Tensor = done[id(value)]
    return own


def _take_wrappers_off(module: nn.Module) -> None:
    for owner in list(module.modules()):
        for name, child in owner._modules.items():
            if child is not None:
                owner._modules[name] = _inside(child)


def _put_parametrised(owner: nn.Module) -> None:
    """As `remove_parametrizations` does, which changes the class that the given module shares."""
    names = list(owner.parametrizations)  # type: ignore[arg-type]
    values = {name: getattr(owner, name).detach().clone() for name in names}
    del owner._modules["parametrizations"]
    owner.__class__ = type(owner).__bases__[0]
    for name, value in values.items():
        owner.register_parameter(name, nn.Parameter(value, False))


def _put_weights_into_place(module: nn.Module) -> None:
    """What cannot be put into place is left to tracing."""
    for owner in list(module.modules()):
        try:
            for key, hook in list(owner._forward_pre_hooks.items()):
                if isinstance(hook, MADE_ANEW):
                    hook.remove(owner)
                    del owner._forward_pre_hooks[key]
            if parametrize.is_parametrized(owner):
                _put_parametrised(owner)
        except Exception:
            continue
    for weight in module.parameters():
        weight.requires_grad_(False)
