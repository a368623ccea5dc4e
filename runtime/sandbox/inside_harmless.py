"""Whether running a test can leave a mark on the judge: decided from its source, on the safe side.

A harmless test computes and compares: it binds names of its own, calls the candidate, builtins and functions of a few
modules. Anything else (attribute assignment, other imports, `exec`, `global` state) makes the judge leave afterwards.
"""

from __future__ import annotations

import ast
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
    ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Subscript, ast.Slice, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.comprehension, ast.Lambda, ast.IfExp, ast.arguments, ast.arg, ast.Starred, ast.keyword,
    ast.JoinedStr, ast.FormattedValue, ast.For, ast.If, ast.While, ast.Return, ast.Pass, ast.Break, ast.Continue,
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Try, ast.ExceptHandler, ast.Raise, ast.NamedExpr,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.alias,
)  # fmt: skip


def is_harmless(trees: list[ast.Module | None], preamble: str) -> bool:
    """Whether the tests and the preamble leave the judge as it was."""
    found = list(trees)
    if preamble.strip():
        try:
            found.append(ast.parse(preamble))
        except (SyntaxError, ValueError):
            return False
    return all(tree is not None and _harmless(tree) for tree in found)


def _harmless(tree: ast.AST) -> bool:
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            if node.id in _DENIED or node.id.startswith("__"):
                return False
        elif isinstance(node, ast.Attribute):
            if node.attr.startswith("_") or not isinstance(node.ctx, ast.Load):
                return False
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if not all(n.partition(".")[0] in MODULES for n in names):
                return False
        elif isinstance(node, ast.FunctionDef):
            if node.decorator_list:
                return False
        elif not isinstance(node, _NODES):
            return False
        stack += ast.iter_child_nodes(node)
    return True
