"""Continuations as programs that can be run, and the calls of visible tests that they are run on."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.judge import run_candidate
from ..runtime.parsing import parse
from ..runtime.problem import Problem
from ..runtime.run import Session
from .code_text import with_imports

MOST_CALLS = 5
"""Calls that a candidate is run on, at most."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A visible test's call without the value that it should give.

    Attributes:
        call: Source of the call.
        setup: Statements of the test that come ahead of it.
    """

    call: str
    setup: str = ""

    @property
    def test(self) -> str:
        """A test that makes the call and holds whatever comes back."""
        return "\n".join(part for part in (self.setup, f"assert [{self.call}]") if part)


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and what running it showed.

    Attributes:
        code: Its source in normal form; lines of traces are its lines.
        runs: For each call its execution with a trace; empty where the signal needs none.
        verdict: Its execution on the visible tests themselves; None where the signal needs none.
    """

    code: str
    runs: tuple[tuple[str, Execution], ...] = ()
    verdict: Execution | None = None


def executable(code: str, entry_point: str) -> str | None:
    """The longest beginning of a program that parses, in normal form: no comments, no docstrings.

    While it does not parse, `pass` is put at the indent of its last line (one further in behind a colon); where that
    does not help the last line is dropped.

    Returns:
        Source that defines the entry point; None where nothing is left.

    Example:
        >>> print(executable("def f(x):\\n    # halve\\n    if x > 2:", "f"))
        def f(x):
            if x > 2:
                pass
    """
    lines = code.rstrip().split("\n")
    while lines:
        tree = _parsed(lines)
        if tree is not None:
            stripped = _without_docstrings(tree)
            defined = any(_is_function(n, entry_point) for n in stripped.body)
            return ast.unparse(stripped) if defined else None
        lines.pop()
        while lines and not lines[-1].strip():
            lines.pop()
    return None


def unique(programs: Sequence[str | None]) -> list[str]:
    """Those that there are, without repeats, in order."""
    return list(dict.fromkeys(p for p in programs if p))


def probes(tests: Sequence[str], entry_point: str) -> tuple[Probe, ...]:
    """The calls of the entry point in tests, one for each assertion or doctest example that has one.

    Example:
        >>> probes(["assert f([1], 2) == 3"], "f")
        (Probe(call='f([1], 2)', setup=''),)
    """
    found: dict[Probe, None] = {}
    for test in tests:
        source = _doctest_calls(test) if ">>>" in test else test
        tree = parse(source)
        if tree is not None:
            found.update((probe, None) for probe in _of_body(tree.body, entry_point, entry_point))
    return tuple(found)[:MOST_CALLS]


def trials(
    session: Session,
    problem: Problem,
    programs: Sequence[str],
    calls: Sequence[Probe],
    limits: Limits,
    *,
    verdicts: bool,
) -> tuple[Trial, ...]:
    """Run each program: on every call, or (`verdicts`) on the visible tests themselves. What was run is stored.

    Raises:
        SandboxError: The sandbox itself failed.
    """

    def candidate(code: str) -> Candidate:
        imports = with_imports(code).removesuffix(code)
        preamble = "\n".join(part for part in (problem.preamble, imports) if part)
        return Candidate(code=code, entry_point=problem.entry_point, preamble=preamble)

    def run(code: str, test: str) -> Execution:
        return run_candidate(session, candidate(code), [test], limits, trace=True)

    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="greenloop-trials") as pool:
        if verdicts:
            tests = problem.steering_tests
            judged = [
                pool.submit(copy_context().run, run_candidate, session, candidate(p), tests, limits)
                for p in programs
            ]
            return tuple(Trial(p, verdict=f.result()) for p, f in zip(programs, judged, strict=True))
        asked = [[pool.submit(copy_context().run, run, p, c.test) for c in calls] for p in programs]
        return tuple(
            Trial(p, tuple((c.call, f.result()) for c, f in zip(calls, futures, strict=True)))
            for p, futures in zip(programs, asked, strict=True)
        )


def _parsed(lines: list[str]) -> ast.Module | None:
    tree = parse("\n".join(lines))
    if tree is not None:
        return tree
    last = lines[-1]
    indent = last[: len(last) - len(last.lstrip())]
    further = indent + "    " if last.split("#")[0].rstrip().endswith(":") else indent
    return parse("\n".join([*lines, f"{further}pass"]))


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return tree


def _of_body(body: Sequence[ast.stmt], name: str, entry_point: str) -> list[Probe]:
    """Calls of `name` in a test's statements, written as calls of the entry point."""
    setup: list[str] = []
    found: list[Probe] = []
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "check" and node.args.args:
            found += _of_body(node.body, node.args.args[0].arg, entry_point)
            continue
        call = _call(node, name, entry_point) if isinstance(node, ast.Assert | ast.Expr) else None
        if call is not None:
            found.append(Probe(call, "\n".join(setup)))
        elif not isinstance(node, ast.Assert | ast.Expr):
            setup.append(ast.unparse(node))
    return found


def _call(node: ast.stmt, name: str, entry_point: str) -> str | None:
    """The first call of `name` in a statement; not one inside a lambda or a comprehension, whose names are unbound."""
    queue: list[ast.AST] = [node]
    while queue:
        here = queue.pop(0)
        if (
            isinstance(here, ast.Call)
            and isinstance(here.func, ast.Name)
            and here.func.id in (name, "candidate")
        ):
            called = ast.Call(ast.Name(entry_point, ast.Load()), here.args, here.keywords)
            return ast.unparse(ast.fix_missing_locations(ast.Expression(called)))
        if not isinstance(here, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            queue.extend(ast.iter_child_nodes(here))
    return None


def _doctest_calls(test: str) -> str:
    """The statements of a doctest's examples, as source."""
    kept: list[str] = []
    for line in test.splitlines():
        bare = line.strip()
        if bare.startswith((">>> ", "... ")):
            kept.append(bare[4:])
    return "\n".join(kept)
