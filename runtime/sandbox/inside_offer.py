"""The candidate as a module that a test imports, under whatever name: the one from which it takes the entry point.

Any other module has to be installed. Names of a candidate in its place would answer for the candidate.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable
from typing import Any

from .inside_forms import Test

ALIASES = {"np": "numpy", "pd": "pandas"}
"""Modules that tests use under these names without importing them."""


class _Candidate(types.ModuleType):
    """The candidate as a module that a test imports."""

    def __init__(self, name: str, attribute: Callable[[str], Any]) -> None:
        super().__init__(name)
        self._attribute = attribute
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._attribute(name)
        except KeyError:
            raise AttributeError(
                f"neither a module {self.__name__!r} nor a candidate's name {name!r}"
            ) from None


def offer_candidate_module(tests: list[Test], entry: str, attribute: Callable[[str], Any]) -> set[str]:
    """Let a test import the candidate under the name of the module from which it takes the entry point.

    Args:
        tests: The tests.
        entry: The entry point; where it is empty, the candidate is any module that is not installed.
        attribute: A name of the candidate's.

    Returns:
        The packages that tests import, but not from the candidate.
    """
    trees = [t.tree for t in tests if t.tree is not None]
    named = [(tree, name, statement) for tree in trees for name, statement in _imports(tree)]
    packages = {name.partition(".")[0] for _, name, _ in named}
    ours = {name.partition(".")[0] for tree, name, node in named if not entry or _takes(tree, node, entry)}
    ours -= {*ALIASES.values(), *sys.stdlib_module_names}
    wanted = [name.split(".") for _, name, _ in named if name.partition(".")[0] in ours]
    offered = {".".join(parts[:i]) for parts in wanted for i in range(1, len(parts) + 1)}

    class Loader(importlib.abc.Loader):
        """Makes the stand-in."""

        def create_module(self, spec: Any) -> types.ModuleType:
            return _Candidate(spec.name, attribute)

        def exec_module(self, module: types.ModuleType) -> None:
            """Nothing to run: the candidate ran already."""

    class Finder(importlib.abc.MetaPathFinder):
        """Asked last, for what nobody else found."""

        def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
            return (
                importlib.machinery.ModuleSpec(name, Loader())
                if name in offered and name.partition(".")[0] in ours
                else None
            )

    sys.meta_path.append(Finder())
    return packages - ours


def _imports(tree: ast.Module) -> list[tuple[str, ast.Import | ast.ImportFrom]]:
    """The modules that a test imports, each with its statement."""
    found: list[tuple[str, ast.Import | ast.ImportFrom]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node))
    return found


def _takes(tree: ast.Module, statement: ast.Import | ast.ImportFrom, entry: str) -> bool:
    """Whether a test takes the entry point from what a statement imports."""
    if isinstance(statement, ast.ImportFrom):
        return any(alias.name in (entry, "*") for alias in statement.names)
    bound = {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == entry:
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in bound:
                return True
    return False
