"""Leaving out what stands around a function: a broken end, example calls, prints and asserts that models add."""

from __future__ import annotations

import ast

from ..runtime.parsing import parse
from .bindings import bound, free, is_definition, loaded
from .set_up import SetUp


def definitions_only(code: str, entry_point: str) -> str:
    """The code without top-level statements that its definitions don't need.

    Small models like to end an answer with example calls, a `main()` that reads input, or asserts of their own
    making that are wrong. The tests decide, so these are left out: kept are imports, every function and class,
    statements that bind or change names which a definition reads, and what sets up the function (see `SetUp`).

    Args:
        code: Source that holds more than the function, perhaps.
        entry_point: The function that is wanted; without it, or where the code does not define it at its top
            level, the code is returned as it is.

    Example:
        >>> definitions_only("def f():\\n    return 1\\n\\nprint(f())", "f")
        'def f():\\n    return 1'
    """
    tree = parse(code)
    if tree is None or not any(is_definition(node) and entry_point in bound(node) for node in tree.body):
        return code
    needed: set[str] = set()
    for node in tree.body:
        if is_definition(node):
            needed |= free(node)
    around = SetUp(tree, entry_point)
    kept: set[int] = set()
    changed = True
    while changed:
        changed = False
        for i, node in enumerate(tree.body):
            if i not in kept and (
                _always_kept(node)
                or i in around.statements
                or bound(node) & needed
                or around.changes(node) & needed
            ):
                kept.add(i)
                needed |= free(node) if is_definition(node) else loaded(node)
                changed = True
    if len(kept) == len(tree.body):
        return code
    lines = code.splitlines()
    drop: set[int] = set()
    for i, node in enumerate(tree.body):
        if i not in kept:
            drop.update(range(node.lineno - 1, node.end_lineno or node.lineno))
    for i, node in enumerate(tree.body):
        if i in kept:
            drop -= set(range(_first_line(node) - 1, node.end_lineno or node.lineno))
    return "\n".join(line for i, line in enumerate(lines) if i not in drop).rstrip()


def complete_part(code: str, entry_point: str) -> str:
    """The code without a broken end: what comes after the wanted function and does not compile.

    An answer that is cut at its token limit, or that goes on with a second, broken function, still holds the first
    one whole. The cut is made between top-level statements only, so no function is shortened.

    Args:
        code: Source that need not compile.
        entry_point: The function that must be whole in what is kept.

    Returns:
        The longest such part; the code as it is where it compiles or there is none.

    Example:
        >>> complete_part("def f():\\n    return 1\\n\\ndef g(:\\n", "f")
        'def f():\\n    return 1'
    """
    if parse(code) is not None:
        return code
    lines = code.splitlines()
    starts = [i for i, line in enumerate(lines) if line and not line[0].isspace() and line[0] not in ")]}"]
    for start in reversed(starts):
        part = "\n".join(lines[:start]).rstrip()
        tree = parse(part)
        if tree is not None and any(_has_body(node, entry_point) for node in tree.body):
            return part
    return code


def _has_body(node: ast.stmt, name: str) -> bool:
    """A function or class of this name that holds more than a docstring."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name != name:
        return False
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return len(node.body) > 1 or not is_docstring


def _always_kept(node: ast.stmt) -> bool:
    return is_definition(node) or isinstance(node, ast.Import | ast.ImportFrom)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])
