"""Names, docstrings, sizes, and what no file of the project may hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.source import ROOT, Module, check_none, modules, project_files, text_of

FILE_LINES, FUNCTION_LINES = 400, 60
"""Gates; what to aim at is 300 and 40."""

WORDS = {"rng", "done", "dones", "util", "utils"}
"""No part of any name: they say too little or, as `done`, two things at once."""

EMPTY = WORDS | {"base", "common", "helper", "helpers", "misc"}
"""No part of a file's or folder's name."""

# Written with character classes, so that this file does not hold what it looks for.
STRAY = {
    "unfinished work": re.compile(r"\b(TOD[O]|FIXM[E]|XX[X])\b"),
    "a machine path": re.compile(r"(^|[^A-Za-z0-9_.~])/(wor[k]|far[m]|roo[t]|hom[e]|User[s]|op[t]/pypi|tm[p]/\w+)\b"),
    "a registry host": re.compile(r"pyp[i]\.org|python[h]osted\.|npm[j]s\.|deb\.[d]ebian\.", re.IGNORECASE),
}
UNSAFE = re.compile(
    r"\b(import pickl[e]|cloudpickl[e]|pickl[e]\.loads?|allow_pickl[e]=True)|(?<![\w.])(eva[l]|exe[c])\("
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def bound(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names that a file gives: variables, arguments, functions, classes, fields, aliases; with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno


def stray_names(module: Module) -> list[str]:
    """Names with a forbidden word in them, the file's own included."""
    parts = module.path.removesuffix(".py").replace("/", "_").split("_")
    found = [f"{module.path} is named {part!r}" for part in parts if part in EMPTY]
    return found + [
        f"{module.path}:{line} calls something {name!r}"
        for name, line in bound(module.tree)
        if WORDS & {*name.lower().split("_")}
    ]


def undocumented(module: Module) -> list[str]:
    """Modules, public functions and public methods without a docstring whose first line is a sentence."""
    found = [] if sentence(module.tree) else [f"{module.path} lacks a docstring that starts with a sentence"]
    for node in public(module.tree):
        if not sentence(node):
            found.append(f"{module.path}:{node.lineno} {node.name} lacks a docstring that starts with a sentence")
    return found


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions at module level and methods of classes there whose names have no leading underscore.

    Methods of a library's subclass (`class A(library.B)`) are documented by the library.
    """
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    classes = [node for node in classes if not any(isinstance(base, ast.Attribute) for base in node.bases)]
    for node in [*tree.body, *(inner for one in classes for inner in one.body)]:
        if isinstance(node, FUNCTIONS) and not node.name.startswith("_"):
            yield node


def sentence(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether there is a docstring and its first paragraph ends as a sentence does."""
    first = (ast.get_docstring(node) or "").split("\n\n")[0].strip()
    return first.endswith((".", ":", "!", "?", ".)", ".`"))


def oversized(module: Module) -> list[str]:
    """Files and functions beyond the gates; functions defined inside a function count for themselves only."""
    count = len(module.text.splitlines())
    found = [f"{module.path} has {count} lines; at most {FILE_LINES}"] if count > FILE_LINES else []
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS) and own_lines(node) > FUNCTION_LINES:
            where = f"{module.path}:{node.lineno} {node.name}"
            found.append(f"{where} has {own_lines(node)} lines; at most {FUNCTION_LINES}")
    return found


def own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without those of functions defined directly in it or deeper."""
    inner = [one for one in ast.walk(node) if isinstance(one, FUNCTIONS) and one is not node]
    lines = {line for one in inner for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    return (node.end_lineno or node.lineno) - node.lineno + 1 - len(lines)


def stray_text(path: str, text: str) -> list[str]:
    """Lines that hold what no file may."""
    return [
        f"{path}:{number} holds {what}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in STRAY.items()
        if pattern.search(line)
    ]


def checks(node: ast.AST, checkers: set[str]) -> bool:
    """Whether something is asserted in a function: `assert`, `raises`, `warns`, or a call of a checker."""
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    names = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
    known = any(name in ("raises", "warns") or "assert" in name or name.startswith("check") for name in names)
    return known or bool(names & checkers) or any(isinstance(one, ast.Assert) for one in ast.walk(node))


def idle_tests(path: str, tree: ast.Module) -> list[str]:
    """Tests that assert nothing, neither themselves nor through a function of the same file."""
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    checkers = {node.name for node in functions if not node.name.startswith("test_") and checks(node, set())}
    tests = [node for node in functions if node.name.startswith("test_")]
    return [f"{path}:{node.lineno} {node.name} asserts nothing" for node in tests if not checks(node, checkers)]


def every(find) -> list[str]:
    """Complaints about all modules of the package."""
    return [line for module in modules() for line in find(module)]


def test_names_say_what_they_name():
    check_none(every(stray_names))


def test_docstrings_start_with_a_sentence():
    check_none(every(undocumented))


def test_files_and_functions_are_small():
    check_none(every(oversized))


def test_no_stray_text():
    files = project_files()
    assert Path(__file__).resolve() in files
    check_none(line for file in files for line in stray_text(file.relative_to(ROOT).as_posix(), text_of(file)))


def test_nothing_is_unpickled_or_evaluated():
    check_none(module.path for module in modules() if UNSAFE.search(module.text))


def test_every_test_asserts():
    files = [file for file in project_files() if file.match("tests/**/test_*.py") or file.match("tests/test_*.py")]
    assert files
    paths = {file: file.relative_to(ROOT).as_posix() for file in files}
    check_none(line for file in files for line in idle_tests(paths[file], ast.parse(text_of(file))))


@pytest.mark.parametrize(
    ("find", "text", "part"),
    [
        (stray_names, "def f(rng): pass", "'rng'"),
        (stray_names, "next_done = 1", "'next_done'"),
        (stray_names, "import numpy as utils", "'utils'"),
        (stray_names, "x = 1", "'misc'"),
        (undocumented, "x = 1", "foo.py lacks"),
        (undocumented, '"""A file."""\ndef f(): pass', "f lacks"),
        (undocumented, '"""A file."""\nclass A:\n    def g(self):\n        """no sentence"""', "g lacks"),
        (oversized, "\n" * (FILE_LINES + 1), "at most"),
        (oversized, "def f():\n" + "    x = 1\n" * FUNCTION_LINES, f"f has {FUNCTION_LINES + 1} lines"),
    ],
)
def test_breaches_are_seen(find, text, part):
    found = find(Module("misc/foo.py" if "misc" in part else "losses/foo.py", text))
    assert len(found) == 1 and part in found[0]


def test_allowed_things_pass():
    body = "        x = 1\n" * (FUNCTION_LINES - 1)
    nested = f'"""A file."""\n\n\ndef f():\n    """Sentence."""\n    def g():\n{body}'
    assert oversized(Module("a.py", nested)) == undocumented(Module("a.py", nested)) == []
    assert stray_names(Module("a.py", "key = numpy.random.default_rng(0)\nabandoned = key")) == []
    assert not UNSAFE.search("cost.eval" + "(x); evaluate(x)") and UNSAFE.search("x = eval" + "(text)")


@pytest.mark.parametrize("text", ["# TO" + "DO", "see /ro" + "ot/x", '"/tm' + 'p/abc"', "https://pyp" + "i.org/simple"])
def test_stray_text_is_seen(text):
    assert len(stray_text("a.md", f"fine\n{text}\n")) == 1


def test_idle_tests_are_seen():
    assert idle_tests("test_a.py", ast.parse("def test_a():\n    f()")) == ["test_a.py:1 test_a asserts nothing"]
    assert idle_tests("test_a.py", ast.parse("def test_a():\n    assert f()")) == []
    assert idle_tests("test_a.py", ast.parse("def f():\n    assert x\ndef test_a():\n    f()")) == []
