"""Whether a test's source can hand a candidate what came from the candidate, or from what was made of it.

Read off the text by names alone, whatever their scope, and in doubt it can: then a value that does not travel may be
the candidate's doing, and must not lead to the weaker mode. Asked only once such a value was met.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .inside_rewrite import CHECK

_DYNAMIC = frozenset("exec eval compile globals locals vars".split())
_ASKING = frozenset("isinstance issubclass print".split())
_SELF = ("self", "cls")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BARE = (ast.Name, ast.Attribute, ast.Subscript, ast.Starred)
_LOOPS = (ast.For, ast.AsyncFor)


def passes_back(texts: list[str], given: Iterable[str]) -> bool:
    """Whether an argument in a call of the candidate's may hold what the candidate gave before.

    Args:
        texts: The sources of all tests and of what they stand on.
        given: Names that the tests have from the candidate.

    Example:
        >>> passes_back(["assert f(1) == 2", "assert f([3]) == 4"], ["f"])
        False
        >>> passes_back(["x = f(1)", "y = [x]", "assert f(y) == 2"], ["f"])
        True
    """
    try:
        nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    except (SyntaxError, ValueError, RecursionError):
        return True
    if any(isinstance(n, ast.Name) and n.id in _DYNAMIC for n in nodes):
        return True
    flow = _Flow(nodes, set(given))
    flow.spread()
    return any(flow.is_handed_back(n) for n in nodes)


class _Flow:
    """The names, of variables and of attributes, whose value may come from the candidate."""

    def __init__(self, nodes: list[ast.AST], given: set[str]) -> None:
        self._nodes = nodes
        self._clean = {*sys.stdlib_module_names, "np", "pd"}
        self._functions: dict[str, list[ast.arguments]] = {}
        self._called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
        self.names = set(given)
        placed = {id(v) for n in nodes if isinstance(n, ast.Call) for v in _values(n)}
        fed = [
            lambda_.args for lambda_ in nodes if isinstance(lambda_, ast.Lambda) and id(lambda_) not in placed
        ]
        for node in nodes:
            self._note_import(node)
            if isinstance(node, _FUNCTIONS):
                self._functions.setdefault(node.name, []).append(node.args)
                if node.name == CHECK or (node.name.startswith("__") and node.name != "__init__"):
                    fed.append(node.args)
            elif isinstance(node, ast.ClassDef):
                made = [n.args for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
                self._functions.setdefault(node.name, []).extend(made)
        self._clean -= self.names | _stored(nodes)
        for arguments in fed:
            self._taint(_parameters(arguments))

    def _note_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for a in node.names:
                name = (a.asname or a.name).partition(".")[0]
                (self._clean if _is_installed(a.name) else self.names).add(name)
        elif isinstance(node, ast.ImportFrom):
            found = {a.asname or a.name for a in node.names}
            if _is_installed(node.module or ""):
                self._clean |= found
            else:
                self.names |= found

    def _taint(self, names: Iterable[str]) -> None:
        self.names |= {n for n in names if n not in self._clean and n not in _SELF}

    def holds(self, node: ast.AST) -> bool:
        """Whether an expression mentions what may come from the candidate."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in self.names:
                return True
            if isinstance(inner, ast.Attribute) and inner.attr in self.names:
                return True
        return False

    def spread(self) -> None:
        """Follow what comes from the candidate until nothing is new."""
        before = -1
        while len(self.names) != before:
            before = len(self.names)
            for node in self._nodes:
                self._follow(node)

    def _follow(self, node: Any) -> None:
        if isinstance(node, ast.Assign):
            if self.holds(node.value):
                self._taint(n for target in node.targets for n in _names(target))
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            if node.value is not None and self.holds(node.value):
                self._taint(_names(node.target))
        elif isinstance(node, (*_LOOPS, ast.comprehension)):
            if self.holds(node.iter):
                self._taint(_names(node.target))
                self._taint(_stored(getattr(node, "body", ())))
        elif isinstance(node, (ast.If, ast.While, ast.Match)):
            if self.holds(node.subject if isinstance(node, ast.Match) else node.test):
                self._taint(_stored([node]))
        elif isinstance(node, ast.withitem):
            if node.optional_vars is not None and (
                self.holds(node.context_expr) or "raises" in ast.unparse(node.context_expr).lower()
            ):
                self._taint(_names(node.optional_vars))
        elif isinstance(node, ast.ExceptHandler):
            self._taint([node.name] if node.name else [])
        elif isinstance(node, _FUNCTIONS):
            if any(v is not None and self.holds(v) for v in _results(node)):
                self._taint([node.name])
        elif isinstance(node, ast.Call):
            self._follow_call(node)
        elif isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in self._called:
            self._taint_parameters(_last(node))
        elif isinstance(node, ast.Lambda) and self.holds(node.body):
            self._taint(_parameters(node.args))

    def _follow_call(self, node: ast.Call) -> None:
        values = _values(node)
        plain = [v for v in values if not isinstance(v, ast.Lambda)]
        given = any(self.holds(v) for v in plain)
        if given or self.holds(node.func):
            for value in values:
                if isinstance(value, ast.Lambda):
                    self._taint(_parameters(value.args))
        callee = _last(node.func)
        if not given or self.holds(node.func) or _is_asking(callee):
            return
        self._taint_parameters(callee)
        if isinstance(node.func, ast.Name) and hasattr(builtins, callee) and callee != "setattr":
            return
        if isinstance(node.func, ast.Attribute):
            self._taint(_names(node.func.value))
        for value in plain:
            if isinstance(value, _BARE):
                self._taint(_names(value))

    def _taint_parameters(self, function: str) -> None:
        for arguments in self._functions.get(function, ()):
            self._taint(_parameters(arguments))

    def is_handed_back(self, node: Any) -> bool:
        """Whether the candidate may get here what it gave."""
        if isinstance(node, ast.Call):
            if _is_asking(_last(node.func)):
                return False
            held = [v for v in _values(node) if self.holds(v)]
            if self.holds(node.func):
                return bool(held)
            return len(held) > 1 and any(isinstance(v, _BARE) for v in held)
        pair: tuple[ast.AST, ast.AST] | None = None
        if isinstance(node, ast.BinOp):
            pair = (node.left, node.right)
        elif isinstance(node, ast.AugAssign):
            pair = (node.target, node.value)
        elif isinstance(node, ast.Subscript):
            pair = (node.value, node.slice)
        elif isinstance(node, ast.Compare) and not all(isinstance(o, (ast.Eq, ast.NotEq)) for o in node.ops):
            held = [s for s in (node.left, *node.comparators) if self.holds(s)]
            return len(held) > 1
        elif isinstance(node, ast.Assign):
            stored = [t for t in node.targets if isinstance(t, (ast.Attribute, ast.Subscript))]
            return self.holds(node.value) and any(self.holds(t.value) for t in stored)
        return pair is not None and self.holds(pair[0]) and self.holds(pair[1])


def _is_installed(module: str) -> bool:
    """Whether an import is no name under which the tests have the candidate."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    try:
        found = importlib.util.find_spec(top) if top else None
    except ValueError:
        return False
    return found is not None and found.origin is not None


def _is_asking(callee: str) -> bool:
    """Whether a function calls nothing that it is given, and only says what it thinks of it."""
    asking = callee in _ASKING or callee.startswith(("assert", "fail"))
    return asking and not any(word in callee.lower() for word in ("raises", "warns"))


def _values(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _names(target: ast.AST) -> set[str]:
    """What is bound or changed by storing into a target: its names and attributes."""
    found: set[str] = set()
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


def _stored(body: Iterable[ast.AST]) -> set[str]:
    """All that is bound in a piece of source, but by imports."""
    found: set[str] = set()
    for node in (n for statement in body for n in ast.walk(statement)):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar, ast.ExceptHandler)):
            found.add(node.name or "")
        elif isinstance(node, ast.MatchMapping):
            found.add(node.rest or "")
    return found


def _parameters(arguments: ast.arguments) -> set[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {a.arg for a in [*every, *filter(None, (arguments.vararg, arguments.kwarg))]}


def _results(function: ast.AST) -> Iterator[ast.expr | None]:
    for node in ast.walk(function):
        if isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)):
            yield node.value
