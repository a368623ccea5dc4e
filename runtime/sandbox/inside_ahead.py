"""Calls that are known before the first one is made, so that they can be asked for in one go, not one by one.

Only what is certain counts: assertions in a row, each with one call of the candidate, whose arguments are literals.
The candidate still answers call by call, and the answers are taken up in the order in which the tests make the calls.
It learns no more than from one call after the other: arguments, never an expected value.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from .inside_plain import NOT_LITERAL, Plain, arguments
from .inside_rewrite import CHECK

Call = tuple[list[Any], dict[str, Any]]
"""Positional arguments and keyword arguments."""
_PURE = frozenset(
    "abs all any bool dict float frozenset int len list max min round set sorted str sum tuple".split()
)
_QUIET = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Name, ast.Load,
    ast.unaryop, ast.operator, ast.cmpop, ast.Subscript, ast.Slice,
)  # fmt: skip


class _Unknown(Exception):
    """From here on nothing is certain."""


def known_calls(
    tests: list[tuple[ast.Module, Plain | None]], checks: bool, entry: str, taken: set[str]
) -> list[Call]:
    """The calls of the candidate at the beginning of the tests, in order.

    Args:
        tests: The trees as they were written, and what of them was read off already.
        checks: Whether a test's `check` is called after it.
        entry: The candidate's name.
        taken: Names that mean something of the task's own.

    Example:
        >>> known_calls([(ast.parse("assert f(1, [2]) == 3\\nassert f(g(1)) == 2"), None)], False, "f", set())
        [([1, [2]], {})]
    """
    found: list[Call] = []
    if not entry or entry in taken:
        return found
    pure = _PURE - taken - {entry}
    try:
        for tree, plain in tests:
            if plain is not None:
                found.append((plain.a, plain.k))
                continue
            for call in _of_test(tree, checks, entry, pure):
                found.append(call)
    except _Unknown:
        pass
    return found


def _of_test(tree: ast.Module, checks: bool, entry: str, pure: frozenset[str]) -> Iterator[Call]:
    check: ast.FunctionDef | None = None
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == CHECK and _takes_one(statement):
            check = statement
        elif check is not None and _calls(statement, entry):
            yield from _of_check(check, pure)
        else:
            yield from _of_statement(statement, entry, pure)
    if checks and check is not None:
        yield from _of_check(check, pure)


def _of_check(check: ast.FunctionDef, pure: frozenset[str]) -> Iterator[Call]:
    for statement in check.body:
        yield from _of_statement(statement, check.args.args[0].arg, pure - {check.args.args[0].arg})


def _takes_one(function: ast.FunctionDef) -> bool:
    a = function.args
    others = [*a.posonlyargs, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    return len(a.args) == 1 and not others and not function.decorator_list


def _calls(statement: ast.stmt, entry: str) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    call = statement.value
    return (
        isinstance(call.func, ast.Name)
        and call.func.id == CHECK
        and not call.keywords
        and [getattr(a, "id", "") for a in call.args] == [entry]
    )


def _of_statement(statement: ast.stmt, name: str, pure: frozenset[str]) -> Iterator[Call]:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return
    if isinstance(statement, ast.Assign) and _is_literal(statement.value):
        names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
        if len(names) == len(statement.targets) and not {name, CHECK, *pure} & set(names):
            return
    if not isinstance(statement, ast.Assert) or not isinstance(statement.msg, (ast.Constant, type(None))):
        raise _Unknown
    calls: list[ast.Call] = []
    _collect(statement.test, name, pure, calls)
    if len(calls) > 1:
        raise _Unknown
    for call in calls:
        try:
            yield arguments(call)
        except NOT_LITERAL:
            raise _Unknown from None


def _collect(node: ast.AST, name: str, pure: frozenset[str], calls: list[ast.Call]) -> None:
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name):
            raise _Unknown
        if node.func.id == name:
            calls.append(node)
            return
        if node.func.id not in pure or node.keywords:
            raise _Unknown
        for argument in node.args:
            _collect(argument, name, pure, calls)
        return
    if not isinstance(node, _QUIET) or (isinstance(node, ast.Name) and node.id == name):
        raise _Unknown
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        raise _Unknown
    for inner in ast.iter_child_nodes(node):
        _collect(inner, name, pure, calls)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except NOT_LITERAL:
        return False
    return True
