"""The shape of the code: layers, the few places that know MPI, netCDF or the exit, names of tests.

Each rule is a function from a source to what is wrong with it. It must find nothing in the
repository, and something in the broken sources at the end of this file.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

LAYERS = (
    "base",
    "operator",
    "network",
    "model",
    "observation",
    "covariance",
    "ensemble",
    "analysis",
    "verification",
    "io",
    "roles",
    "run",
    "diagnostics",
    "cycle",
    "app",
)
"""Folders under fortran/: each uses itself and what stands before it."""

PROGRAM = "app/da_cycle.f90"
GENERATED = {"da_app_version"}
"""Modules that the build writes."""

KNOW_MPI = {"base/communicator.f90", "base/domain.f90"}
MPI_CONSTANTS = {"mpi_offset_kind", "mpi_info_null"}
"""What io/ may take from MPI, because PnetCDF's interface asks for it."""

MUTABLE = {"base/interrupt.f90": "a signal handler has no other place to write to"}
POINTERS = {
    "base/system.f90": "dlsym hands out procedures as pointers",
    "network/torch.f90": "so it does those of the bridge to libtorch",
}

MOST_LINES = 400
MOST_COLUMNS = 100
LONG_FILES = {
    "base/domain.f90": "three exchanges and their adjoints share the segments of a halo",
    "base/namelists.f90": "one call a key reads, checks, documents and echoes it, for each type",
}

FORTRAN = Path(__file__).resolve().parents[1] / "fortran"


@dataclass(frozen=True)
class Source:
    """A Fortran file, by its path under fortran/."""

    name: str
    text: str

    @property
    def folder(self) -> str:
        return self.name.partition("/")[0]

    @property
    def module(self) -> str:
        return "da_" + self.name.removesuffix(".f90").replace("/", "_")

    def statements(self) -> list[str]:
        """Statements in lower case: comments and strings taken out, continuation lines joined."""
        bare = "\n".join(_without_strings_and_comment(line) for line in self.text.splitlines())
        joined = re.sub(r"&\s*\n(\s*\n)*\s*&?", " ", bare)
        return [line.strip().lower() for line in re.split(r"[\n;]", joined) if line.strip()]

    def uses(self) -> Iterator[tuple[str, set[str] | None]]:
        """Modules used, with the names taken from each (`None`: all)."""
        for statement in self.statements():
            used = re.match(r"use\b\s*(?:,\s*\w+\s*)?(?:::)?\s*(\w+)(.*)", statement)
            if used:
                only = re.match(r"\s*,\s*only\s*:(.*)", used[2])
                names = only[1].split(",") if only else None
                yield used[1], names and {name.split("=>")[-1].strip() for name in names}

    def specification(self) -> list[str]:
        """Statements of a module before `contains`, those of types and interfaces left out."""
        kept, inside = [], ""
        for statement in self.statements():
            if statement == "contains" and not inside:
                break
            block = r"(?:abstract )?(interface)\b|(type)\s*(?:,[^:]*)?(?:::)?\s*\w+$"
            opened = re.match(block, statement)
            if not inside and opened:
                inside = opened[1] or opened[2]
            elif inside and re.match(rf"end ?{inside}\b", statement):
                inside = ""
            elif not inside:
                kept.append(statement)
        return kept


def _without_strings_and_comment(line: str) -> str:
    kept, quote = [], ""
    for character in line:
        if quote:
            quote = "" if character == quote else quote
        elif character == "!":
            break
        elif character in "'\"":
            quote = character
        else:
            kept.append(character)
    return "".join(kept)


def layering(source: Source) -> list[str]:
    allowed = LAYERS[: LAYERS.index(source.folder) + 1] if source.folder in LAYERS else ()
    wrong = [] if allowed else [f"{source.folder}/ is no layer"]
    for module, _ in source.uses():
        if module.startswith("da_") and module.split("_")[1] not in allowed:
            wrong.append(f"{source.folder}/ stands below {module}")
    return wrong


def module_is_named_after_the_path(source: Source) -> list[str]:
    named = [line for line in source.statements() if re.match(r"(module|program) \w+$", line)]
    expected = "program da_cycle" if source.name == PROGRAM else f"module {source.module}"
    return [] if named == [expected] else [f"holds {named}, not '{expected}'"]


def used_modules_exist(source: Source) -> list[str]:
    known = {other.module for other in repository_sources()} | GENERATED
    return [
        f"uses {module}, which is not there"
        for module, _ in source.uses()
        if module.startswith("da_") and module not in known
    ]


def mpi_is_known_to_few(source: Source) -> list[str]:
    wrong = []
    for module, names in source.uses():
        if module == "mpi_f08" and source.name not in KNOW_MPI:
            beyond = {"everything"} if names is None else names - MPI_CONSTANTS
            if source.folder != "io" or beyond:
                wrong.append(f"takes {beyond or names} from mpi_f08")
        elif module in {"mpi", "mpi_ext"}:
            wrong.append(f"uses {module}; mpi_f08 is the interface here")
    return wrong + [f"'{s}'" for s in source.statements() if re.match(r"include\b", s)]


def netcdf_is_known_to_io(source: Source) -> list[str]:
    return [
        f"uses {module}"
        for module, _ in source.uses()
        if module in {"netcdf", "pnetcdf", "netcdf4_f03"} and source.folder != "io"
    ]


def names_are_private_and_explicit(source: Source) -> list[str]:
    head = source.specification()
    wrong = [] if "implicit none" in head else ["lacks 'implicit none'"]
    if source.name != PROGRAM and "private" not in head:
        wrong.append("lacks 'private'")
    unnamed = [module for module, names in source.uses() if names is None]
    return wrong + [f"uses {module} without only" for module in unnamed]


def forbidden_statements(source: Source) -> list[str]:
    forbidden = {
        "goto": r"\bgo ?to\b",
        "common": r"common\s*/",
        "equivalence": r"equivalence\s*\(",
        "save": r"save\b|.*,\s*save\b",
        "select type": r"select ?type\b",
        "stop": r"(.*\)\s*)?(error )?stop\b(?!\s*[(=%])",
        "pointer": r".*,\s*pointer\b",
    }
    if source.name == PROGRAM:
        del forbidden["stop"]
    if source.name in POINTERS:
        del forbidden["pointer"]
    wrong = [
        f"{word}: '{statement}'"
        for word, pattern in forbidden.items()
        for statement in source.statements()
        if re.match(pattern, statement) or (word == "goto" and re.search(pattern, statement))
    ]
    return wrong + ["preprocessor" for line in source.text.splitlines() if line.startswith("#")]


def nothing_at_module_scope_changes(source: Source) -> list[str]:
    if source.name in MUTABLE or source.name == PROGRAM:
        return []
    return [
        f"'{statement}'"
        for statement in source.specification()
        if "::" in statement
        and not re.match(r"(public|private|use)\b", statement)
        and not re.match(r".*,\s*parameter\b[^:]*::", statement)
    ]


def lines_are_short_and_clean(source: Source) -> list[str]:
    wrong = []
    for number, line in enumerate(source.text.splitlines(), 1):
        if len(line) > MOST_COLUMNS:
            wrong.append(f"line {number} has {len(line)} columns")
        if "\t" in line:
            wrong.append(f"line {number} has a tab")
        if line != line.rstrip():
            wrong.append(f"line {number} ends in blanks")
    return wrong


def files_are_short(source: Source) -> list[str]:
    lines = len(source.text.splitlines())
    if source.name in LONG_FILES:
        return [] if lines > MOST_LINES else ["is short enough now: take it off LONG_FILES"]
    return [f"has {lines} lines"] if lines > MOST_LINES else []


MOST_MODULES = 15
"""That a file may use, those of base/ not counted: more is a place that knows every feature."""

MANY_MODULES = {
    "analysis/kalman/window.f90": "an operator put together of model, H and their repetition",
}


def few_modules_are_used(source: Source) -> list[str]:
    used = {m for m, _ in source.uses() if m.startswith("da_") and not m.startswith("da_base_")}
    if source.name in MANY_MODULES:
        return [] if len(used) > MOST_MODULES else ["uses few enough now: take it off MANY_MODULES"]
    return [f"uses {len(used)} modules"] if len(used) > MOST_MODULES else []


def is_list(source: Source) -> bool:
    return source.name.endswith("list.f90")


def implementations_are_known_to_their_list(source: Source) -> list[str]:
    """Whoever else uses what a list adds must be changed for another one; to extend it is fine."""
    listed = implementations() - listed_by(source)
    extended = set(re.findall(r"extends\((\w+)\)", "\n".join(source.statements())))
    return [
        f"uses {module}"
        for module, names in source.uses()
        if module in listed and not extended & (names or set())
    ]


def listed_by(source: Source) -> set[str]:
    """The modules whose objects a list adds: `call add(new_letkf())`, `call add('a', a_type())`."""
    if not is_list(source):
        return set()
    added = set(re.findall(r"call add\((?:'\w+', )?(\w+)\(", source.text))
    return {module for module, names in source.uses() if added & (names or set())}


@cache
def implementations() -> frozenset[str]:
    return frozenset(module for source in repository_sources() for module in listed_by(source))


Rule = Callable[[Source], list[str]]
RULES: list[Rule] = [
    layering,
    module_is_named_after_the_path,
    used_modules_exist,
    mpi_is_known_to_few,
    netcdf_is_known_to_io,
    names_are_private_and_explicit,
    forbidden_statements,
    nothing_at_module_scope_changes,
    lines_are_short_and_clean,
    files_are_short,
    few_modules_are_used,
    implementations_are_known_to_their_list,
]


@cache
def repository_sources() -> list[Source]:
    return [
        Source(path.relative_to(FORTRAN).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(FORTRAN.rglob("*.f90"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_sources_keep(rule: Rule) -> None:
    sources = repository_sources()
    assert len(sources) > len(LAYERS)
    assert [f"{source.name}: {wrong}" for source in sources for wrong in rule(source)] == []


def test_exceptions_are_of_files_that_exist() -> None:
    names = {source.name for source in repository_sources()}
    assert {PROGRAM} | KNOW_MPI | MUTABLE.keys() | POINTERS.keys() | LONG_FILES.keys() <= names
    assert MANY_MODULES.keys() <= names


def test_every_list_names_implementations() -> None:
    """A list that adds them otherwise than the rule reads would be held by nothing."""
    listed = {source.name: len(listed_by(source)) for source in repository_sources()}
    folders = {"model", "analysis", "roles", "diagnostics"}
    assert {f"{folder}/list.f90" for folder in folders} <= listed.keys()
    assert [source.name for source in repository_sources() if is_list(source)] == [
        name for name, number in listed.items() if number > 1
    ]


def test_a_listed_type_may_be_extended() -> None:
    extending = broken("da_base_kinds, only: wp", "da_analysis_hybrid_coupled, only: coupled_type")
    extending = Source(
        extending.name, extending.text.replace("type ::", "type, extends(coupled_type) ::", 1)
    )
    assert implementations_are_known_to_their_list(extending) == []


def test_the_build_finds_every_source() -> None:
    """A file in a folder that the build does not look into would be compiled by nobody."""
    build = (FORTRAN / "meson.build").read_text(encoding="utf-8")
    layers = re.search(r"^layers = \[(.*)\]", build, re.MULTILINE)
    assert layers is not None
    folders = re.findall(r"'(\w+)'", layers[1])
    assert folders == [layer for layer in LAYERS if layer != "app"]
    listing = [sys.executable, FORTRAN / "sources.py", FORTRAN, *folders]
    found = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    app = re.findall(r"'(\w+\.f90)'", (FORTRAN / "app/meson.build").read_text(encoding="utf-8"))
    found += [f"app/{name}" for name in app if name != "version.f90"]
    assert sorted(found) == [source.name for source in repository_sources()]


def test_models_resemble_each_other_in_every_attribute() -> None:
    """An attribute that `resemble` forgets would be its default in every model that wraps one."""
    sources = {source.name: source for source in repository_sources()}
    attributes: set[str] = set()
    for name in ("operator/type.f90", "model/type.f90"):
        inside = False
        for statement in sources[name].statements():
            inside = bool(re.match(r"type\b.*abstract", statement)) or (
                inside and statement != "contains"
            )
            if inside and (declared := re.match(r".+::\s*(\w+)(?:\s*=.*)?$", statement)):
                attributes.add(declared[1])
    attributes -= {"operator_type", "model_type"}
    assert {"rounding", "parameters", "start_sd"} < attributes
    copied = re.findall(r"self%(\w+) = model%(\w+)\n", sources["model/type.f90"].text)
    assert {to for to, source in copied if to == source} == attributes


def test_wrapped_models_pass_on_every_procedure() -> None:
    """One that is not deferred, and `wrapped` forgets, would be the default of all models."""
    sources = {source.name: source for source in repository_sources()}

    def bound(name: str) -> set[str]:
        statements = sources[name].statements()
        return {bound[1] for s in statements if (bound := re.match(r"procedure ?:: ?(\w+)", s))}

    asked = bound("operator/type.f90") | bound("model/type.f90")
    assert {"rows", "set_parameters", "get_tendency"} <= asked
    assert asked <= bound("model/wrapped.f90")


GOOD = """!> A goto, a stop and a save in a comment are fine: 'use da_cycle_driver'.
module da_model_good
   use, intrinsic :: iso_fortran_env, only: int64
   use da_base_kinds, only: wp, &
      ! a comment between the lines
      i8
   implicit none
   private
   public :: good_type

   real(wp), parameter :: two = 2.0_wp
   type :: good_type
      real(wp) :: stop_time = 0
      real(wp), allocatable :: x(:)
   contains
      procedure :: stop => stop_it
   end type good_type
   abstract interface
      subroutine go(x)
         real, intent(in) :: x
      end subroutine go
   end interface

contains

   subroutine stop_it(self)
      class(good_type), intent(inout) :: self
      integer :: stop

      stop = 1
      call timer%stop()
      print *, 'go to 10; stop'
   end subroutine stop_it
end module da_model_good
"""


def broken(old: str, new: str, name: str = "model/good.f90") -> Source:
    assert old in GOOD
    return Source(name, GOOD.replace(old, new, 1))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rules_accept_a_good_source(rule: Rule) -> None:
    assert rule(Source("model/good.f90", GOOD)) == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (layering, broken("da_base_kinds", "da_observation_type")),
        (layering, broken("use da_base_kinds", "use :: da_cycle_driver")),
        (layering, broken("model", "model", "models/good.f90")),
        (module_is_named_after_the_path, broken("da_model_good", "model_good")),
        (module_is_named_after_the_path, broken("module", "module da_model_other\nmodule")),
        (used_modules_exist, broken("da_base_kinds", "da_base_colours")),
        (implementations_are_known_to_their_list, broken("da_base_kinds", "da_roles_as_model")),
        (mpi_is_known_to_few, broken("da_base_kinds, only: wp", "mpi_f08, only: MPI_Comm")),
        (mpi_is_known_to_few, broken("da_base_kinds, only: wp, &", "MPI_F08\n", "io/good.f90")),
        (
            mpi_is_known_to_few,
            broken("da_base_kinds, only: wp", "mpi_f08, only: MPI_Bcast", "io/good.f90"),
        ),
        (mpi_is_known_to_few, broken("da_base_kinds", "mpi", "base/domain.f90")),
        (mpi_is_known_to_few, broken("implicit none", "include 'mpif.h'")),
        (netcdf_is_known_to_io, broken("da_base_kinds", "netcdf")),
        (netcdf_is_known_to_io, broken("da_base_kinds", "pnetcdf", "cycle/good.f90")),
        (names_are_private_and_explicit, broken("   private\n", "")),
        (names_are_private_and_explicit, broken("implicit none", "implicit real (a-z)")),
        (names_are_private_and_explicit, broken(", only: int64", "")),
        (forbidden_statements, broken("stop = 1", "goto 10")),
        (forbidden_statements, broken("stop = 1", "if (x > 0) go to 10")),
        (forbidden_statements, broken("stop = 1", "stop 1")),
        (forbidden_statements, broken("stop = 1", "if (x > 0) stop")),
        (forbidden_statements, broken("stop = 1", "error stop 'lost'")),
        (forbidden_statements, broken("integer :: stop", "integer, save :: stop")),
        (forbidden_statements, broken("public ::", "save\n   public ::")),
        (forbidden_statements, broken("public ::", "common /state/ x\n   public ::")),
        (forbidden_statements, broken("stop = 1", "select type (self)")),
        (forbidden_statements, broken("integer :: stop", "integer, pointer :: stop")),
        (forbidden_statements, broken("stop = 1", "\n#ifdef MPI")),
        (nothing_at_module_scope_changes, broken("real(wp), parameter ::", "real(wp) ::")),
        (lines_are_short_and_clean, broken("stop = 1", "stop = " + "1 + " * 30 + "1")),
        (lines_are_short_and_clean, broken("stop = 1", "\tstop = 1")),
        (lines_are_short_and_clean, broken("stop = 1", "stop = 1 ")),
        (files_are_short, broken("stop = 1", "stop = 1\n" * MOST_LINES)),
        (files_are_short, broken("stop = 1", "stop = 1", "base/domain.f90")),
        (
            few_modules_are_used,
            broken(
                "   implicit none",
                "".join(f"   use da_model_m{i}, only: x{i}\n" for i in range(16)) + "implicit none",
            ),
        ),
        (
            implementations_are_known_to_their_list,
            broken("da_base_kinds, only: wp", "da_model_lorenz96, only: new_lorenz96"),
        ),
        (
            implementations_are_known_to_their_list,
            broken("da_base_kinds, only: wp", "da_analysis_hybrid_coupled, only: coupled_type"),
        ),
    ],
)
def test_rules_find_what_they_look_for(rule: Rule, source: Source) -> None:
    assert rule(source) != []


def test_elementary_functions_are_scalar(program: Path) -> None:
    """The C library's vector functions round otherwise, so results would depend on slab ends."""
    symbols = subprocess.run(
        ["nm", "--dynamic", program], capture_output=True, text=True, check=True
    ).stdout
    assert "MPI" in symbols.upper()
    assert not [line for line in symbols.splitlines() if "_ZGV" in line]


def bound_twice(text: str) -> list[str]:
    """Names bound twice at a module's level: what the first stood for is lost without a word."""
    bound: set[str] = set()
    twice = []
    for statement in ast.parse(text).body:
        for name in _names_bound_by(statement):
            if name in bound:
                twice.append(f"'{name}' in line {statement.lineno}")
            bound.add(name)
    return twice


def _names_bound_by(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
        case ast.Assign() | ast.AnnAssign():
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found = [node for target in targets for node in ast.walk(target)]
            stored = [node for node in found if isinstance(node, ast.Name)]
            return [node.id for node in stored if isinstance(node.ctx, ast.Store)]
    return []


def test_tests_bind_no_name_twice() -> None:
    """A second list of cases would take the first one's place, a second test the first test's."""
    modules = sorted(FORTRAN.parent.glob("tests/**/*.py"))
    assert Path(__file__) in modules
    wrong = {module.name: bound_twice(module.read_text(encoding="utf-8")) for module in modules}
    assert {name: names for name, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A = [1]\nA = [2]\n", ["'A' in line 2"]),
        ("A: list[int] = [1]\n\n\ndef A() -> None: ...\n", ["'A' in line 4"]),
        ("(A, B) = C = 1, 2\nimport x as B, C\n", ["'B' in line 2", "'C' in line 2"]),
        ("class A: ...\n\n\nclass A: ...\n", ["'A' in line 4"]),
        ("A = {}\nA['a'] = 1\nA.b = 2\nif A:\n    B = A\nB = A\n", []),
    ],
)
def test_names_bound_twice_are_found(text: str, names: list[str]) -> None:
    assert bound_twice(text) == names


def test_the_page_of_the_core_tells_of_every_module_once() -> None:
    told, folder = [], ""
    for line in (FORTRAN / "README.md").read_text(encoding="utf-8").splitlines():
        match = re.match(r"\| (?:`([\w/]+)`)? ?\| ((?:`[\w.]+` ?)+)\|", line)
        if match is not None:
            folder = match[1] or folder
            told += [f"{folder}/{Path(name).stem}" for name in re.findall(r"`([\w.]+)`", match[2])]
    sources = [*FORTRAN.rglob("*.f90"), *FORTRAN.rglob("*.cpp")]
    there = [path.relative_to(FORTRAN).with_suffix("").as_posix() for path in sources]
    assert sorted(told) == sorted(there)


ROOT = {
    ".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "benchmarks",
    "bin", "docs", "experiments", "fortran", "meson.build", "meson.options", "models_export",
    "pyproject.toml", "python", "tests",
}  # fmt: skip


def test_no_stray_file_lies_in_the_root() -> None:
    """Of those under version control; users keep their own where they like."""
    listing = ["git", "-C", str(FORTRAN.parent), "ls-files"]
    done = None
    if shutil.which("git") is not None:
        done = subprocess.run(listing, capture_output=True, text=True, check=False)
    if done is None or done.returncode != 0:
        pytest.skip("not a checkout of git, or no git")
    assert {line.partition("/")[0] for line in done.stdout.splitlines()} <= ROOT
