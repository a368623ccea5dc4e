"""Parsing source in this process, from many threads."""

from __future__ import annotations

import ast
import threading
import warnings
from typing import Literal, cast, overload

_lock = threading.Lock()
_TRIES = 100


@overload
def syntax_tree(source: str, mode: Literal["exec"] = "exec") -> ast.Module: ...


@overload
def syntax_tree(source: str, mode: Literal["eval"]) -> ast.Expression: ...


def syntax_tree(source: str, mode: Literal["exec", "eval"] = "exec") -> ast.Module | ast.Expression:
    """What `ast.parse` gives, also while other threads parse.

    CPython 3.11 keeps the depth of the tree under construction in a place that threads share, and fails now and then
    with "AST constructor recursion depth mismatch" when two construct one at once. So ours go one at a time, and one
    that a thread of somebody else's came between is constructed again.

    Args:
        source: Python source.
        mode: "exec" for a program, "eval" for an expression.

    Raises:
        SyntaxError: It does not compile.
        ValueError: It holds a null character.
        RecursionError: It is nested too deeply.
        MemoryError: The same, for the parser.

    Example:
        >>> ast.unparse(syntax_tree("1+1", "eval"))
        '1 + 1'
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model's invalid escape is no warning of ours
        for attempt in range(1, _TRIES + 1):
            try:
                return cast("ast.Module | ast.Expression", ast.parse(source, mode=mode))
            except SystemError as error:
                if "recursion depth mismatch" not in str(error) or attempt == _TRIES:
                    raise
    raise AssertionError("unreachable")


def parse(code: str) -> ast.Module | None:
    """The syntax tree of a program; None where it does not compile.

    Example:
        >>> parse("def f(:") is None
        True
    """
    try:
        return syntax_tree(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
