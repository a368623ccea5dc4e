"""What a test's source tells ahead: the names it reads, what it imports, whether it can leave a mark on the judge.

A harmless test computes and compares: it binds names of its own, calls the candidate, builtins and functions of a few
modules. Anything else (attribute assignment, other imports, `exec`, `global` state) makes the judge leave afterwards.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

MODULES = frozenset(
    "math cmath itertools collections functools operator string re typing heapq bisect fractions statistics copy "
    "datetime dataclasses abc enum __future__".split()
)
_DENIED = frozenset(
    "exec eval compile setattr delattr getattr globals locals vars open input breakpoint help print exit quit sys os "
    "builtins type super".split()
)
_NODES: tuple[Any, ...] = (
    ast.Module, ast.Assert, ast.Expr, ast.Expression, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Call,
    ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Subscript, ast.Slice, ast.ListComp, ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp, ast.comprehension, ast.Lambda, ast.IfExp, ast.arguments, ast.arg, ast.Starred, ast.keyword,
    ast.JoinedStr, ast.FormattedValue, ast.For, ast.If, ast.While, ast.Return, ast.Pass, ast.Break, ast.Continue,
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Try, ast.ExceptHandler, ast.Raise, ast.NamedExpr,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.alias,
)  # fmt: skip


@dataclass
class Survey:
    """What one walk through a test's tree finds.

    Attributes:
        reads: Names that are read, in no order.
        imports: Modules that are imported, as written.
        classes: Whether it defines classes.
        harmless: Whether running it leaves no mark.
    """

    reads: set[str] = field(default_factory=set[str])
    imports: set[str] = field(default_factory=set[str])
    classes: bool = False
    harmless: bool = True


def survey(tree: ast.AST) -> Survey:
    """Walk through a tree once."""
    found = Survey()
    stack: list[Any] = [tree]
    while stack:
        node: Any = stack.pop()
        kind = type(node)
        if kind is ast.Name:
            name = node.id
            if type(node.ctx) is ast.Load:
                found.reads.add(name)
            if name in _DENIED or name.startswith("__"):
                found.harmless = False
            continue
        if kind is ast.Constant:
            continue
        _look(kind, node, found)
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                stack.append(value)
            elif type(value) is list:
                stack += [item for item in value if isinstance(item, ast.AST)]
    return found


def _look(kind: type, node: Any, found: Survey) -> None:
    if kind is ast.Attribute:
        if node.attr.startswith("_") or type(node.ctx) is not ast.Load:
            found.harmless = False
    elif kind is ast.Import or kind is ast.ImportFrom:
        names = {a.name for a in node.names} if kind is ast.Import else {node.module or ""}
        found.imports |= names
        if not all(n.partition(".")[0] in MODULES for n in names):
            found.harmless = False
    elif kind is ast.FunctionDef:
        if node.decorator_list:
            found.harmless = False
    elif kind is ast.ClassDef:
        found.classes, found.harmless = True, False
    elif not issubclass(kind, _NODES):
        found.harmless = False


def is_harmless(preamble: str) -> bool:
    """Whether running a preamble leaves the judge as it was."""
    if not preamble.strip():
        return True
    try:
        return survey(ast.parse(preamble)).harmless
    except (SyntaxError, ValueError):
        return False
