"""Test source made countable: every assertion becomes a unit that tells what it got and what it wanted.

A unit is one top-level statement of a test (or of the body of its `check` function) that asserts something; where a
test asserts nothing, all it does is one unit. Meaning is kept: an assertion still raises, after it was noted.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import Any

_AT: Any = {"lineno": 1, "col_offset": 0, "end_lineno": 1, "end_col_offset": 0}
"""Where made nodes stand: nobody reads it, the compiler wants it."""
CHECK = "check"
RECORDER = "_gl"
_PASSIVE = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign,
    ast.AugAssign, ast.Pass, ast.Global, ast.Nonlocal, ast.Delete,
)  # fmt: skip
_SYMBOLS = {
    "Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=",
    "Is": "is", "IsNot": "is not", "In": "in", "NotIn": "not in",
}  # fmt: skip


@dataclass
class Script:
    """A test, rewritten.

    Attributes:
        tree: The rewritten module.
        units: The source of each unit.
        first: Number of the first unit.
        has_check: Whether it defines a `check` function.
    """

    tree: ast.Module
    first: int
    units: list[str] = field(default_factory=list[str])
    has_check: bool = False


def rewrite(text: str, tree: ast.Module, first: int, check_known: bool) -> Script:
    """Make the units of a test.

    Args:
        text: The source.
        tree: Its tree; it is changed.
        first: Number of the first unit.
        check_known: Whether some test defines `check`, so that calling it is no unit of its own.
    """
    script = Script(tree, first)
    body: list[ast.stmt] = []
    loose: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == CHECK and statement.args.args:
            script.has_check = True
            statement.body = [s for inner in statement.body for s in _unit_if_asserting(script, text, inner)]
            body.append(statement)
        elif _asserts(statement):
            body += _unit_if_asserting(script, text, statement)
        else:
            if not _is_passive(statement) and not (check_known and _calls_check(statement)):
                loose.append(statement)
            body.append(_Asserts().visit(statement))
    if loose and not script.units:
        number = first
        script.units.append(text.strip())
        tree.body = [_begin(number), *(_guard(number, [s])[1] if s in loose else s for s in body)]
    else:
        tree.body = body
    return script


def note_asserts(tree: ast.Module) -> None:
    """Let the assertions of a test module tell what they got, without making units of them."""
    body: list[ast.stmt] = []
    for statement in tree.body:
        found = _Asserts().visit(statement)
        body += found if isinstance(found, list) else [found]
    tree.body = body


def free_names(tests: list[tuple[ast.Module, set[str]]]) -> list[str]:
    """Global names that tests read and neither bind nor find among the builtins.

    Args:
        tests: Trees, each with the names that it reads.
    """
    bound: set[str] = set()
    read: set[str] = set()
    for tree, names in tests:
        read |= names
        for statement in tree.body:
            if not isinstance(statement, ast.Assert):
                bound |= _bindings(statement)
    return sorted(n for n in read - bound if not hasattr(builtins, n))


def symbol(op: ast.cmpop) -> str:
    """A comparison operator as source."""
    return _SYMBOLS[type(op).__name__]


def segment(text: str, node: ast.AST) -> str:
    """The source of a node."""
    place: Any = node
    if place.lineno == place.end_lineno == 1 and text.isascii():
        return text[place.col_offset : place.end_col_offset]
    return ast.get_source_segment(text, node) or ""


def _bindings(statement: ast.stmt) -> set[str]:
    found: set[str] = set()
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        stack += ast.iter_child_nodes(node)
    return found


def _asserts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assert):
        return True
    if isinstance(statement, _PASSIVE):
        return False
    return any(isinstance(n, ast.Assert) for n in ast.walk(statement))


def _is_passive(statement: ast.stmt) -> bool:
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    main = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
    return docstring or main or isinstance(statement, _PASSIVE)


def _calls_check(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    function = statement.value.func
    return isinstance(function, ast.Name) and function.id == CHECK


def _unit_if_asserting(script: Script, text: str, statement: ast.stmt) -> list[ast.stmt]:
    if not _asserts(statement):
        return [_Asserts().visit(statement)]
    number = script.first + len(script.units)
    script.units.append(segment(text, statement))
    rewritten = _noting(statement) if isinstance(statement, ast.Assert) else _Asserts().visit(statement)
    return list(_guard(number, rewritten if isinstance(rewritten, list) else [rewritten]))


def _call(method: str, *arguments: ast.expr) -> ast.stmt:
    function = ast.Attribute(_read(RECORDER), method, ast.Load(), **_AT)
    return ast.Expr(ast.Call(function, list(arguments), [], **_AT), **_AT)


def _read(name: str) -> ast.Name:
    return ast.Name(name, ast.Load(), **_AT)


def _constant(value: Any) -> ast.Constant:
    return ast.Constant(value, **_AT)


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store(), **_AT)], value, **_AT)


def _begin(number: int) -> ast.stmt:
    return _call("begin", _constant(number))


def _guard(number: int, body: list[ast.stmt]) -> tuple[ast.stmt, ast.stmt]:
    failed = _call("failed", _constant(number), _read("_gl_e"))
    handler = ast.ExceptHandler(_read("BaseException"), "_gl_e", [failed], **_AT)
    return _begin(number), ast.Try(body, [handler], [], [], **_AT)


class _Asserts(ast.NodeTransformer):
    """Replaces each `assert` by statements that note both sides before they raise."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        return _noting(node)


def _noting(node: ast.Assert) -> list[ast.stmt]:
    test = node.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = _read("_gl_l"), _read("_gl_r")
        first = [_assign("_gl_l", test.left), _assign("_gl_r", test.comparators[0])]
        holds: ast.expr = ast.Compare(left, test.ops, [right], **_AT)
        swap = isinstance(test.ops[0], ast.Eq) and not _has_call(test.left) and _has_call(test.comparators[0])
        sides = [right, left] if swap else [left, right]
        note = _call("note", *sides, _constant(symbol(test.ops[0])))
    else:
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        value = test.operand if isinstance(test, ast.UnaryOp) and negated else test
        first = [_assign("_gl_l", value)]
        name = _read("_gl_l")
        holds = ast.UnaryOp(ast.Not(), name, **_AT) if negated else name
        note = _call("note", name, _constant(not negated), _constant("=="))
    error = ast.Call(_read("AssertionError"), [node.msg] if node.msg else [], [], **_AT)
    failing: list[ast.stmt] = [note, ast.Raise(error, None, **_AT)]
    return [*first, ast.If(ast.UnaryOp(ast.Not(), holds, **_AT), failing, [], **_AT)]


def _has_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) or any(isinstance(n, ast.Call) for n in ast.walk(node))
