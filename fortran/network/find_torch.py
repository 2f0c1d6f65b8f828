"""Prints what building against torch needs: version, libraries, headers, the C++ ABI."""

from pathlib import Path

import torch

root = Path(torch.__file__).parent
print(torch.__version__)
print(root / "lib")
print(root / "include", root / "include/torch/csrc/api/include", sep=";")
print(int(torch.compiled_with_cxx11_abi()))
