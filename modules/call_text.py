"""Calls with literal arguments, and tests of one call, as a model writes them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..runtime.parsing import parse

_MOST_CHARS = 400
_BAD_LITERAL = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)


@dataclass(frozen=True, slots=True)
class CallTest:
    """One call and what it should return.

    Attributes:
        call: Source of the call in normal form.
        expected: `repr` of the value.
    """

    call: str
    expected: str

    @property
    def source(self) -> str:
        """The test as an assertion."""
        return f"assert {self.call} == {self.expected}"


def call_tests(text: str, entry_point: str) -> list[CallTest]:
    """The tests of the form ``assert NAME(literals) == literal`` in a text, in order, without repeats.

    Everything else in it (prose, fences, other tests) is passed over.

    Example:
        >>> call_tests("- `assert f( 1 ) == 2`, as said", "f")[0].source
        'assert f(1) == 2'
    """
    found: dict[CallTest, None] = {}
    for line in text.splitlines():
        start = line.find("assert ")
        node = _statement(line[start:]) if start >= 0 else None
        if not isinstance(node, ast.Assert) or not isinstance(node.test, ast.Compare):
            continue
        test = node.test
        if len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
            continue
        call = _call(test.left, entry_point)
        if call is None:
            continue
        try:
            found[CallTest(call, repr(ast.literal_eval(test.comparators[0])))] = None
        except _BAD_LITERAL:
            continue
    return list(found)


def calls(text: str, entry_point: str) -> list[str]:
    """The calls of the function with literal arguments in a text, one a line, in normal form, without repeats.

    Example:
        >>> calls("1. f([1,2])", "f")
        ['f([1, 2])']
    """
    found: dict[str, None] = {}
    for line in text.splitlines():
        start = line.find(f"{entry_point}(")
        node = _statement(line[start:]) if start >= 0 else None
        if isinstance(node, ast.Expr):
            left = node.value.left if isinstance(node.value, ast.Compare) else node.value
            call = _call(left, entry_point)
            if call is not None:
                found[call] = None
    return list(found)


def varied(call_sources: Sequence[str], most: int) -> list[str]:
    """Calls like the given ones with one argument changed by its type: what to compare programs on.

    Args:
        call_sources: Calls in normal form.
        most: Most calls to give back.

    Returns:
        Calls that are none of the given ones, taken in turn from each of them.

    Example:
        >>> varied(["f(2, 'ab')"], 3)
        ["f(3, 'ab')", "f(-2, 'ab')", "f(0, 'ab')"]
    """
    columns: list[list[str]] = []
    for source in call_sources:
        tree = parse(source)
        statement = tree.body[0] if tree is not None and tree.body else None
        node = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(node, ast.Call) or node.keywords:
            continue
        name = ast.unparse(node.func)
        values = [ast.literal_eval(argument) for argument in node.args]
        columns.append(
            [
                f"{name}({', '.join(map(repr, [*values[:i], other, *values[i + 1 :]]))})"
                for i, value in enumerate(values)
                for other in _others(value)
            ]
        )
    found: dict[str, None] = {}
    for row in range(max(map(len, columns), default=0)):
        found.update((column[row], None) for column in columns if row < len(column))
    return [call for call in found if call not in call_sources][:most]


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, -value, 0, value * 10]
    if isinstance(value, str):
        return [value[::-1], "", value + value[:1], value.swapcase()]
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [items[::-1], items[:0], items + items, items[1:]]
    return []


def _statement(text: str) -> ast.stmt | None:
    """The statement that a line begins with: the longest part of it that compiles."""
    text = text[:_MOST_CHARS].strip().rstrip("`").strip()
    ends = [len(text), *(i for i in range(len(text) - 1, 0, -1) if _may_end(text, i))]
    for end in ends:
        tree = parse(text[:end])
        if tree is not None and len(tree.body) == 1:
            return tree.body[0]
    return None


def _may_end(text: str, position: int) -> bool:
    """Whether a statement may end ahead of this character; a point inside a number is none of its ends."""
    return text[position] in "`#,;" or (
        text[position] == "." and not text[position + 1 : position + 2].isdigit()
    )


def _call(node: ast.expr, entry_point: str) -> str | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != entry_point:
        return None
    try:
        for argument in [*node.args, *(k.value for k in node.keywords)]:
            ast.literal_eval(argument)
    except _BAD_LITERAL:
        return None
    return ast.unparse(node)
