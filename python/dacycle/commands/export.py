"""`dacycle export`."""

from pathlib import Path

from dacycle.commands.arguments import Given, Parser
from dacycle.commands.terminal import console, need_torch
from dacycle.errors import DacycleError

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "write a trained network into a file that da_cycle can use"
EXAMPLES = """\
dacycle export trainings/dan                    # models_export/dan.pt and its card
dacycle export trainings/dan --dtype float64
dacycle export models_export/dan.pt --aoti      # models_export/dan.pt2, for this machine
"""


def add_arguments(parser: Parser) -> None:
    """A training or a file, and what is made of it."""
    parser.add_argument(
        "training",
        type=Path,
        metavar="DIR",
        help="folder of the training; with --aoti also a file that was exported",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder (default: models_export, or that of the file)",
    )
    parser.add_argument(
        "--aoti",
        action="store_true",
        help="also compile the network for this machine: NAME.pt2, which da_cycle takes as well",
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), help="precision (default: the training's)"
    )


def run(given: Given) -> int:
    """Export, compile if that is wanted, and print the names of the files."""
    need_torch()
    from dacycle.export import export_training

    terminal = console()
    path: Path = given.training
    if path.is_file() and not given.aoti:
        raise DacycleError(
            f"{path}: is a file, not the folder of a training: `dacycle adopt` takes over "
            "TorchScript files, --aoti compiles a network of dacycle"
        )
    if path.is_dir() or not given.aoti:
        command = f"dacycle export {path}" + (f" --dtype {given.dtype}" * bool(given.dtype))
        path = export_training(
            path,
            given.output or Path("models_export"),
            terminal.print,
            dtype=given.dtype,
            command=command,
        )
        terminal.print(str(path))
    elif given.dtype:
        raise DacycleError(f"--dtype: {path} has its precision; export the training anew")
    if given.aoti:
        from dacycle.network.package import compile_file  # the compiler, seconds more

        with terminal.status(f"compiling {path}"):
            path = compile_file(path, given.output or path.parent)
        terminal.print(str(path))
    return 0
