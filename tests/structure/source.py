"""The package's source as syntax trees, for the tests of this folder."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "jaxrl"


class Module(NamedTuple):
    """One Python file; `path` counts from the package's folder ("algorithms/offline/bc.py")."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return parse(self.text)

    @property
    def unit(self) -> str:
        """The folder or file directly under the package that the module belongs to ("algorithms", "cli")."""
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def name(self) -> str:
        """Dotted name ("jaxrl.algorithms.offline.bc")."""
        return ".".join(["jaxrl", *self.path.removesuffix(".py").removesuffix("/__init__").split("/")])


class Import(NamedTuple):
    """One imported name. `deferred`: it happens inside a function, or for type checkers only."""

    target: str
    line: int
    deferred: bool


@cache
def parse(text: str) -> ast.Module:
    """Syntax tree of a file's text."""
    return ast.parse(text)


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple(Module(file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")) for file in files)


@cache
def imports(module: Module) -> tuple[Import, ...]:
    """What a module imports, one entry a name; `from a import b` gives "a.b", a relative import starts with a dot."""
    return tuple(_imports(module.tree, False))


def _imports(node: ast.AST, deferred: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, deferred) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            start = "." * child.level + (f"{child.module}." if child.module else "")
            yield from (Import(start + alias.name, child.lineno, deferred) for alias in child.names)
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _imports(child, deferred or inner or typing)


@cache
def project_files() -> tuple[Path, ...]:
    """Text files of the project: what git tracks or would add; without git, what lies in its known folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        files = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        folders = ("jaxrl", "tests", "constraints", "benchmarks", "notebooks", ".ci", "datasets/recipes")
        files = [*ROOT.glob("*"), *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    return tuple(file for file in sorted(set(files)) if file.is_file() and "__pycache__" not in file.parts)


def check_none(complaints: Iterable[str]) -> None:
    """AssertionError that lists the complaints, one a line, where there are any."""
    lines = list(complaints)
    assert not lines, "\n" + "\n".join(lines)


def text_of(file: Path) -> str:
    """A file's text, or nothing for a binary one."""
    data = file.read_bytes()
    return "" if b"\0" in data[:8192] else data.decode("utf-8", "replace")
