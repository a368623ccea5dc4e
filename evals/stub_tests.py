"""A pytest file split into the tests that a program may see and those that score.

What only hidden tests use (constants with their cases, helpers, fixtures) is hidden with them.
"""

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
    if not hidden:
        return _only(visible, tests, tree, lines, ahead), ""
    shown = list(lines)
    for node in _of_others_alone(visible, hidden, tree):
        _blank(shown, _first(node), node.end_lineno or node.lineno)
    return _only(visible, tests, tree, shown, ahead), _only(hidden, tests, tree, lines, ahead)


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


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _of_others_alone(chosen: list[_Test], others: list[_Test], tree: ast.Module) -> list[ast.stmt]:
    """Definitions of the file that other tests need, and the chosen ones do not."""
    defined = [node for node in tree.body if _is_helper(node)]
    holders = [node for node in tree.body if isinstance(node, ast.ClassDef) and node not in defined]
    always = [node for node in tree.body if node not in (*defined, *holders, *chosen, *others)]
    of_classes = [n for c in holders for n in c.body if n not in (*chosen, *others)]
    kept = _needed([*chosen, *always, *of_classes], defined)
    return [node for node in _needed(list(others), defined) if node not in kept and _is_alone(node, tree)]


def _is_helper(node: ast.stmt) -> bool:
    """Whether it defines what a test has to name to use: no test, and nothing that pytest finds by itself."""
    if isinstance(node, ast.ClassDef):
        return not any(isinstance(n, _Test) and n.name.startswith("test") for n in node.body)
    if isinstance(node, _Test):
        by_itself = node.name.startswith(("test", "pytest_", "setup", "teardown"))
        return not by_itself and not any("autouse" in ast.unparse(d) for d in node.decorator_list)
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and not any(
        n.startswith("pytest") for n in _binds(node)
    )


def _needed(roots: list[ast.stmt], defined: list[ast.stmt]) -> list[ast.stmt]:
    """The definitions that some statements need, directly or through each other."""
    found: list[ast.stmt] = []
    left = list(roots)
    while left:
        names = _names(left.pop())
        more = [node for node in defined if node not in found and not names.isdisjoint(_binds(node))]
        found += more
        left += more
    return found


def _names(node: ast.stmt) -> set[str]:
    """Every name in it: of variables, of arguments (fixtures), and in strings (`usefixtures`)."""
    names: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            names.add(inner.id)
        elif isinstance(inner, ast.arg):
            names.add(inner.arg)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            names.add(inner.value)
    return names


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        given = [
            k.value.value
            for d in node.decorator_list
            for k in getattr(d, "keywords", [])
            if k.arg == "name" and isinstance(k.value, ast.Constant)
        ]  # a fixture by another name
        return {node.name, *map(str, given)}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _is_alone(node: ast.stmt, tree: ast.Module) -> bool:
    """Whether no other statement stands on its lines."""
    last = node.end_lineno or node.lineno
    return all(n is node or (n.end_lineno or n.lineno) < _first(node) or _first(n) > last for n in tree.body)


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
