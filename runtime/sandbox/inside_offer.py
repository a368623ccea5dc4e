"""The candidate as a module that a test imports, under whatever name."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable
from typing import Any

from .inside_forms import Test


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


def offer_candidate_module(tests: list[Test], attribute: Callable[[str], Any]) -> None:
    """Let a test import the candidate under any name that it names and that is no installed module."""
    nodes = [n for t in tests if t.tree is not None for n in ast.walk(t.tree)]
    named = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    named |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    offered = {".".join(name.split(".")[:i]) for name in named for i in range(1, name.count(".") + 2)}

    class Loader(importlib.abc.Loader):
        """Makes the stand-in."""

        def create_module(self, spec: Any) -> types.ModuleType:
            return _Candidate(spec.name, attribute)

        def exec_module(self, module: types.ModuleType) -> None:
            """Nothing to run: the candidate ran already."""

    class Finder(importlib.abc.MetaPathFinder):
        """Asked last, for what nobody else found."""

        def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
            if name not in offered or name.partition(".")[0] in sys.stdlib_module_names:
                return None
            return importlib.machinery.ModuleSpec(name, Loader())

    sys.meta_path.append(Finder())
