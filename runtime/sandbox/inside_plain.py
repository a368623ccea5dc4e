"""The commonest test there is, ``assert f(1, [2]) == 3``, read off its tree: it needs no rewriting and no compiling."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

NOT_LITERAL = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)
"""What `ast.literal_eval` raises for what is none."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An equation between one call of the candidate with literals and a literal.

    Attributes:
        statement: The assertion.
        a: Positional arguments.
        k: Keyword arguments.
        expected: The other side.
        reverse: Whether that stands on the left.
    """

    statement: ast.Assert
    a: list[Any]
    k: dict[str, Any]
    expected: Any
    reverse: bool


def plain(tree: ast.Module, entry: str) -> Plain | None:
    """The equation that is all of a test; None where a test is anything else.

    Example:
        >>> found = plain(ast.parse("assert f(1, [2]) == 3"), "f")
        >>> (found.a, found.expected)
        ([1, [2]], 3)
    """
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Assert):
        return None
    statement = tree.body[0]
    test = statement.test
    if statement.msg is not None or not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    if not isinstance(test.ops[0], ast.Eq):
        return None
    left, right = test.left, test.comparators[0]
    reverse = not _is_call(left, entry)
    call, other = (right, left) if reverse else (left, right)
    if not isinstance(call, ast.Call) or not _is_call(call, entry):
        return None
    try:
        a, k = arguments(call)
        return Plain(statement, a, k, ast.literal_eval(other), reverse)
    except NOT_LITERAL:
        return None


def arguments(call: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call with literals.

    Raises:
        ValueError: If one is no literal, or any other of `NOT_LITERAL`.
    """
    named = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
    if len(named) != len(call.keywords):
        raise ValueError("keywords from a mapping")
    return [ast.literal_eval(argument) for argument in call.args], named


def _is_call(node: ast.expr, entry: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry
