"""`dacycle adopt`: TorchScript of others, as FTorch's users have it, as a file for `da_cycle`."""

import io
import zipfile
from pathlib import Path
from typing import Any

from dacycle.commands.arguments import Given, Parser
from dacycle.commands.terminal import console, need_torch
from dacycle.errors import NetworkFileError, one_line
from dacycle.network.roles import FORMS, GIVES, ROLES

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "take over a TorchScript file that others have made"
EXAMPLES = (
    "dacycle adopt mine.pt --role model --gives next --model lorenz96 --forcing 8 \\\n"
    "    --interval 0.05                         # models_export/mine.pt and its card\n"
    "dacycle adopt closure.pt --role correction --form tendency --model lorenz96 --forcing 10 \\\n"
    "    --interval 0.05 -o networks"
)


def add_arguments(parser: Parser) -> None:
    """Those of `dacycle.export_module`."""
    parser.add_argument("file", type=Path, metavar="FILE.pt", help="of torch.jit.save")
    needed = parser.add_argument_group("what it is")
    needed.add_argument("--role", choices=ROLES, required=True, help="that it takes in a run")
    needed.add_argument(
        "--gives",
        choices=GIVES,
        default="increment",
        help="what is added to the state, or the new state itself (default: increment)",
    )
    needed.add_argument(
        "--form",
        choices=FORMS,
        default="increment",
        help="of a correction: added after each interval, or to dx/dt (default: increment)",
    )
    needed.add_argument(
        "--components", type=int, default=1, metavar="N", help="of the state, at a point"
    )
    needed.add_argument(
        "--memory", type=int, default=0, metavar="N", help="channels carried from call to call"
    )
    needed.add_argument(
        "--points",
        type=int,
        default=0,
        metavar="N",
        help="of the one circle that it is for (default: any, or the one that it takes)",
    )
    belongs = parser.add_argument_group("what it was trained for")
    belongs.add_argument("--model", required=True, metavar="NAME", help="as model in &cycle")
    belongs.add_argument("--forcing", type=float, default=0.0, metavar="F", help="of that model")
    belongs.add_argument(
        "--interval", type=float, required=True, metavar="T", help="from input to output"
    )
    belongs.add_argument(
        "--error-sd",
        type=float,
        default=0.0,
        metavar="SD",
        help="of the observations that an analysis learned with",
    )
    parser.add_argument("--notes", default="", metavar="TEXT", help="for the card")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("models_export"),
        metavar="DIR",
        help="folder (default: models_export)",
    )
    parser.add_argument(
        "--aoti", action="store_true", help="also compile the network for this machine: NAME.pt2"
    )


def run(given: Given) -> int:
    """Take the file over, compile it if that is wanted, and print the names of the files.

    Raises:
        NetworkFileError: the file cannot be taken over.
    """
    need_torch()
    import warnings

    from dacycle.adoption import export_module  # PyTorch, seconds to load: only here

    say = console().print
    source: Path = given.file
    target = given.output / f"{source.stem}.pt"
    if target.exists() and source.exists() and target.samefile(source):
        raise NetworkFileError(f"{source}: would be overwritten: give another folder with -o")
    module = _read(source)
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always", UserWarning)
        path = export_module(
            module,
            target,
            role=given.role,
            gives=given.gives,
            form=given.form,
            model=given.model,
            forcing=given.forcing,
            interval=given.interval,
            components=given.components,
            memory=given.memory,
            points=given.points,
            error_sd=given.error_sd,
            notes=given.notes,
        )
    for remark in remarks:
        say(f"warning: {remark.message}")
    say(str(path))
    if given.aoti:
        from dacycle.network.package import compile_file  # the compiler, seconds more

        say(str(compile_file(path, given.output)))
    return 0


def _read(path: Path) -> Any:
    """The TorchScript of a file, whole and undamaged."""
    import torch

    from dacycle.network.archive import check_archive
    from dacycle.network.file import NAMELIST, quiet

    try:
        content = path.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"{path}: {error.strerror}") from error
    check_archive(path, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if f"extra/{NAMELIST}" in names:
        raise NetworkFileError(f"{path}: is a network of dacycle already, which da_cycle takes")
    if "constants.pkl" not in names:
        raise NetworkFileError(
            f"{path}: is no TorchScript, but weights or a module of torch.save, or of torch.export:"
            " load it in Python, and give the module to dacycle.export_module"
        )
    try:
        with quiet():
            module = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:
        raise NetworkFileError(f"{path}: cannot be loaded: {one_line(error)}") from error
    return module
