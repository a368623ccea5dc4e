"""A pytest file split into the tests that a program may see and those that score."""

from __future__ import annotations

import ast
from pathlib import Path

from ..errors import TaskError
from .records import as_python

MARK = "# visible"
PREFIX = "test_visible"

CANDIDATE = "greenloop_candidate"
"""The module name under which rewritten tests import the candidate: no installed module bears it."""

_Test = ast.FunctionDef | ast.AsyncFunctionDef


def split_tests(text: str, path: Path, stem: str, ahead: str = "") -> tuple[str, str]:
    """The visible and the hidden tests of a file, each a module of its own; empty where there are none.

    Args:
        text: The file.
        path: Its path, for messages.
        stem: Name of the stub's module, which the tests import.
        ahead: A conftest's source.

    Raises:
        TaskError: It is no Python, or holds no test.
    """
    tree = as_python(text, str(path), "source")
    as_python(ahead, str(path.parent / "conftest.py"), "source")
    tests = _tests(tree)
    if not tests:
        raise TaskError(f"{path}: it holds no test: a function whose name begins with 'test'")
    lines = text.splitlines()
    marked = [test for test in tests if _is_marked(test, lines)]
    visible = marked or tests[:1]
    hidden = [test for test in tests if test not in visible]
    lines = _importing(tree, lines, stem)
    return _only(visible, tests, tree, lines, ahead), _only(
        hidden, tests, tree, lines, ahead
    ) if hidden else ""


def _tests(tree: ast.Module) -> list[_Test]:
    found: list[_Test] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found += [n for n in node.body if isinstance(n, _Test) and n.name.startswith("test")]
        elif isinstance(node, _Test) and node.name.startswith("test"):
            found.append(node)
    return found


def _is_marked(test: _Test, lines: list[str]) -> bool:
    first = _first(test)
    above = lines[first - 2].strip() if first >= 2 else ""
    return test.name.startswith(PREFIX) or MARK in lines[test.lineno - 1] or above.startswith(MARK)


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _only(chosen: list[_Test], tests: list[_Test], tree: ast.Module, lines: list[str], ahead: str) -> str:
    """The file with the other tests blanked out, so that lines keep their numbers."""
    kept = list(lines)
    for test in tests:
        if test not in chosen:
            _blank(kept, _first(test), test.end_lineno or test.lineno)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if n in tests]
            if inner and not any(n in chosen for n in inner):
                _blank(kept, _first(node), node.end_lineno or node.lineno)
    body = "\n".join(kept).strip("\n") + "\n"
    return f"{ahead.strip()}\n\n\n{body}" if ahead.strip() else body


def _blank(lines: list[str], first: int, last: int) -> None:
    lines[first - 1 : last] = [""] * (last - first + 1)


def _importing(tree: ast.Module, lines: list[str], stem: str) -> list[str]:
    """The lines with imports of the stub's module turned to the candidate, under a name that no library bears."""
    made = list(lines)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2] == stem:
            changed: ast.stmt = ast.ImportFrom(CANDIDATE, node.names, 0)
        elif isinstance(node, ast.ImportFrom) and [a.name for a in node.names] == [stem]:
            changed = ast.Import([ast.alias(CANDIDATE, node.names[0].asname or stem)])
        elif isinstance(node, ast.Import) and [a.name.rpartition(".")[2] for a in node.names] == [stem]:
            alias = node.names[0]
            if "." in alias.name and not alias.asname:
                continue  # read as package.stem.name: the sandbox offers the whole path
            changed = ast.Import([ast.alias(CANDIDATE, alias.asname or stem)])
        else:
            continue
        _blank(made, node.lineno, node.end_lineno or node.lineno)
        made[node.lineno - 1] = " " * node.col_offset + ast.unparse(changed)
    return made
