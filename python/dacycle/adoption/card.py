"""The card of an adopted module, in Markdown."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dacycle.network.file import Metadata

__all__ = ["card"]


def card(path: Path, metadata: Metadata, remarks: Sequence[str]) -> str:
    """What people want to know of a file.

    Args:
        path: of the file.
        metadata: of it.
        remarks: what its user was told.
    """
    halo = f"{metadata.halo} points on either side"
    rows: dict[str, Any] = {
        "sha256": f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`",
        "role": metadata.role,
        "gives": ", ".join(dict.fromkeys(metadata.outputs)),
        "circle": f"of {metadata.points} points alone" if metadata.points else f"any; halo {halo}",
        "precision": metadata.dtype,
        "weights": f"{metadata.weights:,}",
        "belongs to": ", ".join(f"{key} {value}" for key, value in metadata.trained_for.items()),
        "module": f"`{metadata.configuration['module']}`",
        "PyTorch": metadata.torch,
    }
    lines = [f"# {metadata.name}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in rows.items()]
    lines += ["", "Written by `dacycle.export_module`.", ""]
    for remark in remarks:
        lines += [f"{remark[0].upper()}{remark[1:]}.", ""]
    notes = metadata.configuration["notes"]
    return "\n".join([*lines, notes, ""] if notes else lines)
