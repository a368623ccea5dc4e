"""The forms in which people write tests, told apart by their source."""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .inside_plain import Plain, plain
from .inside_rewrite import CHECK
from .inside_survey import Survey, survey

PROGRAM = "run_program"
PATCHES = ("patch", "patch.object", "patch.dict", "patch.multiple", "monkeypatch.setattr")
"""What changes names of a module, as it is called."""


@dataclass
class Test:
    """One test's source and its form: "script", "doctest", "module" (unittest or plain functions) or "pytest".

    A script that is one plain equation has it in `plain`. Functions that a module calls itself are in `called`.
    """

    text: str
    form: str
    tree: ast.Module | None = None
    survey: Survey = field(default_factory=Survey)
    plain: Plain | None = None
    called: frozenset[str] = frozenset()

    @property
    def captures(self) -> bool:
        """Whether it looks at what the candidate prints."""
        return (
            self.form in ("doctest", "pytest") or "redirect_stdout" in self.text or "sys.stdout" in self.text
        )


@dataclass
class Prepared:
    """All tests of a job.

    Attributes:
        tests: The tests.
        loads: Whether the code is to be loaded ahead of them; not where it only runs as a whole program.
        needs_together: Why they cannot be judged apart; empty where they can.
    """

    tests: list[Test]
    loads: bool
    needs_together: str = ""


def prepare(tests: list[str], entry: str, preamble: str = "") -> Prepared:
    """Parse the tests and tell their forms.

    Args:
        tests: Their sources.
        entry: The entry point.
        preamble: The task's own code, of whose imports the tests make use.

    Raises:
        SyntaxError: If one is neither Python nor a doctest.
    """
    prepared = Prepared([_form(t, entry) for t in tests], True)
    texts = [t.text for t in prepared.tests]
    if not entry and texts and all(PROGRAM in t for t in texts):
        prepared.loads = False
    for test in prepared.tests:
        why = _together(test, entry, preamble)
        if why:
            prepared.needs_together = why
    return prepared


def _form(text: str, entry: str) -> Test:
    text = (
        inspect.cleandoc(text)
        if text.lstrip(" \t\n").startswith((">>>", '"""')) and text[:1] in " \t"
        else text
    )
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        if ">>>" in text:
            return Test(text, "doctest")
        if isinstance(error, SyntaxError):
            raise
        raise SyntaxError(str(error)) from None
    equation = plain(tree, entry)
    if equation is not None:
        return Test(text, "script", tree, Survey({entry}), equation)
    if _only_docstring(tree) and ">>>" in text:
        return Test(ast.get_docstring(tree) or "", "doctest")
    found = survey(tree)
    imports = {name.partition(".")[0] for name in found.imports}
    called = _called(tree)
    found_tests = _all_tests(tree, called)
    if "pytest" in imports or any(_needs_fixture(f) for f in found_tests):
        return Test(text, "pytest", tree, found)
    if found_tests or cases(tree):
        return Test(text, "module", tree, found, called=called)
    return Test(text, "script", tree, found)


def _called(tree: ast.Module) -> frozenset[str]:
    """Functions that a test calls at its top level, what it does as a main program aside."""
    if not _all_tests(tree):
        return frozenset()
    apart = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If)
    nodes = [n for s in tree.body if not isinstance(s, apart) for n in ast.walk(s)]
    return frozenset(n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))


def _only_docstring(tree: ast.Module) -> bool:
    return len(tree.body) == 1 and ast.get_docstring(tree) is not None


def cases(tree: ast.Module) -> list[ast.ClassDef]:
    """The `unittest` cases of a module."""
    found: list[ast.ClassDef] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any("TestCase" in ast.unparse(b) for b in node.bases):
            found.append(node)
    return found


Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


def functions(body: Sequence[ast.stmt]) -> list[Function]:
    """The test functions in the body of a module or of a class, named as pytest and unittest find them."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [n for n in body if isinstance(n, kinds) and n.name.startswith("test")]


def _all_tests(tree: ast.Module, called: frozenset[str] = frozenset()) -> list[Function]:
    found = [f for f in functions(tree.body) if f.name not in called]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not node.bases:
            found += functions(node.body)
    return found


def _needs_fixture(function: Function) -> bool:
    names = [a.arg for a in function.args.args]
    required = len(names) - len(function.args.defaults)
    return bool(function.decorator_list) or any(n != "self" for n in names[:required])


def _together(test: Test, entry: str, preamble: str) -> str:
    if test.tree is None or not (test.survey.classes or "patch" in test.text):
        return ""
    imported = _imported(test.tree)
    known = {n.name for n in ast.walk(test.tree) if isinstance(n, ast.ClassDef)} | imported
    if test.survey.classes and preamble:
        with contextlib.suppress(SyntaxError, ValueError):
            known |= _imported(ast.parse(preamble))
    for node in ast.walk(test.tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                name = base.id if isinstance(base, ast.Name) else ""
                if name and name not in known and not hasattr(builtins, name):
                    return f"a test derives from the candidate's class {name}"
        if isinstance(node, ast.Call) and "patch" in test.text:
            called = ast.unparse(node.func)
            own = called == entry and entry not in imported
            if not own and f".{called}".endswith(tuple(f".{name}" for name in PATCHES)):
                return "a test patches names in the candidate"
    return ""


def _imported(tree: ast.Module) -> set[str]:
    """Names that imports bind."""
    return {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }


def count(test: Test) -> int:
    """Units of a doctest or a module, which are made when it runs."""
    if test.form == "doctest":
        import doctest

        examples = doctest.DocTestParser().get_examples(test.text)
        return sum(bool(e.want) or e.exc_msg is not None for e in examples)
    if test.form != "module" or test.tree is None:
        return 0
    return len(_all_tests(test.tree, test.called)) + sum(
        len(functions(case.body)) for case in cases(test.tree)
    )


def defines_check(tree: ast.Module | None) -> bool:
    """Whether a test defines a function `check` with an argument."""
    if tree is None:
        return False
    return any(isinstance(n, ast.FunctionDef) and n.name == CHECK and n.args.args for n in tree.body)


def calls_check(text: str) -> bool:
    """Whether a test calls `check` at its top level."""
    return any(line.startswith(f"{CHECK}(") for line in text.split("\n"))


def normal_output(text: str) -> str:
    """Output as it is compared: no white space at the ends of lines, none at the end."""
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n"))
