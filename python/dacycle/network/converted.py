"""TorchScript of any origin in PyTorch's newer form, which can be compiled."""

from pathlib import Path

import torch
from torch import Tensor
from torch._export.converter import TS2EPConverter
from torch.fx import GraphModule

from dacycle.errors import NetworkFileError, one_line

__all__ = ["converted"]


def converted(path: Path, module: torch.jit.ScriptModule, example: Tensor) -> GraphModule:
    """The steps of a file's `forward` as a module.

    Args:
        path: for messages.
        module: of the file.
        example: fields that it is called with.

    Raises:
        NetworkFileError: PyTorch cannot convert it.
    """
    try:
        # Its own evaluation mode cannot be set: a copy with the same steps can.
        exported = TS2EPConverter(module, (example,)).convert().module()
        return GraphModule(exported, exported.graph)
    except Exception as error:
        raise NetworkFileError(
            f"{path}: PyTorch cannot convert its TorchScript, which compiling needs "
            f"({one_line(error)}); da_cycle runs the file as it is"
        ) from error
