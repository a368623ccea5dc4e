"""Whether tests need the mode "together": they are run with nobody behind the candidate's names.

Every call is made up to the point where its arguments would be sent, and is never answered. So what is found out holds
whatever a candidate would have answered: no answer is in the run that decides. What a test does after it has looked
at an answer is not reached, and leads nowhere. Asked only once a value of the tests did not travel.
"""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from .inside_ahead import Call
from .inside_ends import CannotTravel
from .inside_peer import Peer
from .inside_proxies import RemoteClass, RemoteFunction
from .inside_wire import FrameTooLarge, pack

UNANSWERED = "_gl_unanswered"
"""The name of the exception in guarded tests."""
MOST_CALLS = 10_000
"""A test may wait in a loop for what no call brings."""


class Unanswered(BaseException):
    """A call was made, and nobody answers; a `BaseException`, so that a test's `except` lets it through."""


class _Function(RemoteFunction):
    """A name: even whether it is there, and true, would be an answer."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "pytest")):  # a test runner looks for marks
            raise AttributeError(name)
        raise Unanswered

    def __bool__(self) -> bool:
        raise Unanswered

    def __eq__(self, other: object) -> bool:
        raise Unanswered

    def __hash__(self) -> int:
        raise Unanswered


class _Class(_Function, RemoteClass):
    """A name as classes have it."""


class Nobody(Peer):
    """Stands for every name that the tests have from a candidate; it takes arguments, and answers nothing."""

    _asked = 0

    def load(self, fields: dict[str, Any], wanted: list[str], known: list[Call]) -> dict[str, Any]:
        """All the wanted names."""
        return self.names(wanted)

    def names(self, wanted: list[str]) -> dict[str, Any]:
        """All the wanted names: classes where they are written as classes are."""
        return {n: (_Class if n[:1].isupper() else _Function)(self, 0, n) for n in wanted}

    def _exchange(self, *requests: dict[str, Any]) -> NoReturn:
        """Look whether the requests would travel.

        Raises:
            CannotTravel: One of them would not.
            Unanswered: They would.
        """
        self._asked += 1
        try:
            for request in requests:
                pack(request)
        except FrameTooLarge as error:
            raise CannotTravel(f"a value of {error}", by_test=True) from None
        if self._asked > MOST_CALLS:
            raise CannotTravel("a test waits for an answer", by_test=False)
        raise Unanswered


def guard(tree: ast.AST) -> None:
    """Let a test go on behind a statement whose calls are not answered; what the statement binds is unbound then."""
    _Guard().visit(tree)


class _Guard(ast.NodeTransformer):
    """Puts each statement that can be left out into a `try`."""

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.stmt):
            return self.generic_visit(node)
        bound = _bound(node)
        if bound is None:
            return self.generic_visit(node)
        forget: list[ast.stmt] = [
            _leave_out(ast.Delete([ast.Name(n, ast.Del())]), "NameError") for n in bound
        ]
        return _leave_out(node, UNANSWERED, forget)


def _bound(node: ast.stmt) -> set[str] | None:
    """The names that a statement binds; None where it may change more than them, or is no simple one."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    elif not isinstance(node, (ast.Expr, ast.Assert)) or _is_text(node):
        return None
    if any(isinstance(n, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)) for n in ast.walk(node)):
        return None
    inner = [n for t in targets for n in ast.walk(t)]
    if any(isinstance(n, (ast.Attribute, ast.Subscript)) for n in inner):
        return None
    return {n.id for n in inner if isinstance(n, ast.Name)}


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _leave_out(node: ast.stmt, error: str, then: list[ast.stmt] | None = None) -> ast.stmt:
    handler = ast.ExceptHandler(ast.Name(error, ast.Load()), None, then or [ast.Pass()])
    return ast.fix_missing_locations(ast.copy_location(ast.Try([node], [handler], [], []), node))
