"""Parsing model-written source in this process, from many threads."""

from __future__ import annotations

import ast
import threading
import warnings

_lock = threading.Lock()


def parse(code: str) -> ast.Module | None:
    """The syntax tree of Python source; None where it does not compile.

    One thread at a time: CPython 3.11 keeps the depth of the tree under construction in a place that threads share,
    and now and then fails with "AST constructor recursion depth mismatch" when two parse at once.

    Example:
        >>> parse("def f(:") is None
        True
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model's invalid escape is no warning of ours
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
